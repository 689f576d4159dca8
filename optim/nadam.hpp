// NAdam: Adam with Nesterov momentum.
#pragma once

#include <array>
#include <vector>

#include "normgrad/optim/optimizer.hpp"

namespace normgrad {

/// Options of NAdam; names and defaults are PyTorch's.
struct NAdamOptions {
  double lr = 2e-3;                            ///< learning rate
  std::array<double, 2> betas = {0.9, 0.999};  ///< as for Adam
  double eps = 1e-8;                           ///< added outside the square root
  double weight_decay = 0.0;                   ///< weight_decay * parameter is added to the gradient
  double momentum_decay = 4e-3;                ///< how fast the momentum approaches beta1
  bool decoupled_weight_decay = false;         ///< subtract lr * weight_decay * parameter instead, as AdamW does
  bool maximize = false;                       ///< maximize the objective instead
};

/// torch.optim.NAdam (Dozat, "Incorporating Nesterov momentum into Adam", 2016). With m, v and v^ as in Adam,
/// mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2) and P_t = mu_1 ... mu_t:
/// p -= lr ((1 - mu_t) / (1 - P_t) g + mu_{t+1} / (1 - P_{t+1}) m) / (sqrt(v^) + eps).
/// (PyTorch before 2.0 has one mu_t too many in P_{t+1}; this is the formula of its documentation and of 2.0.)
class NAdam final : public detail::OnePassOptimizer<NAdamOptions> {
 public:
  /// Throws ValueError for options out of range.
  explicit NAdam(ParameterList params, NAdamOptions options = {});
  explicit NAdam(std::vector<ParamGroup<NAdamOptions>> groups);
  const char* type_name() const noexcept override { return "NAdam"; }

 protected:
  std::vector<Option> options_of(std::size_t group) override;
  void check_options(std::size_t group) const override;
  std::span<const char* const> slot_names() const override;
  SlotStarts slots_in_use(std::size_t group) const override;
  std::span<const char* const> scalar_names() const override;
  void update(std::size_t group, Tensor& param, const Tensor& grad, ParamState& state) override;
};

}  // namespace normgrad
