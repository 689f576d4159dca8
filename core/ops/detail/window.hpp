// A strided window of a tensor, read or written; the two are adjoint. Internal: the public functions are narrow(),
// slice(), select(), split() and pad().
#pragma once

#include <array>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad::detail {

/// Elements start, start + step, ... of each axis; `shape` is their number.
struct Window {
  std::array<std::int64_t, Shape::kMaxDims> start{};
  std::array<std::int64_t, Shape::kMaxDims> step{};
  Shape shape;

  /// The whole of `shape`.
  explicit Window(const Shape& whole) : shape(whole) { step.fill(1); }
};

/// A copy of x[window]. `name`, a string literal, is the operation's name in the graph. The window must be within x.
Tensor take_window(const char* name, const Tensor& x, const Window& window);
/// x[window] over the memory of x. The window must be a range of axis 0 with a step of 1.
Tensor share_window(const char* name, const Tensor& x, const Window& window);
/// full(shape, value) with y[window] = x.
Tensor put_window(const char* name, const Tensor& x, const Window& window, const Shape& shape, double value = 0.0);
/// y[window] = x for an existing y; not recorded.
void copy_into_window(const Tensor& x, const Window& window, Tensor& y);

}  // namespace normgrad::detail
