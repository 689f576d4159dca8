#include "normgrad/core/ops/detail/index.hpp"

#include <algorithm>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/detail/row_major.hpp"
#include "normgrad/core/ops/detail/window.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

// Calls f(T{}) for the dtypes of widened() tensors that support addition.
template <class F>
void dispatch_sum(const char* where, DType dtype, F f) {
  if (dtype == kInt64) {
    f(std::int64_t{});
  } else {
    dispatch_float(where, dtype, f);
  }
}

bool is_narrow(DType dtype) { return is_integer(dtype) && dtype != kInt64; }

}  // namespace

kernels::IndexShape detail::index_shape(const Shape& shape, std::size_t axis, std::int64_t count) {
  kernels::IndexShape out{1, shape[axis], 1, count};
  for (std::size_t i = 0; i < shape.rank(); ++i) {
    (i < axis ? out.outer : out.inner) *= i == axis ? 1 : shape[i];
  }
  return out;
}

Tensor detail::checked_index(const char* where, const Tensor& index) {
  require<DTypeError>(index.dtype() == kInt64 || index.dtype() == kInt32, where,
                      ": expected an int64 or int32 index but got ", index.dtype(), "; convert it with to(kInt64)");
  return to(index, kInt64);
}

Tensor detail::wrapped_index(const char* where, const Tensor& given, std::int64_t size, const std::string& of) {
  Tensor index = checked_index(where, given);
  const auto* values = index.data<std::int64_t>();
  const kernels::IndexRange range = kernels::index_range(values, index.numel(), size);
  for (std::int64_t i = 0; !range.valid && i < index.numel(); ++i) {
    require<IndexError>(values[i] >= -size && values[i] < size, where, ": expected indices in [", -size, ", ", size,
                        ")", of, " but got ", values[i], " at position ", i);
  }
  if (!range.negative) {
    return index;
  }
  Tensor y = Tensor::empty(index.shape(), kInt64);
  std::transform(values, values + index.numel(), y.mutable_data<std::int64_t>(),
                 [size](std::int64_t i) { return i < 0 ? i + size : i; });
  return y;
}

Tensor detail::add_rows(const Shape& shape, std::size_t axis, const Tensor& index, const Tensor& x) {
  if (is_narrow(x.dtype())) {
    return to(add_rows(shape, axis, index, widened(x)), x.dtype());
  }
  Tensor y = Tensor::empty(shape, x.dtype());
  dispatch_sum("index_add", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::index_sum(index_shape(shape, axis, index.numel()), x.data<T>(), index.data<std::int64_t>(),
                       y.mutable_data<T>());
  });
  return record("index_add", std::move(y), {x}, [index = Saved(index), axis](const Tensor& gy, GradSink& into) {
    into.add(0, index_select(gy, static_cast<std::int64_t>(axis), index.get()));
  });
}

Tensor index_select(const Tensor& x, std::int64_t axis, const Tensor& given) {
  const std::size_t a = normalize_axis("index_select", axis, x.dim());
  require<ShapeError>(given.dim() == 1, "index_select: expected a 1-D index but got shape ", given.shape());
  const Tensor index = detail::wrapped_index("index_select", given, x.shape()[a]);
  Shape shape = x.shape();
  shape[a] = index.numel();
  Tensor y = Tensor::empty(shape, x.dtype());
  kernels::index_select(detail::index_shape(x.shape(), a, index.numel()), detail::row_major_bytes(x),
                        index.data<std::int64_t>(), y.buffer().data(), dtype_size(x.dtype()));
  detail::note_arguments("axis", a, "index", given);
  return record("index_select", std::move(y), {x},
                [index = Saved(index, x.requires_grad()), a, before = x.shape()](const Tensor& gy, GradSink& into) {
                  into.add(0, detail::add_rows(before, a, index.get(), gy));
                });
}

namespace {

// The part of `shape` that an index covers along the axes that are not indexed.
detail::Window reach_of(const char* where, const Shape& shape, std::size_t axis, const Shape& index) {
  bool fits = index.rank() == shape.rank();
  detail::Window window(shape);
  for (std::size_t i = 0; fits && i < shape.rank(); ++i) {
    if (i != axis) {
      fits = index[i] <= shape[i];
      window.shape[i] = index[i];
    }
  }
  if (index.rank() != shape.rank()) {
    bool lacks_axis = index.rank() + 1 == shape.rank();
    for (std::size_t i = 0; lacks_axis && i < index.rank(); ++i) {
      lacks_axis = index[i] <= shape[i < axis ? i : i + 1];
    }
    fail<ShapeError>(where, ": expected an index of ", shape.rank(), " axes for ", shape, " but got ", index,
                     lacks_axis ? detail::concat("; give it axis ", axis, " with index.unsqueeze(", axis, ")") : "");
  }
  require<ShapeError>(fits, where, ": expected an index that is no larger than ", shape, " outside of axis ", axis,
                      " but got ", index);
  return window;
}

}  // namespace

void detail::check_reach(const char* where, const Shape& shape, std::size_t axis, const Shape& index) {
  reach_of(where, shape, axis, index);
}

Tensor gather(const Tensor& x, std::int64_t axis, const Tensor& given) {
  const std::size_t a = normalize_axis("gather", axis, x.dim());
  const detail::Window reach = reach_of("gather", x.shape(), a, given.shape());
  if (!(reach.shape == x.shape())) {
    const Tensor index = detail::wrapped_index("gather", given, x.shape()[a]);
    return gather(detail::take_window("gather", x, reach), axis, index);
  }
  Tensor y = Tensor::empty(given.shape(), x.dtype());
  const Tensor index = detail::usable_index("gather", given, x.shape()[a], [&](const std::int64_t* at) {
    return kernels::gather(detail::index_shape(x.shape(), a, given.shape()[a]), detail::row_major_bytes(x), at,
                           y.buffer().data(), dtype_size(x.dtype()));
  });
  detail::note_arguments("axis", a, "index", given);
  return record("gather", std::move(y), {x},
                [index = Saved(index, x.requires_grad()), a, before = x.shape()](const Tensor& gy, GradSink& into) {
                  into.add(0, scatter_add(before, static_cast<std::int64_t>(a), index.get(), gy));
                });
}

Tensor scatter_add(const Shape& shape, std::int64_t axis, const Tensor& given, const Tensor& source) {
  if (is_narrow(source.dtype())) {
    return to(scatter_add(shape, axis, given, detail::widened(source)), source.dtype());
  }
  const std::size_t a = normalize_axis("scatter_add", axis, shape.dim());
  require<ShapeError>(given.shape() == source.shape(), "scatter_add: expected an index of the source's shape ",
                      source.shape(), " but got ", given.shape());
  const detail::Window reach = reach_of("scatter_add", shape, a, given.shape());
  if (!(reach.shape == shape)) {
    const Tensor index = detail::wrapped_index("scatter_add", given, shape[a]);
    return detail::put_window("scatter_add", scatter_add(reach.shape, axis, index, source), reach, shape);
  }
  Tensor y;
  const Tensor index = detail::usable_index("scatter_add", given, shape[a], [&](const std::int64_t* at) {
    y = zeros(shape, {.dtype = source.dtype()});
    kernels::IndexRange range{};
    dispatch_sum("scatter_add", source.dtype(), [&](auto zero) {
      using T = decltype(zero);
      range = kernels::scatter_add(detail::index_shape(shape, a, given.shape()[a]), source.data<T>(), at,
                                   y.mutable_data<T>());
    });
    return range;
  });
  return record("scatter_add", std::move(y), {source},
                [index = Saved(index, source.requires_grad()), a](const Tensor& gy, GradSink& into) {
                  into.add(0, gather(gy, static_cast<std::int64_t>(a), index.get()));
                });
}

namespace {

// Negative indices are errors here, as in PyTorch: they are rather an ignored label than a word counted from the end.
void check_words(const Tensor& index, std::int64_t rows) {
  const auto* values = index.data<std::int64_t>();
  const kernels::IndexRange range = kernels::index_range(values, index.numel(), rows);
  for (std::int64_t i = 0; (!range.valid || range.negative) && i < index.numel(); ++i) {
    require<IndexError>(values[i] >= 0 && values[i] < rows, "embedding: expected indices in [0, ", rows, ") but got ",
                        values[i], " at position ", i);
  }
}

}  // namespace

Tensor embedding(const Tensor& given, const Tensor& weight, std::optional<std::int64_t> padding_idx) {
  require<ShapeError>(weight.dim() == 2, "embedding: expected a weight [num_embeddings, embedding_dim] but got ",
                      weight.shape());
  const std::int64_t rows = weight.shape()[0];
  require<IndexError>(!padding_idx || (*padding_idx >= -rows && *padding_idx < rows),
                      "embedding: expected a padding_idx in [", -rows, ", ", rows, ") but got ",
                      padding_idx.value_or(0));
  const Tensor index = detail::checked_index("embedding", given);
  check_words(index, rows);
  const Tensor flat = index.alias({index.numel()});
  const kernels::IndexShape geometry{1, rows, weight.shape()[1], index.numel()};
  Tensor y = Tensor::empty({index.numel(), weight.shape()[1]}, weight.dtype());
  kernels::index_select(geometry, detail::row_major_bytes(weight), flat.data<std::int64_t>(), y.buffer().data(),
                        dtype_size(weight.dtype()));
  detail::note_arguments("index", index);
  y = record("embedding", std::move(y), {weight},
             [flat = Saved(flat), padding_idx, before = weight.shape()](const Tensor& gy, GradSink& into) {
               Tensor gradient = gy;
               if (padding_idx) {
                 const std::int64_t padding = *padding_idx < 0 ? *padding_idx + before[0] : *padding_idx;
                 const Tensor learned = unsqueeze(ne(flat.get(), padding), 1);
                 gradient = where(learned, gy, zeros({}, {.dtype = gy.dtype()}));
               }
               into.add(0, detail::add_rows(before, 0, flat.get(), gradient));
             });
  Shape shape = index.shape();
  shape.push_back(weight.shape()[1]);
  return reshape_to(y, shape);
}

}  // namespace normgrad
