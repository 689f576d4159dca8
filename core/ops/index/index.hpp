// Indexing by positions, ranges, index tensors and masks, as PyTorch (and, with the exception named at index(), NumPy)
// means it; scattering. Differentiable to any order. Positions that occur more than once add their gradients in the
// order of the indices, so results do not depend on the number of threads.
//
// Negative indices count from the end. Throws IndexError for an index out of range and for more indices than axes,
// DTypeError for index tensors other than int64, int32 and bool, and ShapeError for masks and shapes that do not fit.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

inline namespace indexing {

/// In a list of indices a new axis of size 1; as a bound of a Slice, the end of the axis.
inline constexpr std::nullopt_t None = std::nullopt;  // NOLINT(readability-identifier-naming): PyTorch's name

/// The type of Ellipsis.
struct EllipsisIndex {};
/// As many whole axes as the other indices leave; "..." is the same.
inline constexpr EllipsisIndex Ellipsis;  // NOLINT(readability-identifier-naming): PyTorch's name

/// start:stop:step as in Python. Bounds beyond the axis are those of the axis.
class Slice {
 public:
  /// `None` or nothing: the start or end of the axis, and a step of 1. Throws ValueError for a step below 1.
  Slice(std::optional<std::int64_t> start = None, std::optional<std::int64_t> stop = None,  // NOLINT: meant to convert
        std::optional<std::int64_t> step = None);
  const std::optional<std::int64_t>& start() const noexcept { return start_; }  ///< as given
  const std::optional<std::int64_t>& stop() const noexcept { return stop_; }    ///< as given
  std::int64_t step() const noexcept { return step_; }                          ///< at least 1

 private:
  std::optional<std::int64_t> start_;
  std::optional<std::int64_t> stop_;
  std::int64_t step_;
};

/// One index of a list: a position, a Slice, None, Ellipsis, an index tensor (int64 or int32) or a mask (bool).
class TensorIndex {
 public:
  /// What it stands for.
  enum class Kind : std::uint8_t { new_axis, ellipsis, position, slice, tensor };

  /// A position.
  template <std::integral T>
  TensorIndex(T position)  // NOLINT(google-explicit-constructor): indices are written as they are
      : kind_(Kind::position), position_(static_cast<std::int64_t>(position)) {}
  /// A mask without axes: adds an axis of size 1 (true) or 0 (false).
  TensorIndex(bool mask);  // NOLINT(google-explicit-constructor)
  /// None.
  TensorIndex(std::nullopt_t) : kind_(Kind::new_axis) {}  // NOLINT(google-explicit-constructor)
  /// Ellipsis.
  TensorIndex(EllipsisIndex /*dots*/) : kind_(Kind::ellipsis) {}  // NOLINT(google-explicit-constructor)
  /// "...", the same as Ellipsis. Throws ValueError for another text.
  TensorIndex(const char* dots);  // NOLINT(google-explicit-constructor)
  /// A Slice.
  TensorIndex(const Slice& slice) : kind_(Kind::slice), slice_(slice) {}  // NOLINT(google-explicit-constructor)
  /// An index tensor or a mask.
  TensorIndex(const Tensor& tensor) : kind_(Kind::tensor), tensor_(tensor) {}  // NOLINT(google-explicit-constructor)

  Kind kind() const noexcept { return kind_; }                  ///< which of the following it is
  std::int64_t position() const noexcept { return position_; }  ///< may be negative
  const Slice& slice() const noexcept { return slice_; }        ///< a Slice
  const Tensor& tensor() const noexcept { return tensor_; }     ///< an index tensor or a mask

 private:
  Kind kind_;
  std::int64_t position_ = 0;
  Slice slice_;
  Tensor tensor_;
};

}  // namespace indexing

/// x[indices]: x.index({"...", None, Slice(1, None, 2), rows, mask}). Missing indices select whole axes. Index tensors
/// broadcast against each other; a mask of k axes stands for k index tensors, the positions where it is true. Their
/// common shape takes the place of the indexed axes if these are neighbors, and otherwise comes first. As in PyTorch,
/// positions (and index tensors without axes) are taken beforehand, and do not separate neighbors; in NumPy they do.
/// Always a copy.
const Tensor index(const Tensor& x, const std::vector<TensorIndex>& indices);
/// x with x[indices] replaced by `values`, which broadcast to the shape of index(x, indices), or with the values added
/// if `accumulate`. Of several values for one element the last counts, also for the gradient. Throws DTypeError if the
/// dtypes differ.
Tensor index_put(const Tensor& x, const std::vector<TensorIndex>& indices, const Tensor& values,
                 bool accumulate = false);
Tensor index_put(const Tensor& x, const std::vector<TensorIndex>& indices, Scalar value, bool accumulate = false);
/// x with alpha source[i] added to the row index[i] of the axis. index: [n], int64 or int32; source: the shape of x
/// with n along the axis.
Tensor index_add(const Tensor& x, std::int64_t axis, const Tensor& index, const Tensor& source, Scalar alpha = 1);
/// gather(x, axis, indices), where the two broadcast along the other axes; without an axis, elements of the flattened
/// x.
Tensor take_along_dim(const Tensor& x, const Tensor& indices, std::optional<std::int64_t> axis = {});
/// x with x[i][index[i][j]] = source[i][j] for axis 1, as torch.scatter: index has as many axes as x and source, and is
/// no larger than source, nor than x outside of the axis. Of several values for one element the last counts.
Tensor scatter(const Tensor& x, std::int64_t axis, const Tensor& index, const Tensor& source);
Tensor scatter(const Tensor& x, std::int64_t axis, const Tensor& index, Scalar value);
/// The same with sums: x[i][index[i][j]] += source[i][j].
Tensor scatter_add(const Tensor& x, std::int64_t axis, const Tensor& index, const Tensor& source);
/// The same with `reduce` "sum", "prod", "mean", "amax" or "amin" over the values for one element, and over x's own if
/// `include_self`; elements without values keep that of x. Equal largest (smallest) values share the gradient. "mean"
/// is for float32 and float64; "prod" takes memory for the largest number of values of one element times the number of
/// elements that get any.
Tensor scatter_reduce(const Tensor& x, std::int64_t axis, const Tensor& index, const Tensor& source,
                      const std::string& reduce, bool include_self = true);
/// int64 of shape [*, num_classes]: 1 at the index along the last axis, otherwise 0. index: int64, any shape;
/// num_classes = -1 is the largest index + 1. Throws ValueError for indices outside [0, num_classes).
Tensor one_hot(const Tensor& index, std::int64_t num_classes = -1);

/// Options of embedding_bag(). Names and defaults are PyTorch's.
struct EmbeddingBagOptions {
  std::string mode = "mean";         ///< "sum", "mean" or "max" over each bag
  bool include_last_offset = false;  ///< whether the last offset is the end of the last bag, not the start of one
  std::optional<std::int64_t> padding_idx = {};  ///< a row that bags leave out; may be negative
};

/// The rows of a weight [num_embeddings, embedding_dim] reduced bag by bag -> [bags, embedding_dim]. index: int64,
/// [bags, n], or [n] with `offsets` (int64, [bags], where each bag starts; ascending from 0). `per_sample_weights`, of
/// the shape of index, multiply the rows, for mode "sum". An empty bag gives zeros. Equal largest elements share the
/// gradient.
Tensor embedding_bag(const Tensor& index, const Tensor& weight, const Tensor& offsets = {},
                     const EmbeddingBagOptions& options = {}, const Tensor& per_sample_weights = {});

}  // namespace normgrad
