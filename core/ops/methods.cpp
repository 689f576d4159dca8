// The methods of Tensor that call operations.
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/piecewise.hpp"
#include "normgrad/core/ops/elementwise/rounding.hpp"
#include "normgrad/core/ops/elementwise/special.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/index/index.hpp"
#include "normgrad/core/ops/logic/logic.hpp"
#include "normgrad/core/ops/logic/mask.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/matmul/products.hpp"
#include "normgrad/core/ops/order/order.hpp"
#include "normgrad/core/ops/order/scan.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/reduction/softmax.hpp"
#include "normgrad/core/ops/reduction/statistics.hpp"
#include "normgrad/core/ops/shape/diagonal.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

using Sizes = std::vector<std::int64_t>;

Tensor Tensor::clone() const { return normgrad::clone(*this); }
Tensor Tensor::to(DType dtype) const { return normgrad::to(*this, dtype); }

Tensor Tensor::reshape(const Sizes& shape) const& { return normgrad::reshape(*this, shape); }
Tensor Tensor::view(const Sizes& shape) const& { return normgrad::reshape(*this, shape); }
Tensor Tensor::flatten(std::int64_t start_dim, std::int64_t end_dim) const& {
  return normgrad::flatten(*this, start_dim, end_dim);
}
Tensor Tensor::squeeze(Axes axes) const& { return normgrad::squeeze(*this, axes); }
Tensor Tensor::unsqueeze(std::int64_t axis) const& { return normgrad::unsqueeze(*this, axis); }
Tensor Tensor::unsqueeze(const Sizes& axes) const& { return normgrad::unsqueeze(*this, axes); }
const Tensor Tensor::permute(const Sizes& axes) const { return normgrad::permute(*this, axes); }
const Tensor Tensor::transpose(std::int64_t axis0, std::int64_t axis1) const {
  return normgrad::transpose(*this, axis0, axis1);
}
const Tensor Tensor::t() const {
  require<ShapeError>(dim() <= 2, "t: expected at most 2 axes but got ", shape());
  return dim() < 2 ? *this : normgrad::transpose(*this, 0, 1);
}
const Tensor Tensor::expand(const Sizes& shape) const { return normgrad::expand(*this, shape); }

Tensor Tensor::narrow(std::int64_t axis, std::int64_t start, std::int64_t length) & {
  return normgrad::narrow(*this, axis, start, length);
}
Tensor Tensor::slice(std::int64_t axis, std::optional<std::int64_t> start, std::optional<std::int64_t> end,
                     std::int64_t step) & {
  return normgrad::slice(*this, axis, start, end, step);
}
Tensor Tensor::select(std::int64_t axis, std::int64_t index) & { return normgrad::select(*this, axis, index); }
const Tensor Tensor::narrow(std::int64_t axis, std::int64_t start, std::int64_t length) const& {
  return normgrad::narrow(*this, axis, start, length);
}
const Tensor Tensor::slice(std::int64_t axis, std::optional<std::int64_t> start, std::optional<std::int64_t> end,
                           std::int64_t step) const& {
  return normgrad::slice(*this, axis, start, end, step);
}
const Tensor Tensor::select(std::int64_t axis, std::int64_t index) const& {
  return normgrad::select(*this, axis, index);
}
const Tensor& TensorMethods::self() const noexcept { return static_cast<const Tensor&>(*this); }

Tensor TensorMethods::index_select(std::int64_t axis, const Tensor& index) const {
  return normgrad::index_select(self(), axis, index);
}
Tensor TensorMethods::gather(std::int64_t axis, const Tensor& index) const {
  return normgrad::gather(self(), axis, index);
}

const Tensor TensorMethods::index(const std::vector<TensorIndex>& indices) const {
  return normgrad::index(self(), indices);
}
Tensor TensorMethods::index_put(const std::vector<TensorIndex>& indices, const Tensor& values, bool accumulate) const {
  return normgrad::index_put(self(), indices, values, accumulate);
}
Tensor TensorMethods::index_add(std::int64_t axis, const Tensor& index, const Tensor& source, Scalar alpha) const {
  return normgrad::index_add(self(), axis, index, source, alpha);
}
Tensor TensorMethods::take_along_dim(const Tensor& indices, std::optional<std::int64_t> axis) const {
  return normgrad::take_along_dim(self(), indices, axis);
}
Tensor TensorMethods::scatter(std::int64_t axis, const Tensor& index, const Tensor& source) const {
  return normgrad::scatter(self(), axis, index, source);
}
Tensor TensorMethods::scatter(std::int64_t axis, const Tensor& index, Scalar value) const {
  return normgrad::scatter(self(), axis, index, value);
}
Tensor TensorMethods::scatter_add(std::int64_t axis, const Tensor& index, const Tensor& source) const {
  return normgrad::scatter_add(self(), axis, index, source);
}
Tensor TensorMethods::scatter_reduce(std::int64_t axis, const Tensor& index, const Tensor& source,
                                     const std::string& reduce, bool include_self) const {
  return normgrad::scatter_reduce(self(), axis, index, source, reduce, include_self);
}
Tensor TensorMethods::flip(const Axes& axes) const { return normgrad::flip(self(), axes); }
Tensor TensorMethods::roll(const Sizes& shifts, const Sizes& axes) const {
  return normgrad::roll(self(), shifts, axes);
}
Tensor TensorMethods::repeat(const Sizes& repeats) const { return normgrad::repeat(self(), repeats); }
Tensor TensorMethods::tile(const Sizes& repeats) const { return normgrad::tile(self(), repeats); }
Tensor TensorMethods::repeat_interleave(std::int64_t repeats, std::optional<std::int64_t> axis) const {
  return normgrad::repeat_interleave(self(), repeats, axis);
}
Tensor TensorMethods::repeat_interleave(const Tensor& repeats, std::optional<std::int64_t> axis) const {
  return normgrad::repeat_interleave(self(), repeats, axis);
}
TensorList TensorMethods::split(std::int64_t size, std::int64_t axis) const {
  return normgrad::split(self(), size, axis);
}
TensorList TensorMethods::split(const Sizes& sizes, std::int64_t axis) const {
  return normgrad::split(self(), sizes, axis);
}
TensorList TensorMethods::chunk(std::int64_t chunks, std::int64_t axis) const {
  return normgrad::chunk(self(), chunks, axis);
}
TensorList TensorMethods::unbind(std::int64_t axis) const { return normgrad::unbind(self(), axis); }

Tensor TensorMethods::sum(const Axes& axes, ReduceFlag keepdim) const { return normgrad::sum(self(), axes, keepdim); }
Tensor TensorMethods::mean(const Axes& axes, ReduceFlag keepdim) const { return normgrad::mean(self(), axes, keepdim); }
Tensor TensorMethods::var(const Axes& axes, ReduceFlag unbiased, ReduceFlag keepdim) const {
  return normgrad::var(self(), axes, unbiased, keepdim);
}
Tensor TensorMethods::max(const Axes& axes, ReduceFlag keepdim) const { return normgrad::max(self(), axes, keepdim); }
Tensor TensorMethods::min(const Axes& axes, ReduceFlag keepdim) const { return normgrad::min(self(), axes, keepdim); }
Tensor TensorMethods::prod(const Axes& axes, ReduceFlag keepdim) const { return normgrad::prod(self(), axes, keepdim); }
Tensor TensorMethods::argmax(std::optional<std::int64_t> axis, ReduceFlag keepdim) const {
  return normgrad::argmax(self(), axis, keepdim);
}
Tensor TensorMethods::argmin(std::optional<std::int64_t> axis, ReduceFlag keepdim) const {
  return normgrad::argmin(self(), axis, keepdim);
}

Tensor TensorMethods::matmul(const Tensor& other) const { return normgrad::matmul(self(), other); }

Tensor TensorMethods::neg() const { return normgrad::neg(self()); }
Tensor TensorMethods::abs() const { return normgrad::abs(self()); }
Tensor TensorMethods::exp() const { return normgrad::exp(self()); }
Tensor TensorMethods::log() const { return normgrad::log(self()); }
Tensor TensorMethods::sqrt() const { return normgrad::sqrt(self()); }
Tensor TensorMethods::rsqrt() const { return normgrad::rsqrt(self()); }
Tensor TensorMethods::pow(Scalar exponent) const { return normgrad::pow(self(), exponent); }
Tensor TensorMethods::square() const { return normgrad::square(self()); }
Tensor TensorMethods::relu() const { return normgrad::relu(self()); }
Tensor TensorMethods::sigmoid() const { return normgrad::sigmoid(self()); }
Tensor TensorMethods::tanh() const { return normgrad::tanh(self()); }
Tensor TensorMethods::clamp(std::optional<Scalar> low, std::optional<Scalar> high) const {
  return normgrad::clamp(self(), low, high);
}
Tensor TensorMethods::softmax(std::int64_t axis) const { return normgrad::softmax(self(), axis); }
Tensor TensorMethods::log_softmax(std::int64_t axis) const { return normgrad::log_softmax(self(), axis); }

Tensor TensorMethods::floor() const { return normgrad::floor(self()); }
Tensor TensorMethods::ceil() const { return normgrad::ceil(self()); }
Tensor TensorMethods::round() const { return normgrad::round(self()); }
Tensor TensorMethods::trunc() const { return normgrad::trunc(self()); }
Tensor TensorMethods::log1p() const { return normgrad::log1p(self()); }
Tensor TensorMethods::expm1() const { return normgrad::expm1(self()); }
Tensor TensorMethods::sin() const { return normgrad::sin(self()); }
Tensor TensorMethods::cos() const { return normgrad::cos(self()); }
Tensor TensorMethods::reciprocal() const { return normgrad::reciprocal(self()); }
Tensor TensorMethods::std(const Axes& axes, ReduceFlag unbiased, ReduceFlag keepdim) const {
  return normgrad::std(self(), axes, unbiased, keepdim);
}
Tensor TensorMethods::norm(double p, const Axes& axes, ReduceFlag keepdim) const {
  return normgrad::norm(self(), p, axes, keepdim);
}

Tensor TensorMethods::isnan() const { return normgrad::isnan(self()); }
Tensor TensorMethods::isinf() const { return normgrad::isinf(self()); }
Tensor TensorMethods::isfinite() const { return normgrad::isfinite(self()); }
Tensor TensorMethods::all(const Axes& axes, ReduceFlag keepdim) const { return normgrad::all(self(), axes, keepdim); }
Tensor TensorMethods::any(const Axes& axes, ReduceFlag keepdim) const { return normgrad::any(self(), axes, keepdim); }
Tensor TensorMethods::logical_not() const { return normgrad::logical_not(self()); }
Tensor TensorMethods::masked_fill(const Tensor& mask, Scalar value) const {
  return normgrad::masked_fill(self(), mask, value);
}
Tensor TensorMethods::masked_fill(const Tensor& mask, const Tensor& value) const {
  return normgrad::masked_fill(self(), mask, value);
}
Tensor TensorMethods::masked_select(const Tensor& mask) const { return normgrad::masked_select(self(), mask); }
Tensor TensorMethods::nonzero() const { return normgrad::nonzero(self()); }

ValuesAndIndices TensorMethods::sort(std::int64_t axis, bool descending) const {
  return normgrad::sort(self(), axis, descending);
}
Tensor TensorMethods::argsort(std::int64_t axis, bool descending) const {
  return normgrad::argsort(self(), axis, descending);
}
ValuesAndIndices TensorMethods::topk(std::int64_t k, std::int64_t axis, bool largest, bool sorted) const {
  return normgrad::topk(self(), k, axis, largest, sorted);
}
ValuesAndIndices TensorMethods::kthvalue(std::int64_t k, std::int64_t axis, ReduceFlag keepdim) const {
  return normgrad::kthvalue(self(), k, axis, keepdim);
}
Tensor TensorMethods::median() const { return normgrad::median(self()); }
ValuesAndIndices TensorMethods::median(std::int64_t axis, ReduceFlag keepdim) const {
  return normgrad::median(self(), axis, keepdim);
}
Tensor TensorMethods::cumsum(std::int64_t axis) const { return normgrad::cumsum(self(), axis); }
Tensor TensorMethods::cumprod(std::int64_t axis) const { return normgrad::cumprod(self(), axis); }

Tensor TensorMethods::tril(std::int64_t diagonal) const { return normgrad::tril(self(), diagonal); }
Tensor TensorMethods::triu(std::int64_t diagonal) const { return normgrad::triu(self(), diagonal); }

Tensor TensorMethods::sign() const { return normgrad::sign(self()); }
Tensor TensorMethods::tan() const { return normgrad::tan(self()); }
Tensor TensorMethods::sinh() const { return normgrad::sinh(self()); }
Tensor TensorMethods::cosh() const { return normgrad::cosh(self()); }
Tensor TensorMethods::asin() const { return normgrad::asin(self()); }
Tensor TensorMethods::acos() const { return normgrad::acos(self()); }
Tensor TensorMethods::atan() const { return normgrad::atan(self()); }
Tensor TensorMethods::asinh() const { return normgrad::asinh(self()); }
Tensor TensorMethods::acosh() const { return normgrad::acosh(self()); }
Tensor TensorMethods::atanh() const { return normgrad::atanh(self()); }
Tensor TensorMethods::log2() const { return normgrad::log2(self()); }
Tensor TensorMethods::log10() const { return normgrad::log10(self()); }
Tensor TensorMethods::exp2() const { return normgrad::exp2(self()); }
Tensor TensorMethods::erf() const { return normgrad::erf(self()); }
Tensor TensorMethods::lgamma() const { return normgrad::lgamma(self()); }
Tensor TensorMethods::digamma() const { return normgrad::digamma(self()); }
Tensor TensorMethods::frac() const { return normgrad::frac(self()); }
Tensor TensorMethods::gelu() const { return normgrad::gelu(self()); }
Tensor TensorMethods::silu() const { return normgrad::silu(self()); }
Tensor TensorMethods::polygamma(std::int64_t n) const { return normgrad::polygamma(n, self()); }
Tensor TensorMethods::prelu(const Tensor& weight) const { return normgrad::prelu(self(), weight); }
Tensor TensorMethods::hardshrink(double lambd) const { return normgrad::hardshrink(self(), lambd); }
Tensor TensorMethods::pow(const Tensor& exponent) const { return normgrad::pow(self(), exponent); }

Tensor TensorMethods::add(const Tensor& other) const { return normgrad::add(self(), other); }
Tensor TensorMethods::add(Scalar number) const { return normgrad::add(self(), number); }
Tensor TensorMethods::sub(const Tensor& other) const { return normgrad::sub(self(), other); }
Tensor TensorMethods::sub(Scalar number) const { return normgrad::sub(self(), number); }
Tensor TensorMethods::mul(const Tensor& other) const { return normgrad::mul(self(), other); }
Tensor TensorMethods::mul(Scalar number) const { return normgrad::mul(self(), number); }
Tensor TensorMethods::div(const Tensor& other) const { return normgrad::div(self(), other); }
Tensor TensorMethods::div(Scalar number) const { return normgrad::div(self(), number); }
Tensor TensorMethods::fmod(const Tensor& other) const { return normgrad::fmod(self(), other); }
Tensor TensorMethods::fmod(Scalar number) const { return normgrad::fmod(self(), number); }
Tensor TensorMethods::remainder(const Tensor& other) const { return normgrad::remainder(self(), other); }
Tensor TensorMethods::remainder(Scalar number) const { return normgrad::remainder(self(), number); }
Tensor TensorMethods::eq(const Tensor& other) const { return normgrad::eq(self(), other); }
Tensor TensorMethods::eq(Scalar number) const { return normgrad::eq(self(), number); }
Tensor TensorMethods::ne(const Tensor& other) const { return normgrad::ne(self(), other); }
Tensor TensorMethods::ne(Scalar number) const { return normgrad::ne(self(), number); }
Tensor TensorMethods::lt(const Tensor& other) const { return normgrad::lt(self(), other); }
Tensor TensorMethods::lt(Scalar number) const { return normgrad::lt(self(), number); }
Tensor TensorMethods::le(const Tensor& other) const { return normgrad::le(self(), other); }
Tensor TensorMethods::le(Scalar number) const { return normgrad::le(self(), number); }
Tensor TensorMethods::gt(const Tensor& other) const { return normgrad::gt(self(), other); }
Tensor TensorMethods::gt(Scalar number) const { return normgrad::gt(self(), number); }
Tensor TensorMethods::ge(const Tensor& other) const { return normgrad::ge(self(), other); }
Tensor TensorMethods::ge(Scalar number) const { return normgrad::ge(self(), number); }
Tensor TensorMethods::maximum(const Tensor& other) const { return normgrad::maximum(self(), other); }
Tensor TensorMethods::minimum(const Tensor& other) const { return normgrad::minimum(self(), other); }
Tensor TensorMethods::atan2(const Tensor& other) const { return normgrad::atan2(self(), other); }
Tensor TensorMethods::hypot(const Tensor& other) const { return normgrad::hypot(self(), other); }
Tensor TensorMethods::logical_and(const Tensor& other) const { return normgrad::logical_and(self(), other); }
Tensor TensorMethods::logical_or(const Tensor& other) const { return normgrad::logical_or(self(), other); }
Tensor TensorMethods::logical_xor(const Tensor& other) const { return normgrad::logical_xor(self(), other); }
Tensor TensorMethods::lerp(const Tensor& end, double weight) const { return normgrad::lerp(self(), end, weight); }
Tensor TensorMethods::lerp(const Tensor& end, const Tensor& weight) const {
  return normgrad::lerp(self(), end, weight);
}
Tensor TensorMethods::addcmul(const Tensor& a, const Tensor& b, Scalar value) const {
  return normgrad::addcmul(self(), a, b, value);
}
Tensor TensorMethods::addcdiv(const Tensor& a, const Tensor& b, double value) const {
  return normgrad::addcdiv(self(), a, b, value);
}
Tensor TensorMethods::where(const Tensor& condition, const Tensor& other) const {
  return normgrad::where(condition, self(), other);
}
Tensor TensorMethods::where(const Tensor& condition, Scalar other) const {
  return normgrad::where(condition, self(), other);
}

Tensor TensorMethods::logsumexp(const Axes& axes, ReduceFlag keepdim) const {
  return normgrad::logsumexp(self(), axes, keepdim);
}
Tensor TensorMethods::logcumsumexp(std::int64_t axis) const { return normgrad::logcumsumexp(self(), axis); }
ValuesAndIndices TensorMethods::cummax(std::int64_t axis) const { return normgrad::cummax(self(), axis); }
ValuesAndIndices TensorMethods::cummin(std::int64_t axis) const { return normgrad::cummin(self(), axis); }

Tensor TensorMethods::diag(std::int64_t diagonal) const { return normgrad::diag(self(), diagonal); }
Tensor TensorMethods::diagonal(std::int64_t offset, std::int64_t axis0, std::int64_t axis1) const {
  return normgrad::diagonal(self(), offset, axis0, axis1);
}
Tensor TensorMethods::select_scatter(const Tensor& source, std::int64_t axis, std::int64_t index) const {
  return normgrad::select_scatter(self(), source, axis, index);
}
Tensor TensorMethods::slice_scatter(const Tensor& source, std::int64_t axis, std::optional<std::int64_t> start,
                                    std::optional<std::int64_t> end) const {
  return normgrad::slice_scatter(self(), source, axis, start, end);
}

Tensor TensorMethods::mm(const Tensor& other) const { return normgrad::mm(self(), other); }
Tensor TensorMethods::mv(const Tensor& vector) const { return normgrad::mv(self(), vector); }
Tensor TensorMethods::bmm(const Tensor& other) const { return normgrad::bmm(self(), other); }
Tensor TensorMethods::dot(const Tensor& other) const { return normgrad::dot(self(), other); }
Tensor TensorMethods::outer(const Tensor& other) const { return normgrad::outer(self(), other); }
Tensor TensorMethods::cross(const Tensor& other, std::optional<std::int64_t> axis) const {
  return normgrad::cross(self(), other, axis);
}
Tensor TensorMethods::addmm(const Tensor& a, const Tensor& b, double beta, double alpha) const {
  return normgrad::addmm(self(), a, b, beta, alpha);
}
Tensor TensorMethods::baddbmm(const Tensor& a, const Tensor& b, double beta, double alpha) const {
  return normgrad::baddbmm(self(), a, b, beta, alpha);
}

}  // namespace normgrad
