// The activation of D. L. Elliott, "A better activation function for artificial neural networks", 1993.
#pragma once

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// x / (1 + |x|); differentiable to any order away from 0. Throws DTypeError unless x is float32 or float64.
Tensor elliot(const Tensor& x);

}  // namespace normgrad
