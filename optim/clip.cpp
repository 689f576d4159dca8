#include "normgrad/optim/clip.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/kernels/reduce/vector_norm.hpp"

namespace normgrad {

namespace {

// Each gradient array once, even if several parameters share it.
std::vector<Tensor> gradients_of(const std::vector<Tensor>& params) {
  std::vector<Tensor> gradients;
  std::unordered_set<const Buffer*> seen;
  for (const Tensor& param : params) {
    const Tensor gradient = param.grad();
    if (gradient.defined() && seen.insert(&gradient.buffer()).second) {
      gradients.push_back(gradient);
    }
  }
  return gradients;
}

double total_norm(const std::vector<Tensor>& gradients, double norm_type) {
  double total = 0.0;
  for (const Tensor& gradient : gradients) {
    const double part = dispatch_float("clip_grad_norm_", gradient.dtype(), [&](auto zero) {
      return kernels::power_sum(gradient.data<decltype(zero)>(), gradient.numel(), norm_type);
    });
    if (std::isinf(norm_type)) {
      total = total > part || std::isnan(total) ? total : part;
    } else {
      total += part;
    }
  }
  return std::isinf(norm_type) ? total : std::pow(total, 1.0 / norm_type);
}

}  // namespace

double clip_grad_norm_(const std::vector<Tensor>& params, double max_norm, ClipGradNormOptions options) {
  require<ValueError>(max_norm >= 0.0, "clip_grad_norm_: expected max_norm >= 0 but got ", max_norm);
  require<ValueError>(options.norm_type > 0.0, "clip_grad_norm_: expected norm_type > 0 but got ", options.norm_type);
  std::vector<Tensor> gradients = gradients_of(params);
  const double norm = total_norm(gradients, options.norm_type);
  require<ValueError>(!options.error_if_nonfinite || std::isfinite(norm),
                      "clip_grad_norm_: expected finite gradients but their norm is ", norm);
  const double factor = max_norm / (norm + 1e-6);
  if (!(factor >= 1.0)) {
    const NoGradGuard no_grad;
    for (Tensor& gradient : gradients) {
      gradient.mul_(factor);
    }
  }
  return norm;
}

void clip_grad_value_(const std::vector<Tensor>& params, double clip_value) {
  require<ValueError>(clip_value >= 0.0, "clip_grad_value_: expected clip_value >= 0 but got ", clip_value);
  for (Tensor& gradient : gradients_of(params)) {
    dispatch_float("clip_grad_value_", gradient.dtype(), [&](auto zero) {
      using T = decltype(zero);
      const T limit = static_cast<T>(clip_value);
      T* values = gradient.mutable_data<T>();
      std::transform(values, values + gradient.numel(), values, [limit](T v) {
        return v < -limit ? -limit : v > limit ? limit : v;
      });
    });
  }
}

}  // namespace normgrad
