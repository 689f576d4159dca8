#include "normgrad/core/ops/detail/math_function.hpp"

#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/detail/memory_format.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"

namespace normgrad::detail {

Tensor apply_math(const char* name, kernels::MathFunction f, const Tensor& x, std::int64_t order) {
  return dispatch_float(name, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    Tensor y = empty_like_format(x, x.dtype());
    kernels::math_function(f, order, x.physical_data<T>(), y.mutable_physical_data<T>(), x.numel());
    return y;
  });
}

Tensor apply_math(const char* name, kernels::MathFunction2 f, const Tensor& a, const Tensor& b) {
  check_same_dtype(name, a, b);
  const Shape shape = broadcast_shapes(name, a.shape(), b.shape());
  const auto layout = kernels::broadcast_layout<2>(shape, {&a.shape(), &b.shape()});
  const auto run = [&](auto zero) {
    using T = decltype(zero);
    Tensor y = Tensor::empty(shape, a.dtype());
    kernels::math_function(f, layout, a.data<T>(), b.data<T>(), y.mutable_data<T>());
    return y;
  };
  const bool takes_integers = f == kernels::MathFunction2::fmod || f == kernels::MathFunction2::remainder;
  if (takes_integers && is_integer(a.dtype()) && a.dtype() != kInt64) {
    return to(apply_math(name, f, to(a, kInt64), to(b, kInt64)), a.dtype());
  }
  return takes_integers && a.dtype() == kInt64 ? run(std::int64_t{}) : dispatch_float(name, a.dtype(), run);
}

}  // namespace normgrad::detail
