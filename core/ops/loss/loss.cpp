#include "normgrad/core/ops/loss/loss.hpp"

#include <limits>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/kernels/elementwise/log_sigmoid.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/detail/loss_check.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"

namespace normgrad {

namespace {

void check(const char* where, const Tensor& x, const Tensor& target, Reduction reduction) {
  require<DTypeError>(is_floating_point(x.dtype()), where, ": expected a float32 or float64 input but got ", x.dtype());
  require<ShapeError>(target.shape() == x.shape(), where, ": expected a target of shape ", x.shape(), " but got ",
                      target.shape(),
                      target.numel() == x.numel() ? "; give it the same axes with target.view() or unsqueeze()" : "");
  require<DTypeError>(target.dtype() == x.dtype(), where, ": expected a target of ", x.dtype(), " but got ",
                      target.dtype(), "; convert it with target.to(", x.dtype() == kFloat32 ? "kFloat32" : "kFloat64",
                      ")");
  detail::check_something_to_average(where, x, reduction);
}

void check_reduction(const char* where, Reduction reduction) {
  require<ValueError>(reduction != Reduction::batchmean, where,
                      ": expected reduction none, mean or sum but got batchmean, which is for kl_div only");
}

void check_factor(const char* where, const char* name, const Tensor& factor, const Tensor& x) {
  require<ShapeError>(broadcast_shapes(where, factor.shape(), x.shape()) == x.shape(), where, ": expected a ", name,
                      " that broadcasts to ", x.shape(), " but got ", factor.shape());
  require<DTypeError>(factor.dtype() == x.dtype(), where, ": expected a ", name, " of ", x.dtype(), " but got ",
                      factor.dtype());
}

Tensor reduce(const Tensor& losses, Reduction reduction) {
  switch (reduction) {
    case Reduction::none:
      return losses;
    case Reduction::mean:
      return mean(losses);
    case Reduction::sum:
      break;
    case Reduction::batchmean:
      return sum(losses) / static_cast<double>(losses.dim() == 0 ? 1 : losses.size(0));
  }
  return sum(losses);
}

Tensor log_sigmoid(const Tensor& x) {
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  dispatch_float("binary_cross_entropy_with_logits", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::log_sigmoid(x.data<T>(), y.mutable_data<T>(), x.numel());
  });
  return record("log_sigmoid", std::move(y), {x},
                [x = Saved(x)](const Tensor& gy, GradSink& into) { into.add(0, gy * sigmoid(-x.get())); });
}

// The losses of the logits x, with weight a for the positive class and b for the negative one.
Tensor logistic_loss(const Tensor& x, const Tensor& a, const Tensor& b) {
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  dispatch_float("binary_cross_entropy_with_logits", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::logistic_loss(x.data<T>(), a.data<T>(), b.data<T>(), y.mutable_data<T>(), x.numel());
  });
  return record("binary_cross_entropy_with_logits", std::move(y), {x, a, b},
                [x = Saved(x), a = Saved(a), b = Saved(b)](const Tensor& gy, GradSink& into) {
                  const Tensor& logits = x.get();
                  if (into.wants(0)) {
                    into.add(0, gy * (b.get() * sigmoid(logits) - a.get() * sigmoid(-logits)));
                  }
                  if (into.wants(1)) into.add(1, -(gy * detail::counted(a.get(), log_sigmoid(logits))));
                  if (into.wants(2)) into.add(2, -(gy * detail::counted(b.get(), log_sigmoid(-logits))));
                });
}

}  // namespace

Tensor mse_loss(const Tensor& x, const Tensor& target, LossOptions options) {
  check("mse_loss", x, target, options.reduction);
  check_reduction("mse_loss", options.reduction);
  return reduce(square(x - target), options.reduction);
}

Tensor l1_loss(const Tensor& x, const Tensor& target, LossOptions options) {
  check("l1_loss", x, target, options.reduction);
  check_reduction("l1_loss", options.reduction);
  return reduce(abs(x - target), options.reduction);
}

Tensor smooth_l1_loss(const Tensor& x, const Tensor& target, const SmoothL1LossOptions& options) {
  check("smooth_l1_loss", x, target, options.reduction);
  check_reduction("smooth_l1_loss", options.reduction);
  require<ValueError>(options.beta >= 0.0, "smooth_l1_loss: expected a beta >= 0 but got ", options.beta);
  const Tensor d = x - target;
  const Tensor distance = abs(d);
  if (options.beta == 0.0) {
    return reduce(distance, options.reduction);
  }
  const Tensor near = clamp(d, -options.beta, options.beta);  // square(d) has no gradient for infinite d
  return reduce(where(distance < options.beta, square(near) * (0.5 / options.beta), distance - 0.5 * options.beta),
                options.reduction);
}

Tensor huber_loss(const Tensor& x, const Tensor& target, const HuberLossOptions& options) {
  check("huber_loss", x, target, options.reduction);
  check_reduction("huber_loss", options.reduction);
  require<ValueError>(options.delta > 0.0, "huber_loss: expected a delta > 0 but got ", options.delta);
  const Tensor d = x - target;
  const Tensor distance = abs(d);
  const Tensor near = clamp(d, -options.delta, options.delta);  // square(d) has no gradient for infinite d
  return reduce(where(distance < options.delta, square(near) * 0.5, (distance - 0.5 * options.delta) * options.delta),
                options.reduction);
}

Tensor binary_cross_entropy_with_logits(const Tensor& x, const Tensor& target, const BceWithLogitsOptions& options) {
  const char* const where = "binary_cross_entropy_with_logits";
  check(where, x, target, options.reduction);
  check_reduction(where, options.reduction);
  if (options.pos_weight.defined()) {
    check_factor(where, "pos_weight", options.pos_weight, x);
  }
  Tensor losses = logistic_loss(x, options.pos_weight.defined() ? options.pos_weight * target : target, 1.0 - target);
  if (options.weight.defined()) {
    check_factor(where, "weight", options.weight, x);
    losses = detail::weighted(options.weight, losses);
  }
  return reduce(losses, options.reduction);
}

Tensor kl_div(const Tensor& x, const Tensor& target, const KlDivOptions& options) {
  check("kl_div", x, target, options.reduction);
  // 0 log(0) is 0, also in the gradient.
  if (options.log_target) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    const Tensor finite = where(eq(target, -kInfinity), zeros({}, {.dtype = target.dtype()}), target);
    return reduce(detail::weighted(exp(target), finite - x), options.reduction);
  }
  const Tensor positive = where(target > 0.0, target, ones({}, {.dtype = target.dtype()}));
  return reduce(detail::weighted(target, log(positive) - x), options.reduction);
}

}  // namespace normgrad
