// Shared code of the reductions. Internal.
#pragma once

#include <array>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/kernels/reduce/reduce.hpp"

namespace normgrad::detail {

/// The shapes of a reduction.
struct ReducePlan {
  std::array<bool, Shape::kMaxDims> reduced{};
  Shape kept;              ///< the reduced axes have size 1
  Shape result;            ///< the requested shape, with or without the reduced axes
  std::int64_t count = 1;  ///< elements per result

  /// Throws IndexError or ValueError, naming the operation, for axes that x does not have.
  ReducePlan(const char* name, const Shape& x, const Axes& axes, bool keepdim);
};

/// Reduces x, a tensor of numbers, over the given axes into y, which has as many elements as remain.
void reduce_into(const char* name, kernels::ReduceOp op, const Tensor& x,
                 const std::array<bool, Shape::kMaxDims>& reduced, Tensor& y);

/// The reduction of a tensor of numbers, not recorded; of the dtype of x, except that sums and products of integers are
/// int64. Throws DTypeError for bool.
Tensor reduced(const char* name, kernels::ReduceOp op, const Tensor& x, const ReducePlan& plan);

}  // namespace normgrad::detail
