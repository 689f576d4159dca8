#include "normgrad/core/kernels/gemm.hpp"

#include <algorithm>
#include <bit>
#include <type_traits>

#include "normgrad/core/base/buffer.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/kernels/onednn.hpp"

namespace normgrad::kernels {

namespace {

// Multiplications per piece of a product that is cut, and how many pieces at most: a function of the shape alone.
constexpr std::int64_t kPieceWork = std::int64_t{1} << 17;
constexpr std::int64_t kMaxPieces = 16;

// oneDNN is as good from some size on, except at transposing B, and better for vectors.
bool runs_in_tiles(const GemmShape& s) {
  constexpr std::int64_t kFew = 8;
  return s.m >= kFew && s.n >= kFew && (s.transpose_b || s.m * s.n * s.k <= 68 * kPieceWork);
}

template <class T>
void multiply(const GemmShape& s, bool in_tiles, T alpha, const T* a, const T* b, T beta, T* c) {
  if constexpr (std::is_same_v<T, float>) {
    if (!in_tiles) {
      onednn::sgemm(s, alpha, a, b, beta, c);
      return;
    }
    const Buffer scratch(static_cast<std::size_t>(kGemmTilesScratch) * sizeof(T));
    NORMGRAD_SIMD_SELECT(gemm_tiles)(s, alpha, a, b, beta, c, reinterpret_cast<T*>(scratch.data()));
  } else {
    const Buffer scratch(static_cast<std::size_t>(kGemmScratch) * sizeof(T));
    NORMGRAD_SIMD_SELECT(gemm_blocked<T>)(s, alpha, a, b, beta, c, reinterpret_cast<T*>(scratch.data()));
  }
}

template <class T>
void scale(const GemmShape& s, T beta, T* c) {
  for (std::int64_t i = 0; i < s.m; ++i) {
    T* row = c + i * s.ldc;
    std::transform(row, row + s.n, row, [beta](T v) { return beta == T(0) ? T(0) : beta * v; });
  }
}

// A product in pieces of rows or of columns of C, as the shape alone says: a power of two, so that any usual number of
// threads gets the same share, each again the part of the arrays that it had in the operation before.
struct Cut {
  bool by_rows;
  std::int64_t length;   // of what is cut
  std::int64_t granule;  // columns that fill registers; few, so that halves are those of the optimizer
  std::int64_t pieces;

  Cut(const GemmShape& s, bool in_tiles) {
    // Few rows or columns in a piece, and reading the other matrix takes longer than multiplying with it.
    constexpr std::int64_t kFewRows = 24;
    constexpr std::int64_t kFewColumns = 48;
    constexpr std::int64_t kSmall = std::int64_t{1} << 14;  // a matrix that every piece may read
    // The gradient of a layer's weights is cut by outputs, as its product is, and as the optimizer's step is.
    const bool by_outputs = s.transpose_a && s.m >= 4 * kFewRows;
    const bool by_samples = !s.transpose_a && s.m >= 2 * kFewRows && s.n * s.k <= kSmall;
    by_rows = s.m >= s.n || (in_tiles && (by_outputs || by_samples));
    length = by_rows ? s.m : s.n;
    granule = s.transpose_b || by_rows ? 2 : 16;
    const std::int64_t shortest = by_rows && in_tiles ? kFewRows : kFewColumns;
    const std::int64_t most = std::clamp(length / shortest, std::int64_t{1}, kMaxPieces);
    const std::int64_t wanted = std::clamp(s.m * s.n * s.k / kPieceWork, std::int64_t{1}, most);
    pieces = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(wanted)));
  }

  std::int64_t begin(std::int64_t piece) const {
    return std::min(length, (length + granule - 1) / granule * piece / pieces * granule);
  }
};

// gemm(), where every row of C is `row` to begin with unless that is null.
template <class T>
void gemm_from(const GemmShape& s, T alpha, const T* a, const T* b, T beta, const T* row, T* c) {
  if (s.m == 0 || s.n == 0) {
    return;
  }
  const bool in_tiles = runs_in_tiles(s);
  Cut cut(s, in_tiles);
  if (in_tiles && get_num_threads() == 1) {
    cut.pieces = 1;  // an element of C is the same sum in any tile: the cut does not show in the result
  }
  parallel_tasks(cut.pieces, [&](std::int64_t i) {
    const std::int64_t begin = cut.begin(i);
    const std::int64_t rows_before = cut.by_rows ? begin : 0;
    const std::int64_t columns_before = cut.by_rows ? 0 : begin;
    GemmShape piece = s;
    (cut.by_rows ? piece.m : piece.n) = cut.begin(i + 1) - begin;
    T* to = c + rows_before * s.ldc + columns_before;
    for (std::int64_t r = 0; row != nullptr && r < piece.m; ++r) {
      std::copy_n(row + columns_before, piece.n, to + r * s.ldc);
    }
    if (s.k == 0) {
      scale(piece, beta, to);
      return;
    }
    multiply(piece, in_tiles, alpha, a + rows_before * (s.transpose_a ? 1 : s.lda),
             b + columns_before * (s.transpose_b ? s.ldb : 1), beta, to);
  });
}

}  // namespace

template <class T>
void gemm(const GemmShape& s, T alpha, const T* a, const T* b, T beta, T* c) {
  gemm_from(s, alpha, a, b, beta, static_cast<const T*>(nullptr), c);
}

template <class T>
void gemm_plus_row(const GemmShape& s, const T* a, const T* b, const T* row, T* c) {
  gemm_from(s, T(1), a, b, T(1), row, c);
}

template <class T>
void gemm_batched(const GemmShape& s, std::int64_t count, const T* a, const std::int64_t* a_offsets, const T* b,
                  const std::int64_t* b_offsets, T* c) {
  const std::int64_t size = s.m * s.n;
  if (count * size == 0) {
    return;
  }
  constexpr std::int64_t kWorthCutting = 32 * kPieceWork;
  if (count == 1 || s.k == 0 || (size * s.k >= kWorthCutting && Cut(s, runs_in_tiles(s)).pieces > 1)) {
    for (std::int64_t i = 0; i < count; ++i) {
      gemm(s, T(1), a + a_offsets[i], b + b_offsets[i], T(0), c + i * size);
    }
    return;
  }
  const std::int64_t grain = std::max(std::int64_t{1}, 8 * kPieceWork / (size * s.k));
  // One task runs with one oneDNN thread, too.
  parallel_tasks((count + grain - 1) / grain, [&](std::int64_t task) {
    for (std::int64_t i = task * grain; i < std::min(count, (task + 1) * grain); ++i) {
      multiply(s, runs_in_tiles(s), T(1), a + a_offsets[i], b + b_offsets[i], T(0), c + i * size);
    }
  });
}

template void gemm<float>(const GemmShape&, float, const float*, const float*, float, float*);
template void gemm<double>(const GemmShape&, double, const double*, const double*, double, double*);
template void gemm_plus_row<float>(const GemmShape&, const float*, const float*, const float*, float*);
template void gemm_plus_row<double>(const GemmShape&, const double*, const double*, const double*, double*);
template void gemm_batched<float>(const GemmShape&, std::int64_t, const float*, const std::int64_t*, const float*,
                                  const std::int64_t*, float*);
template void gemm_batched<double>(const GemmShape&, std::int64_t, const double*, const std::int64_t*, const double*,
                                   const std::int64_t*, double*);

}  // namespace normgrad::kernels
