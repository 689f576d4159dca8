// What the element-wise operations share; not for users. Only locally_constant(), weighted() and counted() are
// recorded.
#pragma once

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/kernels/binary.hpp"
#include "normgrad/core/kernels/unary.hpp"

namespace normgrad::detail {

/// f(x) for a float32 or float64 tensor.
Tensor apply_unary(const char* name, kernels::UnaryOp op, const Tensor& x, kernels::UnaryParams params = {});
/// gy * f'(x), from x or the result of f.
Tensor apply_unary_grad(kernels::UnaryGrad op, const Tensor& saved, const Tensor& gy, kernels::UnaryParams params = {});
/// a op b, broadcast. Throws DTypeError for different dtypes, and for bool.
Tensor apply_binary(const char* name, kernels::BinaryOp op, const Tensor& a, const Tensor& b);
/// x op number, or number op x when `number_first`. Throws ValueError when x is int64 and the number is not whole.
Tensor apply_binary(const char* name, kernels::BinaryOp op, const Tensor& x, Scalar number, bool number_first = false);

/// `weight` as a function of `x` that is constant wherever it has a derivative: keeps second derivatives of piecewise
/// linear functions defined, as zeros.
Tensor locally_constant(Tensor weight, const Tensor& x);

/// weight * x, where a weight of 0 makes 0 of an infinite x as well: the limit of w log(w), and what a class without
/// weight adds to a loss. Its gradient by the weight is 0 there. NaN stays NaN. Float32 or float64, broadcast.
Tensor weighted(const Tensor& weight, const Tensor& x);

/// The derivative of weighted() by the weight: x, but 0 where it is infinite and the weight 0.
Tensor counted(const Tensor& weight, const Tensor& x);

/// One element, or a tensor, of x's dtype.
Tensor scalar_like(const Tensor& x, double value);
Tensor zeros_of(const Tensor& x);
Tensor ones_of(const Tensor& x);

void check_same_dtype(const char* name, const Tensor& a, const Tensor& b);
void check_float(const char* name, const Tensor& x);
/// `number` as an element of an int64 tensor.
std::int64_t whole_number(const char* name, Scalar number);

}  // namespace normgrad::detail
