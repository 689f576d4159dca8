#include <algorithm>
#include <numeric>

#include "normgrad/core/base/detail/checked.hpp"
#include "normgrad/core/ops/detail/window.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

// Along axis 0 the elements of a range with a step of 1 lie together: the result shares memory with x.
Tensor take_range(const char* name, const Tensor& x, std::size_t axis, std::int64_t start, std::int64_t length,
                  std::int64_t step = 1) {
  detail::Window window(x.shape());
  window.start[axis] = length == 0 ? 0 : start;
  window.step[axis] = length > 1 ? step : 1;
  window.shape[axis] = length;
  if (axis == 0 && step == 1) {
    return detail::share_window(name, x, window);
  }
  Tensor y = detail::take_window(name, x, window);
  y.set_part_kind(PartKind::copied);
  return y;
}

// The range that a Python slice denotes for an axis of the given size.
struct Range {
  Range(std::int64_t size, std::optional<std::int64_t> start, std::optional<std::int64_t> end) {
    const auto position = [size](std::int64_t p) { return std::clamp<std::int64_t>(p < 0 ? p + size : p, 0, size); };
    first = position(start.value_or(0));
    last = std::max(first, position(end.value_or(size)));
  }
  std::int64_t first;
  std::int64_t last;  // exclusive
};

// Returns the index counted from the start.
std::int64_t checked_index(const char* name, const Tensor& x, std::int64_t axis, std::int64_t index) {
  const std::int64_t size = x.shape()[normalize_axis(name, axis, x.dim())];
  require<IndexError>(index >= -size && index < size, name, ": expected an index in [", -size, ", ", size,
                      ") for axis ", axis, " of ", x.shape(), " but got ", index);
  return index < 0 ? index + size : index;
}

}  // namespace

Tensor narrow(const Tensor& x, std::int64_t axis, std::int64_t start, std::int64_t length) {
  const std::size_t a = normalize_axis("narrow", axis, x.dim());
  const std::int64_t size = x.shape()[a];
  const std::int64_t first = start < 0 ? start + size : start;
  require<IndexError>(first >= 0 && length >= 0 && length <= size - first, "narrow: expected a range within axis ",
                      axis, " of ", x.shape(), " but got start ", start, " and length ", length);
  return take_range("narrow", x, a, first, length);
}

Tensor slice(const Tensor& x, std::int64_t axis, std::optional<std::int64_t> start, std::optional<std::int64_t> end,
             std::int64_t step) {
  const std::size_t a = normalize_axis("slice", axis, x.dim());
  require<ValueError>(step >= 1, "slice: expected a step of at least 1 but got ", step,
                      step < 0 ? "; index_select() takes elements in any order, such as arange(n - 1, -1, -1)" : "");
  const auto [first, last] = Range(x.shape()[a], start, end);
  const std::int64_t length = last == first ? 0 : (last - first - 1) / step + 1;
  return take_range("slice", x, a, first, length, step);
}

Tensor select(const Tensor& x, std::int64_t axis, std::int64_t index) {
  const std::int64_t at = checked_index("select", x, axis, index);
  const std::size_t a = normalize_axis("select", axis, x.dim());
  Shape shape = x.shape();
  shape.erase(a);
  Tensor y = reshape_to(take_range("select", x, a, at, 1), shape);
  if (a > 0) {
    y.set_part_kind(PartKind::copied);
  }
  return y;
}

Tensor slice_scatter(const Tensor& x, const Tensor& source, std::int64_t axis, std::optional<std::int64_t> start,
                     std::optional<std::int64_t> end) {
  const std::size_t a = normalize_axis("slice_scatter", axis, x.dim());
  const std::int64_t size = x.shape()[a];
  const auto [first, last] = Range(size, start, end);
  Shape shape = x.shape();
  shape[a] = last - first;
  require<ShapeError>(source.shape() == shape, "slice_scatter: expected a source of shape ", shape, " but got ",
                      source.shape());
  require<DTypeError>(source.dtype() == x.dtype(), "slice_scatter: expected a source of dtype ", x.dtype(), " but got ",
                      source.dtype());
  return cat({narrow(x, axis, 0, first), source, narrow(x, axis, last, size - last)}, axis);
}

Tensor select_scatter(const Tensor& x, const Tensor& source, std::int64_t axis, std::int64_t index) {
  const std::int64_t at = checked_index("select_scatter", x, axis, index);
  Shape shape = x.shape();
  const std::size_t a = normalize_axis("select_scatter", axis, x.dim());
  shape.erase(a);
  require<ShapeError>(source.shape() == shape, "select_scatter: expected a source of shape ", shape, " but got ",
                      source.shape());
  return slice_scatter(x, source.unsqueeze(static_cast<std::int64_t>(a)), axis, at, at + 1);
}

TensorList split(const Tensor& x, std::int64_t size, std::int64_t axis) {
  const std::size_t a = normalize_axis("split", axis, x.dim());
  require<ValueError>(size >= 1, "split: expected parts of at least 1 element but got ", size);
  std::vector<std::int64_t> sizes;
  for (std::int64_t start = 0; start == 0 || start < x.shape()[a]; start += size) {
    sizes.push_back(std::min(size, x.shape()[a] - start));
  }
  return split(x, sizes, axis);
}

TensorList split(const Tensor& x, const std::vector<std::int64_t>& sizes, std::int64_t axis) {
  const std::size_t a = normalize_axis("split", axis, x.dim());
  const bool valid = std::all_of(sizes.begin(), sizes.end(), [](std::int64_t size) { return size >= 0; });
  const std::int64_t sum = std::accumulate(
      sizes.begin(), sizes.end(), std::int64_t{0},
      [](std::int64_t before, std::int64_t size) { return detail::checked_add("split", before, size); });
  require<ValueError>(valid && sum == x.shape()[a], "split: expected sizes that add up to the ", x.shape()[a],
                      " elements of axis ", axis, " of ", x.shape(), " but got ", Axes(sizes).list().size(),
                      " sizes adding up to ", sum);
  std::vector<Tensor> parts;
  std::int64_t start = 0;
  for (const std::int64_t size : sizes) {
    parts.push_back(take_range("split", x, a, start, size));
    start += size;
  }
  return parts;
}

// Negative padding crops; cropping is done first.
Tensor pad(const Tensor& x, const std::vector<std::int64_t>& pad, double value) {
  require<ValueError>(pad.size() % 2 == 0 && pad.size() / 2 <= x.shape().rank(),
                      "pad: expected a pair of numbers for at most each axis of ", x.shape(), " but got ", pad.size(),
                      " numbers");
  detail::Window cut(x.shape());
  detail::Window place(x.shape());
  Shape shape = x.shape();
  bool cuts = false;
  for (std::size_t i = 0; i < pad.size(); i += 2) {
    const std::size_t axis = x.shape().rank() - 1 - i / 2;
    const std::int64_t before = pad[i];
    const std::int64_t after = pad[i + 1];
    const std::int64_t cut_before = before < 0 ? detail::checked_sub("pad", 0, before) : 0;
    const std::int64_t cut_after = after < 0 ? detail::checked_sub("pad", 0, after) : 0;
    const std::int64_t kept = x.shape()[axis] - detail::checked_add("pad", cut_before, cut_after);
    require<ValueError>(kept >= 0, "pad: cannot cut ", cut_before, " and ", cut_after, " elements off axis ", axis,
                        " of ", x.shape());
    cut.start[axis] = cut_before;
    cut.shape[axis] = kept;
    cuts = cuts || kept != x.shape()[axis];
    place.start[axis] = std::max<std::int64_t>(before, 0);
    place.shape[axis] = kept;
    shape[axis] = detail::checked_add("pad", detail::checked_add("pad", kept, place.start[axis]),
                                      std::max<std::int64_t>(after, 0));
  }
  return detail::put_window("pad", cuts ? detail::take_window("pad", x, cut) : x, place, shape, value);
}

}  // namespace normgrad
