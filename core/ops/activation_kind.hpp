// Activations whose derivative follows from their result, for operations that apply one on the way; not for users.
#pragma once

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/kernels/unary.hpp"

namespace normgrad::detail {

struct ActivationKind {
  const char* name;  ///< of the operation
  kernels::UnaryOp op;
  kernels::UnaryGrad grad;
};
inline constexpr ActivationKind kReLU{"relu", kernels::UnaryOp::relu, kernels::UnaryGrad::relu};
inline constexpr ActivationKind kSigmoid{"sigmoid", kernels::UnaryOp::sigmoid, kernels::UnaryGrad::sigmoid};
inline constexpr ActivationKind kTanh{"tanh", kernels::UnaryOp::tanh, kernels::UnaryGrad::tanh};

/// Makes `y`, new and computed already, the result of `f` on `x`; of `x` only its place in the graph counts.
Tensor activated(const ActivationKind& f, Tensor y, const Tensor& x);
/// f'(x) from y = f(x), in operations.
Tensor slope_from_result(const ActivationKind& f, const Tensor& y);

/// linear(f(x), weight, bias), to the last bit, as one operation.
Tensor activated_linear(const ActivationKind& f, const Tensor& x, const Tensor& weight, const Tensor& bias);

}  // namespace normgrad::detail
