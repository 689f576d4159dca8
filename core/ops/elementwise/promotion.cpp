#include "normgrad/core/ops/detail/promotion.hpp"

#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"

namespace normgrad {

namespace {

// The result of operands of two ranks: tensors with axes above those without, and these above numbers. The lower one
// only counts if it is of a higher kind.
DType over(DType higher, DType lower) {
  return higher == kBool || (is_floating_point(lower) && !is_floating_point(higher)) ? promote_types(higher, lower)
                                                                                     : higher;
}

DType dtype_of_number(Scalar number) { return number.is_bool() ? kBool : number.is_integer() ? kInt64 : kFloat32; }

}  // namespace

DType detail::result_type_of(std::initializer_list<const Tensor*> tensors) {
  DType with_axes = kBool;  // which every dtype promotes
  DType without = kBool;
  for (const Tensor* x : tensors) {
    DType& type = x->dim() == 0 ? without : with_axes;
    type = promote_types(type, x->dtype());
  }
  return over(with_axes, without);
}

DType result_type(const Tensor& a, const Tensor& b) { return detail::result_type_of({&a, &b}); }

DType result_type(const Tensor& a, Scalar b) { return over(a.dtype(), dtype_of_number(b)); }
DType result_type(Scalar a, const Tensor& b) { return result_type(b, a); }

detail::Operands detail::in_result_type(const Tensor& a, const Tensor& b) {
  const DType type = result_type(a, b);
  return {to(a, type), to(b, type)};
}

std::optional<Tensor> detail::promoted(const Tensor& x, Scalar number) {
  const DType type = result_type(x, number);
  return type == x.dtype() ? std::nullopt : std::optional(to(x, type));
}

void detail::check_numbers(const char* name, const Tensor& x) {
  require<DTypeError>(x.dtype() != kBool, name, ": expected a tensor of numbers but got bool; convert it with to()");
}

Tensor detail::number_like(const char* name, const Tensor& like, Scalar number) {
  if (is_integer(like.dtype())) {
    number = whole_number(name, number, like.dtype());
    check_fits(name, number, like.dtype());
  }
  return Tensor::empty({}, like.dtype()).fill_(number);
}

}  // namespace normgrad
