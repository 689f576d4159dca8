// The methods of Tensor that call operations.
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/rounding.hpp"
#include "normgrad/core/ops/elementwise/special.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/index/index.hpp"
#include "normgrad/core/ops/logic/logic.hpp"
#include "normgrad/core/ops/logic/mask.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
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
Tensor Tensor::index_select(std::int64_t axis, const Tensor& index) const {
  return normgrad::index_select(*this, axis, index);
}
Tensor Tensor::gather(std::int64_t axis, const Tensor& index) const { return normgrad::gather(*this, axis, index); }

const Tensor Tensor::index(const std::vector<TensorIndex>& indices) const { return normgrad::index(*this, indices); }
Tensor Tensor::index_put(const std::vector<TensorIndex>& indices, const Tensor& values, bool accumulate) const {
  return normgrad::index_put(*this, indices, values, accumulate);
}
Tensor Tensor::index_add(std::int64_t axis, const Tensor& index, const Tensor& source, Scalar alpha) const {
  return normgrad::index_add(*this, axis, index, source, alpha);
}
Tensor Tensor::take_along_dim(const Tensor& indices, std::optional<std::int64_t> axis) const {
  return normgrad::take_along_dim(*this, indices, axis);
}
Tensor Tensor::scatter(std::int64_t axis, const Tensor& index, const Tensor& source) const {
  return normgrad::scatter(*this, axis, index, source);
}
Tensor Tensor::scatter(std::int64_t axis, const Tensor& index, Scalar value) const {
  return normgrad::scatter(*this, axis, index, value);
}
Tensor Tensor::scatter_add(std::int64_t axis, const Tensor& index, const Tensor& source) const {
  return normgrad::scatter_add(*this, axis, index, source);
}
Tensor Tensor::scatter_reduce(std::int64_t axis, const Tensor& index, const Tensor& source, const std::string& reduce,
                              bool include_self) const {
  return normgrad::scatter_reduce(*this, axis, index, source, reduce, include_self);
}
Tensor Tensor::flip(const Axes& axes) const { return normgrad::flip(*this, axes); }
Tensor Tensor::roll(const Sizes& shifts, const Sizes& axes) const { return normgrad::roll(*this, shifts, axes); }
Tensor Tensor::repeat(const Sizes& repeats) const { return normgrad::repeat(*this, repeats); }
Tensor Tensor::tile(const Sizes& repeats) const { return normgrad::tile(*this, repeats); }
Tensor Tensor::repeat_interleave(std::int64_t repeats, std::optional<std::int64_t> axis) const {
  return normgrad::repeat_interleave(*this, repeats, axis);
}
Tensor Tensor::repeat_interleave(const Tensor& repeats, std::optional<std::int64_t> axis) const {
  return normgrad::repeat_interleave(*this, repeats, axis);
}
TensorList Tensor::split(std::int64_t size, std::int64_t axis) const { return normgrad::split(*this, size, axis); }
TensorList Tensor::split(const Sizes& sizes, std::int64_t axis) const { return normgrad::split(*this, sizes, axis); }
TensorList Tensor::chunk(std::int64_t chunks, std::int64_t axis) const { return normgrad::chunk(*this, chunks, axis); }
TensorList Tensor::unbind(std::int64_t axis) const { return normgrad::unbind(*this, axis); }

Tensor Tensor::sum(const Axes& axes, ReduceFlag keepdim) const { return normgrad::sum(*this, axes, keepdim); }
Tensor Tensor::mean(const Axes& axes, ReduceFlag keepdim) const { return normgrad::mean(*this, axes, keepdim); }
Tensor Tensor::var(const Axes& axes, ReduceFlag unbiased, ReduceFlag keepdim) const {
  return normgrad::var(*this, axes, unbiased, keepdim);
}
Tensor Tensor::max(const Axes& axes, ReduceFlag keepdim) const { return normgrad::max(*this, axes, keepdim); }
Tensor Tensor::min(const Axes& axes, ReduceFlag keepdim) const { return normgrad::min(*this, axes, keepdim); }
Tensor Tensor::prod(const Axes& axes, ReduceFlag keepdim) const { return normgrad::prod(*this, axes, keepdim); }
Tensor Tensor::argmax(std::optional<std::int64_t> axis, ReduceFlag keepdim) const {
  return normgrad::argmax(*this, axis, keepdim);
}
Tensor Tensor::argmin(std::optional<std::int64_t> axis, ReduceFlag keepdim) const {
  return normgrad::argmin(*this, axis, keepdim);
}

Tensor Tensor::matmul(const Tensor& other) const { return normgrad::matmul(*this, other); }

Tensor Tensor::neg() const { return normgrad::neg(*this); }
Tensor Tensor::abs() const { return normgrad::abs(*this); }
Tensor Tensor::exp() const { return normgrad::exp(*this); }
Tensor Tensor::log() const { return normgrad::log(*this); }
Tensor Tensor::sqrt() const { return normgrad::sqrt(*this); }
Tensor Tensor::rsqrt() const { return normgrad::rsqrt(*this); }
Tensor Tensor::pow(Scalar exponent) const { return normgrad::pow(*this, exponent); }
Tensor Tensor::square() const { return normgrad::square(*this); }
Tensor Tensor::relu() const { return normgrad::relu(*this); }
Tensor Tensor::sigmoid() const { return normgrad::sigmoid(*this); }
Tensor Tensor::tanh() const { return normgrad::tanh(*this); }
Tensor Tensor::clamp(std::optional<Scalar> low, std::optional<Scalar> high) const {
  return normgrad::clamp(*this, low, high);
}
Tensor Tensor::softmax(std::int64_t axis) const { return normgrad::softmax(*this, axis); }
Tensor Tensor::log_softmax(std::int64_t axis) const { return normgrad::log_softmax(*this, axis); }

Tensor Tensor::floor() const { return normgrad::floor(*this); }
Tensor Tensor::ceil() const { return normgrad::ceil(*this); }
Tensor Tensor::round() const { return normgrad::round(*this); }
Tensor Tensor::trunc() const { return normgrad::trunc(*this); }
Tensor Tensor::log1p() const { return normgrad::log1p(*this); }
Tensor Tensor::expm1() const { return normgrad::expm1(*this); }
Tensor Tensor::sin() const { return normgrad::sin(*this); }
Tensor Tensor::cos() const { return normgrad::cos(*this); }
Tensor Tensor::reciprocal() const { return normgrad::reciprocal(*this); }
Tensor Tensor::std(const Axes& axes, ReduceFlag unbiased, ReduceFlag keepdim) const {
  return normgrad::std(*this, axes, unbiased, keepdim);
}
Tensor Tensor::norm(double p, const Axes& axes, ReduceFlag keepdim) const {
  return normgrad::norm(*this, p, axes, keepdim);
}

Tensor Tensor::isnan() const { return normgrad::isnan(*this); }
Tensor Tensor::isinf() const { return normgrad::isinf(*this); }
Tensor Tensor::isfinite() const { return normgrad::isfinite(*this); }
Tensor Tensor::all(const Axes& axes, ReduceFlag keepdim) const { return normgrad::all(*this, axes, keepdim); }
Tensor Tensor::any(const Axes& axes, ReduceFlag keepdim) const { return normgrad::any(*this, axes, keepdim); }
Tensor Tensor::logical_not() const { return normgrad::logical_not(*this); }
Tensor Tensor::masked_fill(const Tensor& mask, Scalar value) const { return normgrad::masked_fill(*this, mask, value); }
Tensor Tensor::masked_fill(const Tensor& mask, const Tensor& value) const {
  return normgrad::masked_fill(*this, mask, value);
}
Tensor Tensor::masked_select(const Tensor& mask) const { return normgrad::masked_select(*this, mask); }
Tensor Tensor::nonzero() const { return normgrad::nonzero(*this); }

ValuesAndIndices Tensor::sort(std::int64_t axis, bool descending) const {
  return normgrad::sort(*this, axis, descending);
}
Tensor Tensor::argsort(std::int64_t axis, bool descending) const { return normgrad::argsort(*this, axis, descending); }
ValuesAndIndices Tensor::topk(std::int64_t k, std::int64_t axis, bool largest, bool sorted) const {
  return normgrad::topk(*this, k, axis, largest, sorted);
}
ValuesAndIndices Tensor::kthvalue(std::int64_t k, std::int64_t axis, ReduceFlag keepdim) const {
  return normgrad::kthvalue(*this, k, axis, keepdim);
}
Tensor Tensor::median() const { return normgrad::median(*this); }
ValuesAndIndices Tensor::median(std::int64_t axis, ReduceFlag keepdim) const {
  return normgrad::median(*this, axis, keepdim);
}
Tensor Tensor::cumsum(std::int64_t axis) const { return normgrad::cumsum(*this, axis); }
Tensor Tensor::cumprod(std::int64_t axis) const { return normgrad::cumprod(*this, axis); }

Tensor Tensor::tril(std::int64_t diagonal) const { return normgrad::tril(*this, diagonal); }
Tensor Tensor::triu(std::int64_t diagonal) const { return normgrad::triu(*this, diagonal); }

}  // namespace normgrad
