// Smooth and gated activation functions. Names, defaults and formulas are PyTorch's. float32 and float64;
// differentiable to any order.
#pragma once

#include <cstdint>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// x tanh(softplus(x)). Misra, "Mish: a self regularized non-monotonic activation function", 2019.
Tensor mish(const Tensor& x);
/// x for x > 0, else alpha (exp(x / alpha) - 1). Throws ValueError for alpha = 0. Barron, "Continuously differentiable
/// exponential linear units", 2017.
Tensor celu(const Tensor& x, double alpha = 1.0);
/// log(sigmoid(x)), stable for large |x|.
Tensor logsigmoid(const Tensor& x);
/// x / (1 + |x|).
Tensor softsign(const Tensor& x);
/// x - tanh(x).
Tensor tanhshrink(const Tensor& x);
/// softmax(-x) along the axis.
Tensor softmin(const Tensor& x, std::int64_t axis);

// The halves a and b of x along an axis, one of them as a gate. Throw ShapeError for an axis of odd size.
/// a sigmoid(b). Dauphin et al., "Language modeling with gated convolutional networks", 2017.
Tensor glu(const Tensor& x, std::int64_t axis = -1);
/// silu(a) b. Shazeer, "GLU variants improve Transformer", 2020.
Tensor swiglu(const Tensor& x, std::int64_t axis = -1);
/// gelu(a) b, from the same paper.
Tensor geglu(const Tensor& x, std::int64_t axis = -1);

}  // namespace normgrad
