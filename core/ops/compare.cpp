#include "normgrad/core/kernels/compare.hpp"

#include <type_traits>

#include "normgrad/core/ops/arithmetic.hpp"
#include "normgrad/core/ops/elementwise.hpp"

namespace normgrad {

using kernels::CompareOp;

namespace {

Tensor compared(const char* name, CompareOp op, const Tensor& a, const Tensor& b) {
  detail::check_same_dtype(name, a, b);
  const Shape shape = broadcast_shapes(name, a.shape(), b.shape());
  const auto layout = kernels::broadcast_layout<2>(shape, {&a.shape(), &b.shape()});
  Tensor y = Tensor::empty(shape, kBool);
  dispatch_all(a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::compare(op, layout, a.data<T>(), b.data<T>(), y.mutable_data<bool>());
  });
  return y;
}

// Integers are compared as numbers: no int64 equals 0.5.
Tensor compared(const char* name, CompareOp op, const Tensor& a, double b) {
  if (!is_floating_point(a.dtype())) {
    return compared(name, op, to(a, kFloat64), b);
  }
  const auto layout = kernels::Broadcast<2>::flat(a.numel(), {false, true});
  Tensor y = Tensor::empty(a.shape(), kBool);
  dispatch_float(name, a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T number = static_cast<T>(b);
    kernels::compare(op, layout, a.data<T>(), &number, y.mutable_data<bool>());
  });
  return y;
}

}  // namespace

Tensor eq(const Tensor& a, const Tensor& b) { return compared("eq", CompareOp::eq, a, b); }
Tensor ne(const Tensor& a, const Tensor& b) { return compared("ne", CompareOp::ne, a, b); }
Tensor lt(const Tensor& a, const Tensor& b) { return compared("lt", CompareOp::lt, a, b); }
Tensor le(const Tensor& a, const Tensor& b) { return compared("le", CompareOp::le, a, b); }
Tensor gt(const Tensor& a, const Tensor& b) { return compared("gt", CompareOp::gt, a, b); }
Tensor ge(const Tensor& a, const Tensor& b) { return compared("ge", CompareOp::ge, a, b); }
Tensor eq(const Tensor& a, double b) { return compared("eq", CompareOp::eq, a, b); }
Tensor ne(const Tensor& a, double b) { return compared("ne", CompareOp::ne, a, b); }
Tensor lt(const Tensor& a, double b) { return compared("lt", CompareOp::lt, a, b); }
Tensor le(const Tensor& a, double b) { return compared("le", CompareOp::le, a, b); }
Tensor gt(const Tensor& a, double b) { return compared("gt", CompareOp::gt, a, b); }
Tensor ge(const Tensor& a, double b) { return compared("ge", CompareOp::ge, a, b); }

}  // namespace normgrad
