#include "normgrad/core/kernels/elementwise/compare.hpp"

#include <cmath>
#include <limits>
#include <type_traits>

#include "normgrad/core/autograd/op_arguments.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/detail/promotion.hpp"
#include "normgrad/core/ops/detail/row_major.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"

namespace normgrad {

using kernels::CompareOp;

namespace {

Tensor compared(const char* name, CompareOp op, const Tensor& a, const Tensor& b) {
  if (const auto same = detail::promoted(a, b)) return compared(name, op, same->a, same->b);
  const Shape shape = broadcast_shapes(name, a.shape(), b.shape());
  const auto layout = kernels::broadcast_layout<2>(shape, {&a.shape(), &b.shape()});
  Tensor y = Tensor::empty(shape, kBool);
  detail::dispatch_elements(a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::compare(op, layout, detail::row_major_as<T>(a), detail::row_major_as<T>(b), y.mutable_data<bool>());
  });
  detail::announce(name, y, {a, b});
  return y;
}

// Integers are compared as numbers: none equals 0.5, and none is rounded to match a number.
Tensor compared(const char* name, CompareOp op, const Tensor& a, Scalar b) {
  if (a.dtype() == kBool) {
    return compared(name, op, to(a, kInt64), b);
  }
  if (is_integer(a.dtype()) && !(b.is_whole() && detail::fits(b, a.dtype()))) {
    // Between the limits of int64 a double compares correctly; beyond them, numbers would round to the limit.
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    const bool beyond = !b.fits_int64() && b.real() == b.real();
    return compared(name, op, to(a, kFloat64), beyond ? std::copysign(kInfinity, b.real()) : b.real());
  }
  const auto layout = kernels::Broadcast<2>::flat(a.numel(), {false, true});
  Tensor y = Tensor::empty(a.shape(), kBool);
  detail::dispatch_elements(a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T number = std::is_integral_v<T> ? static_cast<T>(b.whole()) : static_cast<T>(b.real());
    kernels::compare(op, layout, detail::row_major_as<T>(a), &number, y.mutable_data<bool>());
  });
  detail::note_arguments("number", b);
  detail::announce(name, y, {a});
  return y;
}

}  // namespace

Tensor eq(const Tensor& a, const Tensor& b) { return compared("eq", CompareOp::eq, a, b); }
Tensor ne(const Tensor& a, const Tensor& b) { return compared("ne", CompareOp::ne, a, b); }
Tensor lt(const Tensor& a, const Tensor& b) { return compared("lt", CompareOp::lt, a, b); }
Tensor le(const Tensor& a, const Tensor& b) { return compared("le", CompareOp::le, a, b); }
Tensor gt(const Tensor& a, const Tensor& b) { return compared("gt", CompareOp::gt, a, b); }
Tensor ge(const Tensor& a, const Tensor& b) { return compared("ge", CompareOp::ge, a, b); }
Tensor eq(const Tensor& a, Scalar b) { return compared("eq", CompareOp::eq, a, b); }
Tensor ne(const Tensor& a, Scalar b) { return compared("ne", CompareOp::ne, a, b); }
Tensor lt(const Tensor& a, Scalar b) { return compared("lt", CompareOp::lt, a, b); }
Tensor le(const Tensor& a, Scalar b) { return compared("le", CompareOp::le, a, b); }
Tensor gt(const Tensor& a, Scalar b) { return compared("gt", CompareOp::gt, a, b); }
Tensor ge(const Tensor& a, Scalar b) { return compared("ge", CompareOp::ge, a, b); }

}  // namespace normgrad
