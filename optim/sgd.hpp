// Stochastic gradient descent with momentum.
#pragma once

#include <vector>

#include "normgrad/optim/optimizer.hpp"

namespace normgrad {

/// Options of SGD; names and defaults are PyTorch's.
struct SGDOptions {
  double lr = 1e-3;           ///< learning rate
  double momentum = 0.0;      ///< factor of the previous momentum buffer
  double dampening = 0.0;     ///< the weight of a new gradient in the buffer is 1 - dampening
  double weight_decay = 0.0;  ///< weight_decay * parameter is added to the gradient
  bool nesterov = false;      ///< Nesterov momentum; requires momentum and no dampening
  bool maximize = false;      ///< maximize the objective instead
};

/// torch.optim.SGD: b = momentum * b + (1 - dampening) * g (b = g in a parameter's first step); p -= lr * b, or with
/// Nesterov p -= lr * (g + momentum * b). The learning rate is not part of the momentum.
class SGD final : public detail::OnePassOptimizer<SGDOptions> {
 public:
  /// Throws ValueError for options out of range.
  explicit SGD(ParameterList params, SGDOptions options = {});
  explicit SGD(std::vector<ParamGroup<SGDOptions>> groups);
  const char* type_name() const noexcept override { return "SGD"; }

 protected:
  std::vector<Option> options_of(std::size_t group) override;
  void check_options(std::size_t group) const override;
  std::span<const char* const> slot_names() const override;
  SlotStarts slots_in_use(std::size_t group) const override;
};

}  // namespace normgrad
