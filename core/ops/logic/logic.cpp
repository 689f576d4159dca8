#include "normgrad/core/ops/logic/logic.hpp"

#include <limits>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/autograd/watch.hpp"
#include "normgrad/core/kernels/elementwise/compare.hpp"
#include "normgrad/core/ops/detail/row_major.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"

namespace normgrad {

namespace {

Tensor as_mask(const Tensor& x) { return x.dtype() == kBool ? x : ne(x, 0); }

// A comparison of masks, with false < true, says whether both, one or neither is true.
Tensor of_masks(const char* name, kernels::CompareOp op, const Tensor& a, const Tensor& b) {
  const Shape shape = broadcast_shapes(name, a.shape(), b.shape());
  const auto layout = kernels::broadcast_layout<2>(shape, {&a.shape(), &b.shape()});
  Tensor y = Tensor::empty(shape, kBool);
  kernels::compare(op, layout, detail::row_major_as<std::uint8_t>(a), detail::row_major_as<std::uint8_t>(b),
                   y.mutable_data<bool>());
  detail::announce(name, y, {a, b});
  return y;
}

void check_masks(const char* name, const Tensor& a, const Tensor& b) {
  const DType wrong = a.dtype() == kBool ? b.dtype() : a.dtype();
  require<DTypeError>(wrong == kBool, name, ": expected bool tensors but got ", wrong,
                      "; compare with a number first, or use logical_and(), logical_or(), logical_xor() or "
                      "logical_not()");
}

Tensor all_the_same(const Tensor& x, bool value) {
  Tensor y = Tensor::empty(x.shape(), kBool);
  return y.fill_(value);
}

Tensor magnitude_of(const Tensor& x) {
  const NoGradGuard unrecorded;
  return abs(x);
}

constexpr double kInfinitelyLarge = std::numeric_limits<double>::infinity();

}  // namespace

Tensor logical_and(const Tensor& a, const Tensor& b) {
  // a > !b
  return of_masks("logical_and", kernels::CompareOp::gt, as_mask(a), logical_not(b));
}

Tensor logical_or(const Tensor& a, const Tensor& b) {
  // a >= !b
  return of_masks("logical_or", kernels::CompareOp::ge, as_mask(a), logical_not(b));
}

Tensor logical_xor(const Tensor& a, const Tensor& b) {
  return of_masks("logical_xor", kernels::CompareOp::ne, as_mask(a), as_mask(b));
}

Tensor logical_not(const Tensor& x) { return eq(x, 0); }

Tensor operator&(const Tensor& a, const Tensor& b) {
  check_masks("operator&", a, b);
  return logical_and(a, b);
}

Tensor operator|(const Tensor& a, const Tensor& b) {
  check_masks("operator|", a, b);
  return logical_or(a, b);
}

Tensor operator^(const Tensor& a, const Tensor& b) {
  check_masks("operator^", a, b);
  return logical_xor(a, b);
}

Tensor operator~(const Tensor& x) {
  check_masks("operator~", x, x);
  return logical_not(x);
}

Tensor isnan(const Tensor& x) { return is_floating_point(x.dtype()) ? ne(x, x) : all_the_same(x, false); }

Tensor isinf(const Tensor& x) {
  return is_floating_point(x.dtype()) ? eq(magnitude_of(x), kInfinitelyLarge) : all_the_same(x, false);
}

Tensor isfinite(const Tensor& x) {
  return is_floating_point(x.dtype()) ? lt(magnitude_of(x), kInfinitelyLarge) : all_the_same(x, true);
}

Tensor all(const Tensor& x, const Axes& axes, ReduceFlag keepdim) {
  axes.mask("all", x.dim());
  return eq(sum(logical_not(x), axes, keepdim), 0);
}

Tensor any(const Tensor& x, const Axes& axes, ReduceFlag keepdim) {
  axes.mask("any", x.dim());
  return ne(sum(as_mask(x), axes, keepdim), 0);
}

}  // namespace normgrad
