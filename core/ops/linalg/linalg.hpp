// Linear algebra by LAPACK: torch.linalg of PyTorch. The last two axes of a tensor hold matrices, [*, m, n], and the
// axes before them are batches. float32 and float64.
//
// Results with a gradient are differentiable to any order, with PyTorch's formulas. Errors name the first matrix of a
// batch that has no result. DTypeError for other dtypes, ShapeError for other shapes, and ValueError for matrices that
// are singular, not positive definite, not finite where an iteration needs finite elements, or larger than 20000.
#pragma once

#include <optional>
#include <string>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad::linalg {

/// The lower triangular l with l l^T = x for symmetric positive definite matrices, of which only the lower triangle is
/// read. If `upper`: the upper triangular u with u^T u = x, from the upper triangle. The gradient is symmetric.
Tensor cholesky(const Tensor& x, bool upper = false);

/// The factors of qr().
struct QR {
  Tensor Q;  ///< orthonormal columns
  Tensor R;  ///< upper triangular
};
/// x = Q R for [*, m, n], k = min(m, n). Mode "reduced": Q [*, m, k], R [*, k, n]. "complete": Q [*, m, m], R [*, m,
/// n]; without a gradient for m > n (GraphError in the backward). "r": an undefined Q, and R as in "reduced".
/// Differentiable where the first k columns are independent.
QR qr(const Tensor& x, const std::string& mode = "reduced");

/// The factors of svd().
struct SVD {
  Tensor U;   ///< columns: left singular vectors
  Tensor S;   ///< singular values in descending order
  Tensor Vh;  ///< rows: right singular vectors
};
/// x = U diag(S) Vh for [*, m, n], k = min(m, n): U [*, m, k], S [*, k], Vh [*, k, n]; U [*, m, m] and Vh [*, n, n] if
/// `full_matrices`, whose vectors beyond k have no gradient. The signs of a pair of vectors are arbitrary. The gradient
/// of vectors is infinite for equal singular values, and of U and Vh beyond a square for a singular value of 0.
SVD svd(const Tensor& x, bool full_matrices = true);
/// The S of svd(). Its gradient is finite for all matrices.
Tensor svdvals(const Tensor& x);

/// The factors of eigh().
struct Eigh {
  Tensor eigenvalues;   ///< in ascending order
  Tensor eigenvectors;  ///< columns
};
/// x = V diag(L) V^T for symmetric matrices, of which the triangle `UPLO` ("L" or "U") is read. The sign of a vector is
/// arbitrary. The gradient of vectors is infinite for equal eigenvalues.
Eigh eigh(const Tensor& x, const std::string& UPLO = "L");
/// The eigenvalues of eigh(). Their gradient is finite for all matrices.
Tensor eigvalsh(const Tensor& x, const std::string& UPLO = "L");

/// y with a y = b, or y a = b unless `left`. a: [*, n, n], b: [*, n, k] ([*, k, n]); or b: [n] or [*, n], with the
/// axes of a but the last. Batch axes broadcast.
Tensor solve(const Tensor& a, const Tensor& b, bool left = true);
/// y with a y = b, or y a = b unless `left`, for triangular a, of which the other triangle is not read, and neither is
/// the diagonal if `unitriangular`, which is then 1. Batch axes broadcast.
Tensor solve_triangular(const Tensor& a, const Tensor& b, bool upper, bool left = true, bool unitriangular = false);
/// The inverse of [*, n, n].
Tensor inv(const Tensor& x);

/// The determinant of [*, n, n] -> [*]. The gradient of a singular matrix is that of its cofactors.
Tensor det(const Tensor& x);

/// The results of slogdet().
struct Slogdet {
  Tensor sign;       ///< -1, 0 or 1; no gradient
  Tensor logabsdet;  ///< -infinity for a singular matrix
};
/// The sign of the determinant, and the logarithm of its magnitude. Backward throws ValueError for singular matrices.
Slogdet slogdet(const Tensor& x);

/// The pseudoinverse [*, n, m] of [*, m, n]: singular values of at most max(atol, rtol times the largest) count as 0.
/// atol is 0 and rtol max(m, n) times the machine's precision, or 0 if only atol is given. The gradient is that among
/// matrices of the same rank.
Tensor pinv(const Tensor& x, std::optional<double> atol = {}, std::optional<double> rtol = {});

/// The results of lstsq().
struct Lstsq {
  Tensor solution;         ///< [*, n, k]
  Tensor residuals;        ///< [*, k]: squared norms of the columns of a y - b; empty unless m > n and all ranks are n
  Tensor rank;             ///< [*], int64
  Tensor singular_values;  ///< [*, min(m, n)] of a; no gradient
};
/// The y of the smallest norm among those that minimize |a y - b|, for a: [*, m, n] and b: [*, m, k] with equal batch
/// axes. Singular values of at most rcond (max(m, n) times the machine's precision) times the largest count as 0.
Lstsq lstsq(const Tensor& a, const Tensor& b, std::optional<double> rcond = {});

/// (sum of |x|^ord)^(1/ord) over the axes, by default all: norm(). ord may be 0 and infinite.
Tensor vector_norm(const Tensor& x, double ord = 2.0, const Axes& axes = {}, ReduceFlag keepdim = false);
/// A norm of the matrices in two axes: "fro", the root of the sum of squares, or "nuc", the sum of singular values.
Tensor matrix_norm(const Tensor& x, const std::string& ord = "fro", const Axes& axes = {-2, -1},
                   ReduceFlag keepdim = false);
/// ord 2 and -2: the largest and the smallest singular value; 1 and -1: the largest and the smallest sum of magnitudes
/// of a column; infinity and -infinity: of a row. Throws ValueError for another ord.
Tensor matrix_norm(const Tensor& x, double ord, const Axes& axes = {-2, -1}, ReduceFlag keepdim = false);

}  // namespace normgrad::linalg

namespace normgrad {

Tensor inverse(const Tensor& x);           ///< linalg::inv
Tensor det(const Tensor& x);               ///< linalg::det
Tensor logdet(const Tensor& x);            ///< log(det(x)) without overflow; NaN for a negative determinant
linalg::Slogdet slogdet(const Tensor& x);  ///< linalg::slogdet
Tensor pinverse(const Tensor& x, double rcond = 1e-15);  ///< linalg::pinv(x, 0, rcond)

}  // namespace normgrad
