#include "normgrad/core/kernels/elementwise/compare.hpp"

#include <atomic>
#include <limits>
#include <type_traits>

namespace normgrad::kernels {

namespace {

constexpr std::int64_t kCompareGrain = std::int64_t{1} << 16;
constexpr std::int64_t kSelectGrain = std::int64_t{1} << 15;

template <class T, class F>
void compare_with(const Broadcast<2>& layout, const T* a, const T* b, bool* y, F f) {
  for_row_blocks(layout, kCompareGrain, [&](const RowBlock<2>& block) {
    for (std::int64_t row = 0; row < block.rows; ++row) {
      const T* u = a + block.offset[0] + row * block.row_stride[0];
      const T* v = b + block.offset[1] + row * block.row_stride[1];
      bool* to = y + block.y_offset + row * block.n;
      if (block.step[0] != 0 && block.step[1] != 0) {
        for (std::int64_t i = 0; i < block.n; ++i) {
          to[i] = f(u[i], v[i]);
        }
      } else if (block.step[0] != 0) {
        for (std::int64_t i = 0; i < block.n; ++i) {
          to[i] = f(u[i], *v);
        }
      } else {
        for (std::int64_t i = 0; i < block.n; ++i) {
          to[i] = f(*u, v[i * block.step[1]]);
        }
      }
    }
  });
}

// condition ? yes : no by bits, because a branch on a random mask would be mispredicted half of the time.
template <class Bits>
Bits chosen(bool condition, Bits yes, Bits no) {
  const auto mask = static_cast<Bits>(Bits{0} - static_cast<Bits>(condition));
  return static_cast<Bits>((yes & mask) | (no & ~mask));
}

template <class From, class To>
To converted(From x) {
  if constexpr (std::is_same_v<To, bool>) {
    return x != From{0};
  } else {
    return static_cast<To>(x);
  }
}

// Whether the truncated number is a To.
template <class To, class From>
bool truncates_to(From x) {
  constexpr From kLowest = static_cast<From>(std::numeric_limits<To>::min());
  constexpr From kEnd = static_cast<From>(std::uint64_t{1} << std::numeric_limits<To>::digits);
  // From has no fractions next to the limits of the wider integers.
  constexpr bool kHasFractions = kLowest - From(0.5) != kLowest;
  return (kHasFractions ? x > kLowest - From(1) : x >= kLowest) && x < kEnd;
}

}  // namespace

template <class T>
void compare(CompareOp op, const Broadcast<2>& layout, const T* a, const T* b, bool* y) {
  switch (op) {
    case CompareOp::eq:
      return compare_with(layout, a, b, y, [](T u, T v) { return u == v; });
    case CompareOp::ne:
      return compare_with(layout, a, b, y, [](T u, T v) { return u != v; });
    case CompareOp::lt:
      return compare_with(layout, a, b, y, [](T u, T v) { return u < v; });
    case CompareOp::le:
      return compare_with(layout, a, b, y, [](T u, T v) { return u <= v; });
    case CompareOp::gt:
      return compare_with(layout, a, b, y, [](T u, T v) { return u > v; });
    case CompareOp::ge:
      return compare_with(layout, a, b, y, [](T u, T v) { return u >= v; });
  }
}

template <class T>
void select(const Broadcast<3>& layout, const bool* condition, const T* a, const T* b, T* y) {
  for_row_blocks(layout, kSelectGrain, [&](const RowBlock<3>& block) {
    for (std::int64_t row = 0; row < block.rows; ++row) {
      const bool* c = condition + block.offset[0] + row * block.row_stride[0];
      const T* u = a + block.offset[1] + row * block.row_stride[1];
      const T* v = b + block.offset[2] + row * block.row_stride[2];
      T* to = y + block.y_offset + row * block.n;
      if (block.step[0] + block.step[1] + block.step[2] == 3) {
        for (std::int64_t i = 0; i < block.n; ++i) {
          const T yes = u[i];
          const T no = v[i];
          to[i] = chosen(c[i], yes, no);
        }
        continue;
      }
      // A single number stays outside of the loop.
      if (block.step[0] + block.step[2] == 2) {
        const T yes = *u;
        for (std::int64_t i = 0; i < block.n; ++i) {
          const T no = v[i];
          to[i] = chosen(c[i], yes, no);
        }
        continue;
      }
      if (block.step[0] + block.step[1] == 2) {
        const T no = *v;
        for (std::int64_t i = 0; i < block.n; ++i) {
          const T yes = u[i];
          to[i] = chosen(c[i], yes, no);
        }
        continue;
      }
      for (std::int64_t i = 0; i < block.n; ++i) {
        const T yes = u[i * block.step[1]];
        const T no = v[i * block.step[2]];
        to[i] = chosen(c[i * block.step[0]], yes, no);
      }
    }
  });
}

template <class From, class To>
bool convert(const From* x, To* y, std::int64_t n) {
  std::atomic<bool> all_fit = true;
  parallel_for(n, kCompareGrain, [&](std::int64_t begin, std::int64_t end) {
    if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To> && !std::is_same_v<To, bool>) {
      for (std::int64_t i = begin; i < end; ++i) {
        if (!truncates_to<To>(x[i])) {
          all_fit = false;
          return;
        }
        y[i] = static_cast<To>(x[i]);
      }
    } else {
      for (std::int64_t i = begin; i < end; ++i) {
        y[i] = converted<From, To>(x[i]);
      }
    }
  });
  return all_fit;
}

template void select(const Broadcast<3>&, const bool*, const std::uint8_t*, const std::uint8_t*, std::uint8_t*);
template void select(const Broadcast<3>&, const bool*, const std::uint32_t*, const std::uint32_t*, std::uint32_t*);
template void select(const Broadcast<3>&, const bool*, const std::uint64_t*, const std::uint64_t*, std::uint64_t*);

#define NORMGRAD_INSTANTIATE(T)                                                     \
  template void compare(CompareOp, const Broadcast<2>&, const T*, const T*, bool*); \
  template bool convert(const T*, float*, std::int64_t);                            \
  template bool convert(const T*, double*, std::int64_t);                           \
  template bool convert(const T*, std::int64_t*, std::int64_t);                     \
  template bool convert(const T*, std::int32_t*, std::int64_t);                     \
  template bool convert(const T*, std::uint8_t*, std::int64_t);                     \
  template bool convert(const T*, bool*, std::int64_t);

NORMGRAD_INSTANTIATE(float)
NORMGRAD_INSTANTIATE(double)
NORMGRAD_INSTANTIATE(std::int64_t)
NORMGRAD_INSTANTIATE(std::int32_t)
NORMGRAD_INSTANTIATE(std::uint8_t)

#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels
