// Normalization. Names and formulas are PyTorch's (torch.nn.functional); all are differentiable to any order in x,
// weight and bias. The functions write to nothing: running statistics are the layers' (layers/norm).
//
//   y = (x - mean) / sqrt(var + eps) * weight + bias,  var biased
//
// Weight and bias are optional (undefined) and have x's dtype; float32 and float64. Wrong sizes give a ShapeError, eps
// <= 0 a ValueError.
#pragma once

#include <cstdint>
#include <optional>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// What is applied to the normalized tensor before it is written: relu gives, in one pass, what relu(norm(x)) gives.
enum class NormActivation { none, relu };

/// That, and max_pool2d of it over windows side by side where x is [N, C, H, W]. Values and gradients are those of the
/// operations one after the other; with relu, and x channels last in memory, it is one pass that writes neither tensor
/// between them.
struct NormThen {
  /// `of` and no pooling.
  NormThen(NormActivation of = NormActivation::none) : activation(of) {}  // NOLINT(google-explicit-constructor)
  /// `of`, then pooling over windows of `height` x `width`, both at least 1.
  NormThen(NormActivation of, std::int64_t height, std::int64_t width)
      : activation(of), window_height(height), window_width(width) {}

  /// Whether there is pooling.
  bool pools() const noexcept { return window_height > 0; }

  NormActivation activation;       ///< comes first
  std::int64_t window_height = 0;  ///< 0: no pooling
  std::int64_t window_width = 0;   ///< likewise
};

/// A normalized tensor and the statistics of its batch, which are not differentiable.
struct NormResult {
  Tensor y;                ///< the normalized tensor, of the input's shape
  Tensor mean;             ///< [C], float64
  Tensor var;              ///< [C], float64, biased
  std::int64_t count = 0;  ///< values per statistic
};

/// Statistics of x: [N, C, *] over all axes but the second. weight, bias: [C]. Throws ShapeError for one value per
/// channel, as instance_norm for one per sample and channel and group_norm for one per group of a single sample: less
/// its mean it is 0. Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal
/// Covariate Shift", 2015, algorithm 1.
NormResult batch_norm_training(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {}, double eps = 1e-5,
                               const NormThen& then = {});
/// With given statistics, both [C], of x's dtype or float64, which take no gradient: torch's batch_norm with
/// training=False.
Tensor batch_norm(const Tensor& x, const Tensor& running_mean, const Tensor& running_var, const Tensor& weight = {},
                  const Tensor& bias = {}, double eps = 1e-5, NormActivation then = NormActivation::none);
/// The statistics alone, as batch_norm_training would use them; y is undefined.
NormResult batch_statistics(const Tensor& x);

/// Statistics of each sample and channel of x: [N, C, *] over the further axes. weight, bias: [C].
/// Ulyanov, Vedaldi and Lempitsky, "Instance Normalization", 2016.
Tensor instance_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {}, double eps = 1e-5,
                     const NormThen& then = {});
/// The same, with means over the batch of the samples' statistics.
NormResult instance_norm_training(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {},
                                  double eps = 1e-5, const NormThen& then = {});

/// Statistics over the last axes of x, whose sizes are normalized_shape; weight, bias: normalized_shape.
/// Ba, Kiros and Hinton, "Layer Normalization", 2016.
Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5, NormActivation then = NormActivation::none);
/// Statistics over any axes, such as {1} for the channels of each pixel of NCHW; weight, bias have the sizes of these
/// axes, in ascending order.
Tensor layer_norm_over(const Tensor& x, const Axes& axes, const Tensor& weight = {}, const Tensor& bias = {},
                       double eps = 1e-5, NormActivation then = NormActivation::none);

/// Statistics of each sample over num_groups groups of neighbouring channels of x: [N, C, *]. weight, bias: [C].
/// Wu and He, "Group Normalization", 2018.
Tensor group_norm(const Tensor& x, std::int64_t num_groups, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5, const NormThen& then = {});
/// The same without removing the mean: x / sqrt(mean(x^2) + eps) * weight + bias.
Tensor group_rms_norm(const Tensor& x, std::int64_t num_groups, const Tensor& weight = {}, const Tensor& bias = {},
                      double eps = 1e-5, const NormThen& then = {});

/// x / sqrt(mean(x^2) + eps) * weight over the last axes; eps defaults to the machine epsilon of x's dtype.
/// Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019.
Tensor rms_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight = {},
                std::optional<double> eps = {}, NormActivation then = NormActivation::none);

/// x / (k + alpha * s)^beta, s the mean of x^2 over `size` neighbouring channels of x: [N, C, *] with zeros beyond the
/// ends (so always divided by size). x has at least 3 axes.
/// Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", 2012.
Tensor local_response_norm(const Tensor& x, std::int64_t size, double alpha = 1e-4, double beta = 0.75, double k = 1.0);

}  // namespace normgrad
