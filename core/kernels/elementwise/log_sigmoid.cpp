#include "normgrad/core/kernels/elementwise/log_sigmoid.hpp"

#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

template <class T>
void log_sigmoid(const T* x, T* y, std::int64_t n) {
  parallel_for(n, 16384, [=](std::int64_t begin, std::int64_t end) {
    NORMGRAD_SIMD_SELECT(log_sigmoid<T>)(x + begin, y + begin, end - begin);
  });
}
template void log_sigmoid(const float*, float*, std::int64_t);
template void log_sigmoid(const double*, double*, std::int64_t);

template <class T>
void logistic_loss(const T* x, const T* a, const T* b, T* y, std::int64_t n) {
  parallel_for(n, 16384, [=](std::int64_t begin, std::int64_t end) {
    NORMGRAD_SIMD_SELECT(logistic_loss<T>)(x + begin, a + begin, b + begin, y + begin, end - begin);
  });
}
template void logistic_loss(const float*, const float*, const float*, float*, std::int64_t);
template void logistic_loss(const double*, const double*, const double*, double*, std::int64_t);

}  // namespace normgrad::kernels
