// Activations that operations can fuse: their derivative is a function of their result. Internal.
#pragma once

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/kernels/elementwise/unary.hpp"
#include "normgrad/core/ops/epilogue.hpp"

namespace normgrad::detail {

struct ActivationKind {
  const char* name;  ///< name of the operation
  kernels::UnaryOp op;
  kernels::UnaryGrad grad;
};
inline constexpr ActivationKind kReLU{"relu", kernels::UnaryOp::relu, kernels::UnaryGrad::relu};
inline constexpr ActivationKind kSigmoid{"sigmoid", kernels::UnaryOp::sigmoid, kernels::UnaryGrad::sigmoid};
inline constexpr ActivationKind kTanh{"tanh", kernels::UnaryOp::tanh, kernels::UnaryGrad::tanh};

/// The kind of an activation; null for none.
inline const ActivationKind* kind_of(FusedActivation activation) {
  switch (activation) {
    case FusedActivation::relu:
      return &kReLU;
    case FusedActivation::sigmoid:
      return &kSigmoid;
    case FusedActivation::tanh:
      return &kTanh;
    default:
      return nullptr;
  }
}

/// Records `y`, which is new and already computed, as the result of `f` on `x`. Only the graph position of `x` matters.
Tensor activated(const ActivationKind& f, Tensor y, const Tensor& x);
/// f'(x) from y = f(x), as recorded operations.
Tensor slope_from_result(const ActivationKind& f, const Tensor& y);

/// linear(f(x), weight, bias) as one operation, equal to the last bit.
Tensor activated_linear(const ActivationKind& f, const Tensor& x, const Tensor& weight, const Tensor& bias);

}  // namespace normgrad::detail
