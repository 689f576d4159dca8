#include <cmath>
#include <numeric>
#include <vector>

#include "normgrad/core/ops/detail/matrices.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/linalg/linalg.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/reduction/statistics.hpp"

namespace normgrad::linalg {

namespace {

// The two axes of a matrix, counted from the front.
struct MatrixAxes {
  std::int64_t rows;
  std::int64_t columns;
};

MatrixAxes matrix_axes(const Tensor& x, const Axes& axes) {
  const char* const name = "linalg.matrix_norm";
  require<DTypeError>(is_floating_point(x.dtype()), name, ": expected float32 or float64 matrices but got ", x.dtype());
  require<ShapeError>(x.dim() >= 2, name, ": expected matrices [*, m, n] but got ", x.shape());
  require<ValueError>(axes.list().size() == 2, name, ": expected 2 axes but got ", axes.list().size());
  const MatrixAxes two{static_cast<std::int64_t>(normalize_axis(name, axes.list()[0], x.dim())),
                       static_cast<std::int64_t>(normalize_axis(name, axes.list()[1], x.dim()))};
  require<ValueError>(two.rows != two.columns, name, ": expected 2 different axes but got ", axes.list()[0], " and ",
                      axes.list()[1]);
  return two;
}

// The singular values of the matrices in the two axes, along the last axis of [*, 1, k].
Tensor singular_values(const Tensor& x, const MatrixAxes& axes) {
  std::vector<std::int64_t> order;
  for (std::int64_t axis = 0; axis < x.dim(); ++axis) {
    if (axis != axes.rows && axis != axes.columns) {
      order.push_back(axis);
    }
  }
  order.push_back(axes.rows);
  order.push_back(axes.columns);
  return svdvals(permute(x, order));
}

// A number for each matrix [*], with axes of size 1 in place of the two if `keepdim`.
Tensor with_axes(const Tensor& y, const MatrixAxes& axes, bool keepdim) {
  if (!keepdim) {
    return y;
  }
  return unsqueeze(unsqueeze(y, std::min(axes.rows, axes.columns)), std::max(axes.rows, axes.columns));
}

}  // namespace

Tensor vector_norm(const Tensor& x, double ord, const Axes& axes, ReduceFlag keepdim) {
  return norm(x, ord, axes, keepdim);
}

Tensor matrix_norm(const Tensor& x, const std::string& ord, const Axes& axes, ReduceFlag keepdim) {
  const MatrixAxes two = matrix_axes(x, axes);
  require<ValueError>(ord == "fro" || ord == "nuc",
                      "linalg.matrix_norm: expected ord \"fro\", \"nuc\" or a number but ", "got \"", ord, "\"");
  if (ord == "fro") {
    return norm(x, 2.0, axes, keepdim);
  }
  return with_axes(sum(singular_values(x, two), -1), two, keepdim);
}

Tensor matrix_norm(const Tensor& x, double ord, const Axes& axes, ReduceFlag keepdim) {
  const MatrixAxes two = matrix_axes(x, axes);
  const double magnitude = std::abs(ord);
  require<ValueError>(magnitude == 1.0 || magnitude == 2.0 || std::isinf(magnitude),
                      "linalg.matrix_norm: expected ord 1, -1, 2, -2 or an infinity but got ", ord);
  require<ValueError>(x.size(two.rows) > 0 && x.size(two.columns) > 0,
                      "linalg.matrix_norm: expected matrices with elements for ord ", ord, " but got ", x.shape());
  if (magnitude == 2.0) {
    const Tensor s = singular_values(x, two);
    return with_axes(select(s, -1, ord > 0 ? 0 : s.size(-1) - 1), two, keepdim);
  }
  const std::int64_t summed = magnitude == 1.0 ? two.rows : two.columns;
  const std::int64_t compared = magnitude == 1.0 ? two.columns : two.rows;
  const Tensor sums = sum(abs(x), summed, true);
  const Tensor y = ord > 0 ? max(sums, compared, true) : min(sums, compared, true);
  return keepdim ? y : squeeze(y, {summed, compared});
}

}  // namespace normgrad::linalg
