// Derivatives of functions, as in torch.autograd.functional.
//
//   const auto f = [](const Tensor& x) { return x.square().sum(); };
//   const Tensor h = hessian(f, x);
#pragma once

#include <functional>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// Options of vjp(), jvp(), jacobian() and hessian().
struct FunctionalOptions {
  bool create_graph = false;  ///< make the results differentiable, in x too if it requires gradients
};

/// The value of a function and a product with its Jacobian.
struct ValueAndProduct {
  Tensor value;    ///< f(x)
  Tensor product;  ///< of the shape of x for vjp(), of f(x) for jvp()
};

/// Returns f(x) and the gradient of <f(x), v> with respect to x, but not to other tensors that f uses: [shape of x]. v
/// has the shape of f(x), and may be undefined if that has one element; it then is 1. All four functions count a result
/// that does not depend on x as constant, leave every `grad()` alone, and throw DTypeError unless x is float32 or
/// float64.
ValueAndProduct vjp(const std::function<Tensor(const Tensor&)>& f, const Tensor& x, const Tensor& v = {},
                    FunctionalOptions options = {});
/// Returns f(x) and the derivative of f at x in the direction v, a tensor of the shape of x; v may be undefined if x
/// has one element. Computed by differentiating the gradient with respect to the gradient of the result, so f must be
/// differentiable twice.
ValueAndProduct jvp(const std::function<Tensor(const Tensor&)>& f, const Tensor& x, const Tensor& v = {},
                    FunctionalOptions options = {});
/// Returns the derivative of each element of f(x) with respect to each of x: [shape of f(x), shape of x]. Takes one
/// backward per element of f(x).
Tensor jacobian(const std::function<Tensor(const Tensor&)>& f, const Tensor& x, FunctionalOptions options = {});
/// Returns the second derivatives of f: [shape of x, shape of x]. Takes one backward per element of x. Throws
/// ShapeError unless f(x) has one element.
Tensor hessian(const std::function<Tensor(const Tensor&)>& f, const Tensor& x, FunctionalOptions options = {});

}  // namespace normgrad
