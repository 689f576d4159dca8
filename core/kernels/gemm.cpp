#include "normgrad/core/kernels/gemm.hpp"

#include <algorithm>
#include <type_traits>

#include "normgrad/core/base/buffer.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/kernels/onednn.hpp"

namespace normgrad::kernels {

namespace {

// Multiplications per piece of a product that is cut, and how many pieces at most: a function of the shape alone.
constexpr std::int64_t kPieceWork = std::int64_t{1} << 18;
constexpr std::int64_t kMaxPieces = 16;

// oneDNN is as good from some size on, except at transposing B, and better for vectors.
bool runs_in_tiles(const GemmShape& s) {
  constexpr std::int64_t kFew = 8;
  return s.m >= kFew && s.n >= kFew && (s.transpose_b || s.m * s.n * s.k <= 32 * kPieceWork);
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

// Few rows or columns in a piece, and copying the other matrix would take longer than multiplying with it.
std::int64_t pieces_of(const GemmShape& s) {
  constexpr std::int64_t kShort = 96;
  const std::int64_t length = std::max(s.m, s.n);
  const std::int64_t most = std::clamp(length / kShort, std::int64_t{length >= kShort ? 2 : 1}, kMaxPieces);
  return std::clamp(s.m * s.n * s.k / kPieceWork, std::int64_t{1}, most);
}

// Rows or columns of a piece, a multiple of what keeps register tiles full, as far as that leaves pieces alike.
std::int64_t step_of(std::int64_t length, std::int64_t pieces) {
  const std::int64_t granule = length >= pieces * 1024 ? 48 : length >= pieces * 64 ? 16 : 4;
  return (length + pieces * granule - 1) / (pieces * granule) * granule;
}

}  // namespace

template <class T>
void gemm(const GemmShape& s, T alpha, const T* a, const T* b, T beta, T* c) {
  if (s.m == 0 || s.n == 0) {
    return;
  }
  if (s.k == 0) {
    scale(s, beta, c);
    return;
  }
  const bool by_rows = s.m >= s.n;
  const std::int64_t length = by_rows ? s.m : s.n;
  const std::int64_t pieces = pieces_of(s);
  const bool in_tiles = runs_in_tiles(s);
  const std::int64_t step = pieces == 1 ? length : step_of(length, pieces);
  parallel_tasks((length + step - 1) / step, [&](std::int64_t i) {
    GemmShape piece = s;
    const std::int64_t begin = i * step;
    (by_rows ? piece.m : piece.n) = std::min(step, length - begin);
    if (by_rows) {
      multiply(piece, in_tiles, alpha, a + begin * (s.transpose_a ? 1 : s.lda), b, beta, c + begin * s.ldc);
    } else {
      multiply(piece, in_tiles, alpha, a, b + begin * (s.transpose_b ? s.ldb : 1), beta, c + begin);
    }
  });
}

template <class T>
void gemm_batched(const GemmShape& s, std::int64_t count, const T* a, const std::int64_t* a_offsets, const T* b,
                  const std::int64_t* b_offsets, T* c) {
  const std::int64_t size = s.m * s.n;
  if (count * size == 0) {
    return;
  }
  constexpr std::int64_t kWorthCutting = 16 * kPieceWork;
  if (count == 1 || s.k == 0 || (size * s.k >= kWorthCutting && pieces_of(s) > 1)) {
    for (std::int64_t i = 0; i < count; ++i) {
      gemm(s, T(1), a + a_offsets[i], b + b_offsets[i], T(0), c + i * size);
    }
    return;
  }
  const std::int64_t grain = std::max(std::int64_t{1}, 4 * kPieceWork / (size * s.k));
  // One task runs with one oneDNN thread, too.
  parallel_tasks((count + grain - 1) / grain, [&](std::int64_t task) {
    for (std::int64_t i = task * grain; i < std::min(count, (task + 1) * grain); ++i) {
      multiply(s, runs_in_tiles(s), T(1), a + a_offsets[i], b + b_offsets[i], T(0), c + i * size);
    }
  });
}

template void gemm<float>(const GemmShape&, float, const float*, const float*, float, float*);
template void gemm<double>(const GemmShape&, double, const double*, const double*, double, double*);
template void gemm_batched<float>(const GemmShape&, std::int64_t, const float*, const std::int64_t*, const float*,
                                  const std::int64_t*, float*);
template void gemm_batched<double>(const GemmShape&, std::int64_t, const double*, const std::int64_t*, const double*,
                                   const std::int64_t*, double*);

}  // namespace normgrad::kernels
