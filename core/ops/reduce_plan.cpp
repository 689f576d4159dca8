#include "normgrad/core/ops/reduce_plan.hpp"

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

Tensor reduced(const char* name, kernels::ReduceOp op, const Tensor& x, const ReducePlan& plan) {
  require<DTypeError>(x.dtype() != kBool, name, ": expected a tensor of numbers but got bool; convert it with to()");
  Tensor y = Tensor::empty(plan.result, x.dtype());
  const kernels::ReduceLayout layout(x.shape(), plan.reduced);
  const auto run = [&](auto zero) {
    using T = decltype(zero);
    kernels::reduce(op, layout, x.data<T>(), y.mutable_data<T>());
  };
  if (x.dtype() == kInt64) {
    run(std::int64_t{});
  } else {
    dispatch_float(name, x.dtype(), run);
  }
  return y;
}

}  // namespace normgrad::detail
