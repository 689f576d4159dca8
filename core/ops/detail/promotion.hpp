// Conversion of operands of different dtypes. Internal.
#pragma once

#include <initializer_list>
#include <optional>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad::detail {

/// result_type() of any number of tensors.
DType result_type_of(std::initializer_list<const Tensor*> tensors);

/// Two operands of one dtype.
struct Operands {
  Tensor a;
  Tensor b;
};

/// Both operands, converted to their result_type(); recorded, so each gets a gradient of its own dtype.
Operands in_result_type(const Tensor& a, const Tensor& b);

/// The same if their dtypes differ, otherwise nothing: the operation then has the operands that it can compute with.
inline std::optional<Operands> promoted(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() ? std::nullopt : std::optional(in_result_type(a, b));
}

/// x converted for an operation with a number if that changes its dtype, otherwise nothing.
std::optional<Tensor> promoted(const Tensor& x, Scalar number);

/// Throws DTypeError if the tensor is bool.
void check_numbers(const char* name, const Tensor& x);

/// `number` as a tensor without axes, of the dtype of `like`. Throws ValueError if an integer dtype cannot hold it.
Tensor number_like(const char* name, const Tensor& like, Scalar number);

}  // namespace normgrad::detail
