#include "normgrad/core/ops/order/order.hpp"

#include <optional>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/kernels/order/scan.hpp"
#include "normgrad/core/kernels/order/sort.hpp"
#include "normgrad/core/ops/detail/axis_shape.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/logic/logic.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

// The elements of x at the indices, which have x's axes.
ValuesAndIndices taken(const Tensor& x, std::size_t axis, const Tensor& indices) {
  if (x.dim() == 0) {
    const Shape one = {indices.numel()};
    const Tensor values = gather(reshape_to(x, {1}), 0, indices.alias(one));
    return {reshape_to(values, indices.shape()), indices};
  }
  return {gather(x, static_cast<std::int64_t>(axis), indices), indices};
}

// The same for one index per row: the axis has size 1 in `indices` and is removed unless `keepdim`.
ValuesAndIndices taken_one(const Tensor& x, std::size_t axis, const Tensor& indices, bool keepdim) {
  const ValuesAndIndices found = taken(x, axis, indices);
  if (keepdim || x.dim() == 0) {
    return found;
  }
  Shape shape = indices.shape();
  shape.erase(axis);
  return {reshape_to(found.values, shape), reshape_to(found.indices, shape)};
}

// x's shape with another size along the axis.
Shape resized(const Tensor& x, std::size_t axis, std::int64_t size) {
  Shape shape = x.shape();
  if (x.dim() > 0) {
    shape[axis] = size;
  }
  return shape;
}

// Calls f(elements of x, indices to write).
template <class F>
Tensor indices_of(const Tensor& given, const Shape& shape, F f) {
  const Tensor x = detail::widened(given);
  Tensor indices = Tensor::empty(shape, kInt64);
  detail::dispatch_wide(x.dtype(),
                        [&](auto zero) { f(x.data<decltype(zero)>(), indices.mutable_data<std::int64_t>()); });
  return indices;
}

Tensor sorted_positions(const Tensor& x, std::size_t axis, bool descending) {
  return indices_of(x, x.shape(), [&](const auto* from, std::int64_t* to) {
    kernels::argsort(descending, detail::axis_shape(x.shape(), axis), from, to);
  });
}

Tensor nth_positions(const Tensor& x, std::size_t axis, std::int64_t k, bool nan_wins) {
  return indices_of(x, resized(x, axis, 1), [&](const auto* from, std::int64_t* to) {
    kernels::nth(k, nan_wins, detail::axis_shape(x.shape(), axis), from, to);
  });
}

ValuesAndIndices running(const char* name, bool largest, const Tensor& x, std::int64_t axis) {
  const std::size_t a = detail::axis_of(name, x, axis);
  return taken(x, a, indices_of(x, x.shape(), [&](const auto* from, std::int64_t* to) {
                 kernels::running_extreme(largest, detail::axis_shape(x.shape(), a), from, to);
               }));
}

void check_some_along(const char* name, const Tensor& x, std::int64_t n) {
  require<ValueError>(n > 0, name, ": expected at least one element to reduce but got shape ", x.shape());
}

}  // namespace

ValuesAndIndices sort(const Tensor& x, std::int64_t axis, bool descending) {
  const std::size_t a = detail::axis_of("sort", x, axis);
  return taken(x, a, sorted_positions(x, a, descending));
}

Tensor argsort(const Tensor& x, std::int64_t axis, bool descending) {
  return sorted_positions(x, detail::axis_of("argsort", x, axis), descending);
}

ValuesAndIndices topk(const Tensor& x, std::int64_t k, std::int64_t axis, bool largest, bool sorted) {
  const std::size_t a = detail::axis_of("topk", x, axis);
  const kernels::AxisShape around = detail::axis_shape(x.shape(), a);
  require<ValueError>(k >= 0 && k <= around.n, "topk: expected a k in [0, ", around.n, "] but got ", k);
  const Shape shape = x.dim() == 0 && k == 0 ? Shape{0} : resized(x, a, k);
  return taken(x, a, indices_of(x, shape, [&](const auto* from, std::int64_t* to) {
                 kernels::top(largest, sorted, k, around, from, to);
               }));
}

ValuesAndIndices kthvalue(const Tensor& x, std::int64_t k, std::int64_t axis, ReduceFlag keepdim) {
  const std::size_t a = detail::axis_of("kthvalue", x, axis);
  const std::int64_t n = detail::axis_shape(x.shape(), a).n;
  check_some_along("kthvalue", x, n);
  require<ValueError>(k >= 1 && k <= n, "kthvalue: expected a k in [1, ", n, "] but got ", k);
  return taken_one(x, a, nth_positions(x, a, k - 1, false), keepdim);
}

ValuesAndIndices median(const Tensor& x, std::int64_t axis, ReduceFlag keepdim) {
  const std::size_t a = detail::axis_of("median", x, axis);
  const std::int64_t n = detail::axis_shape(x.shape(), a).n;
  check_some_along("median", x, n);
  return taken_one(x, a, nth_positions(x, a, (n - 1) / 2, true), keepdim);
}

Tensor median(const Tensor& x) {
  check_some_along("median", x, x.numel());
  Tensor y = median(reshape_to(x.detach(), {x.numel()}), 0).values;
  SavedOutput out(y);
  return record("median", std::move(y), {x}, [x = Saved(x), out = std::move(out)](const Tensor& gy, GradSink& into) {
    const Tensor value = out.get().detach();
    const Tensor hits = to(isnan(value).item() != 0.0 ? isnan(x.get()) : eq(x.get(), value), gy.dtype());
    into.add(0, mul(gy, detail::locally_constant(div(hits, sum(hits)), x.get())));
  });
}

namespace {

std::optional<std::int64_t> axis_if_any(const Tensor& x, std::int64_t axis) {
  return x.dim() == 0 ? std::nullopt : std::optional(axis);
}

}  // namespace

ValuesAndIndices max_with_indices(const Tensor& x, std::int64_t axis, ReduceFlag keepdim) {
  const std::size_t a = detail::axis_of("max_with_indices", x, axis);
  check_some_along("max_with_indices", x, detail::axis_shape(x.shape(), a).n);
  return taken_one(x, a, argmax(x, axis_if_any(x, axis), true), keepdim);
}

ValuesAndIndices min_with_indices(const Tensor& x, std::int64_t axis, ReduceFlag keepdim) {
  const std::size_t a = detail::axis_of("min_with_indices", x, axis);
  check_some_along("min_with_indices", x, detail::axis_shape(x.shape(), a).n);
  return taken_one(x, a, argmin(x, axis_if_any(x, axis), true), keepdim);
}

ValuesAndIndices cummax(const Tensor& x, std::int64_t axis) { return running("cummax", true, x, axis); }
ValuesAndIndices cummin(const Tensor& x, std::int64_t axis) { return running("cummin", false, x, axis); }

}  // namespace normgrad
