// Softsign, an activation.
#pragma once

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// x / (1 + |x|); differentiable to any order away from 0. Throws DTypeError unless x is float32 or float64.
Tensor softsign(const Tensor& x);

}  // namespace normgrad
