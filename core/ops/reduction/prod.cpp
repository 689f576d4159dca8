#include <limits>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/kernels/gemm/product.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/reduce_plan.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

// y[r][i] = product of x[r][j] over j != i for x: [rows, n].
Tensor products_of_others(const Tensor& x) {
  if (!is_grad_enabled()) {
    return dispatch_float("prod", x.dtype(), [&](auto zero) {
      using T = decltype(zero);
      Tensor y = Tensor::empty(x.shape(), x.dtype());
      kernels::products_of_others(x.data<T>(), y.mutable_data<T>(), x.size(0), x.size(1));
      return y;
    });
  }
  const Tensor y = prod(x, 1, true);
  const auto [smallest, largest] =
      x.dtype() == kFloat32
          ? std::pair<double, double>(std::numeric_limits<float>::min(), std::numeric_limits<float>::max())
          : std::pair<double, double>(std::numeric_limits<double>::min(), std::numeric_limits<double>::max());
  const Tensor size = abs(y);
  // A product that overflowed or underflowed cannot be divided.
  const double good = sum(ge(size, smallest)).item() - sum(gt(size, largest)).item();
  if (good == static_cast<double>(y.numel())) {
    return div(y, x);
  }
  const std::int64_t n = x.size(1);
  const Tensor own = to(eye(n, {.dtype = kInt64}), kBool);
  return prod(where(own, ones({}, {.dtype = x.dtype()}), reshape(x, {-1, 1, n})), 2);
}

// The kept axes first, then the reduced ones.
std::vector<std::int64_t> reduced_last(const std::array<bool, Shape::kMaxDims>& reduced, std::size_t rank) {
  std::vector<std::int64_t> order;
  for (const bool wanted : {false, true}) {
    for (std::size_t i = 0; i < rank; ++i) {
      if (reduced[i] == wanted) {
        order.push_back(static_cast<std::int64_t>(i));
      }
    }
  }
  return order;
}

}  // namespace

Tensor prod(const Tensor& x, const Axes& axes, ReduceFlag keepdim) {
  const detail::ReducePlan plan("prod", x.shape(), axes, keepdim);
  Tensor y = detail::reduced("prod", kernels::ReduceOp::prod, x, plan);
  detail::note_arguments("reduced", plan.reduced);
  return record("prod", std::move(y), {x}, [x = Saved(x), plan](const Tensor& gy, GradSink& into) {
    const std::vector<std::int64_t> order = reduced_last(plan.reduced, x.get().shape().rank());
    std::vector<std::int64_t> back(order.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      back[static_cast<std::size_t>(order[i])] = static_cast<std::int64_t>(i);
    }
    const Tensor moved = permute(x.get(), order);
    const Tensor others = products_of_others(reshape_to(moved, {plan.kept.numel(), plan.count}));
    into.add(0, mul(reshape_to(gy, plan.kept), permute(reshape_to(others, moved.shape()), back)));
  });
}

}  // namespace normgrad
