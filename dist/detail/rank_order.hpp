// Reductions over the ranks, in the order of the ranks.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "normgrad/dist/process_group.hpp"

namespace normgrad::detail {

/// a, or b if it is smaller (larger) or NaN.
template <class T>
T smaller(T a, T b) {
  return b < a || b != b ? b : a;
}
template <class T>
T larger(T a, T b) {
  return b > a || b != b ? b : a;
}

/// Writes the reduction of the ranks' n values each. Sums of floating-point values are in double and rounded once;
/// those of integers wrap. y may be one of the parts.
template <class T>
void reduce_in_rank_order(const std::vector<const T*>& parts, ReduceOp op, std::int64_t n, T* y) {
  using Sum = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;
  if (std::is_floating_point_v<T> && parts.size() == 2 && (op == ReduceOp::sum || op == ReduceOp::mean)) {
    const double scale = op == ReduceOp::mean ? 0.5 : 1.0;
    for (std::int64_t i = 0; i < n; ++i) {
      y[i] = static_cast<T>((static_cast<double>(parts[0][i]) + static_cast<double>(parts[1][i])) * scale);
    }
    return;
  }
  constexpr std::int64_t kBlock = 512;
  std::array<Sum, kBlock> sums;
  std::array<T, kBlock> extremes;
  for (std::int64_t begin = 0; begin < n; begin += kBlock) {
    const std::int64_t count = std::min(kBlock, n - begin);
    if (op == ReduceOp::min || op == ReduceOp::max) {
      std::copy_n(parts[0] + begin, count, extremes.begin());
      for (std::size_t r = 1; r < parts.size(); ++r) {
        for (std::int64_t i = 0; i < count; ++i) {
          T& extreme = extremes[static_cast<std::size_t>(i)];
          extreme = op == ReduceOp::min ? smaller(extreme, parts[r][begin + i]) : larger(extreme, parts[r][begin + i]);
        }
      }
      std::copy_n(extremes.begin(), count, y + begin);
      continue;
    }
    for (std::int64_t i = 0; i < count; ++i) {
      sums[static_cast<std::size_t>(i)] = static_cast<Sum>(parts[0][begin + i]);
    }
    for (std::size_t r = 1; r < parts.size(); ++r) {
      for (std::int64_t i = 0; i < count; ++i) {
        sums[static_cast<std::size_t>(i)] += static_cast<Sum>(parts[r][begin + i]);
      }
    }
    for (std::int64_t i = 0; i < count; ++i) {
      Sum& sum = sums[static_cast<std::size_t>(i)];
      if constexpr (std::is_floating_point_v<T>) {
        if (op == ReduceOp::mean) {
          sum /= static_cast<double>(parts.size());
        }
      }
      y[begin + i] = static_cast<T>(sum);
    }
  }
}

/// The same for parts of `bytes` each, of a dtype other than bool.
inline void reduce_in_rank_order(const std::vector<const std::byte*>& parts, DType dtype, ReduceOp op,
                                 std::size_t bytes, std::byte* y) {
  const auto reduce = [&](auto zero) {
    using T = decltype(zero);
    std::vector<const T*> typed;
    for (const std::byte* part : parts) {
      typed.push_back(reinterpret_cast<const T*>(part));
    }
    reduce_in_rank_order<T>(typed, op, static_cast<std::int64_t>(bytes / sizeof(T)), reinterpret_cast<T*>(y));
  };
  switch (dtype) {
    case DType::int64:
      return reduce(std::int64_t{});
    case DType::int32:
      return reduce(std::int32_t{});
    case DType::uint8:
      return reduce(std::uint8_t{});
    default:
      dispatch_float("reduce", dtype, reduce);
  }
}

}  // namespace normgrad::detail
