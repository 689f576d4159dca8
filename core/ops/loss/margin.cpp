#include "normgrad/core/ops/loss/margin.hpp"

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/detail/loss_check.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/gated.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/logic/logic.hpp"
#include "normgrad/core/ops/order/scan.hpp"
#include "normgrad/core/ops/reduction/distance.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

using detail::reduced_losses;

namespace {

void check_alike(const char* where, const Tensor& x, const Tensor& target) {
  detail::check_float(where, x);
  require<ShapeError>(target.shape() == x.shape(), where, ": expected a target of shape ", x.shape(), " but got ",
                      target.shape());
}

// Signs may be given as integers.
Tensor signs_for(const char* where, const Tensor& target, const Tensor& x) {
  if (target.dtype() == kInt64) {
    return to(target, x.dtype());
  }
  detail::check_same_dtype(where, x, target);
  return target;
}

Tensor at_least_zero(const Tensor& x) { return clamp(x, 0.0, {}); }

// x as [N, C], and whether it was [C].
Tensor matrix_of(const char* where, const Tensor& x) {
  detail::check_float(where, x);
  require<ShapeError>((x.dim() == 1 || x.dim() == 2) && x.size(-1) > 0, where,
                      ": expected an input [N, C] or [C] but got ", x.shape());
  return x.dim() == 1 ? unsqueeze(x, 0) : x;
}

void check_classes(const char* where, const Tensor& target, std::int64_t lowest, std::int64_t classes) {
  require<DTypeError>(target.dtype() == kInt64, where, ": expected an int64 target but got ", target.dtype());
  const auto* values = target.data<std::int64_t>();
  for (std::int64_t i = 0; i < target.numel(); ++i) {
    require<IndexError>(values[i] >= lowest && values[i] < classes, where, ": expected classes in [", lowest, ", ",
                        classes, ") but got ", values[i], " at position ", i);
  }
}

Tensor triplet(const char* where, const Tensor& anchor, const Tensor& positive, const Tensor& negative,
               const DistanceFunction& distance, double margin, bool swap, Reduction reduction) {
  require<ValueError>(margin > 0.0, where, ": expected a margin > 0 but got ", margin);
  require<ShapeError>(anchor.dim() == positive.dim() && anchor.dim() == negative.dim(), where,
                      ": expected three tensors with the same number of axes but got ", anchor.shape(), ", ",
                      positive.shape(), " and ", negative.shape());
  const Tensor near = distance(anchor, positive);
  Tensor far = distance(anchor, negative);
  if (swap) {
    far = minimum(far, distance(positive, negative));
  }
  return reduced_losses(where, at_least_zero(add(sub(near, far), margin)), reduction);
}

}  // namespace

Tensor margin_ranking_loss(const Tensor& x1, const Tensor& x2, const Tensor& target, const MarginOptions& options) {
  detail::check_float("margin_ranking_loss", x1);
  detail::check_same_dtype("margin_ranking_loss", x1, x2);
  const Tensor signs = signs_for("margin_ranking_loss", target, x1);
  return reduced_losses("margin_ranking_loss", at_least_zero(add(mul(neg(signs), sub(x1, x2)), options.margin)),
                        options.reduction);
}

Tensor hinge_embedding_loss(const Tensor& x, const Tensor& target, const HingeEmbeddingOptions& options) {
  check_alike("hinge_embedding_loss", x, target);
  const Tensor apart = where(ne(target, 1), at_least_zero(options.margin - x), 0.0);
  return reduced_losses("hinge_embedding_loss", add(apart, where(ne(target, -1), x, 0.0)), options.reduction);
}

Tensor soft_margin_loss(const Tensor& x, const Tensor& target, LossOptions options) {
  check_alike("soft_margin_loss", x, target);
  const Tensor signs = signs_for("soft_margin_loss", target, x);
  return reduced_losses("soft_margin_loss", neg(logsigmoid(mul(signs, x))), options.reduction);
}

Tensor cosine_embedding_loss(const Tensor& x1, const Tensor& x2, const Tensor& target, const MarginOptions& options) {
  const char* const name = "cosine_embedding_loss";
  detail::check_float(name, x1);
  detail::check_same_dtype(name, x1, x2);
  require<ShapeError>((x1.dim() == 1 || x1.dim() == 2) && x1.shape() == x2.shape() && target.dim() == x1.dim() - 1 &&
                          (target.dim() == 0 || target.size(0) == x1.size(0)),
                      name, ": expected [N, D], [N, D] and a target [N], or [D], [D] and [], but got ", x1.shape(),
                      ", ", x2.shape(), " and ", target.shape());
  constexpr double kSmall = 1e-12;
  const auto squares = [](const Tensor& x) { return add(sum(square(x), -1), kSmall); };
  const Tensor cosine = mul(sum(mul(x1, x2), -1), rsqrt(mul(squares(x1), squares(x2))));
  const Tensor together = where(eq(target, 1), 1.0 - cosine, 0.0);
  const Tensor apart = where(eq(target, -1), at_least_zero(sub(cosine, options.margin)), 0.0);
  return reduced_losses(name, add(together, apart), options.reduction);
}

Tensor multi_margin_loss(const Tensor& x, const Tensor& target, const MultiMarginOptions& options) {
  const char* const name = "multi_margin_loss";
  require<ValueError>(options.p == 1.0 || options.p == 2.0, name, ": expected a p of 1 or 2 but got ", options.p);
  const Tensor rows = matrix_of(name, x);
  const std::int64_t classes = rows.size(1);
  require<ShapeError>(target.numel() == rows.size(0) && target.dim() <= 1, name, ": expected a target [", rows.size(0),
                      "] for ", x.shape(), " but got ", target.shape());
  check_classes(name, target, 0, classes);
  const Tensor column = reshape_to(target, {target.numel(), 1});
  Tensor terms = relu(add(sub(rows, gather(rows, 1, column)), options.margin));
  if (options.p == 2.0) {
    terms = square(terms);
  }
  if (options.weight.defined()) {
    detail::check_same_dtype(name, x, options.weight);
    require<ShapeError>(options.weight.shape() == (Shape{classes}), name, ": expected a weight [", classes,
                        "] but got ", options.weight.shape());
    terms = mul(terms, unsqueeze(index_select(options.weight, 0, reshape_to(target, {target.numel()})), 1));
  }
  const Tensor losses = div(sum(where(eq(arange(classes), column), 0.0, terms), 1), static_cast<double>(classes));
  return reduced_losses(name, reshape_to(losses, x.dim() == 1 ? Shape{} : losses.shape()), options.reduction);
}

Tensor multilabel_margin_loss(const Tensor& x, const Tensor& target, LossOptions options) {
  const char* const name = "multilabel_margin_loss";
  const Tensor rows = matrix_of(name, x);
  check_alike(name, x, target);
  const std::int64_t classes = rows.size(1);
  check_classes(name, target, -1, classes);
  const Tensor targets = reshape_to(target, rows.shape());
  const Tensor counts = eq(cumsum(lt(targets, 0), 1), 0);  // before the first -1
  const Tensor chosen = where(counts, targets, 0);
  const Tensor is_target = gt(scatter_add(rows.shape(), 1, chosen, to(counts, kInt64)), 0);
  const Tensor margins = 1.0 - gather(rows, 1, chosen);
  const Tensor terms = relu(add(unsqueeze(margins, 2), unsqueeze(rows, 1)));
  const Tensor taken = logical_and(unsqueeze(counts, 2), unsqueeze(logical_not(is_target), 1));
  const Tensor losses = div(sum(where(taken, terms, 0.0), {1, 2}), static_cast<double>(classes));
  return reduced_losses(name, reshape_to(losses, x.dim() == 1 ? Shape{} : losses.shape()), options.reduction);
}

Tensor multilabel_soft_margin_loss(const Tensor& x, const Tensor& target, const MultilabelSoftMarginOptions& options) {
  const char* const name = "multilabel_soft_margin_loss";
  check_alike(name, x, target);
  require<ShapeError>(x.dim() > 0 && x.size(-1) > 0, name, ": expected an input [*, C] but got ", x.shape());
  Tensor losses = binary_cross_entropy_with_logits(x, signs_for(name, target, x), {.reduction = Reduction::none});
  if (options.weight.defined()) {
    detail::check_same_dtype(name, x, options.weight);
    losses = detail::weighted(options.weight, losses);
  }
  return reduced_losses(name, mean(losses, -1), options.reduction);
}

Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                           const TripletMarginOptions& options) {
  const auto distance = [&](const Tensor& a, const Tensor& b) {
    return pairwise_distance(a, b, options.p, options.eps);
  };
  return triplet("triplet_margin_loss", anchor, positive, negative, distance, options.margin, options.swap,
                 options.reduction);
}

Tensor triplet_margin_with_distance_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                                         const TripletMarginWithDistanceOptions& options) {
  const auto usual = [](const Tensor& a, const Tensor& b) { return pairwise_distance(a, b); };
  return triplet("triplet_margin_with_distance_loss", anchor, positive, negative,
                 options.distance_function ? options.distance_function : DistanceFunction(usual), options.margin,
                 options.swap, options.reduction);
}

}  // namespace normgrad
