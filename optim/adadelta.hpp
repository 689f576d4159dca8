// Adadelta: step sizes adapted from past steps and gradients.
#pragma once

#include <vector>

#include "normgrad/optim/optimizer.hpp"

namespace normgrad {

/// Options of Adadelta; names and defaults are PyTorch's.
struct AdadeltaOptions {
  double lr = 1.0;            ///< learning rate, a factor of the step
  double rho = 0.9;           ///< decay rate of the mean squares
  double eps = 1e-6;          ///< added under the square roots
  double weight_decay = 0.0;  ///< weight_decay * parameter is added to the gradient
  bool maximize = false;      ///< maximize the objective instead
};

/// torch.optim.Adadelta (Zeiler, "ADADELTA: an adaptive learning rate method", 2012): v = rho v + (1 - rho) g^2;
/// d = sqrt(u + eps) / sqrt(v + eps) g; u = rho u + (1 - rho) d^2; p -= lr d.
class Adadelta final : public detail::OnePassOptimizer<AdadeltaOptions> {
 public:
  /// Throws ValueError for options out of range.
  explicit Adadelta(ParameterList params, AdadeltaOptions options = {});
  explicit Adadelta(std::vector<ParamGroup<AdadeltaOptions>> groups);
  const char* type_name() const noexcept override { return "Adadelta"; }

 protected:
  std::vector<Option> options_of(std::size_t group) override;
  void check_options(std::size_t group) const override;
  std::span<const char* const> slot_names() const override;
  SlotStarts slots_in_use(std::size_t group) const override;
};

}  // namespace normgrad
