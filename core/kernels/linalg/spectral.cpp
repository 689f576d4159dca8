#include <algorithm>

#include "normgrad/core/kernels/linalg/lapack.hpp"
#include "normgrad/core/kernels/linalg/linalg.hpp"
#include "normgrad/core/kernels/linalg/matrices.hpp"

namespace normgrad::kernels {

namespace {

double spectral_flops(std::int64_t m, std::int64_t n) {
  return 10.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(std::min(m, n));
}

// The size of a workspace, as LAPACK returns it: rounded up, as a large one is not exact in float.
template <class T>
int work_size(T asked) {
  return static_cast<int>(1.0001 * static_cast<double>(asked)) + 1;
}

}  // namespace

// LAPACK sees the transposed matrix, v diag(s) u^T, so that its u is the row-major vh and its vt the row-major u.
template <class T>
Failure svd(std::int64_t batch, std::int64_t m, std::int64_t n, bool full, const T* x, Batched<T> u, Batched<T> s,
            Batched<T> vh) {
  const std::int64_t k = std::min(m, n);
  const bool vectors = u.data != nullptr;
  return for_each_matrix(batch, spectral_flops(m, n), [&](std::int64_t b) {
    const T* from = x + b * m * n;
    if (!all_finite(m * n, from)) {
      return kNotFinite;
    }
    if (k == 0) {
      const auto identity = [](std::int64_t size, T* to) {
        for (std::int64_t i = 0; i < size * size; ++i) {
          to[i] = T(i % (size + 1) == 0);
        }
      };
      if (vectors && full) {
        identity(m, u[b]);
        identity(n, vh[b]);
      }
      return 0;
    }
    std::vector<T> a(from, from + m * n);
    std::vector<int> iwork = room<int>(8 * k);
    const char job = !vectors ? 'N' : full ? 'A' : 'S';
    const auto run = [&](T* work, int size) {
      return lapack::gesdd(job, static_cast<int>(n), static_cast<int>(m), a.data(), s[b], vectors ? vh[b] : nullptr,
                           vectors ? u[b] : nullptr, static_cast<int>(full ? m : k), work, size, iwork.data());
    };
    T asked = 0;
    run(&asked, -1);
    std::vector<T> work = room<T>(work_size(asked));
    return run(work.data(), static_cast<int>(work.size()));
  });
}

template <class T>
Failure eigh(std::int64_t batch, std::int64_t n, bool upper, const T* x, Batched<T> w, Batched<T> v) {
  const bool vectors = v.data != nullptr;
  return for_each_matrix(batch, spectral_flops(n, n), [&](std::int64_t b) {
    if (n == 0) {
      return 0;
    }
    std::vector<T> a(x + b * n * n, x + (b + 1) * n * n);
    for (std::int64_t i = 0; i < n; ++i) {
      if (!all_finite(upper ? n - i : i + 1, a.data() + i * n + (upper ? i : 0))) {
        return kNotFinite;
      }
    }
    const auto run = [&](T* work, int size, int* iwork, int isize) {
      return lapack::syevd(vectors ? 'V' : 'N', upper ? 'L' : 'U', static_cast<int>(n), a.data(), w[b], work, size,
                           iwork, isize);
    };
    T asked = 0;
    int integers = 0;
    run(&asked, -1, &integers, -1);
    std::vector<T> work = room<T>(work_size(asked));
    std::vector<int> iwork = room<int>(integers);
    const int info = run(work.data(), static_cast<int>(work.size()), iwork.data(), integers);
    if (vectors) {
      transpose_matrix(n, n, a.data(), v[b]);
    }
    return info;
  });
}

template <class T>
Failure least_squares(std::int64_t batch, std::int64_t m, std::int64_t n, std::int64_t columns, T rcond, const T* x,
                      const T* b, T* y, std::int64_t* rank, T* s) {
  const std::int64_t k = std::min(m, n);
  const std::int64_t rows = std::max(m, n);
  return for_each_matrix(batch, spectral_flops(m, n), [&](std::int64_t i) {
    if (!all_finite(m * n, x + i * m * n) || !all_finite(m * columns, b + i * m * columns)) {
      return kNotFinite;
    }
    if (k == 0) {
      rank[i] = 0;
      std::fill(y + i * n * columns, y + (i + 1) * n * columns, T{0});
      return 0;
    }
    std::vector<T> a = room<T>(m * n);
    transpose_matrix(m, n, x + i * m * n, a.data());
    std::vector<T> right = room<T>(rows * columns);
    for (std::int64_t row = 0; row < m; ++row) {
      for (std::int64_t c = 0; c < columns; ++c) {
        right[static_cast<std::size_t>(c * rows + row)] = b[(i * m + row) * columns + c];
      }
    }
    int found = 0;
    const auto run = [&](T* work, int size, int* iwork) {
      return lapack::gelsd(static_cast<int>(m), static_cast<int>(n), static_cast<int>(columns), a.data(), right.data(),
                           static_cast<int>(rows), s + i * k, rcond, &found, work, size, iwork);
    };
    T asked = 0;
    int integers = 0;
    run(&asked, -1, &integers);
    std::vector<T> work = room<T>(work_size(asked));
    std::vector<int> iwork = room<int>(integers);
    const int info = run(work.data(), static_cast<int>(work.size()), iwork.data());
    rank[i] = found;
    for (std::int64_t row = 0; row < n; ++row) {
      for (std::int64_t c = 0; c < columns; ++c) {
        y[(i * n + row) * columns + c] = right[static_cast<std::size_t>(c * rows + row)];
      }
    }
    return info;
  });
}

#define NORMGRAD_SPECTRAL(T)                                                                                           \
  template Failure svd<T>(std::int64_t, std::int64_t, std::int64_t, bool, const T*, Batched<T>, Batched<T>,            \
                          Batched<T>);                                                                                 \
  template Failure eigh<T>(std::int64_t, std::int64_t, bool, const T*, Batched<T>, Batched<T>);                        \
  template Failure least_squares<T>(std::int64_t, std::int64_t, std::int64_t, std::int64_t, T, const T*, const T*, T*, \
                                    std::int64_t*, T*);
NORMGRAD_SPECTRAL(float)
NORMGRAD_SPECTRAL(double)
#undef NORMGRAD_SPECTRAL

}  // namespace normgrad::kernels
