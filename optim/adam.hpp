// Adam and AdamW.
#pragma once

#include <array>
#include <vector>

#include "normgrad/optim/optimizer.hpp"

namespace normgrad {

/// Options of Adam; names and defaults are PyTorch's.
struct AdamOptions {
  double lr = 1e-3;                            ///< learning rate
  std::array<double, 2> betas = {0.9, 0.999};  ///< how long the means of the gradient and of its square remember
  double eps = 1e-8;                           ///< stands outside of the root
  double weight_decay = 0.0;                   ///< added to the gradient as weight_decay * parameter
  bool amsgrad = false;                        ///< divides by the largest mean square so far; Reddi et al., 2018
  bool maximize = false;                       ///< climbs instead
};

/// Options of AdamW; names and defaults are PyTorch's.
struct AdamWOptions {
  double lr = 1e-3;                            ///< learning rate
  std::array<double, 2> betas = {0.9, 0.999};  ///< as of Adam
  double eps = 1e-8;                           ///< stands outside of the root
  double weight_decay = 1e-2;                  ///< takes lr * weight_decay of the parameter away, past the means
  bool amsgrad = false;                        ///< divides by the largest mean square so far
  bool maximize = false;                       ///< climbs instead
};

namespace detail {

template <class Options>
class AdamLike : public OptimizerOf<Options> {
 protected:
  std::vector<Optimizer::Option> options_of(std::size_t group) override;
  void check_options(std::size_t group) const override;
  const std::vector<const char*>& slot_names() const override;
  Optimizer::SlotStarts slots_in_use(std::size_t group) const override;
  void update(std::size_t group, Tensor& param, const Tensor& grad, Optimizer::ParamState& state) override;
};

extern template class AdamLike<AdamOptions>;
extern template class AdamLike<AdamWOptions>;

}  // namespace detail

/// torch.optim.Adam (Kingma and Ba, "Adam: a method for stochastic optimization", 2015): with m and v the exponential
/// means of g and g^2, m^ = m / (1 - beta1^t), v^ = v / (1 - beta2^t): p -= lr * m^ / (sqrt(v^) + eps). t counts the
/// steps of each parameter.
class Adam final : public detail::AdamLike<AdamOptions> {
 public:
  /// Throws ValueError for options out of range.
  explicit Adam(ParameterList params, AdamOptions options = {}) { add_param_group({std::move(params), options}); }
  explicit Adam(std::vector<ParamGroup<AdamOptions>> groups) { add_param_groups(std::move(groups)); }
  const char* type_name() const noexcept override { return "Adam"; }
};

/// torch.optim.AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019): p *= 1 - lr *
/// weight_decay, then Adam's step without weight decay.
class AdamW final : public detail::AdamLike<AdamWOptions> {
 public:
  /// Throws ValueError for options out of range.
  explicit AdamW(ParameterList params, AdamWOptions options = {}) { add_param_group({std::move(params), options}); }
  explicit AdamW(std::vector<ParamGroup<AdamWOptions>> groups) { add_param_groups(std::move(groups)); }
  const char* type_name() const noexcept override { return "AdamW"; }
};

}  // namespace normgrad
