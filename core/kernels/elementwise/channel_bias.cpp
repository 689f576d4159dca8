#include "normgrad/core/kernels/elementwise/channel_bias.hpp"

#include <algorithm>
#include <vector>

#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

namespace {

constexpr std::int64_t kChannelsGrain = std::int64_t{1} << 16;  // elements per task

std::int64_t grain_of(std::int64_t row_size) {
  return std::max(std::int64_t{1}, kChannelsGrain / std::max(row_size, std::int64_t{1}));
}

template <class T>
void sums_of_columns(const ChannelArray& a, const T* gy, T* sums) {
  const auto add = NORMGRAD_SIMD_SELECT(add_columns<T>);
  const std::int64_t rows = a.n * a.positions;
  const std::int64_t grain = grain_of(a.channels);
  const auto channels = static_cast<std::size_t>(a.channels);
  std::vector<double> partial(static_cast<std::size_t>((rows + grain - 1) / grain) * channels);
  parallel_for(rows, grain, [&](std::int64_t begin, std::int64_t end) {
    std::vector<T> run(channels);
    add(gy + begin * a.channels, end - begin, a.channels, run.data(), partial.data() + begin / grain * a.channels);
  });
  for (std::size_t c = 0; c < channels; ++c) {
    double sum = 0.0;
    for (std::size_t i = c; i < partial.size(); i += channels) {
      sum += partial[i];
    }
    sums[c] = static_cast<T>(sum);
  }
}

}  // namespace

template <class T>
void add_channel_bias(const ChannelArray& a, const T* bias, T* y) {
  const std::int64_t row_size = a.channels_last ? a.channels : a.positions;
  const std::int64_t rows = a.channels_last ? a.n * a.positions : a.n * a.channels;
  parallel_for(rows, grain_of(row_size), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      T* to = y + row * row_size;
      if (a.channels_last) {
        std::transform(to, to + row_size, bias, to, [](T v, T b) { return v + b; });
      } else {
        std::transform(to, to + row_size, to, [b = bias[row % a.channels]](T v) { return v + b; });
      }
    }
  });
}

template <class T>
void channel_sums(const ChannelArray& a, const T* gy, T* sums) {
  if (a.channels_last) {
    sums_of_columns(a, gy, sums);
    return;
  }
  const auto sum_of = NORMGRAD_SIMD_SELECT(sum_run<T>);
  parallel_for(a.channels, grain_of(a.n * a.positions), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; ++c) {
      double sum = 0.0;
      for (std::int64_t i = 0; i < a.n; ++i) {
        sum += sum_of(gy + (i * a.channels + c) * a.positions, a.positions);
      }
      sums[c] = static_cast<T>(sum);
    }
  });
}

template void add_channel_bias<float>(const ChannelArray&, const float*, float*);
template void add_channel_bias<double>(const ChannelArray&, const double*, double*);
template void channel_sums<float>(const ChannelArray&, const float*, float*);
template void channel_sums<double>(const ChannelArray&, const double*, double*);

}  // namespace normgrad::kernels
