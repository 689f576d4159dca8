#include "normgrad/core/kernels/image/resample.hpp"

#include <algorithm>
#include <array>

#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

Taps Taps::transposed() const {
  Taps result;
  result.length = count();
  result.start.assign(static_cast<std::size_t>(length) + 1, 0);
  result.index.resize(index.size());
  result.weight.resize(weight.size());
  for (const std::int64_t i : index) {
    ++result.start[static_cast<std::size_t>(i) + 1];
  }
  for (std::size_t i = 1; i < result.start.size(); ++i) {
    result.start[i] += result.start[i - 1];
  }
  std::vector<std::int64_t> next(result.start.begin(), result.start.end() - 1);
  for (std::int64_t j = 0; j < count(); ++j) {
    for (std::int64_t t = start[static_cast<std::size_t>(j)]; t < start[static_cast<std::size_t>(j) + 1]; ++t) {
      const auto from = static_cast<std::size_t>(t);
      const auto to = static_cast<std::size_t>(next[static_cast<std::size_t>(index[from])]++);
      result.index[to] = j;
      result.weight[to] = weight[from];
    }
  }
  return result;
}

namespace {

// The taps as plain arrays.
struct TapArrays {
  const std::int64_t* start;
  const std::int64_t* index;
  const double* weight;

  explicit TapArrays(const Taps& taps)
      : start(taps.start.data()), index(taps.index.data()), weight(taps.weight.data()) {}
  std::int64_t terms(std::int64_t j) const { return start[j + 1] - start[j]; }
  // Whether element j is a copy.
  bool copies(std::int64_t j) const { return terms(j) == 1 && weight[start[j]] == 1.0; }
};

// Whether the elements of an axis of `length` are repeated kTimes each.
template <std::int64_t kTimes>
bool repeats(const TapArrays& taps, std::int64_t length, std::int64_t count) {
  bool all = count == length * kTimes;
  for (std::int64_t j = 0; all && j < count; ++j) {
    all = taps.copies(j) && taps.index[taps.start[j]] == j / kTimes;
  }
  return all;
}

// Whether element j is the sum of kTimes elements from kTimes * j on: the adjoint.
template <std::int64_t kTimes>
bool adds(const TapArrays& taps, std::int64_t length, std::int64_t count) {
  bool all = length == count * kTimes;
  for (std::int64_t j = 0; all && j < count; ++j) {
    all = taps.terms(j) == kTimes;
    for (std::int64_t t = taps.start[j]; all && t < taps.start[j + 1]; ++t) {
      all = taps.weight[t] == 1.0 && taps.index[t] == kTimes * j + t - taps.start[j];
    }
  }
  return all;
}

// y[j] of a single line, for j in [first, last).
template <class T>
void resample_line(const TapArrays& taps, const T* from, T* y, std::int64_t first, std::int64_t last) {
  for (std::int64_t j = first; j < last; ++j) {
    double sum = 0.0;
    for (std::int64_t t = taps.start[j]; t < taps.start[j + 1]; ++t) {
      sum += taps.weight[t] * static_cast<double>(from[taps.index[t]]);
    }
    y[j] = static_cast<T>(sum);
  }
}

// y = the weighted sum of the taps of element j, each of `inner` elements.
template <class T>
void resample_row(const TapArrays& taps, std::int64_t j, std::int64_t inner, const T* from, T* y) {
  constexpr std::int64_t kBlock = 128;  // elements summed at a time
  const std::int64_t first = taps.start[j];
  if (taps.copies(j)) {
    std::copy_n(from + taps.index[first] * inner, inner, y);
    return;
  }
  if (taps.terms(j) == 2) {
    const T* a = from + taps.index[first] * inner;
    const T* b = from + taps.index[first + 1] * inner;
    const double u = taps.weight[first];
    const double v = taps.weight[first + 1];
    for (std::int64_t k = 0; k < inner; ++k) {
      y[k] = static_cast<T>(u * static_cast<double>(a[k]) + v * static_cast<double>(b[k]));
    }
    return;
  }
  std::array<double, kBlock> sums;
  for (std::int64_t c = 0; c < inner; c += kBlock) {
    const std::int64_t n = std::min(kBlock, inner - c);
    std::fill_n(sums.begin(), n, 0.0);
    for (std::int64_t t = first; t < taps.start[j + 1]; ++t) {
      const T* line = from + taps.index[t] * inner + c;
      for (std::int64_t k = 0; k < n; ++k) {
        sums[static_cast<std::size_t>(k)] += taps.weight[t] * static_cast<double>(line[k]);
      }
    }
    for (std::int64_t k = 0; k < n; ++k) {
      y[c + k] = static_cast<T>(sums[static_cast<std::size_t>(k)]);
    }
  }
}

}  // namespace

template <class T>
void resample(const Taps& given, std::int64_t outer, std::int64_t inner, const T* x, T* y) {
  constexpr std::int64_t kWork = 16384;  // elements per parallel task
  const TapArrays taps(given);
  const std::int64_t count = given.count();
  const std::int64_t length = given.length;
  const std::int64_t terms = std::max<std::int64_t>(1, taps.start[count] / std::max<std::int64_t>(1, count));
  if (inner == 1 && repeats<2>(taps, length, count)) {
    parallel_for(outer * length, kWork, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        y[2 * i] = x[i];
        y[2 * i + 1] = x[i];
      }
    });
    return;
  }
  if (inner == 1 && adds<2>(taps, length, count)) {
    parallel_for(outer * count, kWork, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        y[i] = static_cast<T>(static_cast<double>(x[2 * i]) + static_cast<double>(x[2 * i + 1]));
      }
    });
    return;
  }
  parallel_for(outer * count, std::max<std::int64_t>(1, kWork / std::max<std::int64_t>(1, inner * terms)),
               [&](std::int64_t begin, std::int64_t end) {
                 while (begin < end) {
                   const std::int64_t o = begin / count;
                   const std::int64_t first = begin - o * count;
                   const std::int64_t last = std::min(count, first + end - begin);
                   const T* from = x + o * length * inner;
                   if (inner == 1) {
                     resample_line(taps, from, y + o * count, first, last);
                   } else {
                     for (std::int64_t j = first; j < last; ++j) {
                       resample_row(taps, j, inner, from, y + (o * count + j) * inner);
                     }
                   }
                   begin += last - first;
                 }
               });
}

template void resample(const Taps&, std::int64_t, std::int64_t, const float*, float*);
template void resample(const Taps&, std::int64_t, std::int64_t, const double*, double*);

}  // namespace normgrad::kernels
