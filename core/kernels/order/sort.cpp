#include "normgrad/core/kernels/order/sort.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <limits>
#include <type_traits>
#include <utility>

#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/kernels/memory/scratch.hpp"

namespace normgrad::kernels {

namespace {

template <class T>
using SortKey = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;

// An unsigned number for each element that orders as the elements do.
template <class T>
SortKey<T> sort_key(T x) {
  using Key = SortKey<T>;
  if constexpr (std::is_same_v<T, bool>) {
    return x ? 1U : 0U;
  } else {
    constexpr Key kSign = Key{1} << (8 * sizeof(Key) - 1);
    if constexpr (std::is_same_v<T, std::int64_t>) {
      return static_cast<Key>(x) ^ kSign;
    } else {
      if (x != x) {
        return ~Key{0};
      }
      const Key bits = std::bit_cast<Key>(x + T(0));  // -0 + 0 is 0
      return (bits & kSign) != 0 ? ~bits : bits | kSign;
    }
  }
}

template <class Key, class Position>
struct SortEntry {
  Key key;
  Position position;

  friend bool operator<(const SortEntry& a, const SortEntry& b) {
    return a.key < b.key || (a.key == b.key && a.position < b.position);
  }
};

constexpr std::int64_t kMaxRanked = 128;

// Sorts few entries of 4-byte keys by counting the smaller keys of each, several at a time and without branches.
template <class Position>
void sort_by_rank(SortEntry<std::uint32_t, Position>* entries, SortEntry<std::uint32_t, Position>* other,
                  std::int64_t n) {
  constexpr std::int64_t kStep = 16;
  std::array<std::int32_t, kMaxRanked> keys;
  std::array<std::uint8_t, kMaxRanked> seen{};  // entries of equal key
  for (std::int64_t i = 0; i < n; ++i) {
    keys[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(entries[i].key ^ 0x80000000U);
  }
  const std::int64_t padded = (n + kStep - 1) / kStep * kStep;
  std::fill(keys.begin() + n, keys.begin() + padded, std::numeric_limits<std::int32_t>::max());
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int32_t own = keys[static_cast<std::size_t>(i)];
    std::int32_t smaller = 0;
    for (std::int64_t block = 0; block < padded; block += kStep) {
      for (std::int64_t j = 0; j < kStep; ++j) {
        smaller += keys[static_cast<std::size_t>(block + j)] < own ? 1 : 0;
      }
    }
    other[smaller + seen[static_cast<std::size_t>(smaller)]++] = entries[i];
  }
  std::copy_n(other, n, entries);
}

// Sorts entries that are in the order of their positions: by comparison, or by the bytes of the keys if there are many.
template <class Key, class Position>
void sort_entries(SortEntry<Key, Position>* entries, SortEntry<Key, Position>* other, std::int64_t n) {
  if constexpr (sizeof(Key) == 4) {
    if (n <= kMaxRanked) {
      return sort_by_rank(entries, other, n);
    }
  }
  if (n < 512) {
    std::sort(entries, entries + n);
    return;
  }
  SortEntry<Key, Position>* from = entries;
  SortEntry<Key, Position>* to = other;
  for (unsigned shift = 0; shift < 8 * sizeof(Key); shift += 8) {
    const auto byte = [shift](const SortEntry<Key, Position>& entry) {
      return static_cast<std::size_t>((entry.key >> shift) & 0xFFU);
    };
    std::array<std::int64_t, 256> start{};
    for (std::int64_t i = 0; i < n; ++i) {
      ++start[byte(from[i])];
    }
    if (start[byte(from[0])] == n) {
      continue;
    }
    std::int64_t sum = 0;
    for (std::int64_t& count : start) {
      sum += std::exchange(count, sum);
    }
    for (std::int64_t i = 0; i < n; ++i) {
      to[start[byte(from[i])]++] = from[i];
    }
    std::swap(from, to);
  }
  if (from != entries) {
    std::copy(from, from + n, entries);
  }
}

template <class Position, class T, class F>
void for_columns_of_entries(bool descending, const AxisShape& s, const T* x, std::int64_t count, F& f) {
  using Entry = SortEntry<SortKey<T>, Position>;
  const std::int64_t grain = std::max<std::int64_t>(1, 4096 / std::max<std::int64_t>(1, s.n));
  parallel_for(s.outer * s.inner, grain, [&](std::int64_t begin, std::int64_t end) {
    const Scratch<Entry> scratch(2 * s.n);
    Entry* entries = scratch.get();
    for (std::int64_t column = begin; column < end; ++column) {
      const T* from = x + column / s.inner * s.n * s.inner + column % s.inner;
      for (std::int64_t i = 0; i < s.n; ++i) {
        const SortKey<T> key = sort_key(from[i * s.inner]);
        entries[i] = {descending ? static_cast<SortKey<T>>(~key) : key, static_cast<Position>(i)};
      }
      f(entries, entries + s.n, column / s.inner * count * s.inner + column % s.inner);
    }
  });
}

// Calls f(entries, scratch, offset of the column in an array with `count` elements along the axis) for each column.
// Keys are inverted if `descending`. Entries of 4-byte keys have 8 bytes where the positions fit.
template <class T, class F>
void for_sort_columns(bool descending, const AxisShape& s, const T* x, std::int64_t count, F f) {
  if (sizeof(SortKey<T>) == 4 && s.n <= std::int64_t{std::numeric_limits<std::uint32_t>::max()}) {
    for_columns_of_entries<std::uint32_t>(descending, s, x, count, f);
  } else {
    for_columns_of_entries<std::int64_t>(descending, s, x, count, f);
  }
}

}  // namespace

template <class T>
void argsort(bool descending, const AxisShape& shape, const T* x, std::int64_t* index) {
  for_sort_columns(descending, shape, x, shape.n, [&](auto* entries, auto* scratch, std::int64_t offset) {
    sort_entries(entries, scratch, shape.n);
    for (std::int64_t i = 0; i < shape.n; ++i) {
      index[offset + i * shape.inner] = entries[i].position;
    }
  });
}

namespace {

// The first k of a column in order, for small k: most elements do not pass the threshold, the last of those kept.
template <bool kLargest, class T>
class FewBest {
 public:
  using Entry = SortEntry<SortKey<T>, std::int64_t>;

  FewBest(std::int64_t k, Entry* best) : k_(k), best_(best) {}

  // Includes the n >= k elements x[0], x[step], ...
  void include(const T* x, std::int64_t step, std::int64_t n) {
    for (std::int64_t i = 0; i < k_; ++i) {
      insert(i, {key_of(x[i * step]), i});
    }
    T threshold = x[best_[k_ - 1].position * step];
    for (std::int64_t begin = k_; begin < n; begin += kBlock) {
      const std::int64_t end = std::min(n, begin + kBlock);
      if (!may_pass(x + begin * step, step, end - begin, threshold)) {
        continue;
      }
      for (std::int64_t i = begin; i < end; ++i) {
        const SortKey<T> key = key_of(x[i * step]);
        if (key < best_[k_ - 1].key) {
          insert(k_ - 1, {key, i});
        }
      }
      threshold = x[best_[k_ - 1].position * step];
    }
  }

 private:
  static constexpr std::int64_t kBlock = 32;

  static SortKey<T> key_of(T x) { return sort_key(x) ^ (kLargest ? ~SortKey<T>{0} : SortKey<T>{0}); }

  // Whether an element may come before the threshold; NaN may.
  static bool may_pass(const T* x, std::int64_t step, std::int64_t n, T threshold) {
    int passes = 0;
    if (step == 1 && n == kBlock) {
      for (std::int64_t i = 0; i < kBlock; ++i) {
        passes |= kLargest ? !(x[i] <= threshold) : !(x[i] >= threshold);
      }
    } else {
      for (std::int64_t i = 0; i < n; ++i) {
        passes |= kLargest ? !(x[i * step] <= threshold) : !(x[i * step] >= threshold);
      }
    }
    return passes != 0;
  }

  // Puts an entry, which comes behind those of equal key, in its place among the first `last` + 1.
  void insert(std::int64_t last, const Entry& entry) {
    std::int64_t at = last;
    for (; at > 0 && entry.key < best_[at - 1].key; --at) {
      best_[at] = best_[at - 1];
    }
    best_[at] = entry;
  }

  std::int64_t k_;
  Entry* best_;
};

template <class T>
void few_top(bool largest, bool sorted, std::int64_t k, const AxisShape& s, const T* x, std::int64_t* index) {
  using Entry = typename FewBest<true, T>::Entry;
  const std::int64_t grain = std::max<std::int64_t>(1, 16384 / std::max<std::int64_t>(1, s.n));
  parallel_for(s.outer * s.inner, grain, [&](std::int64_t begin, std::int64_t end) {
    const Scratch<Entry> best(k);
    for (std::int64_t column = begin; column < end; ++column) {
      const T* from = x + column / s.inner * s.n * s.inner + column % s.inner;
      if (largest) {
        FewBest<true, T>(k, best.get()).include(from, s.inner, s.n);
      } else {
        FewBest<false, T>(k, best.get()).include(from, s.inner, s.n);
      }
      if (!sorted) {
        std::sort(best.get(), best.get() + k, [](const Entry& a, const Entry& b) { return a.position < b.position; });
      }
      for (std::int64_t i = 0; i < k; ++i) {
        index[column / s.inner * k * s.inner + column % s.inner + i * s.inner] = best.get()[i].position;
      }
    }
  });
}

}  // namespace

template <class T>
void top(bool largest, bool sorted, std::int64_t k, const AxisShape& shape, const T* x, std::int64_t* index) {
  constexpr std::int64_t kFew = 32;
  if (k >= 1 && k <= kFew && k * 8 <= shape.n) {
    return few_top(largest, sorted, k, shape, x, index);
  }
  for_sort_columns(largest, shape, x, k, [&](auto* entries, auto*, std::int64_t offset) {
    if (k < shape.n) {
      std::nth_element(entries, entries + k, entries + shape.n);
    }
    std::sort(entries, entries + k,
              [sorted](const auto& a, const auto& b) { return sorted ? a < b : a.position < b.position; });
    for (std::int64_t i = 0; i < k; ++i) {
      index[offset + i * shape.inner] = entries[i].position;
    }
  });
}

template <class T>
void nth(std::int64_t k, bool nan_wins, const AxisShape& shape, const T* x, std::int64_t* index) {
  for_sort_columns(false, shape, x, 1, [&](auto* entries, auto*, std::int64_t offset) {
    if constexpr (std::is_floating_point_v<T>) {
      const auto is_nan = [](const auto& entry) { return entry.key == ~SortKey<T>{0}; };
      const auto* found = nan_wins ? std::find_if(entries, entries + shape.n, is_nan) : entries + shape.n;
      if (found != entries + shape.n) {
        index[offset] = found->position;
        return;
      }
    }
    std::nth_element(entries, entries + k, entries + shape.n);
    index[offset] = entries[k].position;
  });
}

template <class T>
std::int64_t find_runs(std::int64_t n, const T* x, const std::int64_t* order, std::int64_t* first, std::int64_t* length,
                       std::int64_t* run_of) {
  std::int64_t runs = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    if (i == 0 || !(x[order[i]] == x[order[i - 1]])) {
      first[runs] = order[i];
      length[runs++] = 0;
    }
    ++length[runs - 1];
    run_of[order[i]] = runs - 1;
  }
  return runs;
}

#define NORMGRAD_INSTANTIATE(T)                                                                              \
  template void argsort(bool, const AxisShape&, const T*, std::int64_t*);                                    \
  template void top(bool, bool, std::int64_t, const AxisShape&, const T*, std::int64_t*);                    \
  template void nth(std::int64_t, bool, const AxisShape&, const T*, std::int64_t*);                          \
  template std::int64_t find_runs(std::int64_t, const T*, const std::int64_t*, std::int64_t*, std::int64_t*, \
                                  std::int64_t*);

NORMGRAD_INSTANTIATE(float)
NORMGRAD_INSTANTIATE(double)
NORMGRAD_INSTANTIATE(std::int64_t)
NORMGRAD_INSTANTIATE(bool)

#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels
