// Matrix products; differentiable to any order. float32 runs on oneDNN.
#pragma once

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// [n, k] x [k, m] -> [n, m]; vectors and leading (batch) axes as in torch.matmul, which broadcast.
Tensor matmul(const Tensor& a, const Tensor& b);
/// x w^T + b for x: [*, in], weight: [out, in], bias: [out] or undefined -> [*, out].
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

}  // namespace normgrad
