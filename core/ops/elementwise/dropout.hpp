// Dropout. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.
#pragma once

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad {

/// Sets each element to 0 with probability p and scales the others by 1 / (1 - p), which preserves the mean. Returns x
/// itself if not training or p is 0. Draws from default_generator() unless a generator is given. Differentiable to any
/// order. Throws ValueError for p outside [0, 1].
Tensor dropout(const Tensor& x, double p = 0.5, bool training = true, Generator* generator = nullptr);

}  // namespace normgrad
