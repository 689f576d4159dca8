#include "normgrad/core/kernels/reduce/cross_entropy.hpp"
#include "normgrad/core/simd/detail/batch.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

template <class T>
void max_and_exp_sum(const T* x, std::int64_t n, T* max, T* sum) {
  T largest = x[0];
  for (std::int64_t i = 1; i < n; ++i) {
    largest = x[i] > largest ? x[i] : largest;
  }
  const Batch<T> shift(largest);
  Batch<T> total(T(0));
  std::int64_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) {
    total += xsimd::exp(load(x + i) - shift);
  }
  T rest = 0;
  if (i < n) {
    alignas(64) T lanes[static_cast<std::size_t>(kLanes<T>)];
    xsimd::exp(load_partial(x + i, n - i) - shift).store_aligned(lanes);
    for (std::int64_t j = 0; j < n - i; ++j) {
      rest += lanes[j];
    }
  }
  *max = largest;
  *sum = sum_lanes<T>(total) + rest;
}

template <class T>
void scaled_exp(const T* x, T shift, T scale, T* y, std::int64_t n) {
  const Batch<T> shifts(shift);
  const Batch<T> scales(scale);
  std::int64_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) {
    store(y + i, scales * xsimd::exp(load(x + i) - shifts));
  }
  if (i < n) {
    store_partial(y + i, scales * xsimd::exp(load_partial(x + i, n - i) - shifts), n - i);
  }
}

template void max_and_exp_sum(const float*, std::int64_t, float*, float*);
template void max_and_exp_sum(const double*, std::int64_t, double*, double*);
template void scaled_exp(const float*, float, float, float*, std::int64_t);
template void scaled_exp(const double*, double, double, double*, std::int64_t);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
