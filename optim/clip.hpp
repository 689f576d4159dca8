// Gradient clipping, between backward() and step().
#pragma once

#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// Options of clip_grad_norm_().
struct ClipGradNormOptions {
  double norm_type = 2.0;           ///< 1, 2, ... or infinity for the largest magnitude
  bool error_if_nonfinite = false;  ///< throw ValueError, changing nothing, if the norm is infinite or NaN
};

/// Scales all gradients by max_norm / (norm + 1e-6) if that is below 1, where `norm` is the norm of all gradients
/// together, and returns the original norm. Ignores parameters without a gradient and counts repeated parameters once.
/// Throws ValueError for max_norm < 0 or norm_type <= 0.
double clip_grad_norm_(const std::vector<Tensor>& params, double max_norm, ClipGradNormOptions options = {});

/// Clamps each element of the gradients to [-clip_value, clip_value]. Throws ValueError for clip_value < 0.
void clip_grad_value_(const std::vector<Tensor>& params, double clip_value);

}  // namespace normgrad
