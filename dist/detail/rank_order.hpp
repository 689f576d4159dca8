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
/// those of integers wrap.
template <class T>
void reduce_in_rank_order(const std::vector<const T*>& parts, ReduceOp op, std::int64_t n, T* y) {
  using Sum = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;
  constexpr std::int64_t kBlock = 512;
  std::array<Sum, kBlock> sums;
  for (std::int64_t begin = 0; begin < n; begin += kBlock) {
    const std::int64_t count = std::min(kBlock, n - begin);
    if (op == ReduceOp::min || op == ReduceOp::max) {
      std::copy_n(parts[0] + begin, count, y + begin);
      for (std::size_t r = 1; r < parts.size(); ++r) {
        for (std::int64_t i = begin; i < begin + count; ++i) {
          y[i] = op == ReduceOp::min ? smaller(y[i], parts[r][i]) : larger(y[i], parts[r][i]);
        }
      }
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

}  // namespace normgrad::detail
