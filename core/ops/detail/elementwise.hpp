// Shared code of the element-wise operations. Internal. Only locally_constant(), weighted() and counted() are recorded.
#pragma once

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/kernels/elementwise/binary.hpp"
#include "normgrad/core/kernels/elementwise/unary.hpp"

namespace normgrad::detail {

/// f(x) for a float32 or float64 tensor.
Tensor apply_unary(const char* name, kernels::UnaryOp op, const Tensor& x, kernels::UnaryParams params = {});
/// gy * f'(x), from x or from f(x), depending on the operation.
Tensor apply_unary_grad(kernels::UnaryGrad op, const Tensor& saved, const Tensor& gy, kernels::UnaryParams params = {});
/// a op b with broadcasting. Throws DTypeError for different dtypes and for bool.
Tensor apply_binary(const char* name, kernels::BinaryOp op, const Tensor& a, const Tensor& b);
/// x op number, or number op x if `number_first`. Throws ValueError if x holds integers and the number is not one.
Tensor apply_binary(const char* name, kernels::BinaryOp op, const Tensor& x, Scalar number, bool number_first = false);

/// `weight` as a function of `x` that is constant wherever it has a derivative. It keeps second derivatives of
/// piecewise linear functions defined, as zeros.
Tensor locally_constant(Tensor weight, const Tensor& x);

/// weight * x, except that a weight of 0 gives 0 for an infinite x too: the limit of w log(w), and the contribution to
/// a loss of a class with weight 0. The gradient with respect to the weight is 0 there. NaN propagates. float32 or
/// float64, with broadcasting.
Tensor weighted(const Tensor& weight, const Tensor& x);

/// The derivative of weighted() with respect to the weight: x, but 0 where x is infinite and the weight is 0.
Tensor counted(const Tensor& weight, const Tensor& x);

/// A tensor of one element with the dtype of x, or one of the shape of x.
Tensor scalar_like(const Tensor& x, double value);
Tensor zeros_of(const Tensor& x);
Tensor ones_of(const Tensor& x);

void check_same_dtype(const char* name, const Tensor& a, const Tensor& b);
void check_float(const char* name, const Tensor& x);
/// Converts `number` for an integer tensor. Throws ValueError if it is not an integer.
std::int64_t whole_number(const char* name, Scalar number, DType dtype);
/// "an int64", "a uint8" and so on, for messages.
const char* with_article(DType dtype) noexcept;
/// Whether the number, truncated, can be an element of the dtype.
bool fits(Scalar number, DType dtype) noexcept;
/// Throws ValueError unless the number fits().
void check_fits(const char* name, Scalar number, DType dtype);
/// x as int64 if it holds smaller integers, which few kernels take; otherwise x itself.
Tensor widened(const Tensor& x);
/// Calls f(T{}) with the element type T of a widened() tensor.
template <class F>
decltype(auto) dispatch_wide(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32:
      return f(float{});
    case DType::float64:
      return f(double{});
    case DType::boolean:
      return f(bool{});
    default:
      return f(std::int64_t{});
  }
}

}  // namespace normgrad::detail
