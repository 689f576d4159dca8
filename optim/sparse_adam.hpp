// SparseAdam: Adam for embeddings, whose gradients are zero in most rows.
#pragma once

#include <array>
#include <vector>

#include "normgrad/optim/optimizer.hpp"

namespace normgrad {

/// Options of SparseAdam; names and defaults are PyTorch's.
struct SparseAdamOptions {
  double lr = 1e-3;                            ///< learning rate
  std::array<double, 2> betas = {0.9, 0.999};  ///< decay rates of the means of the gradient and its square
  double eps = 1e-8;                           ///< added to the root of the mean square, before its correction
  bool maximize = false;                       ///< maximize the objective instead
};

/// torch.optim.SparseAdam: Adam's step for the rows (positions of the first axis) that have a gradient. The parameter
/// and the means of the other rows are unchanged; Adam would move them, too, as long as their mean is not zero. t
/// counts the steps of the parameter, and p -= lr * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + eps).
///
/// Gradients are dense here: a row has a gradient unless all its elements are zero. In PyTorch, whose gradients are
/// sparse, a row that occurs in the batch with a gradient of exactly zero takes part.
class SparseAdam final : public OptimizerOf<SparseAdamOptions> {
 public:
  /// Throws ValueError for options out of range.
  explicit SparseAdam(ParameterList params, SparseAdamOptions options = {});
  explicit SparseAdam(std::vector<ParamGroup<SparseAdamOptions>> groups);
  const char* type_name() const noexcept override { return "SparseAdam"; }

 protected:
  std::vector<Option> options_of(std::size_t group) override;
  void check_options(std::size_t group) const override;
  std::span<const char* const> slot_names() const override;
  SlotStarts slots_in_use(std::size_t group) const override;
  void update(std::size_t group, Tensor& param, const Tensor& grad, ParamState& state) override;
};

}  // namespace normgrad
