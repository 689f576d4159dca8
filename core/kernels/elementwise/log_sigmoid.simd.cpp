#include "normgrad/core/kernels/elementwise/log_sigmoid.hpp"

#include "normgrad/core/simd/detail/math.hpp"
#include "normgrad/core/simd/detail/row.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

// log(1 + exp(-|x|))
template <class T>
Batch<T> rest_of(const Batch<T>& x) {
  return vlog1p(vexp_of_negative(Batch<T>(-xsimd::abs(x))));
}

template <class T>
Batch<T> answer_loss(const Batch<T>& weight, const Batch<T>& surprise) {
  const Batch<T> zero(T(0));
  constexpr T kInfinity = __builtin_huge_val();
  return xsimd::select((weight == zero) & (xsimd::abs(surprise) == Batch<T>(kInfinity)), zero, weight * surprise);
}

}  // namespace

template <class T>
void log_sigmoid(const T* x, T* y, std::int64_t n) {
  const Batch<T> zero(T(0));
  each_vector<T>(n, [=](std::int64_t i, std::int64_t count) {
    const Batch<T> v = load_lanes(x + i, count, T(0));
    store_lanes<T>(y + i, xsimd::select(v < zero, v, zero) - rest_of<T>(v), count);
  });
}

template <class T>
void logistic_loss(const T* x, const T* a, const T* b, T* y, std::int64_t n) {
  const Batch<T> zero(T(0));
  each_vector<T>(n, [=](std::int64_t i, std::int64_t count) {
    const Batch<T> v = load_lanes(x + i, count, T(0));
    const Batch<T> rest = rest_of<T>(v);
    const Batch<T> of_a = answer_loss<T>(load_lanes(a + i, count, T(0)), xsimd::select(v < zero, -v, zero) + rest);
    const Batch<T> of_b = answer_loss<T>(load_lanes(b + i, count, T(0)), xsimd::select(v > zero, v, zero) + rest);
    store_lanes<T>(y + i, of_a + of_b, count);
  });
}

template void log_sigmoid(const float*, float*, std::int64_t);
template void log_sigmoid(const double*, double*, std::int64_t);
template void logistic_loss(const float*, const float*, const float*, float*, std::int64_t);
template void logistic_loss(const double*, const double*, const double*, double*, std::int64_t);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
