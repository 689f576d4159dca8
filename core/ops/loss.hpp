// Loss functions; names, defaults, formulas and reductions are PyTorch's. Differentiable to any order.
//
// What has no weight counts nothing, also beside an infinite logarithm: a class with the logit -inf, or a
// log-probability of -inf, adds 0 where its target (or its class's weight) is 0. NaN stays NaN.
//
// A mean over an empty input is a ValueError that names the loss; Reduction::sum of one is 0.
//
//   Tensor loss = cross_entropy(logits, labels, {.label_smoothing = 0.1});
#pragma once

#include <cstdint>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// How the losses of the elements become one number: not at all, by their mean, or by their sum. `batchmean`, the sum
/// divided by the size of the first axis, is for kl_div only.
enum class Reduction { none, mean, sum, batchmean };

/// Options of losses without others of their own.
struct LossOptions {
  Reduction reduction = Reduction::mean;  ///< how the elements become one number
};

/// Options of cross_entropy.
struct CrossEntropyOptions {
  Tensor weight = {};                     ///< [C], of the logits' dtype: a factor for each class; undefined means ones
  std::int64_t ignore_index = -100;       ///< rows with this target count nothing and get no gradient
  Reduction reduction = Reduction::mean;  ///< how the elements become one number
  double label_smoothing = 0.0;           ///< in [0, 1]: this part of the target is spread evenly over the classes
};

/// Softmax cross entropy. `logits` are [N, C], [C] or [N, C, d1, ...]; `target` is either int64 class indices, of the
/// logits' shape without C, or class probabilities of the logits' shape and dtype. A logit of -inf is a class that
/// cannot be; a logit of +inf, or -inf for all classes, has no softmax and gives NaN, as it does in PyTorch.
///
/// With indices, loss = -weight[t] log_softmax(logits)[t], and the mean divides by the sum of the weights of the
/// targets that are not ignored: when all are ignored the mean is 0 / 0, which is NaN, as it is in PyTorch. With
/// probabilities the mean divides by the number of rows. Throws IndexError for a class out of range.
Tensor cross_entropy(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& options = {});

/// Options of nll_loss.
struct NllLossOptions {
  Tensor weight = {};                     ///< [C]: a factor for each class; undefined means ones
  std::int64_t ignore_index = -100;       ///< rows with this target count nothing
  Reduction reduction = Reduction::mean;  ///< how the elements become one number
};

/// -weight[t] log_probs[t]: cross_entropy of log-probabilities. Shapes, indices and mean as there.
Tensor nll_loss(const Tensor& log_probs, const Tensor& target, const NllLossOptions& options = {});

// Element-wise losses: x and target have one shape and dtype.

/// (x - target)^2.
Tensor mse_loss(const Tensor& x, const Tensor& target, LossOptions options = {});
/// |x - target|; the gradient is 0 where they are equal.
Tensor l1_loss(const Tensor& x, const Tensor& target, LossOptions options = {});

/// Options of smooth_l1_loss.
struct SmoothL1LossOptions {
  double beta = 1.0;                      ///< >= 0; 0 gives l1_loss
  Reduction reduction = Reduction::mean;  ///< how the elements become one number
};
/// 0.5 d^2 / beta for |d| < beta, else |d| - 0.5 beta, where d = x - target.
Tensor smooth_l1_loss(const Tensor& x, const Tensor& target, const SmoothL1LossOptions& options = {});

/// Options of huber_loss.
struct HuberLossOptions {
  double delta = 1.0;                     ///< > 0
  Reduction reduction = Reduction::mean;  ///< how the elements become one number
};
/// 0.5 d^2 for |d| < delta, else delta (|d| - 0.5 delta), where d = x - target.
Tensor huber_loss(const Tensor& x, const Tensor& target, const HuberLossOptions& options = {});

/// Options of binary_cross_entropy_with_logits.
struct BceWithLogitsOptions {
  Tensor weight = {};                     ///< a factor for each element; broadcasts to x
  Tensor pos_weight = {};                 ///< a factor for the positive part; broadcasts to x
  Reduction reduction = Reduction::mean;  ///< how the elements become one number
};
/// -(pos_weight target log(sigmoid(x)) + (1 - target) log(1 - sigmoid(x))), safe for large |x|.
Tensor binary_cross_entropy_with_logits(const Tensor& x, const Tensor& target,
                                        const BceWithLogitsOptions& options = {});

/// Options of kl_div.
struct KlDivOptions {
  bool log_target = false;                ///< the target holds log-probabilities, too
  Reduction reduction = Reduction::mean;  ///< how the elements become one number
};
/// target (log(target) - x) for log-probabilities x; 0 where target is 0.
Tensor kl_div(const Tensor& x, const Tensor& target, const KlDivOptions& options = {});

}  // namespace normgrad
