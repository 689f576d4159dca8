// Activation functions: element-wise, differentiable to any order. Names, defaults and formulas are PyTorch's.
#pragma once

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// max(x, 0); the gradient at 0 is 0.
Tensor relu(const Tensor& x);
/// x for x > 0, else negative_slope * x.
Tensor leaky_relu(const Tensor& x, double negative_slope = 0.01);
/// x for x > 0, else alpha * (exp(x) - 1).
Tensor elu(const Tensor& x, double alpha = 1.0);
/// scale * elu(x, alpha), with the constants of Klambauer et al., "Self-Normalizing Neural Networks", 2017.
Tensor selu(const Tensor& x);
/// x * Phi(x), where Phi is the normal distribution function. The exact form, not the tanh approximation.
Tensor gelu(const Tensor& x);
/// x * sigmoid(x).
Tensor silu(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor tanh(const Tensor& x);
/// log(1 + exp(beta x)) / beta; x itself where beta x > threshold.
Tensor softplus(const Tensor& x, double beta = 1.0, double threshold = 20.0);

}  // namespace normgrad
