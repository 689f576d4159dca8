// A regular window of a tensor, cut out or filled in: each is the other's adjoint. Not for users, who have narrow(),
// slice(), select(), split() and pad().
#pragma once

#include <array>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad::detail {

/// Elements start, start + step, ... of each axis; `shape` says how many.
struct Window {
  std::array<std::int64_t, Shape::kMaxDims> start{};
  std::array<std::int64_t, Shape::kMaxDims> step{};
  Shape shape;

  /// All of `shape`.
  explicit Window(const Shape& whole) : shape(whole) { step.fill(1); }
};

/// x[window]; `name` (a string literal) is the operation's name in the graph. The window must lie within x.
Tensor take_window(const char* name, const Tensor& x, const Window& window);
/// full(shape, value) with y[window] = x.
Tensor put_window(const char* name, const Tensor& x, const Window& window, const Shape& shape, double value = 0.0);
/// The same into an existing tensor; not recorded.
void copy_into_window(const Tensor& x, const Window& window, Tensor& y);

}  // namespace normgrad::detail
