// LARS: SGD with a learning rate per layer that is proportional to the size of its parameters, for large batches.
#pragma once

#include <vector>

#include "normgrad/optim/optimizer.hpp"

namespace normgrad {

/// Options of LARS.
struct LARSOptions {
  double lr = 1e-3;                 ///< global learning rate
  double momentum = 0.9;            ///< factor of the previous momentum buffer
  double weight_decay = 0.0;        ///< weight_decay * parameter is added to the gradient
  double trust_coefficient = 1e-3;  ///< part of a layer's size by which a step of lr 1 without momentum changes it
  double eps = 1e-8;                ///< added to the norm of the gradient
  bool maximize = false;            ///< maximize the objective instead
};

/// You, Gitman and Ginsburg, "Large batch training of convolutional networks", 2017, algorithm 1 (not in PyTorch):
/// rate = lr * trust_coefficient |p| / (|g| + weight_decay |p| + eps), with Euclidean norms over the parameter;
/// b = momentum b + rate (g + weight_decay p); p -= b. If |p| or |g| is 0, the rate is lr.
///
/// Biases and the parameters of norms usually have a rate and decay of their own: give them to another optimizer.
class LARS final : public OptimizerOf<LARSOptions> {
 public:
  /// Throws ValueError for options out of range.
  explicit LARS(ParameterList params, LARSOptions options = {});
  explicit LARS(std::vector<ParamGroup<LARSOptions>> groups);
  const char* type_name() const noexcept override { return "LARS"; }

 protected:
  std::vector<Option> options_of(std::size_t group) override;
  void check_options(std::size_t group) const override;
  std::span<const char* const> slot_names() const override;
  SlotStarts slots_in_use(std::size_t group) const override;
  void update(std::size_t group, Tensor& param, const Tensor& grad, ParamState& state) override;
};

}  // namespace normgrad
