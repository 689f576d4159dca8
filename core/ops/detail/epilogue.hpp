// An epilogue without fusing.
#pragma once

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/ops/epilogue.hpp"

namespace normgrad::detail {

/// Applies the epilogue to y, operation by operation.
Tensor apply_epilogue(const Epilogue& epilogue, const Tensor& y);

}  // namespace normgrad::detail
