// RAdam: Adam that rectifies the variance of the adaptive learning rate.
#pragma once

#include <array>
#include <vector>

#include "normgrad/optim/optimizer.hpp"

namespace normgrad {

/// Options of RAdam; names and defaults are PyTorch's.
struct RAdamOptions {
  double lr = 1e-3;                            ///< learning rate
  std::array<double, 2> betas = {0.9, 0.999};  ///< as for Adam
  double eps = 1e-8;                           ///< added outside the square root
  double weight_decay = 0.0;                   ///< weight_decay * parameter is added to the gradient
  bool decoupled_weight_decay = false;         ///< subtract lr * weight_decay * parameter instead, as AdamW does
  bool maximize = false;                       ///< maximize the objective instead
};

/// torch.optim.RAdam (Liu et al., "On the variance of the adaptive learning rate and beyond", 2020). With m, v and m^
/// as in Adam, rho = 2 / (1 - beta2) - 1 and rho_t = rho - 2 t beta2^t / (1 - beta2^t): p -= lr m^ while rho_t <= 5,
/// then p -= lr r_t m^ sqrt(1 - beta2^t) / (sqrt(v) + eps), where r_t^2 = (rho_t - 4) (rho_t - 2) rho / ((rho - 4) (rho
/// - 2) rho_t).
class RAdam final : public detail::OnePassOptimizer<RAdamOptions> {
 public:
  /// Throws ValueError for options out of range.
  explicit RAdam(ParameterList params, RAdamOptions options = {});
  explicit RAdam(std::vector<ParamGroup<RAdamOptions>> groups);
  const char* type_name() const noexcept override { return "RAdam"; }

 protected:
  std::vector<Option> options_of(std::size_t group) override;
  void check_options(std::size_t group) const override;
  std::span<const char* const> slot_names() const override;
  SlotStarts slots_in_use(std::size_t group) const override;
};

}  // namespace normgrad
