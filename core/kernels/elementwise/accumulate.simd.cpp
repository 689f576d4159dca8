#include "normgrad/core/kernels/elementwise/accumulate.hpp"

#include "normgrad/core/simd/detail/batch.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

template <class T>
void accumulate(const T* x, T* y, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) {
    store(y + i, load(y + i) + load(x + i));
  }
  for (; i < n; ++i) {
    y[i] += x[i];
  }
}

template void accumulate<float>(const float*, float*, std::int64_t);
template void accumulate<double>(const double*, double*, std::int64_t);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
