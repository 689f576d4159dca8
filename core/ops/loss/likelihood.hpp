// Losses of probabilities and distributions. Names, defaults, formulas and reductions are PyTorch's. x and the target
// have one dtype and, unless noted otherwise, one shape. See loss.hpp for reductions.
#pragma once

#include "normgrad/core/ops/loss/loss.hpp"

namespace normgrad {

/// Options of binary_cross_entropy.
struct BinaryCrossEntropyOptions {
  Tensor weight = {};                     ///< a weight per element; broadcasts to x; undefined means ones
  Reduction reduction = Reduction::mean;  ///< reduction of the element losses
};
/// -(target log(x) + (1 - target) log(1 - x)) for probabilities x, with logarithms of at least -100. Prefer
/// binary_cross_entropy_with_logits(), which is accurate near 0 and 1. Throws ValueError for x outside of [0, 1].
Tensor binary_cross_entropy(const Tensor& x, const Tensor& target, const BinaryCrossEntropyOptions& options = {});

/// Options of poisson_nll_loss.
struct PoissonNllOptions {
  bool log_input = true;                  ///< whether x is the logarithm of the rate, and not the rate
  bool full = false;                      ///< add Stirling's approximation of log(target!) for targets above 1
  double eps = 1e-8;                      ///< added to the rate in the logarithm
  Reduction reduction = Reduction::mean;  ///< reduction of the element losses
};
/// exp(x) - target x, or x - target log(x + eps). The shapes broadcast.
Tensor poisson_nll_loss(const Tensor& x, const Tensor& target, const PoissonNllOptions& options = {});

/// Options of gaussian_nll_loss.
struct GaussianNllOptions {
  bool full = false;                      ///< add log(2 pi) / 2
  double eps = 1e-6;                      ///< > 0: the least variance; the gradient passes as if there was no limit
  Reduction reduction = Reduction::mean;  ///< reduction of the element losses
};
/// (log(var) + (x - target)^2 / var) / 2. var has the shape of x, or one without the last axis or with size 1 there.
/// Throws ValueError for a negative variance.
Tensor gaussian_nll_loss(const Tensor& x, const Tensor& target, const Tensor& var,
                         const GaussianNllOptions& options = {});

/// Options of sigmoid_focal_loss.
struct SigmoidFocalOptions {
  double alpha = 0.25;                    ///< weight of the positive class, 1 - alpha of the negative; < 0: no weights
  double gamma = 2.0;                     ///< the exponent of (1 - p)
  Reduction reduction = Reduction::none;  ///< reduction of the element losses
};
/// (1 - p)^gamma times binary_cross_entropy_with_logits, where p is the probability that the logits x give to the
/// target. As torchvision.ops.sigmoid_focal_loss. Lin et al., "Focal loss for dense object detection", 2017.
Tensor sigmoid_focal_loss(const Tensor& x, const Tensor& target, const SigmoidFocalOptions& options = {});

}  // namespace normgrad
