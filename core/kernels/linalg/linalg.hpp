// Factorizations of batches of row-major matrices through LAPACK. T: float or double. Matrices are spread over the
// threads, and each is computed by one of them. x and results must not overlap. Sizes must be below kMaxMatrixSize.
#pragma once

#include <cstdint>

namespace normgrad::kernels {

/// The largest number of rows or columns: workspaces of larger matrices exceed LAPACK's 32-bit sizes.
inline constexpr std::int64_t kMaxMatrixSize = 20000;
/// The `info` of a matrix with infinite or NaN elements, where these are not allowed.
inline constexpr int kNotFinite = -1000;

/// The first matrix of a batch for which an algorithm failed, and LAPACK's info about it.
struct Failure {
  std::int64_t matrix = -1;  ///< -1 if none failed
  int info = 0;
};

/// Results for each matrix of a batch, at a distance of `step` elements.
template <class T>
struct Batched {
  T* data = nullptr;
  std::int64_t step = 0;
  T* operator[](std::int64_t i) const { return data + i * step; }  ///< those of matrix i
};

/// x = l l^T, or u^T u if `upper`, from the elements of that triangle of x [batch, n, n]. The other triangle of the
/// factor is 0. info is k if the leading k x k matrix is not positive definite.
template <class T>
Failure cholesky(std::int64_t batch, std::int64_t n, bool upper, const T* x, T* factor);

/// The factors of x [batch, n, n] by Gaussian elimination, for lu_solve() and lu_determinant(), and pivots [batch, n].
/// info is k if the k-th pivot is 0; the factors are complete nevertheless.
template <class T>
Failure lu_factor(std::int64_t batch, std::int64_t n, const T* x, T* lu, int* pivots);
/// y = inverse(x) b, or inverse(x^T) b if `transposed`; b, y: [batch, n, columns].
template <class T>
void lu_solve(std::int64_t batch, std::int64_t n, std::int64_t columns, bool transposed, const T* lu, const int* pivots,
              const T* b, T* y);
/// The sign (-1, 0 or 1) of the determinant of each matrix and the logarithm of its magnitude, and the determinant.
/// [batch] each. Returns whether a matrix is singular as far as its factors tell: a pivot is not larger than its
/// rounding error, or the determinant is 0.
template <class T>
bool lu_determinant(std::int64_t batch, std::int64_t n, const T* lu, const int* pivots, T* sign, T* log, T* product);

/// y = inverse(x) b for triangular matrices x, of which the other triangle, and with `unit` the diagonal, is not read.
/// info is k if the k-th element of the diagonal is 0.
template <class T>
Failure triangular_solve(std::int64_t batch, std::int64_t n, std::int64_t columns, bool upper, bool unit, const T* x,
                         const T* b, T* y);

/// x = q r by Householder reflections. x: [m, n], q: [m, k] and r: [k, n], where k is at least min(m, n) and at most m.
/// q is not computed if it has no data.
template <class T>
Failure qr(std::int64_t batch, std::int64_t m, std::int64_t n, std::int64_t k, const T* x, Batched<T> q, Batched<T> r);

/// x = u diag(s) vh with s in descending order, of finite matrices [m, n]. With k = min(m, n): u [m, k] and vh [k, n],
/// or u [m, m] and vh [n, n] if `full`. Only s [k] is computed if u has no data.
template <class T>
Failure svd(std::int64_t batch, std::int64_t m, std::int64_t n, bool full, const T* x, Batched<T> u, Batched<T> s,
            Batched<T> vh);

/// x = v diag(w) v^T with w in ascending order, of symmetric, finite matrices of which one triangle is read. Only w [n]
/// is computed if v [n, n] has no data.
template <class T>
Failure eigh(std::int64_t batch, std::int64_t n, bool upper, const T* x, Batched<T> w, Batched<T> v);

/// The y [n, columns] of the smallest norm that minimizes the norm of x y - b, by singular values: those of at most
/// rcond times the largest count as 0. x: [m, n], b: [m, columns], finite. The ranks [batch] and singular values
/// [batch, min(m, n)] are written too.
template <class T>
Failure least_squares(std::int64_t batch, std::int64_t m, std::int64_t n, std::int64_t columns, T rcond, const T* x,
                      const T* b, T* y, std::int64_t* rank, T* s);

}  // namespace normgrad::kernels
