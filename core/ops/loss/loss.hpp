// Loss functions, differentiable to any order. Names, defaults, formulas and reductions are PyTorch's.
//
// A weight of 0 contributes 0, even for an infinite logarithm: a class with the logit -inf, or with a log-probability
// of -inf, adds 0 if its target (or its class weight) is 0. NaN propagates.
//
// The mean over an empty input throws ValueError, naming the loss; Reduction::sum gives 0.
//
//   Tensor loss = cross_entropy(logits, labels, {.label_smoothing = 0.1});
#pragma once

#include <cstdint>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// The reduction of the element losses: none, their mean, or their sum. `batchmean`, the sum divided by the size of the
/// first axis, is for kl_div only.
enum class Reduction { none, mean, sum, batchmean };

/// Options of the losses without further options.
struct LossOptions {
  Reduction reduction = Reduction::mean;  ///< reduction of the element losses
};

/// Options of cross_entropy.
struct CrossEntropyOptions {
  Tensor weight = {};                     ///< [C], of the logits' dtype: a weight per class; undefined means ones
  std::int64_t ignore_index = -100;       ///< rows with this target contribute nothing and get no gradient
  Reduction reduction = Reduction::mean;  ///< reduction of the row losses
  double label_smoothing = 0.0;  ///< in [0, 1]: the fraction of the target that is spread evenly over the classes
};

/// Softmax cross entropy. `logits` are [N, C], [C] or [N, C, d1, ...]. `target` is int64 class indices, of the logits'
/// shape without C, or class probabilities of the logits' shape and dtype. A logit of -inf marks an impossible class. A
/// logit of +inf, or -inf for all classes, has no softmax and gives NaN, as in PyTorch.
///
/// With indices, loss = -weight[t] log_softmax(logits)[t], and the mean divides by the sum of the weights of the
/// targets that are not ignored. If all are ignored, the mean is 0 / 0 = NaN, as in PyTorch. With probabilities the
/// mean divides by the number of rows. Throws IndexError for a class out of range.
Tensor cross_entropy(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& options = {});

/// Options of nll_loss.
struct NllLossOptions {
  Tensor weight = {};                     ///< [C]: a weight per class; undefined means ones
  std::int64_t ignore_index = -100;       ///< rows with this target contribute nothing
  Reduction reduction = Reduction::mean;  ///< reduction of the row losses
};

/// -weight[t] log_probs[t]: cross_entropy of log-probabilities, with the same shapes, indices and mean.
Tensor nll_loss(const Tensor& log_probs, const Tensor& target, const NllLossOptions& options = {});

// Element-wise losses. x and target have the same shape and dtype.

/// (x - target)^2.
Tensor mse_loss(const Tensor& x, const Tensor& target, LossOptions options = {});
/// |x - target|. The gradient is 0 where they are equal.
Tensor l1_loss(const Tensor& x, const Tensor& target, LossOptions options = {});

/// Options of smooth_l1_loss.
struct SmoothL1LossOptions {
  double beta = 1.0;                      ///< >= 0; 0 gives l1_loss
  Reduction reduction = Reduction::mean;  ///< reduction of the element losses
};
/// 0.5 d^2 / beta for |d| < beta, else |d| - 0.5 beta, where d = x - target.
Tensor smooth_l1_loss(const Tensor& x, const Tensor& target, const SmoothL1LossOptions& options = {});

/// Options of huber_loss.
struct HuberLossOptions {
  double delta = 1.0;                     ///< > 0
  Reduction reduction = Reduction::mean;  ///< reduction of the element losses
};
/// 0.5 d^2 for |d| < delta, else delta (|d| - 0.5 delta), where d = x - target.
Tensor huber_loss(const Tensor& x, const Tensor& target, const HuberLossOptions& options = {});

/// Options of binary_cross_entropy_with_logits.
struct BceWithLogitsOptions {
  Tensor weight = {};                     ///< a weight per element; broadcasts to x
  Tensor pos_weight = {};                 ///< a weight of the positive part; broadcasts to x
  Reduction reduction = Reduction::mean;  ///< reduction of the element losses
};
/// -(pos_weight target log(sigmoid(x)) + (1 - target) log(1 - sigmoid(x))), numerically stable for large |x|.
Tensor binary_cross_entropy_with_logits(const Tensor& x, const Tensor& target,
                                        const BceWithLogitsOptions& options = {});

/// Options of kl_div.
struct KlDivOptions {
  bool log_target = false;                ///< whether the target holds log-probabilities too
  Reduction reduction = Reduction::mean;  ///< reduction of the element losses
};
/// target (log(target) - x) for log-probabilities x; 0 where the target is 0.
Tensor kl_div(const Tensor& x, const Tensor& target, const KlDivOptions& options = {});

}  // namespace normgrad
