#include "normgrad/core/kernels/elementwise/channel_bias.hpp"

#include "normgrad/core/simd/detail/batch.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

template <class T>
void add_columns(const T* x, std::int64_t rows, std::int64_t channels, T* run, double* sums) {
  for (std::int64_t begin = 0; begin < rows; begin += kChannelRun) {
    const std::int64_t count = rows - begin < kChannelRun ? rows - begin : kChannelRun;
    const T* from = x + begin * channels;
    std::int64_t c = 0;
    for (; c + kLanes<T> <= channels; c += kLanes<T>) {
      Batch<T> sum = load(from + c);
      for (std::int64_t row = 1; row < count; ++row) {
        sum = sum + load(from + row * channels + c);
      }
      store(run + c, sum);
    }
    for (; c < channels; ++c) {
      T sum = from[c];
      for (std::int64_t row = 1; row < count; ++row) {
        sum += from[row * channels + c];
      }
      run[c] = sum;
    }
    for (c = 0; c < channels; ++c) {
      sums[c] += static_cast<double>(run[c]);
    }
  }
}

template <class T>
double sum_run(const T* x, std::int64_t n) {
  constexpr std::int64_t kRun = kChannelRun * kLanes<T>;
  double total = 0.0;
  std::int64_t i = 0;
  while (i + kLanes<T> <= n) {
    const std::int64_t end = i + kRun < n ? i + kRun : n;
    Batch<T> sum = load(x + i);
    for (i += kLanes<T>; i + kLanes<T> <= end; i += kLanes<T>) {
      sum = sum + load(x + i);
    }
    alignas(64) T lanes[static_cast<std::size_t>(kLanes<T>)];
    sum.store_aligned(lanes);
    for (const T lane : lanes) {
      total += static_cast<double>(lane);
    }
  }
  for (; i < n; ++i) {
    total += static_cast<double>(x[i]);
  }
  return total;
}

template void add_columns<float>(const float*, std::int64_t, std::int64_t, float*, double*);
template void add_columns<double>(const double*, std::int64_t, std::int64_t, double*, double*);
template double sum_run<float>(const float*, std::int64_t);
template double sum_run<double>(const double*, std::int64_t);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
