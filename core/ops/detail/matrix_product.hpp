// Products of stored matrices. Internal.
#pragma once

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad::detail {

/// op(a) op(b) for matrices with broadcasting batch axes, where op transposes the last two axes or not.
Tensor matrix_product(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b);

}  // namespace normgrad::detail
