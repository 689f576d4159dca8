// Adam and AdamW.
#pragma once

#include <array>
#include <vector>

#include "normgrad/optim/optimizer.hpp"

namespace normgrad {

/// Options of Adam; names and defaults are PyTorch's.
struct AdamOptions {
  double lr = 1e-3;                            ///< learning rate
  std::array<double, 2> betas = {0.9, 0.999};  ///< decay rates of the means of the gradient and its square
  double eps = 1e-8;                           ///< added outside the square root
  double weight_decay = 0.0;                   ///< weight_decay * parameter is added to the gradient
  bool amsgrad = false;                        ///< divide by the largest mean square so far; Reddi et al., 2018
  bool maximize = false;                       ///< maximize the objective instead
};

/// Options of AdamW; names and defaults are PyTorch's.
struct AdamWOptions {
  double lr = 1e-3;                            ///< learning rate
  std::array<double, 2> betas = {0.9, 0.999};  ///< as for Adam
  double eps = 1e-8;                           ///< added outside the square root
  double weight_decay = 1e-2;                  ///< lr * weight_decay * parameter is subtracted directly
  bool amsgrad = false;                        ///< divide by the largest mean square so far
  bool maximize = false;                       ///< maximize the objective instead
};

namespace detail {

template <class Options>
class AdamLike : public OnePassOptimizer<Options> {
 protected:
  std::vector<Optimizer::Option> options_of(std::size_t group) override;
  void check_options(std::size_t group) const override;
  std::span<const char* const> slot_names() const override;
  Optimizer::SlotStarts slots_in_use(std::size_t group) const override;
};

extern template class AdamLike<AdamOptions>;
extern template class AdamLike<AdamWOptions>;

}  // namespace detail

/// torch.optim.Adam (Kingma and Ba, "Adam: a method for stochastic optimization", 2015). With m and v the exponential
/// means of g and g^2, m^ = m / (1 - beta1^t) and v^ = v / (1 - beta2^t): p -= lr * m^ / (sqrt(v^) + eps). t counts the
/// steps of each parameter.
class Adam final : public detail::AdamLike<AdamOptions> {
 public:
  /// Throws ValueError for options out of range.
  explicit Adam(ParameterList params, AdamOptions options = {});
  explicit Adam(std::vector<ParamGroup<AdamOptions>> groups);
  const char* type_name() const noexcept override;
};

/// torch.optim.AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019): p *= 1 - lr *
/// weight_decay, then Adam's step without weight decay.
class AdamW final : public detail::AdamLike<AdamWOptions> {
 public:
  /// Throws ValueError for options out of range.
  explicit AdamW(ParameterList params, AdamWOptions options = {});
  explicit AdamW(std::vector<ParamGroup<AdamWOptions>> groups);
  const char* type_name() const noexcept override;
};

}  // namespace normgrad
