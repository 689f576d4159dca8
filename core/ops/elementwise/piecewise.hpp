// Activation functions made of pieces. Names, defaults and formulas are PyTorch's. float32 and float64; differentiable
// to any order except at the joints.
#pragma once

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad {

/// x limited to [min_val, max_val]. Unlike clamp(), the gradient at the limits is 0. Throws ValueError unless min_val <
/// max_val.
Tensor hardtanh(const Tensor& x, double min_val = -1.0, double max_val = 1.0);
/// hardtanh(x, 0, 6).
Tensor relu6(const Tensor& x);
/// relu6(x + 3) / 6.
Tensor hardsigmoid(const Tensor& x);
/// x relu6(x + 3) / 6: 0 up to -3, and x from 3 on. Howard et al., "Searching for MobileNetV3", 2019.
Tensor hardswish(const Tensor& x);
/// 0 for |x| <= lambd, else x. Throws ValueError for lambd < 0.
Tensor hardshrink(const Tensor& x, double lambd = 0.5);
/// 0 for |x| <= lambd, else x moved towards 0 by lambd. Throws ValueError for lambd < 0.
Tensor softshrink(const Tensor& x, double lambd = 0.5);
/// x for x > threshold, else `value`.
Tensor threshold(const Tensor& x, double threshold, double value);
/// x for x > 0, else weight x. weight: one element, or [C] for the channels of x: [N, C, ...] (or of a vector x: [C]).
/// He et al., "Delving deep into rectifiers", 2015.
Tensor prelu(const Tensor& x, const Tensor& weight);
/// x for x > 0, else slope x. In training each element has a slope drawn uniformly from [lower, upper), otherwise all
/// have (lower + upper) / 2. Draws from default_generator() unless a generator is given. Throws ValueError unless lower
/// <= upper. Xu et al., "Empirical evaluation of rectified activations in convolutional network", 2015.
Tensor rrelu(const Tensor& x, double lower = 1.0 / 8, double upper = 1.0 / 3, bool training = false,
             Generator* generator = nullptr);

}  // namespace normgrad
