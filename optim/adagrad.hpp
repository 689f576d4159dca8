// Adagrad: gradients divided by the root of the sum of their squares.
#pragma once

#include <vector>

#include "normgrad/optim/optimizer.hpp"

namespace normgrad {

/// Options of Adagrad; names and defaults are PyTorch's.
struct AdagradOptions {
  double lr = 1e-2;                        ///< learning rate
  double lr_decay = 0.0;                   ///< the rate of step t is lr / (1 + (t - 1) lr_decay)
  double weight_decay = 0.0;               ///< weight_decay * parameter is added to the gradient
  double initial_accumulator_value = 0.0;  ///< initial value of the sum
  double eps = 1e-10;                      ///< added outside the square root
  bool maximize = false;                   ///< maximize the objective instead
};

/// torch.optim.Adagrad (Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic
/// optimization", 2011): sum += g^2; p -= lr / (1 + (t - 1) lr_decay) g / (sqrt(sum) + eps).
class Adagrad final : public detail::OnePassOptimizer<AdagradOptions> {
 public:
  /// Throws ValueError for options out of range.
  explicit Adagrad(ParameterList params, AdagradOptions options = {});
  explicit Adagrad(std::vector<ParamGroup<AdagradOptions>> groups);
  const char* type_name() const noexcept override { return "Adagrad"; }

 protected:
  std::vector<Option> options_of(std::size_t group) override;
  void check_options(std::size_t group) const override;
  std::span<const char* const> slot_names() const override;
  SlotStarts slots_in_use(std::size_t group) const override;
};

}  // namespace normgrad
