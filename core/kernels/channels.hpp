// A bias per channel, and its gradient, over arrays [n, channels, positions].
#pragma once

#include <cstdint>

#include "normgrad/core/base/simd.hpp"

namespace normgrad::kernels {

/// Row-major, or with `channels_last` stored as [n, positions, channels].
struct ChannelArray {
  std::int64_t n = 1;
  std::int64_t channels = 1;
  std::int64_t positions = 1;
  bool channels_last = false;

  std::int64_t numel() const noexcept { return n * channels * positions; }
};

/// y += bias[channel]. T: float or double.
template <class T>
void add_channel_bias(const ChannelArray& array, const T* bias, T* y);
/// sums[channel] of gy. Short runs are added in T, the runs in double and in a fixed order.
template <class T>
void channel_sums(const ChannelArray& array, const T* gy, T* sums);

/// Elements or rows that are added in T.
inline constexpr std::int64_t kChannelRun = 64;

NORMGRAD_SIMD_DECLARE(
    // sums[c] += the column sums of `rows` rows; `run` is scratch memory of as many elements.
    template <class T> void add_columns(const T* x, std::int64_t rows, std::int64_t channels, T* run, double* sums);
    // The sum of n elements.
    template <class T> double sum_run(const T* x, std::int64_t n);)

}  // namespace normgrad::kernels
