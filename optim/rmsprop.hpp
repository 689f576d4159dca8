// RMSprop: gradients divided by their recent root mean square.
#pragma once

#include <vector>

#include "normgrad/optim/optimizer.hpp"

namespace normgrad {

/// Options of RMSprop; names and defaults are PyTorch's.
struct RMSpropOptions {
  double lr = 1e-2;           ///< learning rate
  double alpha = 0.99;        ///< decay rate of the mean square
  double eps = 1e-8;          ///< added outside the square root
  double weight_decay = 0.0;  ///< weight_decay * parameter is added to the gradient
  double momentum = 0.0;      ///< momentum of the divided gradients
  bool centered = false;      ///< divide by the standard deviation instead
  bool maximize = false;      ///< maximize the objective instead
};

/// torch.optim.RMSprop (Hinton, lecture 6e of "Neural networks for machine learning", 2012; centered: Graves,
/// "Generating sequences with recurrent neural networks", 2013). v = alpha v + (1 - alpha) g^2. If centered, m is the
/// same mean of g, and v - m^2 replaces v (clamped at 0, where rounding gives NaN in PyTorch). d = g / (sqrt(v) + eps).
/// With momentum b = momentum b + d and p -= lr b, else p -= lr d.
class RMSprop final : public detail::OnePassOptimizer<RMSpropOptions> {
 public:
  /// Throws ValueError for options out of range.
  explicit RMSprop(ParameterList params, RMSpropOptions options = {});
  explicit RMSprop(std::vector<ParamGroup<RMSpropOptions>> groups);
  const char* type_name() const noexcept override { return "RMSprop"; }

 protected:
  std::vector<Option> options_of(std::size_t group) override;
  void check_options(std::size_t group) const override;
  std::span<const char* const> slot_names() const override;
  SlotStarts slots_in_use(std::size_t group) const override;
};

}  // namespace normgrad
