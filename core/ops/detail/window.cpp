#include "normgrad/core/ops/detail/window.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/kernels/memory/copy.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/memory_format.hpp"
#include "normgrad/core/ops/detail/part.hpp"

namespace normgrad::detail {

namespace {

enum class Direction { take, put };

using Strides = std::array<std::int64_t, Shape::kMaxDims>;

// Copies between the window of a larger tensor and a part with the window's shape.
void copy_window(const Window& window, const Strides& whole_strides, const Strides& part_strides, const void* from,
                 void* to, Direction direction, std::size_t element_size) {
  kernels::CopyPlan plan;
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < window.shape.rank(); ++i) {
    const std::int64_t step = window.step[i] * whole_strides[i];
    offset += window.start[i] * whole_strides[i];
    plan.push_back(window.shape[i], direction == Direction::take ? step : part_strides[i],
                   direction == Direction::take ? part_strides[i] : step);
  }
  const std::size_t bytes = static_cast<std::size_t>(offset) * element_size;
  if (direction == Direction::take) {
    kernels::strided_copy(plan, static_cast<const std::byte*>(from) + bytes, to, element_size);
  } else {
    kernels::strided_copy(plan, from, static_cast<std::byte*>(to) + bytes, element_size);
  }
}

// What a window leaves of a larger tensor: up to two slabs per axis, each within the window along the axes before.
std::vector<Window> slabs_around(const Window& window, const Shape& whole) {
  std::vector<Window> slabs;
  Window slab(whole);
  for (std::size_t i = 0; i < whole.rank(); ++i) {
    const std::int64_t end = window.start[i] + window.shape[i];
    for (const auto& [from, to] : {std::pair(std::int64_t{0}, window.start[i]), {end, whole[i]}}) {
      slab.start[i] = from;
      slab.shape[i] = to - from;
      if (slab.shape.numel() > 0) {
        slabs.push_back(slab);
      }
    }
    slab.start[i] = window.start[i];
    slab.shape[i] = window.shape[i];
  }
  return slabs;
}

// The number of ranges of consecutive elements that the slabs consist of.
std::int64_t ranges_of(const std::vector<Window>& slabs, const Shape& whole) {
  std::int64_t ranges = 0;
  for (const Window& slab : slabs) {
    std::int64_t inner = 1;
    std::size_t axis = whole.rank();
    while (axis > 0 && slab.shape[axis - 1] == whole[axis - 1]) {
      inner *= whole[--axis];
    }
    ranges += slab.shape.numel() / (axis > 0 ? inner * slab.shape[axis - 1] : inner);
  }
  return ranges;
}

// A tensor with the value everywhere but in the window, whose elements are to be written, or also there if that takes
// less time than writing around it.
Tensor filled_around(const Window& window, const Shape& shape, DType dtype, double value) {
  constexpr std::int64_t kElementsPerRange = 64;
  constexpr std::int64_t kFewElements = 4096;
  const bool has_steps =
      std::any_of(window.step.begin(), window.step.begin() + shape.rank(), [](std::int64_t step) { return step != 1; });
  if (has_steps || shape.numel() < kFewElements) {
    return full(shape, value, {.dtype = dtype});
  }
  const std::vector<Window> slabs = slabs_around(window, shape);
  if (ranges_of(slabs, shape) * kElementsPerRange > shape.numel()) {
    return full(shape, value, {.dtype = dtype});
  }
  Tensor y = Tensor::empty(shape, dtype);
  const Tensor number = full({}, value, {.dtype = dtype});
  for (const Window& slab : slabs) {
    copy_window(slab, strides_of(shape), Strides{}, number.buffer().data(), y.buffer().data(), Direction::put,
                dtype_size(dtype));
  }
  return y;
}

Tensor taken(const char* name, Tensor y, const Tensor& x, const Window& window) {
  note_arguments("take", true, "start", window.start, "step", window.step);
  return record(name, std::move(y), {x}, [name, window, whole = x.shape()](const Tensor& gy, GradSink& into) {
    into.add(0, put_window(name, gy, window, whole));
  });
}

}  // namespace

Tensor take_window(const char* name, const Tensor& x, const Window& window) {
  Tensor y = Tensor::empty(window.shape, x.dtype());
  copy_window(window, physical_strides(x), strides_of(y.shape()), x.buffer().data(), y.buffer().data(), Direction::take,
              dtype_size(x.dtype()));
  return taken(name, std::move(y), x, window);
}

Tensor share_window(const char* name, const Tensor& x, const Window& window) {
  const std::int64_t first = window.start[0] * strides_of(x.shape())[0];
  return part_of(x, taken(name, x.alias_rows(window.start[0], window.shape[0]), x, window), first);
}

void copy_into_window(const Tensor& x, const Window& window, Tensor& y) {
  copy_window(window, strides_of(y.shape()), physical_strides(x), x.buffer().data(), y.buffer().data(), Direction::put,
              dtype_size(x.dtype()));
}

Tensor put_window(const char* name, const Tensor& x, const Window& window, const Shape& shape, double value) {
  Tensor y = filled_around(window, shape, x.dtype(), value);
  copy_into_window(x, window, y);
  note_arguments("start", window.start, "step", window.step, "value", value);
  return record(name, std::move(y), {x},
                [name, window](const Tensor& gy, GradSink& into) { into.add(0, take_window(name, gy, window)); });
}

}  // namespace normgrad::detail
