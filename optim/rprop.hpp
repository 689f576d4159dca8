// Rprop: a step size for each element that grows while its gradient keeps its sign.
#pragma once

#include <array>
#include <vector>

#include "normgrad/optim/optimizer.hpp"

namespace normgrad {

/// Options of Rprop; names and defaults are PyTorch's.
struct RpropOptions {
  double lr = 1e-2;                                 ///< the first step size
  std::array<double, 2> etas = {0.5, 1.2};          ///< factors of a step size: after a change of sign, and without one
  std::array<double, 2> step_sizes = {1e-6, 50.0};  ///< smallest and largest step size
  bool maximize = false;                            ///< maximize the objective instead
};

/// torch.optim.Rprop (Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning", 1993), for
/// gradients of all data instead of random batches. Where the product of gradient and previous gradient is positive,
/// the step size is multiplied by etas[1]; where it is negative, by etas[0], and the gradient counts as 0, now and as
/// the next one's previous. Then p -= sign(g) * step size. A changed lr affects only parameters without a step yet.
class Rprop final : public detail::OnePassOptimizer<RpropOptions> {
 public:
  /// Throws ValueError for options out of range.
  explicit Rprop(ParameterList params, RpropOptions options = {});
  explicit Rprop(std::vector<ParamGroup<RpropOptions>> groups);
  const char* type_name() const noexcept override { return "Rprop"; }

 protected:
  std::vector<Option> options_of(std::size_t group) override;
  void check_options(std::size_t group) const override;
  std::span<const char* const> slot_names() const override;
  SlotStarts slots_in_use(std::size_t group) const override;
};

}  // namespace normgrad
