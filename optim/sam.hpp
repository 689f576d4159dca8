// SAM: another optimizer with the gradient at the worst point nearby, which leads to flat minima.
#pragma once

#include "normgrad/optim/optimizer.hpp"

namespace normgrad {

/// Options of SAM.
struct SAMOptions {
  double rho = 0.05;  ///< distance of the worst point
  bool adaptive =
      false;  ///< distances relative to each weight: Kwon et al., "ASAM", 2021; rho is then about 10 times larger
};

/// Foret et al., "Sharpness-aware minimization for efficiently improving generalization", 2021 (not in PyTorch), around
/// another optimizer. A step computes the gradient g of all parameters, moves to p + rho g / |g| (adaptive:
/// p + rho p^2 g / |p g|), computes the gradient there, returns to p, and does the step of the optimizer with the
/// second gradient. It calls the closure twice, so batch norms update their running statistics twice.
///
///   SGD sgd(net.parameters(), {.lr = 0.1, .momentum = 0.9});
///   SAM sam(sgd);
///   sam.step([&] {
///     sgd.zero_grad();
///     const Tensor loss = cross_entropy(net(images), labels);
///     loss.backward();
///     return loss;
///   });
///
/// It has no state: checkpoints and schedules take the optimizer.
class SAM {
 public:
  /// Keeps a reference to the optimizer. Throws ValueError unless rho is positive.
  explicit SAM(Optimizer& base, SAMOptions options = {});
  /// Returns the loss of before the step. If the closure throws, the parameters are those of before the step.
  Tensor step(const Optimizer::Closure& closure);

 private:
  Optimizer& base_;
  SAMOptions options_;
};

}  // namespace normgrad
