// SignSGD: steps of constant size in the direction of the sign of the gradient.
#pragma once

#include <vector>

#include "normgrad/optim/optimizer.hpp"

namespace normgrad {

/// Options of SignSGD.
struct SignSGDOptions {
  double lr = 1e-3;           ///< size of a step
  double weight_decay = 0.0;  ///< subtracts lr * weight_decay * parameter
  bool maximize = false;      ///< maximize the objective instead
};

/// Bernstein et al., "signSGD: compressed optimisation for non-convex problems", 2018: p *= 1 - lr weight_decay;
/// p -= lr sign(g). The sign of 0 is 0.
class SignSGD final : public detail::OnePassOptimizer<SignSGDOptions> {
 public:
  /// Throws ValueError for options out of range.
  explicit SignSGD(ParameterList params, SignSGDOptions options = {});
  explicit SignSGD(std::vector<ParamGroup<SignSGDOptions>> groups);
  const char* type_name() const noexcept override { return "SignSGD"; }

 protected:
  std::vector<Option> options_of(std::size_t group) override;
  void check_options(std::size_t group) const override;
  std::span<const char* const> slot_names() const override;
  SlotStarts slots_in_use(std::size_t group) const override;
};

}  // namespace normgrad
