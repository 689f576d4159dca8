// Adamax: Adam with the largest gradient instead of the mean square.
#pragma once

#include <array>
#include <vector>

#include "normgrad/optim/optimizer.hpp"

namespace normgrad {

/// Options of Adamax; names and defaults are PyTorch's.
struct AdamaxOptions {
  double lr = 2e-3;                            ///< learning rate
  std::array<double, 2> betas = {0.9, 0.999};  ///< decay rates of the mean and of the largest gradient
  double eps = 1e-8;                           ///< added to each magnitude
  double weight_decay = 0.0;                   ///< weight_decay * parameter is added to the gradient
  bool maximize = false;                       ///< maximize the objective instead
};

/// torch.optim.Adamax (Kingma and Ba, "Adam: a method for stochastic optimization", 2015, section 7.1):
/// m = beta1 m + (1 - beta1) g; u = max(beta2 u, |g| + eps); p -= lr / (1 - beta1^t) m / u.
class Adamax final : public detail::OnePassOptimizer<AdamaxOptions> {
 public:
  /// Throws ValueError for options out of range.
  explicit Adamax(ParameterList params, AdamaxOptions options = {});
  explicit Adamax(std::vector<ParamGroup<AdamaxOptions>> groups);
  const char* type_name() const noexcept override { return "Adamax"; }

 protected:
  std::vector<Option> options_of(std::size_t group) override;
  void check_options(std::size_t group) const override;
  std::span<const char* const> slot_names() const override;
  SlotStarts slots_in_use(std::size_t group) const override;
};

}  // namespace normgrad
