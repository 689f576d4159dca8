// The check of operations that change a tensor in place. Internal.
#pragma once

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad::detail {

/// In-place operations are not recorded, so they must not change a tensor that needs a gradient. Throws GraphError if
/// grad mode is on and `target` or `source`, which may be null, requires gradients.
void check_not_recorded(const char* name, const Tensor& target, const Tensor* source = nullptr);

}  // namespace normgrad::detail
