// Normalization over the elements where a mask is true, such as the tokens of padded sequences or the known pixels of
// an image. The functions of core/ops/norm/norm.hpp with a bool mask that broadcasts to x:
//
//   - mean and variance are those of the elements where the mask is true, and divide by their number;
//   - where the mask is false the result and the gradient are 0, whatever x is there, NaN included;
//   - a set without any true element has only zeros;
//   - a mask that is true everywhere gives the same as the function without a mask.
//
// (key_padding_mask of the attention layers is the opposite: true where a token is padding. Pass ~mask.) Differentiable
// to any order in x, weight and bias. Composed of operations, in float64 and rounded once. A mask that is not bool
// throws DTypeError, one that does not broadcast to x ShapeError.
#pragma once

#include <cstdint>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// A normalized tensor and the statistics of its sets, which are not differentiable and float64.
struct MaskedNormResult {
  Tensor y;       ///< the normalized tensor, of the input's shape
  Tensor mean;    ///< [C], or [N, C] for masked_instance_norm_training; 0 for a set without elements
  Tensor var;     ///< as mean, biased
  Tensor counts;  ///< as mean: the number of elements of each set
};

/// Statistics of each channel of x: [N, C, *]. weight, bias: [C].
MaskedNormResult masked_batch_norm_training(const Tensor& x, const Tensor& mask, const Tensor& weight = {},
                                            const Tensor& bias = {}, double eps = 1e-5);
/// Statistics of each sample and channel of x: [N, C, *]. weight, bias: [C].
MaskedNormResult masked_instance_norm_training(const Tensor& x, const Tensor& mask, const Tensor& weight = {},
                                               const Tensor& bias = {}, double eps = 1e-5);
Tensor masked_instance_norm(const Tensor& x, const Tensor& mask, const Tensor& weight = {}, const Tensor& bias = {},
                            double eps = 1e-5);
/// Statistics over the given axes. weight and bias have the sizes of these axes, in ascending order.
Tensor masked_layer_norm(const Tensor& x, const Tensor& mask, const Axes& axes, const Tensor& weight = {},
                         const Tensor& bias = {}, double eps = 1e-5);
/// Statistics of each sample over num_groups groups of consecutive channels of x: [N, C, *]. weight, bias: [C]. With
/// center = false, the mean is not subtracted.
Tensor masked_group_norm(const Tensor& x, const Tensor& mask, std::int64_t num_groups, const Tensor& weight = {},
                         const Tensor& bias = {}, double eps = 1e-5, bool center = true);

namespace detail {
/// Throws DTypeError unless the mask is bool, and ShapeError unless it broadcasts to x. `name` is the function's.
void check_mask(const char* name, const Tensor& x, const Tensor& mask);
}  // namespace detail

}  // namespace normgrad
