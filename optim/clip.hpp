// Limits for gradients, between backward() and step().
#pragma once

#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// Options of clip_grad_norm_().
struct ClipGradNormOptions {
  double norm_type = 2.0;           ///< 1, 2, ... or infinity for the largest magnitude
  bool error_if_nonfinite = false;  ///< throw ValueError, changing nothing, when the norm is infinite or NaN
};

/// Scales the gradients of all parameters together by max_norm / (norm + 1e-6) when that is below 1, and returns the
/// norm that they had. Parameters without gradient are passed over; a parameter that is there twice counts once. Throws
/// ValueError for max_norm < 0 or norm_type <= 0.
double clip_grad_norm_(const std::vector<Tensor>& params, double max_norm, ClipGradNormOptions options = {});

/// Limits each element of the gradients to [-clip_value, clip_value]. Throws ValueError for clip_value < 0.
void clip_grad_value_(const std::vector<Tensor>& params, double clip_value);

}  // namespace normgrad
