#include <algorithm>
#include <limits>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/base/detail/checked.hpp"
#include "normgrad/core/kernels/memory/copy.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/detail/index.hpp"
#include "normgrad/core/ops/detail/row_major.hpp"
#include "normgrad/core/ops/detail/window.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/index/index.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

enum class IndexCheck { now, later };

// The checked arguments of a scatter: `source` cut to the index, and the position in the flattened x of each element.
// With IndexCheck::later the elements of the index have not been checked.
struct Scatter {
  std::size_t axis;
  Tensor index;
  Tensor source;

  Scatter(const char* where, const Tensor& x, std::int64_t given_axis, const Tensor& given_index, const Tensor& given,
          IndexCheck check = IndexCheck::now)
      : axis(normalize_axis(where, given_axis, x.dim())) {
    require<DTypeError>(given.dtype() == x.dtype(), where, ": expected a source of dtype ", x.dtype(), " but got ",
                        given.dtype());
    detail::check_reach(where, x.shape(), axis, given_index.shape());
    bool fits = given.shape().rank() == given_index.shape().rank();
    for (std::size_t i = 0; fits && i < given.shape().rank(); ++i) {
      fits = given_index.shape()[i] <= given.shape()[i];
    }
    require<ShapeError>(fits, where, ": expected a source no smaller than the index ", given_index.shape(), " but got ",
                        given.shape());
    index = check == IndexCheck::now ? detail::wrapped_index(where, given_index, x.shape()[axis])
                                     : detail::checked_index(where, given_index);
    source = given.shape() == index.shape() ? given : detail::take_window(where, given, detail::Window(index.shape()));
  }

  std::int64_t signed_axis() const noexcept { return static_cast<std::int64_t>(axis); }

  std::vector<std::int64_t> positions(const Shape& x) const {
    const auto x_strides = strides_of(x);
    const auto strides = strides_of(index.shape());
    const auto* at = index.data<std::int64_t>();
    std::vector<std::int64_t> positions(static_cast<std::size_t>(index.numel()));
    for (std::int64_t flat = 0; flat < index.numel(); ++flat) {
      std::int64_t position = at[flat] * x_strides[axis];
      for (std::size_t i = 0; i < x.rank(); ++i) {
        position += i == axis ? 0 : flat / strides[i] % index.shape()[i] * x_strides[i];
      }
      positions[static_cast<std::size_t>(flat)] = position;
    }
    return positions;
  }
};

// The elements `from` of x, flattened, and y behind it: each element of the result is one of theirs.
Tensor choose(const Tensor& x, const Tensor& y, const std::vector<std::int64_t>& from) {
  const Tensor both = cat({reshape_to(x, {x.numel()}), reshape_to(y, {y.numel()})});
  return index_select(both, 0, from_vector(from, {static_cast<std::int64_t>(from.size())}));
}

std::vector<std::int64_t> counted_up(std::int64_t n) { return arange(n).to_vector<std::int64_t>(); }

// x where no element was scattered, otherwise `value`.
Tensor without_touched(const Scatter& s, const Tensor& x, double value) {
  std::vector<bool> touched(static_cast<std::size_t>(x.numel()), false);
  for (const std::int64_t position : s.positions(x.shape())) {
    touched[static_cast<std::size_t>(position)] = true;
  }
  return where(from_vector(touched, x.shape()), detail::scalar_like(x, value), x);
}

// base with the source added in the order of the index, whose elements are checked.
Tensor scatter_sum(const Scatter& s, const Tensor& base) {
  Shape reach = s.index.shape();
  reach[s.axis] = base.shape()[s.axis];
  if (reach == base.shape() && is_floating_point(base.dtype())) {
    Tensor y;
    const Tensor used =
        detail::usable_index("scatter_add", s.index, base.shape()[s.axis], [&](const std::int64_t* index) {
          y = Tensor::empty(base.shape(), base.dtype());
          kernels::copy(detail::row_major_bytes(base), y.buffer().data(), base.numel(), dtype_size(base.dtype()));
          kernels::IndexRange range{};
          dispatch_float("scatter_add", base.dtype(), [&](auto zero) {
            using T = decltype(zero);
            range = kernels::scatter_add(detail::index_shape(base.shape(), s.axis, s.index.shape()[s.axis]),
                                         s.source.data<T>(), index, y.mutable_data<T>());
          });
          return range;
        });
    detail::note_arguments("axis", s.axis, "index", used);
    return record(
        "scatter_add", std::move(y), {base, s.source},
        [index = Saved(used, s.source.requires_grad()), axis = s.signed_axis()](const Tensor& gy, GradSink& into) {
          if (into.wants(0)) into.add(0, gy);
          if (into.wants(1)) into.add(1, gather(gy, axis, index.get()));
        });
  }
  return add(base, scatter_add(base.shape(), s.signed_axis(), s.index, s.source));
}

Tensor scatter_mean(const Scatter& s, const Tensor& x, bool include_self) {
  detail::check_float("scatter_reduce", x);
  const Tensor counts = scatter_add(x.shape(), s.signed_axis(), s.index, detail::ones_of(s.source));
  const Tensor total = include_self ? add(counts, 1.0) : clamp(counts, 1.0, {});
  return div(scatter_sum(s, include_self ? x : without_touched(s, x, 0.0)), total);
}

// The values of one element as a column, filled up with ones: prod() has all derivatives, also at zeros.
Tensor scatter_prod(const Scatter& s, const Tensor& x, bool include_self) {
  const std::vector<std::int64_t> positions = s.positions(x.shape());
  std::vector<std::int64_t> columns(static_cast<std::size_t>(x.numel()), -1);
  std::vector<std::int64_t> heights;
  std::vector<std::pair<std::int64_t, std::int64_t>> cells;  // row and column of each element
  for (const std::int64_t position : positions) {
    std::int64_t& column = columns[static_cast<std::size_t>(position)];
    if (column < 0) {
      column = static_cast<std::int64_t>(heights.size());
      heights.push_back(0);
    }
    cells.emplace_back(heights[static_cast<std::size_t>(column)]++, column);
  }
  const auto width = static_cast<std::int64_t>(heights.size());
  const std::int64_t height = heights.empty() ? 0 : *std::max_element(heights.begin(), heights.end());
  const Tensor one = ones({1}, {.dtype = x.dtype()});
  std::vector<std::int64_t> from(static_cast<std::size_t>(height * width), s.source.numel());
  for (std::size_t i = 0; i < cells.size(); ++i) {
    from[static_cast<std::size_t>(cells[i].first * width + cells[i].second)] = static_cast<std::int64_t>(i);
  }
  const Tensor products = to(prod(reshape_to(choose(s.source, one, from), {height, width}), 0), x.dtype());
  for (std::int64_t& column : columns) {
    column = column < 0 ? width : column;
  }
  const Tensor factors = reshape_to(choose(products, one, columns), x.shape());
  return mul(include_self ? x : without_touched(s, x, 1.0), factors);
}

Tensor scatter_extreme(const Scatter& s, const Tensor& x, bool smallest, bool include_self) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  require<DTypeError>(x.dtype() != kBool, "scatter_reduce: expected a tensor of numbers but got bool");
  if (is_integer(x.dtype()) && x.dtype() != kInt64) {
    Scatter wide = s;
    wide.source = detail::widened(s.source);
    return to(scatter_extreme(wide, detail::widened(x), smallest, include_self), x.dtype());
  }
  const std::vector<std::int64_t> positions = s.positions(x.shape());
  Tensor y;
  if (include_self) {
    y = x.detach().clone();
  } else if (x.dtype() == kInt64) {
    // The first value of each element stands for "none yet", which int64 has no number for.
    std::vector<std::int64_t> from = counted_up(x.numel());
    for (std::size_t i = 0; i < positions.size(); ++i) {
      from[static_cast<std::size_t>(positions[i])] = x.numel() + static_cast<std::int64_t>(i);
    }
    y = reshape_to(choose(x, s.source, from), x.shape());
  } else {
    y = without_touched(s, x.detach(), smallest ? kInfinity : -kInfinity);
  }
  const auto apply = [&](auto zero) {
    using T = decltype(zero);
    const kernels::IndexShape flat{1, x.numel(), 1, s.index.numel()};
    kernels::scatter_extreme(flat, s.source.data<T>(), positions.data(), y.mutable_data<T>(), smallest);
  };
  if (x.dtype() == kInt64) {
    apply(std::int64_t{});
    return y;
  }
  dispatch_float("scatter_reduce", x.dtype(), apply);
  const std::int64_t axis = s.signed_axis();
  return record("scatter_reduce", y, {x, s.source},
                [axis, include_self, index = Saved(s.index), x = Saved(x), source = Saved(s.source),
                 y = SavedOutput(y)](const Tensor& gy, GradSink& into) {
                  // 1 for each value that equals the result, and their number: the values share the gradient.
                  Tensor from_x, from_source, number;
                  {
                    const NoGradGuard constant;
                    const Tensor result = y.get().detach();
                    from_source = to(eq(source.get(), gather(result, axis, index.get())), gy.dtype());
                    from_x = to(eq(x.get(), result), gy.dtype());
                    const Tensor touches = scatter_add(result.shape(), axis, index.get(), detail::ones_of(from_source));
                    if (!include_self) from_x = mul(from_x, to(eq(touches, 0.0), gy.dtype()));
                    number = add(from_x, scatter_add(result.shape(), axis, index.get(), from_source));
                  }
                  const Tensor each = div(gy, number);
                  if (into.wants(0)) into.add(0, mul(each, detail::locally_constant(from_x, x.get())));
                  if (into.wants(1)) {
                    into.add(1,
                             mul(gather(each, axis, index.get()), detail::locally_constant(from_source, source.get())));
                  }
                });
}

}  // namespace

Tensor index_add(const Tensor& x, std::int64_t axis, const Tensor& index, const Tensor& source, Scalar alpha) {
  const std::size_t a = normalize_axis("index_add", axis, x.dim());
  require<ShapeError>(index.dim() == 1, "index_add: expected a 1-D index but got shape ", index.shape());
  Shape shape = x.shape();
  shape[a] = index.numel();
  require<ShapeError>(source.shape() == shape, "index_add: expected a source of shape ", shape, " but got ",
                      source.shape());
  require<DTypeError>(source.dtype() == x.dtype(), "index_add: expected a source of dtype ", x.dtype(), " but got ",
                      source.dtype());
  const Tensor rows = detail::wrapped_index("index_add", index, x.shape()[a]);
  if (is_integer(x.dtype())) {
    alpha = detail::whole_number("index_add", alpha, x.dtype());
  }
  return add(x, detail::add_rows(x.shape(), a, rows, alpha.real() == 1.0 ? source : mul(source, alpha)));
}

Tensor take_along_dim(const Tensor& x, const Tensor& indices, std::optional<std::int64_t> axis) {
  if (!axis) {
    const Tensor at = indices.alias({indices.numel()});
    return reshape_to(gather(reshape_to(x, {x.numel()}), 0, at), indices.shape());
  }
  const std::size_t a = normalize_axis("take_along_dim", *axis, x.dim());
  require<ShapeError>(indices.dim() == x.dim(), "take_along_dim: expected indices of ", x.dim(), " axes for ",
                      x.shape(), " but got ", indices.shape());
  Shape without = x.shape();
  without[a] = indices.shape()[a];
  const Shape reach = broadcast_shapes("take_along_dim", without, indices.shape());
  Shape whole = reach;
  whole[a] = x.shape()[a];
  return gather(whole == x.shape() ? x : expand_to(x, whole), *axis, expand_to(indices, reach));
}

Tensor scatter(const Tensor& x, std::int64_t axis, const Tensor& index, const Tensor& source) {
  const Scatter s("scatter", x, axis, index, source);
  std::vector<std::int64_t> from = counted_up(x.numel());
  std::int64_t next = x.numel();
  for (const std::int64_t position : s.positions(x.shape())) {
    from[static_cast<std::size_t>(position)] = next++;
  }
  return reshape_to(choose(x, s.source, from), x.shape());
}

Tensor scatter(const Tensor& x, std::int64_t axis, const Tensor& index, Scalar value) {
  return scatter(x, axis, index, full(index.shape(), value, {.dtype = x.dtype()}));
}

Tensor scatter_add(const Tensor& x, std::int64_t axis, const Tensor& index, const Tensor& source) {
  return scatter_sum(Scatter("scatter_add", x, axis, index, source, IndexCheck::later), x);
}

Tensor scatter_reduce(const Tensor& x, std::int64_t axis, const Tensor& index, const Tensor& source,
                      const std::string& reduce, bool include_self) {
  const Scatter s("scatter_reduce", x, axis, index, source);
  if (reduce == "sum") {
    return scatter_sum(s, include_self ? x : without_touched(s, x, 0.0));
  }
  if (reduce == "mean") {
    return scatter_mean(s, x, include_self);
  }
  if (reduce == "prod") {
    return scatter_prod(s, x, include_self);
  }
  require<ValueError>(reduce == "amax" || reduce == "amin",
                      "scatter_reduce: expected \"sum\", \"prod\", \"mean\", \"amax\" or \"amin\" but got \"", reduce,
                      "\"");
  return scatter_extreme(s, x, reduce == "amin", include_self);
}

Tensor one_hot(const Tensor& index, std::int64_t num_classes) {
  require<DTypeError>(index.dtype() == kInt64, "one_hot: expected an int64 index but got ", index.dtype(),
                      "; convert it with to(kInt64)");
  require<ValueError>(num_classes >= 1 || num_classes == -1, "one_hot: expected num_classes >= 1, or -1, but got ",
                      num_classes);
  require<ValueError>(num_classes != -1 || index.numel() > 0,
                      "one_hot: expected num_classes for an index without elements but got -1");
  const auto values = index.to_vector<std::int64_t>();
  const std::int64_t classes = num_classes != -1
                                   ? num_classes
                                   : detail::checked_add("one_hot", *std::max_element(values.begin(), values.end()), 1);
  Shape shape = index.shape();
  shape.push_back(std::max<std::int64_t>(classes, 0));
  for (std::size_t i = 0; i < values.size(); ++i) {
    require<ValueError>(values[i] >= 0 && values[i] < classes, "one_hot: expected indices in [0, ",
                        num_classes == -1 ? "num_classes" : std::to_string(classes), ") but got ", values[i],
                        " at position ", i);
  }
  Tensor y = zeros(shape, {.dtype = kInt64});
  auto* to = y.mutable_data<std::int64_t>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    to[static_cast<std::int64_t>(i) * classes + values[i]] = 1;
  }
  return y;
}

}  // namespace normgrad
