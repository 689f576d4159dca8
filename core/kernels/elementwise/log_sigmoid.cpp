#include "normgrad/core/kernels/elementwise/log_sigmoid.hpp"

#include <cmath>

#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

namespace {

template <class T>
T answer_loss(T weight, T surprise) {
  return weight == 0 && std::isinf(surprise) ? T(0) : weight * surprise;
}

}  // namespace

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

template <class T>
void logistic_loss(const T* x, const T* a, const T* b, T* y, std::int64_t n) {
  parallel_for(n, 4096, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const T rest = std::log1p(std::exp(-std::abs(x[i])));
      y[i] = answer_loss(a[i], (x[i] < 0 ? -x[i] : T(0)) + rest) + answer_loss(b[i], (x[i] > 0 ? x[i] : T(0)) + rest);
    }
  });
}
template void logistic_loss(const float*, const float*, const float*, float*, std::int64_t);
template void logistic_loss(const double*, const double*, const double*, double*, std::int64_t);

}  // namespace normgrad::kernels
