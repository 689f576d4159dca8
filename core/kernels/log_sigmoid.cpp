#include "normgrad/core/kernels/log_sigmoid.hpp"

#include <cmath>

#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

template <class T>
void log_sigmoid(const T* x, T* y, std::int64_t n) {
  parallel_for(n, 4096, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      y[i] = (x[i] < 0 ? x[i] : T(0)) - std::log1p(std::exp(-std::abs(x[i])));
    }
  });
}
template void log_sigmoid(const float*, float*, std::int64_t);
template void log_sigmoid(const double*, double*, std::int64_t);

}  // namespace normgrad::kernels
