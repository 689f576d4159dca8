#include "normgrad/core/kernels/order/search.hpp"

#include "normgrad/core/kernels/order/sort.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/order/order.hpp"
#include "normgrad/core/ops/order/search.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

Tensor searched(const char* name, const Tensor& given, const Tensor& given_values, bool right) {
  detail::check_same_dtype(name, given, given_values);
  const Tensor sorted = detail::widened(given);
  const Tensor values = detail::widened(given_values);
  require<ShapeError>(sorted.dim() > 0, name, ": expected at least one axis to search along but got a scalar");
  const std::size_t last = sorted.shape().rank() - 1;
  const bool shared = last == 0;
  bool fits = shared || values.dim() == sorted.dim();
  std::int64_t rows = 1;
  for (std::size_t i = 0; fits && i < last; ++i) {
    fits = values.shape()[i] == sorted.shape()[i];
    rows *= sorted.shape()[i];
  }
  require<ShapeError>(fits, name, ": expected values with the leading axes of the sorted ", sorted.shape(), " but got ",
                      values.shape());
  const kernels::SearchShape shape{rows, sorted.shape().back(), shared ? values.numel() : values.shape().back(),
                                   shared};
  Tensor y = Tensor::empty(values.shape(), kInt64);
  const auto run = [&](auto zero) {
    using T = decltype(zero);
    kernels::search_sorted(right, shape, sorted.data<T>(), values.data<T>(), y.mutable_data<std::int64_t>());
  };
  if (values.dtype() == kInt64) {
    run(std::int64_t{});
  } else {
    dispatch_float(name, values.dtype(), run);
  }
  return y;
}

}  // namespace

Tensor searchsorted(const Tensor& sorted_sequence, const Tensor& values, bool right) {
  return searched("searchsorted", sorted_sequence, values, right);
}

Tensor bucketize(const Tensor& x, const Tensor& boundaries, bool right) {
  require<ShapeError>(boundaries.dim() == 1, "bucketize: expected a vector of boundaries but got ", boundaries.shape());
  return searched("bucketize", boundaries, x, right);
}

UniqueResult unique(const Tensor& x) {
  const Tensor flat = reshape_to(x, {x.numel()});
  const Tensor wide = detail::widened(flat);
  const Tensor order = argsort(wide);
  Tensor first = Tensor::empty(flat.shape(), kInt64);
  Tensor counts = Tensor::empty(flat.shape(), kInt64);
  Tensor inverse = Tensor::empty(x.shape(), kInt64);
  std::int64_t runs = 0;
  detail::dispatch_wide(wide.dtype(), [&](auto zero) {
    runs = kernels::find_runs(x.numel(), wide.data<decltype(zero)>(), order.data<std::int64_t>(),
                              first.mutable_data<std::int64_t>(), counts.mutable_data<std::int64_t>(),
                              inverse.mutable_data<std::int64_t>());
  });
  return {index_select(flat, 0, narrow(first, 0, 0, runs)), inverse, narrow(counts, 0, 0, runs)};
}

}  // namespace normgrad
