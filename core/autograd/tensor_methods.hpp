// The methods of Tensor that are shorthand for functions of operations.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "normgrad/core/base/scalar.hpp"
#include "normgrad/core/base/shape.hpp"

namespace normgrad {

class Tensor;
class TensorList;
struct ValuesAndIndices;
inline namespace indexing {
class TensorIndex;
}

/// Base class of Tensor: x.f(arguments) is f(x, arguments), the function of core/ops, which documents shapes and
/// errors. Methods are the functions that PyTorch has as methods, except unique(), unfold() and those of linalg and of
/// random numbers; besides, gelu and silu. Those that may share memory with the tensor are in Tensor itself.
class TensorMethods {
 public:
  // Indexing and movement.
  Tensor index_select(std::int64_t axis, const Tensor& index) const;
  Tensor gather(std::int64_t axis, const Tensor& index) const;
  const Tensor index(const std::vector<TensorIndex>& indices) const;
  Tensor index_put(const std::vector<TensorIndex>& indices, const Tensor& values, bool accumulate = false) const;
  Tensor index_add(std::int64_t axis, const Tensor& index, const Tensor& source, Scalar alpha = 1) const;
  Tensor take_along_dim(const Tensor& indices, std::optional<std::int64_t> axis = {}) const;
  Tensor scatter(std::int64_t axis, const Tensor& index, const Tensor& source) const;
  Tensor scatter(std::int64_t axis, const Tensor& index, Scalar value) const;
  Tensor scatter_add(std::int64_t axis, const Tensor& index, const Tensor& source) const;
  Tensor scatter_reduce(std::int64_t axis, const Tensor& index, const Tensor& source, const std::string& reduce,
                        bool include_self = true) const;
  Tensor flip(const Axes& axes) const;
  Tensor roll(const std::vector<std::int64_t>& shifts, const std::vector<std::int64_t>& axes = {}) const;
  Tensor repeat(const std::vector<std::int64_t>& repeats) const;
  Tensor tile(const std::vector<std::int64_t>& repeats) const;
  Tensor repeat_interleave(std::int64_t repeats, std::optional<std::int64_t> axis = {}) const;
  Tensor repeat_interleave(const Tensor& repeats, std::optional<std::int64_t> axis = {}) const;
  TensorList split(std::int64_t size, std::int64_t axis = 0) const;
  TensorList split(const std::vector<std::int64_t>& sizes, std::int64_t axis = 0) const;
  TensorList chunk(std::int64_t chunks, std::int64_t axis = 0) const;
  TensorList unbind(std::int64_t axis = 0) const;

  // Reductions.
  Tensor sum(const Axes& axes = {}, ReduceFlag keepdim = false) const;
  Tensor mean(const Axes& axes = {}, ReduceFlag keepdim = false) const;
  Tensor var(const Axes& axes = {}, ReduceFlag unbiased = true, ReduceFlag keepdim = false) const;
  Tensor max(const Axes& axes = {}, ReduceFlag keepdim = false) const;
  Tensor min(const Axes& axes = {}, ReduceFlag keepdim = false) const;
  Tensor prod(const Axes& axes = {}, ReduceFlag keepdim = false) const;
  Tensor argmax(std::optional<std::int64_t> axis = {}, ReduceFlag keepdim = false) const;
  Tensor argmin(std::optional<std::int64_t> axis = {}, ReduceFlag keepdim = false) const;
  Tensor logsumexp(const Axes& axes, ReduceFlag keepdim = false) const;
  Tensor any(const Axes& axes = {}, ReduceFlag keepdim = false) const;
  Tensor all(const Axes& axes = {}, ReduceFlag keepdim = false) const;
  Tensor norm(double p = 2.0, const Axes& axes = {}, ReduceFlag keepdim = false) const;
  Tensor std(const Axes& axes = {}, ReduceFlag unbiased = true, ReduceFlag keepdim = false) const;

  // Functions of each element, and softmax.
  Tensor neg() const;
  Tensor abs() const;
  Tensor exp() const;
  Tensor log() const;
  Tensor sqrt() const;
  Tensor rsqrt() const;
  Tensor pow(Scalar exponent) const;
  Tensor pow(const Tensor& exponent) const;
  Tensor square() const;
  Tensor relu() const;
  Tensor sigmoid() const;
  Tensor tanh() const;
  Tensor clamp(std::optional<Scalar> low, std::optional<Scalar> high) const;
  Tensor softmax(std::int64_t axis) const;
  Tensor log_softmax(std::int64_t axis) const;
  Tensor floor() const;
  Tensor ceil() const;
  Tensor round() const;
  Tensor trunc() const;
  Tensor log1p() const;
  Tensor expm1() const;
  Tensor sin() const;
  Tensor cos() const;
  Tensor reciprocal() const;
  Tensor sign() const;
  Tensor tan() const;
  Tensor sinh() const;
  Tensor cosh() const;
  Tensor asin() const;
  Tensor acos() const;
  Tensor atan() const;
  Tensor asinh() const;
  Tensor acosh() const;
  Tensor atanh() const;
  Tensor log2() const;
  Tensor log10() const;
  Tensor exp2() const;
  Tensor erf() const;
  Tensor lgamma() const;
  Tensor digamma() const;
  Tensor frac() const;
  Tensor gelu() const;
  Tensor silu() const;
  Tensor polygamma(std::int64_t n) const;
  Tensor hardshrink(double lambd = 0.5) const;
  Tensor prelu(const Tensor& weight) const;
  Tensor isnan() const;
  Tensor isinf() const;
  Tensor isfinite() const;
  Tensor logical_not() const;

  // Comparisons, arithmetic and functions of two tensors, or a tensor and a number.
  Tensor add(const Tensor& other) const;
  Tensor add(Scalar number) const;
  Tensor sub(const Tensor& other) const;
  Tensor sub(Scalar number) const;
  Tensor mul(const Tensor& other) const;
  Tensor mul(Scalar number) const;
  Tensor div(const Tensor& other) const;
  Tensor div(Scalar number) const;
  Tensor fmod(const Tensor& other) const;
  Tensor fmod(Scalar number) const;
  Tensor remainder(const Tensor& other) const;
  Tensor remainder(Scalar number) const;
  Tensor eq(const Tensor& other) const;
  Tensor eq(Scalar number) const;
  Tensor ne(const Tensor& other) const;
  Tensor ne(Scalar number) const;
  Tensor lt(const Tensor& other) const;
  Tensor lt(Scalar number) const;
  Tensor le(const Tensor& other) const;
  Tensor le(Scalar number) const;
  Tensor gt(const Tensor& other) const;
  Tensor gt(Scalar number) const;
  Tensor ge(const Tensor& other) const;
  Tensor ge(Scalar number) const;
  Tensor maximum(const Tensor& other) const;
  Tensor minimum(const Tensor& other) const;
  Tensor atan2(const Tensor& other) const;
  Tensor hypot(const Tensor& other) const;
  Tensor logical_and(const Tensor& other) const;
  Tensor logical_or(const Tensor& other) const;
  Tensor logical_xor(const Tensor& other) const;
  Tensor lerp(const Tensor& end, double weight) const;
  Tensor lerp(const Tensor& end, const Tensor& weight) const;
  Tensor addcmul(const Tensor& a, const Tensor& b, Scalar value = 1) const;
  Tensor addcdiv(const Tensor& a, const Tensor& b, double value = 1.0) const;
  Tensor where(const Tensor& condition, const Tensor& other) const;  ///< elements of this tensor where it is true
  Tensor where(const Tensor& condition, Scalar other) const;

  // Masks, order and running results.
  Tensor masked_fill(const Tensor& mask, Scalar value) const;
  Tensor masked_fill(const Tensor& mask, const Tensor& value) const;
  Tensor masked_select(const Tensor& mask) const;
  Tensor nonzero() const;
  ValuesAndIndices sort(std::int64_t axis = -1, bool descending = false) const;
  Tensor argsort(std::int64_t axis = -1, bool descending = false) const;
  ValuesAndIndices topk(std::int64_t k, std::int64_t axis = -1, bool largest = true, bool sorted = true) const;
  ValuesAndIndices kthvalue(std::int64_t k, std::int64_t axis = -1, ReduceFlag keepdim = false) const;
  Tensor median() const;
  ValuesAndIndices median(std::int64_t axis, ReduceFlag keepdim = false) const;
  Tensor cumsum(std::int64_t axis) const;
  Tensor cumprod(std::int64_t axis) const;
  Tensor logcumsumexp(std::int64_t axis) const;
  ValuesAndIndices cummax(std::int64_t axis) const;
  ValuesAndIndices cummin(std::int64_t axis) const;
  Tensor tril(std::int64_t diagonal = 0) const;
  Tensor triu(std::int64_t diagonal = 0) const;
  Tensor diag(std::int64_t diagonal = 0) const;
  Tensor diagonal(std::int64_t offset = 0, std::int64_t axis0 = 0, std::int64_t axis1 = 1) const;
  Tensor select_scatter(const Tensor& source, std::int64_t axis, std::int64_t index) const;
  Tensor slice_scatter(const Tensor& source, std::int64_t axis = 0, std::optional<std::int64_t> start = {},
                       std::optional<std::int64_t> end = {}) const;

  // Products.
  Tensor matmul(const Tensor& other) const;
  Tensor mm(const Tensor& other) const;
  Tensor mv(const Tensor& vector) const;
  Tensor bmm(const Tensor& other) const;
  Tensor dot(const Tensor& other) const;
  Tensor outer(const Tensor& other) const;
  Tensor cross(const Tensor& other, std::optional<std::int64_t> axis = {}) const;
  Tensor addmm(const Tensor& a, const Tensor& b, double beta = 1.0, double alpha = 1.0) const;
  Tensor baddbmm(const Tensor& a, const Tensor& b, double beta = 1.0, double alpha = 1.0) const;

 protected:
  TensorMethods() = default;
  TensorMethods(const TensorMethods&) = default;
  TensorMethods(TensorMethods&&) = default;
  TensorMethods& operator=(const TensorMethods&) = default;
  TensorMethods& operator=(TensorMethods&&) = default;
  ~TensorMethods() = default;

 private:
  const Tensor& self() const noexcept;
};

}  // namespace normgrad
