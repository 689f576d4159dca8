#include "normgrad/core/ops/detail/reduce_plan.hpp"

#include <algorithm>

#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/detail/memory_format.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"

namespace normgrad::detail {

ReducePlan::ReducePlan(const char* name, const Shape& x, const Axes& axes, bool keepdim)
    : reduced(axes.mask(name, x.dim())) {
  for (std::size_t i = 0; i < x.rank(); ++i) {
    kept.push_back(reduced[i] ? 1 : x[i]);
    count *= reduced[i] ? x[i] : 1;
    if (keepdim || !reduced[i]) {
      result.push_back(kept.back());
    }
  }
}

namespace {

using Mask = std::array<bool, Shape::kMaxDims>;

// Whether the result of a channels-last tensor is row-major: no channels are left, or only channels.
bool comes_out_in_order(const Shape& x, const Mask& reduced) {
  bool all_but_channels = true;
  for (std::size_t i = 2; i < x.rank(); ++i) {
    all_but_channels = all_but_channels && (reduced[i] || x[i] == 1);
  }
  return reduced[1] || all_but_channels;
}

kernels::ReduceLayout layout_of(const Tensor& x, const Mask& reduced) {
  if (!x.is_channels_last()) {
    return {x.shape(), reduced};
  }
  Mask behind = reduced;
  std::rotate(behind.begin() + 1, behind.begin() + 2, behind.begin() + x.dim());
  return {nhwc_shape(x.shape()), behind};
}

}  // namespace

void reduce_into(const char* name, kernels::ReduceOp op, const Tensor& x, const Mask& reduced, Tensor& y) {
  if (x.is_channels_last() && !comes_out_in_order(x.shape(), reduced)) {
    reduce_into(name, op, x.row_major(), reduced, y);
    return;
  }
  const kernels::ReduceLayout layout = layout_of(x, reduced);
  const auto run = [&](auto zero) {
    using T = decltype(zero);
    kernels::reduce(op, layout, x.physical_data<T>(), y.mutable_data<T>());
  };
  if (x.dtype() == kInt64) {
    run(std::int64_t{});
  } else {
    dispatch_float(name, x.dtype(), run);
  }
}

Tensor reduced(const char* name, kernels::ReduceOp op, const Tensor& given, const ReducePlan& plan) {
  require<DTypeError>(given.dtype() != kBool, name,
                      ": expected a tensor of numbers but got bool; convert it with to()");
  const Tensor x = widened(given);
  Tensor y = Tensor::empty(plan.result, x.dtype());
  reduce_into(name, op, x, plan.reduced, y);
  const bool extreme = op == kernels::ReduceOp::max || op == kernels::ReduceOp::min;
  return extreme ? to(y, given.dtype()) : y;
}

}  // namespace normgrad::detail
