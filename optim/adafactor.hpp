// Adafactor: the mean squares of a matrix's gradient from those of its rows and columns, for little memory.
#pragma once

#include <array>
#include <vector>

#include "normgrad/optim/optimizer.hpp"

namespace normgrad {

/// Options of Adafactor; names and defaults are PyTorch's.
struct AdafactorOptions {
  double lr = 1e-2;                         ///< largest step, relative to the size of a parameter
  double beta2_decay = -0.8;                ///< a new square has the weight t^beta2_decay at step t; at most 0
  std::array<double, 2> eps = {0.0, 1e-3};  ///< least root of a mean square (0: the dtype's epsilon) and least size
  double d = 1.0;                           ///< largest root mean square of an update before its scaling
  double weight_decay = 0.0;                ///< subtracts lr * weight_decay * parameter
  bool maximize = false;                    ///< maximize the objective instead
};

/// torch.optim.Adafactor (PyTorch 2.5; Shazeer and Stern, "Adafactor: adaptive learning rates with sublinear memory
/// cost", 2018, algorithms 4 and 5). With w = t^beta2_decay, r and c the means of squares over the last axis and the
/// one before it, R += w (r - R), C += w (c - C), u = g / sqrt(R C / mean(R)); then
/// p -= max(eps2, rms(p)) min(lr, 1 / sqrt(t)) u / max(1, rms(u) / d). Parameters with one axis or none keep all mean
/// squares.
class Adafactor final : public OptimizerOf<AdafactorOptions> {
 public:
  /// Throws ValueError for options out of range.
  explicit Adafactor(ParameterList params, AdafactorOptions options = {});
  explicit Adafactor(std::vector<ParamGroup<AdafactorOptions>> groups);
  const char* type_name() const noexcept override { return "Adafactor"; }

 protected:
  std::vector<Option> options_of(std::size_t group) override;
  void check_options(std::size_t group) const override;
  std::span<const char* const> slot_names() const override;
  SlotStarts slots_in_use(std::size_t group) const override;
  SlotStarts slots_in_use_of(std::size_t group, const Tensor& param) const override;
  Shape slot_shape(std::size_t slot, const Shape& param) const override;
  void update(std::size_t group, Tensor& param, const Tensor& grad, ParamState& state) override;
};

}  // namespace normgrad
