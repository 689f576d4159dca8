#include "normgrad/core/ops/loss/likelihood.hpp"

#include <cmath>
#include <numbers>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/detail/loss_check.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/special.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/logic/logic.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

using detail::reduced_losses;

namespace {

void check_probable(const char* where, const Tensor& x, const Tensor& target) {
  detail::check_float(where, x);
  detail::check_same_dtype(where, x, target);
  require<ShapeError>(target.shape() == x.shape(), where, ": expected a target of shape ", x.shape(), " but got ",
                      target.shape());
}

// log(x) and log(1 - x), at least -100.
Tensor limited_log(const Tensor& x) { return clamp(log(x), -100.0, {}); }
Tensor limited_log_of_rest(const Tensor& x) { return clamp(log1p(neg(x)), -100.0, {}); }

}  // namespace

Tensor binary_cross_entropy(const Tensor& x, const Tensor& target, const BinaryCrossEntropyOptions& options) {
  const char* const name = "binary_cross_entropy";
  check_probable(name, x, target);
  require<ValueError>(all(logical_and(ge(x, 0.0), le(x, 1.0))).item() != 0.0, name,
                      ": expected probabilities in [0, 1]; binary_cross_entropy_with_logits() takes any numbers");
  Tensor y = [&] {
    const NoGradGuard unrecorded;
    return neg(add(mul(target, limited_log(x)), mul(1.0 - target, limited_log_of_rest(x))));
  }();
  // The derivative is finite at 0 and 1, as in PyTorch.
  Tensor losses =
      record(name, std::move(y), {x, target}, [x = Saved(x), target = Saved(target)](const Tensor& gy, GradSink& into) {
        const Tensor& p = x.get();
        if (into.wants(0)) into.add(0, mul(gy, div(sub(p, target.get()), clamp(mul(p, 1.0 - p), 1e-12, {}))));
        if (into.wants(1)) into.add(1, mul(gy, sub(limited_log_of_rest(p), limited_log(p))));
      });
  if (options.weight.defined()) {
    detail::check_same_dtype(name, x, options.weight);
    require<ShapeError>(broadcast_shapes(name, options.weight.shape(), x.shape()) == x.shape(), name,
                        ": expected a weight that broadcasts to ", x.shape(), " but got ", options.weight.shape());
    losses = mul(losses, options.weight);
  }
  return reduced_losses(name, losses, options.reduction);
}

Tensor poisson_nll_loss(const Tensor& x, const Tensor& target, const PoissonNllOptions& options) {
  const char* const name = "poisson_nll_loss";
  detail::check_float(name, x);
  detail::check_same_dtype(name, x, target);
  Tensor losses = options.log_input ? sub(exp(x), mul(target, x)) : sub(x, mul(target, log(add(x, options.eps))));
  if (options.full) {
    const Tensor large = where(gt(target, 1.0), target, 1.0);
    const Tensor stirling = add(sub(mul(large, log(large)), large), mul(log(mul(large, 2.0 * std::numbers::pi)), 0.5));
    losses = add(losses, where(gt(target, 1.0), stirling, 0.0));
  }
  return reduced_losses(name, losses, options.reduction);
}

Tensor gaussian_nll_loss(const Tensor& x, const Tensor& target, const Tensor& var, const GaussianNllOptions& options) {
  const char* const name = "gaussian_nll_loss";
  check_probable(name, x, target);
  detail::check_same_dtype(name, x, var);
  require<ValueError>(options.eps > 0.0, name, ": expected an eps > 0 but got ", options.eps);
  Shape reduced = x.shape();
  if (!reduced.empty()) {
    reduced.erase(reduced.rank() - 1);
  }
  Shape with_one = reduced;
  with_one.push_back(1);
  const bool lacks_axis = !x.shape().empty() && var.shape() == reduced;
  require<ShapeError>(lacks_axis || var.shape() == x.shape() || (!x.shape().empty() && var.shape() == with_one), name,
                      ": expected a var of shape ", x.shape(), ", ", with_one, " or ", reduced, " but got ",
                      var.shape());
  require<ValueError>(any(lt(var, 0.0)).item() == 0.0, name, ": expected variances >= 0");
  const Tensor given = lacks_axis ? unsqueeze(var, -1) : var;
  const Tensor plain = given.detach();
  const Tensor variance = add(given, sub(clamp(plain, options.eps, {}), plain));
  Tensor losses = mul(add(log(variance), div(square(sub(x, target)), variance)), 0.5);
  if (options.full) {
    losses = add(losses, 0.5 * std::log(2.0 * std::numbers::pi));
  }
  return reduced_losses(name, losses, options.reduction);
}

Tensor sigmoid_focal_loss(const Tensor& x, const Tensor& target, const SigmoidFocalOptions& options) {
  check_probable("sigmoid_focal_loss", x, target);
  const Tensor rest = 1.0 - target;
  const Tensor entropy = binary_cross_entropy_with_logits(x, target, {.reduction = Reduction::none});
  // 1 - p, without the difference: the probability of the other class.
  const Tensor missed = add(mul(sigmoid(neg(x)), target), mul(sigmoid(x), rest));
  Tensor losses = mul(entropy, pow(missed, options.gamma));
  if (options.alpha >= 0.0) {
    losses = mul(losses, add(mul(target, options.alpha), mul(rest, 1.0 - options.alpha)));
  }
  return reduced_losses("sigmoid_focal_loss", losses, options.reduction);
}

}  // namespace normgrad
