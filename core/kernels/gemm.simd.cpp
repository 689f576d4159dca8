#include "normgrad/core/kernels/gemm.hpp"
#include "normgrad/core/base/simd_batch.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

// A tile of C is kRows x (kVectors * lanes) registers; 24 of AVX-512's 32, 12 of the 16 of the others.
#if defined(NORMGRAD_SIMD_avx512)
constexpr std::int64_t kRows = 12;
#else
constexpr std::int64_t kRows = 6;
#endif
constexpr std::int64_t kVectors = 2;
template <class T>
constexpr std::int64_t kColumns = kVectors* kLanes<T>;

static_assert(kGemmBlockM % kRows == 0);
static_assert(kGemmBlockN % kColumns<double> == 0);

// Rows [0, rows) x [0, depth) of op(A) as panels of kRows rows, depth first; missing rows are 0.
template <class T>
void pack_a(const GemmShape& s, const T* a, std::int64_t rows, std::int64_t depth, T* to) {
  const std::int64_t row_step = s.transpose_a ? 1 : s.lda;
  const std::int64_t depth_step = s.transpose_a ? s.lda : 1;
  for (std::int64_t i0 = 0; i0 < rows; i0 += kRows) {
    const std::int64_t full = rows - i0 < kRows ? rows - i0 : kRows;
    for (std::int64_t p = 0; p < depth; ++p) {
      const T* from = a + i0 * row_step + p * depth_step;
      for (std::int64_t i = 0; i < kRows; ++i) {
        *to++ = i < full ? from[i * row_step] : T(0);
      }
    }
  }
}

// [0, depth) x columns [0, columns) of op(B) as panels of kColumns columns; missing columns are 0.
template <class T>
void pack_b(const GemmShape& s, const T* b, std::int64_t depth, std::int64_t columns, T* to) {
  const std::int64_t depth_step = s.transpose_b ? 1 : s.ldb;
  const std::int64_t column_step = s.transpose_b ? s.ldb : 1;
  for (std::int64_t j0 = 0; j0 < columns; j0 += kColumns<T>) {
    const std::int64_t full = columns - j0 < kColumns<T> ? columns - j0 : kColumns<T>;
    for (std::int64_t p = 0; p < depth; ++p) {
      const T* from = b + p * depth_step + j0 * column_step;
      for (std::int64_t j = 0; j < kColumns<T>; ++j) {
        *to++ = j < full ? from[j * column_step] : T(0);
      }
    }
  }
}

// c = alpha * panel_a * panel_b + beta * c on the first `rows` x `columns` of a tile.
template <class T>
void multiply_tile(std::int64_t depth, T alpha, const T* panel_a, const T* panel_b, T beta, T* c, std::int64_t ldc,
                   std::int64_t rows, std::int64_t columns) {
  Batch<T> sum[kRows][kVectors];
  for (auto& row : sum) {
    for (auto& v : row) {
      v = Batch<T>(T(0));
    }
  }
  for (std::int64_t p = 0; p < depth; ++p) {
    Batch<T> b[kVectors];
    for (std::int64_t v = 0; v < kVectors; ++v) {
      b[v] = load(panel_b + p * kColumns<T> + v * kLanes<T>);
    }
    for (std::int64_t i = 0; i < kRows; ++i) {
      const Batch<T> a(panel_a[p * kRows + i]);
      for (std::int64_t v = 0; v < kVectors; ++v) {
        sum[i][v] = muladd(a, b[v], sum[i][v]);
      }
    }
  }
  alignas(64) T tile[kRows * kColumns<T>];
  for (std::int64_t i = 0; i < kRows; ++i) {
    for (std::int64_t v = 0; v < kVectors; ++v) {
      store(tile + i * kColumns<T> + v * kLanes<T>, sum[i][v]);
    }
  }
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      const T value = alpha * tile[i * kColumns<T> + j];
      c[i * ldc + j] = beta == T(0) ? value : beta * c[i * ldc + j] + value;
    }
  }
}

std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }

}  // namespace

template <class T>
void gemm_blocked(const GemmShape& s, T alpha, const T* a, const T* b, T beta, T* c, T* scratch) {
  T* packed_a = scratch;
  T* packed_b = scratch + kGemmBlockM * kGemmBlockK;
  for (std::int64_t j0 = 0; j0 < s.n; j0 += kGemmBlockN) {
    const std::int64_t columns = smaller(kGemmBlockN, s.n - j0);
    for (std::int64_t p0 = 0; p0 < s.k; p0 += kGemmBlockK) {
      const std::int64_t depth = smaller(kGemmBlockK, s.k - p0);
      pack_b(s, b + (s.transpose_b ? j0 * s.ldb + p0 : p0 * s.ldb + j0), depth, columns, packed_b);
      for (std::int64_t i0 = 0; i0 < s.m; i0 += kGemmBlockM) {
        const std::int64_t rows = smaller(kGemmBlockM, s.m - i0);
        pack_a(s, a + (s.transpose_a ? p0 * s.lda + i0 : i0 * s.lda + p0), rows, depth, packed_a);
        for (std::int64_t j = 0; j < columns; j += kColumns<T>) {
          for (std::int64_t i = 0; i < rows; i += kRows) {
            multiply_tile(depth, alpha, packed_a + i * depth, packed_b + j * depth, p0 == 0 ? beta : T(1),
                          c + (i0 + i) * s.ldc + j0 + j, s.ldc, smaller(kRows, rows - i),
                          smaller(kColumns<T>, columns - j));
          }
        }
      }
    }
  }
}

template void gemm_blocked<double>(const GemmShape&, double, const double*, const double*, double, double*, double*);
template void gemm_blocked<float>(const GemmShape&, float, const float*, const float*, float, float*, float*);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
