// Normalization. Names and formulas are PyTorch's (torch.nn.functional). Differentiable to any order in x, weight and
// bias. The functions have no side effects: running statistics belong to the layers (layers/norm).
//
//   y = (x - mean) / sqrt(var + eps) * weight + bias,  var biased
//
// An epilogue is applied to y; fusing relu costs no extra pass. Weight and bias are optional (undefined) and have x's
// dtype, float32 or float64. Wrong sizes throw ShapeError; eps <= 0 throws ValueError.
#pragma once

#include <cstdint>
#include <optional>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/ops/epilogue.hpp"

namespace normgrad {

/// A normalized tensor and the statistics of its batch, which are not differentiable.
struct NormResult {
  Tensor y;                ///< the normalized tensor, of the input's shape
  Tensor mean;             ///< [C], float64
  Tensor var;              ///< [C], float64, biased
  std::int64_t count = 0;  ///< values per statistic
};

/// Statistics of x: [N, C, *] over all axes except the second. weight, bias: [C]. Ioffe and Szegedy, "Batch
/// Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift", 2015, algorithm 1. Throws
/// ShapeError for one value per channel, since it equals its mean and normalizes to 0. Likewise instance_norm throws
/// for one value per sample and channel, and group_norm for one per group of a single sample.
NormResult batch_norm_training(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {}, double eps = 1e-5,
                               const Epilogue& epilogue = {});
/// Normalizes with given statistics, both [C] and of x's dtype or float64, which get no gradient: torch's batch_norm
/// with training=False.
Tensor batch_norm(const Tensor& x, const Tensor& running_mean, const Tensor& running_var, const Tensor& weight = {},
                  const Tensor& bias = {}, double eps = 1e-5, const Epilogue& epilogue = {});
/// The statistics of batch_norm_training alone; y is undefined.
NormResult batch_statistics(const Tensor& x);

/// Statistics of each sample and channel of x: [N, C, *] over the remaining axes. weight, bias: [C]. Ulyanov, Vedaldi
/// and Lempitsky, "Instance Normalization", 2016.
Tensor instance_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {}, double eps = 1e-5,
                     const Epilogue& epilogue = {});
/// instance_norm() with the batch means of the per-sample statistics.
NormResult instance_norm_training(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {},
                                  double eps = 1e-5, const Epilogue& epilogue = {});

/// Statistics over the last axes of x, whose sizes are normalized_shape. weight, bias: normalized_shape. Ba, Kiros and
/// Hinton, "Layer Normalization", 2016.
Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5, const Epilogue& epilogue = {});
/// Statistics over any axes, such as {1} for the channels at each position of NCHW. weight and bias have the sizes of
/// these axes, in ascending order.
Tensor layer_norm_over(const Tensor& x, const Axes& axes, const Tensor& weight = {}, const Tensor& bias = {},
                       double eps = 1e-5, const Epilogue& epilogue = {});

/// Statistics of each sample over num_groups groups of consecutive channels of x: [N, C, *]. weight, bias: [C]. Wu and
/// He, "Group Normalization", 2018.
Tensor group_norm(const Tensor& x, std::int64_t num_groups, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5, const Epilogue& epilogue = {});
/// group_norm() without subtracting the mean: x / sqrt(mean(x^2) + eps) * weight + bias.
Tensor group_rms_norm(const Tensor& x, std::int64_t num_groups, const Tensor& weight = {}, const Tensor& bias = {},
                      double eps = 1e-5, const Epilogue& epilogue = {});

/// x / sqrt(mean(x^2) + eps) * weight, with the mean over the last axes. eps defaults to the machine epsilon of x's
/// dtype. Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019.
Tensor rms_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight = {},
                std::optional<double> eps = {}, const Epilogue& epilogue = {});

/// rms_norm() over any axes, as layer_norm_over().
Tensor rms_norm_over(const Tensor& x, const Axes& axes, const Tensor& weight = {}, std::optional<double> eps = {},
                     const Epilogue& epilogue = {});

/// x / (k + alpha * s)^beta, where s is the mean of x^2 over `size` neighboring channels of x: [N, C, *]. Channels
/// beyond the ends count as zeros, so the divisor is always `size`. x has at least 3 axes. Krizhevsky, Sutskever and
/// Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", 2012.
Tensor local_response_norm(const Tensor& x, std::int64_t size, double alpha = 1e-4, double beta = 0.75, double k = 1.0);

}  // namespace normgrad
