#include <algorithm>
#include <cmath>
#include <limits>

#include "normgrad/core/kernels/linalg/lapack.hpp"
#include "normgrad/core/kernels/linalg/linalg.hpp"
#include "normgrad/core/kernels/linalg/matrices.hpp"

namespace normgrad::kernels {

namespace {

double cube(std::int64_t n) { return static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n); }

double product_flops(std::int64_t n, std::int64_t columns) {
  return static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(columns);
}

}  // namespace

// A row-major matrix is the transposed one to LAPACK: of a symmetric matrix its lower triangle is LAPACK's upper one.
template <class T>
Failure cholesky(std::int64_t batch, std::int64_t n, bool upper, const T* x, T* factor) {
  return for_each_matrix(batch, cube(n) / 3, [&](std::int64_t b) {
    T* y = factor + b * n * n;
    std::copy(x + b * n * n, x + (b + 1) * n * n, y);
    const int info = n == 0 ? 0 : lapack::potrf(upper ? 'L' : 'U', static_cast<int>(n), y);
    for (std::int64_t i = 0; i < n; ++i) {
      std::fill(y + i * n + (upper ? 0 : i + 1), y + i * n + (upper ? i : n), T{0});
    }
    return info;
  });
}

template <class T>
Failure lu_factor(std::int64_t batch, std::int64_t n, const T* x, T* lu, int* pivots) {
  std::copy(x, x + batch * n * n, lu);
  return for_each_matrix(batch, cube(n), [&](std::int64_t b) {
    return n == 0 ? 0 : lapack::getrf(static_cast<int>(n), lu + b * n * n, pivots + b * n);
  });
}

template <class T>
void lu_solve(std::int64_t batch, std::int64_t n, std::int64_t columns, bool transposed, const T* lu, const int* pivots,
              const T* b, T* y) {
  if (n == 0 || columns == 0) {
    return;
  }
  for_each_matrix(batch, product_flops(n, columns), [&](std::int64_t i) {
    std::vector<T> right = room<T>(n * columns);
    transpose_matrix(n, columns, b + i * n * columns, right.data());
    const int info = lapack::getrs(transposed ? 'N' : 'T', static_cast<int>(n), static_cast<int>(columns),
                                   lu + i * n * n, pivots + i * n, right.data());
    transpose_matrix(columns, n, right.data(), y + i * n * columns);
    return info;
  });
}

template <class T>
bool lu_determinant(std::int64_t batch, std::int64_t n, const T* lu, const int* pivots, T* sign, T* log, T* product) {
  const double rounding = static_cast<double>(n) * static_cast<double>(std::numeric_limits<T>::epsilon());
  bool singular = false;
  for (std::int64_t b = 0; b < batch; ++b) {
    double sign_of = 1.0;
    double log_of = 0.0;
    double product_of = 1.0;
    for (std::int64_t i = 0; i < n; ++i) {
      const auto value = static_cast<double>(lu[(b * n + i) * n + i]);
      const double exchanged = pivots[b * n + i] == i + 1 ? 1.0 : -1.0;         // LAPACK counts from 1
      sign_of *= exchanged * (value > 0.0 ? 1.0 : value < 0.0 ? -1.0 : value);  // keeps NaN
      log_of += std::log(std::abs(value));
      product_of *= exchanged * value;
      double terms = 0.0;  // that elimination has subtracted from the pivot
      for (std::int64_t k = 0; k < i; ++k) {
        terms += std::abs(static_cast<double>(lu[(b * n + i) * n + k]) * static_cast<double>(lu[(b * n + k) * n + i]));
      }
      singular = singular || std::abs(value) <= rounding * terms;
    }
    sign[b] = static_cast<T>(sign_of);
    log[b] = static_cast<T>(log_of);
    product[b] = static_cast<T>(product_of);
    singular = singular || product[b] == T{0};
  }
  return singular;
}

template <class T>
Failure triangular_solve(std::int64_t batch, std::int64_t n, std::int64_t columns, bool upper, bool unit, const T* x,
                         const T* b, T* y) {
  if (n == 0 || columns == 0) {
    return {};
  }
  return for_each_matrix(batch, product_flops(n, columns), [&](std::int64_t i) {
    std::vector<T> right = room<T>(n * columns);
    transpose_matrix(n, columns, b + i * n * columns, right.data());
    const int info = lapack::trtrs(upper ? 'L' : 'U', 'T', unit ? 'U' : 'N', static_cast<int>(n),
                                   static_cast<int>(columns), x + i * n * n, right.data());
    transpose_matrix(columns, n, right.data(), y + i * n * columns);
    return info;
  });
}

template <class T>
Failure qr(std::int64_t batch, std::int64_t m, std::int64_t n, std::int64_t k, const T* x, Batched<T> q, Batched<T> r) {
  const std::int64_t reflections = std::min(m, n);
  return for_each_matrix(batch, 2 * product_flops(std::max(m, n), reflections), [&](std::int64_t b) {
    std::vector<T> a = room<T>(m * std::max(n, k));
    transpose_matrix(m, n, x + b * m * n, a.data());
    std::vector<T> tau = room<T>(reflections);
    const auto rows = static_cast<int>(m);
    const auto columns = static_cast<int>(k);
    std::vector<T> work = room<T>(64 * std::max(n, k));
    const auto size = static_cast<int>(work.size());
    if (reflections > 0) {
      lapack::geqrf(rows, static_cast<int>(n), a.data(), tau.data(), work.data(), size);
    }
    for (std::int64_t i = 0; i < k; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        r[b][i * n + j] = j >= i ? a[static_cast<std::size_t>(j * m + i)] : T{0};
      }
    }
    if (q.data == nullptr || k == 0) {
      return 0;
    }
    const int info =
        lapack::orgqr(rows, columns, static_cast<int>(reflections), a.data(), tau.data(), work.data(), size);
    transpose_matrix(k, m, a.data(), q[b]);
    return info;
  });
}

#define NORMGRAD_FACTOR(T)                                                                                            \
  template Failure cholesky<T>(std::int64_t, std::int64_t, bool, const T*, T*);                                       \
  template Failure lu_factor<T>(std::int64_t, std::int64_t, const T*, T*, int*);                                      \
  template void lu_solve<T>(std::int64_t, std::int64_t, std::int64_t, bool, const T*, const int*, const T*, T*);      \
  template bool lu_determinant<T>(std::int64_t, std::int64_t, const T*, const int*, T*, T*, T*);                      \
  template Failure triangular_solve<T>(std::int64_t, std::int64_t, std::int64_t, bool, bool, const T*, const T*, T*); \
  template Failure qr<T>(std::int64_t, std::int64_t, std::int64_t, std::int64_t, const T*, Batched<T>, Batched<T>);
NORMGRAD_FACTOR(float)
NORMGRAD_FACTOR(double)
#undef NORMGRAD_FACTOR

}  // namespace normgrad::kernels
