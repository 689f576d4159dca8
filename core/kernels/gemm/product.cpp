#include "normgrad/core/kernels/gemm/product.hpp"

#include "normgrad/core/base/buffer.hpp"

namespace normgrad::kernels {

template <class T>
void products_of_others(const T* x, T* y, std::int64_t rows, std::int64_t n) {
  const Buffer scratch(static_cast<std::size_t>(n) * sizeof(double));
  auto* before = reinterpret_cast<double*>(scratch.data());
  for (std::int64_t r = 0; r < rows; ++r, x += n, y += n) {
    double product = 1.0;
    for (std::int64_t i = 0; i < n; ++i) {
      before[i] = product;
      product *= static_cast<double>(x[i]);
    }
    double after = 1.0;
    for (std::int64_t i = n; i-- > 0;) {
      y[i] = static_cast<T>(before[i] * after);
      after *= static_cast<double>(x[i]);
    }
  }
}

template void products_of_others(const float*, float*, std::int64_t, std::int64_t);
template void products_of_others(const double*, double*, std::int64_t, std::int64_t);

}  // namespace normgrad::kernels
