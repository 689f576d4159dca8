#include "normgrad/core/ops/shape/diagonal.hpp"

#include <algorithm>
#include <utility>

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

// Column minus row of each element of the last two axes, and the diagonal within the range of those.
struct DiagonalOffsets {
  Tensor offset;
  std::int64_t diagonal;

  DiagonalOffsets(const char* name, const Tensor& x, std::int64_t given) {
    require<ShapeError>(x.dim() >= 2, name, ": expected at least 2 axes but got ", x.shape());
    offset = sub(arange(x.size(-1)), unsqueeze(arange(x.size(-2)), 1));
    diagonal = std::clamp(given, -x.size(-2), x.size(-1));
  }
};

// The positions of a diagonal in a flattened matrix.
Tensor diagonal_positions(std::int64_t rows, std::int64_t columns, std::int64_t offset) {
  const std::int64_t count = offset >= 0 ? std::min(rows, columns - offset) : std::min(rows + offset, columns);
  return add(mul(arange(count), columns + 1), offset >= 0 ? offset : -offset * columns);
}

}  // namespace

Tensor tril(const Tensor& x, std::int64_t diagonal) {
  const DiagonalOffsets of("tril", x, diagonal);
  return where(le(of.offset, of.diagonal), x, false);  // keeps every dtype
}

Tensor triu(const Tensor& x, std::int64_t diagonal) {
  const DiagonalOffsets of("triu", x, diagonal);
  return where(ge(of.offset, of.diagonal), x, false);  // keeps every dtype
}

Tensor diagonal(const Tensor& x, std::int64_t offset, std::int64_t axis0, std::int64_t axis1) {
  require<ShapeError>(x.dim() >= 2, "diagonal: expected at least 2 axes but got ", x.shape());
  const std::size_t a = normalize_axis("diagonal", axis0, x.dim());
  const std::size_t b = normalize_axis("diagonal", axis1, x.dim());
  require<ValueError>(a != b, "diagonal: expected two different axes but got ", axis0, " and ", axis1);
  const std::int64_t rows = x.shape()[a];
  const std::int64_t columns = x.shape()[b];
  require<ShapeError>(offset >= -rows && offset <= columns, "diagonal: expected an offset in [", -rows, ", ", columns,
                      "] for ", x.shape(), " but got ", offset);
  std::vector<std::int64_t> order;
  Shape shape;
  for (std::size_t i = 0; i < x.shape().rank(); ++i) {
    if (i != a && i != b) {
      order.push_back(static_cast<std::int64_t>(i));
      shape.push_back(x.shape()[i]);
    }
  }
  order.push_back(static_cast<std::int64_t>(a));
  order.push_back(static_cast<std::int64_t>(b));
  shape.push_back(rows * columns);
  Tensor y = index_select(reshape_to(permute(x, order), shape), -1, diagonal_positions(rows, columns, offset));
  y.set_part_kind(PartKind::copied);
  return y;
}

Tensor diag(const Tensor& x, std::int64_t diagonal) {
  require<ShapeError>(x.dim() == 1 || x.dim() == 2, "diag: expected a vector or a matrix but got ", x.shape());
  if (x.dim() == 2) {
    return normgrad::diagonal(x, diagonal);
  }
  constexpr std::int64_t kLimit = std::int64_t{1} << 31;  // beyond, the matrix has no size
  require<ShapeError>(diagonal > -kLimit && diagonal < kLimit,
                      "diag: expected a matrix of fewer than 2^31 rows but got ", "diagonal ", diagonal);
  const std::int64_t n = x.numel() + (diagonal < 0 ? -diagonal : diagonal);
  return reshape(scatter_add({n * n}, 0, diagonal_positions(n, n, diagonal), x), {n, n});
}

TensorList meshgrid(const std::vector<Tensor>& tensors, const std::string& indexing) {
  require<ValueError>(!tensors.empty(), "meshgrid: expected at least one tensor but got none");
  require<ValueError>(indexing == "ij" || indexing == "xy", "meshgrid: expected indexing \"ij\" or \"xy\" but got \"",
                      indexing, "\"");
  Shape whole;
  for (const Tensor& x : tensors) {
    require<ShapeError>(x.dim() <= 1, "meshgrid: expected vectors but got ", x.shape());
    whole.push_back(x.numel());
  }
  std::vector<Tensor> grids;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    Shape along;
    for (std::size_t axis = 0; axis < tensors.size(); ++axis) {
      along.push_back(axis == i ? tensors[i].numel() : 1);
    }
    const Tensor grid = expand_to(reshape_to(tensors[i], along), whole);
    grids.push_back(indexing == "xy" && tensors.size() > 1 ? Tensor(transpose(grid, 0, 1)) : grid);
  }
  return grids;
}

}  // namespace normgrad
