// Matrix products, differentiable to any order. float32 uses oneDNN.
#pragma once

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// [n, k] x [k, m] -> [n, m]. Vectors and broadcasting batch axes are as in torch.matmul.
Tensor matmul(const Tensor& a, const Tensor& b);
/// x w^T + b. x: [*, in], weight: [out, in], bias: [out] or undefined -> [*, out].
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});
/// y[*, k] = the sum of a[*, i] weight[k, i, j] b[*, j], plus bias[k]. a: [*, in1], b: [*, in2] with the same leading
/// axes; weight: [out, in1, in2]; bias: [out] or undefined -> [*, out].
Tensor bilinear(const Tensor& a, const Tensor& b, const Tensor& weight, const Tensor& bias = {});

}  // namespace normgrad
