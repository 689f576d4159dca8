// A bias per channel, and its gradient, over arrays [n, channels, positions].
#pragma once

#include <cstdint>

#include "normgrad/core/simd/dispatch.hpp"

namespace normgrad::kernels {

/// Row-major, or stored as [n, positions, channels] if `channels_last`.
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
/// sums[channel] = sum of gy. Short runs are summed in T, and the runs in double in a fixed order.
template <class T>
void channel_sums(const ChannelArray& array, const T* gy, T* sums);

/// Number of elements or rows summed in T.
inline constexpr std::int64_t kChannelRun = 64;

NORMGRAD_SIMD_DECLARE(
    // sums[c] += the column sums of `rows` rows. `run` is scratch memory of `channels` elements.
    template <class T> void add_columns(const T* x, std::int64_t rows, std::int64_t channels, T* run, double* sums);
    // Sum of n elements.
    template <class T> double sum_run(const T* x, std::int64_t n);)

}  // namespace normgrad::kernels
