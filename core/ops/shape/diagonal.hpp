// Triangles and diagonals of matrices, and grids. Differentiable to any order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// x with zeros above (below) a diagonal of the matrices in its last two axes: the main one, the one `diagonal` places
/// above it, or below it if negative. Any dtype. Throws ShapeError for fewer than 2 axes.
Tensor tril(const Tensor& x, std::int64_t diagonal = 0);
Tensor triu(const Tensor& x, std::int64_t diagonal = 0);
/// The diagonal `offset` places above (or, if negative, below) the main one of the matrices in two axes: a copy with
/// the diagonal as last axis instead of the two. Throws ShapeError for a diagonal outside of the matrices.
Tensor diagonal(const Tensor& x, std::int64_t offset = 0, std::int64_t axis0 = 0, std::int64_t axis1 = 1);
/// The diagonal of a matrix, or the square matrix with a vector as this diagonal and zeros elsewhere. Throws ShapeError
/// for other numbers of axes. Not for bool.
Tensor diag(const Tensor& x, std::int64_t diagonal = 0);
/// For vectors (or scalars) of n0, n1, ... elements, tensors [n0, n1, ...] of which number i repeats vector i along all
/// axes but i. indexing = "xy" exchanges the first two axes. Throws ShapeError for tensors of more than one axis, and
/// ValueError for another `indexing`.
TensorList meshgrid(const std::vector<Tensor>& tensors, const std::string& indexing = "ij");

}  // namespace normgrad
