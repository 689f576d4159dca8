// Dropout.
#pragma once

#include <string>

#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// In training mode, sets each element to 0 with probability p and scales the others by 1 / (1 - p). In eval mode,
/// returns its input. Draws from default_generator().
class Dropout : public Module {
 public:
  /// Throws ValueError for p outside [0, 1].
  explicit Dropout(double p = 0.5);
  NORMGRAD_MEMBERS(Dropout)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

 private:
  double p_;
};

}  // namespace normgrad
