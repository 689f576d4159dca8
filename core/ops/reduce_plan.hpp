// What the reductions share; not for users.
#pragma once

#include <array>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/kernels/reduce.hpp"

namespace normgrad::detail {

/// What a reduction makes of a shape.
struct ReducePlan {
  std::array<bool, Shape::kMaxDims> reduced{};
  Shape kept;              ///< the reduced axes have size 1
  Shape result;            ///< as asked for
  std::int64_t count = 1;  ///< elements that go into one result

  /// Throws IndexError and ValueError, naming the operation, for axes that x does not have.
  ReducePlan(const char* name, const Shape& x, const Axes& axes, bool keepdim);
};

/// x reduced over the named axes to y, which has as many elements as are left; x is a tensor of numbers.
void reduce_into(const char* name, kernels::ReduceOp op, const Tensor& x,
                 const std::array<bool, Shape::kMaxDims>& reduced, Tensor& y);

/// The reduction of a tensor of numbers, not recorded; throws DTypeError for bool.
Tensor reduced(const char* name, kernels::ReduceOp op, const Tensor& x, const ReducePlan& plan);

}  // namespace normgrad::detail
