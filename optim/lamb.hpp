// LAMB: Adam with a step per layer that is proportional to the size of its parameters, for large batches.
#pragma once

#include <array>
#include <vector>

#include "normgrad/optim/optimizer.hpp"

namespace normgrad {

/// Options of LAMB.
struct LAMBOptions {
  double lr = 1e-3;                            ///< learning rate
  std::array<double, 2> betas = {0.9, 0.999};  ///< decay rates of mean and mean square
  double eps = 1e-6;                           ///< added to the root of the mean square
  double weight_decay = 0.0;                   ///< weight_decay * parameter is part of the direction
  bool maximize = false;                       ///< maximize the objective instead
};

/// You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", 2020, algorithm 2 (not in
/// PyTorch): r = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps) + weight_decay p, where m and v are Adam's means;
/// p -= lr |p| / |r| r, with Euclidean norms over the parameter. If a norm is 0, their ratio counts as 1.
class LAMB final : public OptimizerOf<LAMBOptions> {
 public:
  /// Throws ValueError for options out of range.
  explicit LAMB(ParameterList params, LAMBOptions options = {});
  explicit LAMB(std::vector<ParamGroup<LAMBOptions>> groups);
  const char* type_name() const noexcept override { return "LAMB"; }

 protected:
  std::vector<Option> options_of(std::size_t group) override;
  void check_options(std::size_t group) const override;
  std::span<const char* const> slot_names() const override;
  SlotStarts slots_in_use(std::size_t group) const override;
  void update(std::size_t group, Tensor& param, const Tensor& grad, ParamState& state) override;
};

}  // namespace normgrad
