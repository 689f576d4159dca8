#include <algorithm>
#include <numeric>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/base/detail/checked.hpp"
#include "normgrad/core/kernels/memory/copy.hpp"
#include "normgrad/core/ops/detail/memory_format.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

using Reversed = std::array<bool, Shape::kMaxDims>;

Tensor reverse(const Tensor& x, const Reversed& reversed) {
  const auto x_strides = detail::physical_strides(x);
  const auto y_strides = strides_of(x.shape());
  kernels::CopyPlan plan;
  std::int64_t first = 0;
  for (std::size_t i = 0; i < x.shape().rank(); ++i) {
    first += reversed[i] && x.numel() > 0 ? (x.shape()[i] - 1) * x_strides[i] : 0;
    plan.push_back(x.shape()[i], reversed[i] ? -x_strides[i] : x_strides[i], y_strides[i]);
  }
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  const std::size_t bytes = dtype_size(x.dtype());
  kernels::strided_copy(plan, x.buffer().data() + static_cast<std::size_t>(first) * bytes, y.buffer().data(), bytes);
  detail::note_arguments("reversed", reversed);
  return record("flip", std::move(y), {x},
                [reversed](const Tensor& gy, GradSink& into) { into.add(0, reverse(gy, reversed)); });
}

// x viewed as [outer, size, 1, inner], with the axis of size 1 repeated: `after` says whether it lies behind the axis
// (each element several times) or before it (the whole axis several times).
Tensor repeat_axis(const char* name, const Tensor& x, std::size_t axis, std::int64_t times, bool after) {
  Shape shape = x.shape();
  Shape view{1, 1, 1, 1};  // outer, the repeats or the axis, the axis or the repeats, inner
  for (std::size_t i = 0; i < shape.rank(); ++i) {
    view[i < axis ? 0 : i > axis ? 3 : after ? 1 : 2] *= shape[i];
  }
  shape[axis] = detail::checked_mul(name, shape[axis], times);
  Shape wide = view;
  wide[after ? 2 : 1] = times;
  return reshape_to(expand_to(reshape_to(x, view), wide), shape);
}

void check_repeats(const char* name, const std::vector<std::int64_t>& repeats) {
  for (const std::int64_t times : repeats) {
    require<ValueError>(times >= 0, name, ": expected repeats of at least 0 but got ", times);
  }
}

}  // namespace

Tensor flip(const Tensor& x, const Axes& axes) {
  return reverse(x, axes.all() ? Reversed{} : axes.mask("flip", x.dim()));
}

Tensor roll(const Tensor& x, const std::vector<std::int64_t>& shifts, const std::vector<std::int64_t>& axes) {
  if (axes.empty()) {
    require<ValueError>(shifts.size() == 1, "roll: expected one shift, or as many axes as shifts, but got ",
                        shifts.size(), " shifts and no axes");
    return reshape_to(roll(reshape_to(x, {x.numel()}), shifts, {0}), x.shape());
  }
  require<ValueError>(shifts.size() == axes.size(), "roll: expected as many axes as shifts but got ", shifts.size(),
                      " shifts and ", axes.size(), " axes");
  for (const std::int64_t axis : axes) {
    normalize_axis("roll", axis, x.dim());
  }
  Tensor y = x;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::int64_t size = x.size(axes[i]);
    const std::int64_t shift = size == 0 ? 0 : (shifts[i] % size + size) % size;
    if (shift != 0) {
      y = cat({narrow(y, axes[i], size - shift, shift), narrow(y, axes[i], 0, size - shift)}, axes[i]);
    }
  }
  return is_same(x, y) ? clone(x) : y;
}

Tensor repeat(const Tensor& x, const std::vector<std::int64_t>& repeats) {
  require<ShapeError>(repeats.size() >= x.shape().rank(), "repeat: expected a number for each of the ", x.dim(),
                      " axes of ", x.shape(), " but got ", repeats.size());
  check_repeats("repeat", repeats);
  Tensor y = reshape_to(x, detail::of_rank(x.shape(), repeats.size()));
  bool is_new = false;
  for (std::size_t i = 0; i < repeats.size(); ++i) {
    if (repeats[i] != 1) {
      y = repeat_axis("repeat", y, i, repeats[i], false);
      is_new = true;
    }
  }
  return is_new ? y : clone(y);
}

Tensor tile(const Tensor& x, const std::vector<std::int64_t>& repeats) {
  std::vector<std::int64_t> all = repeats;
  if (all.size() < x.shape().rank()) {
    all.insert(all.begin(), x.shape().rank() - all.size(), 1);
  }
  check_repeats("tile", all);
  return repeat(x, all);
}

Tensor repeat_interleave(const Tensor& x, std::int64_t repeats, std::optional<std::int64_t> axis) {
  const Tensor row = axis ? x : reshape_to(x, {x.numel()});
  const std::size_t a = normalize_axis("repeat_interleave", axis.value_or(0), row.dim());
  check_repeats("repeat_interleave", {repeats});
  return repeats == 1 ? clone(row) : repeat_axis("repeat_interleave", row, a, repeats, true);
}

Tensor repeat_interleave(const Tensor& x, const Tensor& repeats, std::optional<std::int64_t> axis) {
  const Tensor row = axis ? x : reshape_to(x, {x.numel()});
  const std::size_t a = normalize_axis("repeat_interleave", axis.value_or(0), row.dim());
  const std::int64_t size = row.shape()[a];
  require<DTypeError>(repeats.dtype() == kInt64 || repeats.dtype() == kInt32,
                      "repeat_interleave: expected int64 or int32 repeats but got ", repeats.dtype());
  if (repeats.numel() == 1 && repeats.dim() <= 1 && size != 1) {
    return repeat_interleave(row, repeats.item<std::int64_t>(), static_cast<std::int64_t>(a));
  }
  require<ShapeError>(repeats.dim() <= 1 && repeats.numel() == size, "repeat_interleave: expected ", size,
                      " repeats, one for each element of axis ", axis.value_or(0), " of ", row.shape(),
                      ", but got shape ", repeats.shape());
  const auto times = repeats.to_vector<std::int64_t>();
  check_repeats("repeat_interleave", times);
  std::int64_t sum = 0;
  for (const std::int64_t n : times) {
    sum = detail::checked_add("repeat_interleave", sum, n);
  }
  Tensor index = Tensor::empty({sum}, kInt64);
  auto* to = index.mutable_data<std::int64_t>();
  for (std::size_t i = 0; i < times.size(); ++i) {
    to = std::fill_n(to, times[i], static_cast<std::int64_t>(i));
  }
  return index_select(row, static_cast<std::int64_t>(a), index);
}

TensorList chunk(const Tensor& x, std::int64_t chunks, std::int64_t axis) {
  const std::int64_t size = x.shape()[normalize_axis("chunk", axis, x.dim())];
  require<ValueError>(chunks >= 1, "chunk: expected at least 1 chunk but got ", chunks);
  if (size == 0) {
    return split(x, std::vector<std::int64_t>(static_cast<std::size_t>(chunks), 0), axis);
  }
  return split(x, size / chunks + (size % chunks == 0 ? 0 : 1), axis);
}

TensorList unbind(const Tensor& x, std::int64_t axis) {
  const std::int64_t size = x.shape()[normalize_axis("unbind", axis, x.dim())];
  std::vector<Tensor> parts;
  for (std::int64_t i = 0; i < size; ++i) {
    parts.push_back(select(x, axis, i));
  }
  return parts;
}

}  // namespace normgrad
