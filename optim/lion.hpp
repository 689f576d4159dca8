// Lion: steps of constant size in the direction of the sign of a momentum.
#pragma once

#include <array>
#include <vector>

#include "normgrad/optim/optimizer.hpp"

namespace normgrad {

/// Options of Lion; names and defaults are PyTorch's.
struct LionOptions {
  double lr = 1e-4;                           ///< a third to a tenth of AdamW's
  std::array<double, 2> betas = {0.9, 0.99};  ///< weights of the momentum: in the step, in its own update
  double weight_decay = 0.0;                  ///< subtracts lr * weight_decay * parameter; 3 to 10 times AdamW's
  bool maximize = false;                      ///< maximize the objective instead
};

/// Chen et al., "Symbolic discovery of optimization algorithms", 2023 (not in PyTorch): p *= 1 - lr weight_decay;
/// p -= lr sign(beta1 m + (1 - beta1) g); m = beta2 m + (1 - beta2) g. The sign of 0 is 0.
class Lion final : public detail::OnePassOptimizer<LionOptions> {
 public:
  /// Throws ValueError for options out of range.
  explicit Lion(ParameterList params, LionOptions options = {});
  explicit Lion(std::vector<ParamGroup<LionOptions>> groups);
  const char* type_name() const noexcept override { return "Lion"; }

 protected:
  std::vector<Option> options_of(std::size_t group) override;
  void check_options(std::size_t group) const override;
  std::span<const char* const> slot_names() const override;
  SlotStarts slots_in_use(std::size_t group) const override;
};

}  // namespace normgrad
