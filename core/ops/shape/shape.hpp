// Operations that move elements without computing on them, differentiable to any order. reshape, flatten, squeeze and
// unsqueeze share memory with their input, and so do along axis 0 narrow, select, split, chunk, unbind and slice with a
// step of 1: each sees the in-place changes of the other. The others copy.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// One size may be -1, which is inferred.
Tensor reshape(const Tensor& x, const std::vector<std::int64_t>& shape);
Tensor reshape_to(const Tensor& x, const Shape& shape);
template <std::same_as<Shape> S>
Tensor reshape(const Tensor& x, const S& shape) {  ///< reshape(x, y.shape())
  return reshape_to(x, shape);
}
Tensor flatten(const Tensor& x, std::int64_t start_dim = 0, std::int64_t end_dim = -1);
/// Removes the given axes that have size 1 (by default all axes of size 1).
Tensor squeeze(const Tensor& x, const Axes& axes = {});
/// Inserts an axis of size 1 before the given one, or several: `axes` are those of the result, as in NumPy.
Tensor unsqueeze(const Tensor& x, std::int64_t axis);
Tensor unsqueeze(const Tensor& x, const std::vector<std::int64_t>& axes);
Tensor permute(const Tensor& x, const std::vector<std::int64_t>& axes);
Tensor transpose(const Tensor& x, std::int64_t axis0, std::int64_t axis1);
/// Repeats axes of size 1 and adds leading axes; -1 keeps a size.
Tensor expand(const Tensor& x, const std::vector<std::int64_t>& shape);
template <std::same_as<Shape> S>
Tensor expand(const Tensor& x, const S& shape) {  ///< expand(x, y.shape())
  return expand(x, shape.to_vector());
}
Tensor expand_to(const Tensor& x, const Shape& shape);
/// Returns `length` elements from start on. Like slice() and select() it shares memory along axis 0 and copies along
/// other axes, where PyTorch returns a view. Throws IndexError for a range beyond the axis.
Tensor narrow(const Tensor& x, std::int64_t axis, std::int64_t start, std::int64_t length);
/// Returns elements start, start + step, ... before end of one axis. Negative positions count from the end, as in
/// Python. Shares memory along axis 0 if the step is 1. Throws ValueError for a step below 1.
Tensor slice(const Tensor& x, std::int64_t axis, std::optional<std::int64_t> start, std::optional<std::int64_t> end,
             std::int64_t step = 1);
/// Returns the elements at one index of an axis, which is removed: for axis 0 x[index], which shares memory. Throws
/// IndexError for an index out of range.
Tensor select(const Tensor& x, std::int64_t axis, std::int64_t index);
/// x with the elements from start to before end of one axis replaced by `source`, which has their shape: a recorded
/// `x[start:end] = source` that changes no tensor. Negative positions count from the end.
Tensor slice_scatter(const Tensor& x, const Tensor& source, std::int64_t axis = 0,
                     std::optional<std::int64_t> start = {}, std::optional<std::int64_t> end = {});
/// x with one index of an axis replaced by `source`, which has the shape of select(x, axis, index).
Tensor select_scatter(const Tensor& x, const Tensor& source, std::int64_t axis, std::int64_t index);
/// The rows `index` (1-D, int64) along the axis. Negative indices count from the end, here and in gather() and
/// scatter_add(). Throws IndexError for an index out of range.
Tensor index_select(const Tensor& x, std::int64_t axis, const Tensor& index);
/// y[i][j][k] = x[i][index[i][j][k]][k] for axis 1, as torch.gather.
Tensor gather(const Tensor& x, std::int64_t axis, const Tensor& index);
/// zeros(shape) with y[..., index[...], ...] += source: the adjoint of gather.
Tensor scatter_add(const Shape& shape, std::int64_t axis, const Tensor& index, const Tensor& source);
Tensor cat(const std::vector<Tensor>& tensors, std::int64_t axis = 0);
Tensor stack(const std::vector<Tensor>& tensors, std::int64_t axis = 0);
/// Splits x into parts of `size` elements (the last one may be smaller), or of the given sizes.
TensorList split(const Tensor& x, std::int64_t size, std::int64_t axis = 0);
TensorList split(const Tensor& x, const std::vector<std::int64_t>& sizes, std::int64_t axis = 0);
/// Splits x into at most `chunks` parts of equal size, except that the last one may be smaller.
TensorList chunk(const Tensor& x, std::int64_t chunks, std::int64_t axis = 0);
/// The parts x[0], x[1], ... along an axis, which is removed.
TensorList unbind(const Tensor& x, std::int64_t axis = 0);
/// cat along the second axis, or along the only one.
Tensor hstack(const std::vector<Tensor>& tensors);
/// cat along the first axis; vectors become rows.
Tensor vstack(const std::vector<Tensor>& tensors);
/// The elements in reverse order along the given axes; without axes a copy, as in PyTorch.
Tensor flip(const Tensor& x, const Axes& axes);
/// Moves the elements by `shifts[i]` places along `axes[i]`; what leaves at the end enters at the start. Without axes,
/// one shift moves the elements in row-major order.
Tensor roll(const Tensor& x, const std::vector<std::int64_t>& shifts, const std::vector<std::int64_t>& axes = {});
/// x side by side `repeats[i]` times along axis i. More numbers than axes add leading axes. Throws ShapeError for
/// fewer.
Tensor repeat(const Tensor& x, const std::vector<std::int64_t>& repeats);
/// repeat(), except that fewer numbers than axes apply to the last axes.
Tensor tile(const Tensor& x, const std::vector<std::int64_t>& repeats);
/// Each element `repeats` times in a row along the axis, or element i repeats[i] times (int64, 1-D). Without an axis x
/// is flattened.
Tensor repeat_interleave(const Tensor& x, std::int64_t repeats, std::optional<std::int64_t> axis = {});
Tensor repeat_interleave(const Tensor& x, const Tensor& repeats, std::optional<std::int64_t> axis = {});
/// Pads with `value`: pairs (before, after), starting with the last axis, as torch.nn.functional.pad in constant mode.
Tensor pad(const Tensor& x, const std::vector<std::int64_t>& pad, double value = 0.0);
/// Returns a copy.
Tensor clone(const Tensor& x);
/// weight[index], with embedding_dim as the last axis. index: int64 of any shape; weight: [num_embeddings,
/// embedding_dim]. The row `padding_idx` get no gradient.
Tensor embedding(const Tensor& index, const Tensor& weight, std::optional<std::int64_t> padding_idx = {});

}  // namespace normgrad
