// Batches of matrices: what the operations of linear algebra share. Internal.
#pragma once

#include <algorithm>
#include <span>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/kernels/linalg/linalg.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/matrix_product.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/logic/logic.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad::detail {

/// A tensor [*, m, n].
struct Matrices {
  Shape batch;             ///< *
  std::int64_t count = 1;  ///< of matrices
  std::int64_t m = 0;      ///< rows
  std::int64_t n = 0;      ///< columns
  std::int64_t k() const { return std::min(m, n); }

  /// The batch axes, and others after them.
  Shape followed_by(std::initializer_list<std::int64_t> sizes) const {
    Shape shape = batch;
    for (const std::int64_t size : sizes) {
      shape.push_back(size);
    }
    return shape;
  }
};

/// Checks dtype and shape of x and returns its sizes. Throws DTypeError or ShapeError, naming `where`.
inline Matrices matrices_of(const char* where, const Tensor& x) {
  require<DTypeError>(is_floating_point(x.dtype()), where, ": expected float32 or float64 matrices but got ",
                      x.dtype());
  require<ShapeError>(x.dim() >= 2, where, ": expected matrices [*, m, n] but got ", x.shape());
  Matrices sizes{.batch = Shape(std::span(x.shape().begin(), x.shape().rank() - 2)), .m = x.size(-2), .n = x.size(-1)};
  sizes.count = sizes.batch.numel();
  require<ValueError>(std::max(sizes.m, sizes.n) <= kernels::kMaxMatrixSize, where, ": expected at most ",
                      kernels::kMaxMatrixSize, " rows and columns but got ", x.shape());
  return sizes;
}

inline Matrices square_matrices_of(const char* where, const Tensor& x) {
  const Matrices sizes = matrices_of(where, x);
  require<ShapeError>(sizes.m == sizes.n, where, ": expected square matrices [*, n, n] but got ", x.shape());
  return sizes;
}

/// "matrix 2 of the batch", or "the matrix" if there is only one.
inline std::string which_matrix(const Matrices& sizes, const kernels::Failure& failure) {
  return sizes.batch.empty() ? "the matrix" : concat("matrix ", failure.matrix, " of the batch");
}

/// Throws ValueError if an iteration was given other than finite numbers, or did not converge.
inline void check_converged(const char* where, const Matrices& sizes, const kernels::Failure& failure) {
  require<ValueError>(failure.info != kernels::kNotFinite, where, ": expected finite elements but ",
                      which_matrix(sizes, failure), " has NaN or infinite ones");
  require<ValueError>(failure.matrix < 0, where, ": expected the iteration to converge but it did not for ",
                      which_matrix(sizes, failure), " (LAPACK's info ", failure.info, ")");
}

/// One of several results of an operation, which are the parts of the last axis of `packed` [*, elements].
inline Tensor unpack(const Tensor& packed, std::int64_t start, const Shape& shape, const Matrices& sizes) {
  const std::int64_t length = sizes.count == 0 ? 0 : shape.numel() / sizes.count;
  return reshape_to(narrow(packed, -1, sizes.count == 0 ? 0 : start, length), shape);
}

/// x^T of the matrices.
inline Tensor transposed(const Tensor& x) { return transpose(x, -2, -1); }

/// x / d, except that 0 / 0 is 0, and so is its derivative by d.
inline Tensor quotient_or_zero(const Tensor& x, const Tensor& d) {
  const Tensor none = logical_and(eq(x, 0), eq(d, 0));
  return div(x, where(none, 1, add(d, zeros_like(x))));
}

}  // namespace normgrad::detail
