#include "normgrad/core/kernels/gemm/gemm.hpp"
#include "normgrad/core/simd/detail/batch.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

// A tile of C has kTileRows x (kVectors * lanes) elements: 24 of AVX-512's 32 registers, 12 of the 16 otherwise.
#if defined(NORMGRAD_SIMD_avx512)
constexpr std::int64_t kTileRows = 12;
#else
constexpr std::int64_t kTileRows = 6;
#endif
constexpr std::int64_t kVectors = 2;
template <class T>
constexpr std::int64_t kColumns = kVectors* kLanes<T>;

static_assert(kGemmBlockM % kTileRows == 0);
static_assert(kGemmBlockN % kColumns<double> == 0);

// Copies `count` vectors of `depth` elements to panels of `width` vectors, depth first; missing vectors are 0. Vectors
// are `step` apart, their elements `depth_step`.
template <class T>
void pack(const T* x, std::int64_t step, std::int64_t depth_step, std::int64_t count, std::int64_t depth,
          std::int64_t width, T* to) {
  for (std::int64_t begin = 0; begin < count; begin += width, to += width * depth) {
    const std::int64_t full = count - begin < width ? count - begin : width;
    const T* from = x + begin * step;
    for (std::int64_t i = 0; full < width && i < width * depth; ++i) {
      to[i] = T(0);
    }
    // Read contiguously.
    if (step == 1) {
      for (std::int64_t p = 0; p < depth; ++p) {
        for (std::int64_t i = 0; i < full; ++i) {
          to[p * width + i] = from[p * depth_step + i];
        }
      }
    } else {
      for (std::int64_t i = 0; i < full; ++i) {
        for (std::int64_t p = 0; p < depth; ++p) {
          to[p * width + i] = from[i * step + p * depth_step];
        }
      }
    }
  }
}

// c = alpha * panel_a * panel_b + beta * c for the first `rows` x `columns` of a tile.
template <class T>
void multiply_tile(std::int64_t depth, T alpha, const T* panel_a, const T* panel_b, T beta, T* c, std::int64_t ldc,
                   std::int64_t rows, std::int64_t columns) {
  Batch<T> sum[kTileRows][kVectors];
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
    for (std::int64_t i = 0; i < kTileRows; ++i) {
      const Batch<T> a(panel_a[p * kTileRows + i]);
      for (std::int64_t v = 0; v < kVectors; ++v) {
        sum[i][v] = muladd(a, b[v], sum[i][v]);
      }
    }
  }
  alignas(64) T tile[kTileRows * kColumns<T>];
  for (std::int64_t i = 0; i < kTileRows; ++i) {
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

}  // namespace

template <class T>
void gemm_blocked(const GemmShape& s, T alpha, const T* a, const T* b, T beta, T* c, T* scratch) {
  T* packed_a = scratch;
  T* packed_b = scratch + kGemmBlockM * kGemmBlockK;
  for (std::int64_t j0 = 0; j0 < s.n; j0 += kGemmBlockN) {
    const std::int64_t columns = smaller(kGemmBlockN, s.n - j0);
    for (std::int64_t p0 = 0; p0 < s.k; p0 += kGemmBlockK) {
      const std::int64_t depth = smaller(kGemmBlockK, s.k - p0);
      pack(b + (s.transpose_b ? j0 * s.ldb + p0 : p0 * s.ldb + j0), s.transpose_b ? s.ldb : 1,
           s.transpose_b ? 1 : s.ldb, columns, depth, kColumns<T>, packed_b);
      for (std::int64_t i0 = 0; i0 < s.m; i0 += kGemmBlockM) {
        const std::int64_t rows = smaller(kGemmBlockM, s.m - i0);
        pack(a + (s.transpose_a ? p0 * s.lda + i0 : i0 * s.lda + p0), s.transpose_a ? 1 : s.lda,
             s.transpose_a ? s.lda : 1, rows, depth, kTileRows, packed_a);
        for (std::int64_t j = 0; j < columns; j += kColumns<T>) {
          for (std::int64_t i = 0; i < rows; i += kTileRows) {
            multiply_tile(depth, alpha, packed_a + i * depth, packed_b + j * depth, p0 == 0 ? beta : T(1),
                          c + (i0 + i) * s.ldc + j0 + j, s.ldc, smaller(kTileRows, rows - i),
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
