// Adaptive instance normalization: gives a content the mean and standard deviation of a style.
// Huang and Belongie, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization", 2017, equation 8.
#pragma once

#include <string>

#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// Options of an AdaptiveInstanceNorm. The default is that of the authors' code.
struct AdaptiveInstanceNormOptions {
  double eps = 1e-5;  ///< added to the variance of the content
};

/// y = std(style) * (content - mean(content)) / sqrt(var(content) + eps) + mean(style), with statistics per sample and
/// channel: norm(content, style) for content: [N, C, *] and style: [N, C, *], whose positions may differ. Variances are
/// biased, and the standard deviation of the style has no eps, as in the authors' code. No parameters. Gradients flow
/// to both.
class AdaptiveInstanceNorm : public Module {
 public:
  /// Throws ValueError for eps <= 0.
  explicit AdaptiveInstanceNorm(const AdaptiveInstanceNormOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(AdaptiveInstanceNorm)
  NORMGRAD_CALL_FORWARD()
  std::string extra_repr() const override;
  /// Throws ShapeError unless both are [N, C, *] with at least 3 axes and the same N and C, and for a content of one
  /// position.
  Tensor forward(const Tensor& content, const Tensor& style);

  /// The eps of the options.
  double eps() const noexcept { return eps_; }

 private:
  double eps_;
};

}  // namespace normgrad
