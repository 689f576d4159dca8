#include "normgrad/core/ops/detail/window.hpp"

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
  Tensor y = full(shape, value, {.dtype = x.dtype()});
  copy_into_window(x, window, y);
  note_arguments("start", window.start, "step", window.step, "value", value);
  return record(name, std::move(y), {x},
                [name, window](const Tensor& gy, GradSink& into) { into.add(0, take_window(name, gy, window)); });
}

}  // namespace normgrad::detail
