#include "normgrad/core/kernels/mask.hpp"

#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

template <class T>
void scale_masked(const T* x, const bool* keep, T scale, T* y, std::int64_t n) {
  parallel_for(n, 32768, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      y[i] = keep[i] ? scale * x[i] : T(0);
    }
  });
}
template void scale_masked(const float*, const bool*, float, float*, std::int64_t);
template void scale_masked(const double*, const bool*, double, double*, std::int64_t);

}  // namespace normgrad::kernels
