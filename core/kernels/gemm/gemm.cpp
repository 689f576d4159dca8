#include "normgrad/core/kernels/gemm/gemm.hpp"

#include <algorithm>
#include <bit>
#include <type_traits>

#include "normgrad/core/base/buffer.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/kernels/gemm/onednn_gemm.hpp"
#include "normgrad/core/kernels/gemm/partition.hpp"

namespace normgrad::kernels {

namespace {

using detail::GemmPartition;
using detail::kPieceWork;

bool is_with_vector(const GemmShape& s) { return s.m == 1 || s.n == 1; }

// Copying A, too, pays for large products, and sooner if successive elements that a tile reads are far apart. Without
// AVX-512, panels of tiles are less than two cache lines wide: blocks read a B that is not in the cache in longer
// pieces.
bool is_blocked(const GemmShape& s) {
  constexpr std::int64_t kLarge = 2048 * kPieceWork;
  constexpr std::int64_t kFewRows = 8;
  constexpr std::int64_t kFar = std::int64_t{1} << 18;
  const bool is_far = !s.transpose_b && s.m > kFewRows && s.n * s.k >= kFar && simd_level() != SimdLevel::avx512;
  return is_far || s.m * s.n * s.k >= (s.transpose_a ? kLarge / 8 : kLarge);
}

// C = alpha * op(A) op(B) + beta * C, or + `row` on every row if given (beta is 1 then).
template <class T>
void multiply(const GemmShape& s, bool blocked, T alpha, const T* a, const T* b, T beta, const T* row, T* c) {
  const GemmAddend<T> before = beta == T(0) ? GemmAddend<T>() : GemmAddend<T>{c, s.ldc, beta};
  const GemmAddend<T> added = row == nullptr ? before : GemmAddend<T>{row};
  if constexpr (std::is_same_v<T, float>) {
    if (is_with_vector(s)) {  // oneDNN is faster
      for (std::int64_t r = 0; row != nullptr && r < s.m; ++r) {
        std::copy_n(row, s.n, c + r * s.ldc);
      }
      onednn::sgemm(s, alpha, a, b, beta, c);
      return;
    }
    if (!blocked) {
      const Buffer scratch(static_cast<std::size_t>(kGemmTilesScratch) * sizeof(T));
      NORMGRAD_SIMD_SELECT(gemm_tiles)(s, alpha, a, b, added, c, reinterpret_cast<T*>(scratch.data()));
      return;
    }
  }
  const Buffer scratch(static_cast<std::size_t>(gemm_scratch(s.m, s.n, s.k)) * sizeof(T));
  NORMGRAD_SIMD_SELECT(gemm_blocked<T>)(s, alpha, a, b, added, c, reinterpret_cast<T*>(scratch.data()));
}

template <class T>
void scale(const GemmShape& s, T beta, const T* row, T* c) {
  for (std::int64_t i = 0; i < s.m; ++i) {
    T* to = c + i * s.ldc;
    if (row != nullptr) {
      std::copy_n(row, s.n, to);
    } else {
      std::transform(to, to + s.n, to, [beta](T v) { return beta == T(0) ? T(0) : beta * v; });
    }
  }
}

}  // namespace

namespace detail {

template <class T>
GemmPartition<T>::GemmPartition(const GemmShape& s, T alpha, const T* a, const T* b, T beta, const T* row, T* c,
                                std::int64_t beside)
    : shape_(s),
      in_tiles_(!is_with_vector(s)),
      blocked_(is_blocked(s)),
      alpha_(alpha),
      a_(a),
      b_(b),
      beta_(beta),
      row_(row),
      c_(c) {
  // Below these, reading the other matrix takes longer than multiplying with it.
  constexpr std::int64_t kFewRows = 24;
  constexpr std::int64_t kFewColumns = 48;
  constexpr std::int64_t kSmall = std::int64_t{1} << 14;  // size of a matrix that every piece may read
  // A layer's weight gradient is cut by outputs, like its product and the optimizer's step.
  const bool by_outputs = s.transpose_a && s.m >= 4 * kFewRows;
  const bool by_samples = !s.transpose_a && s.m >= 2 * kFewRows && s.n * s.k <= kSmall;
  by_rows_ = s.m >= s.n || (in_tiles_ && (by_outputs || by_samples));
  length_ = by_rows_ ? s.m : s.n;
  granule_ = s.transpose_b || by_rows_ ? 2 : 16;
  const std::int64_t shortest = by_rows_ && in_tiles_ ? kFewRows : kFewColumns;
  // Every piece of a large product copies the whole other matrix. The cut does not change the result.
  const auto few = static_cast<std::int64_t>(2 * std::bit_ceil(static_cast<unsigned>(get_num_threads())));
  const std::int64_t most =
      std::clamp(length_ / shortest, std::int64_t{1}, blocked_ ? std::min(few, kMaxPieces) : kMaxPieces);
  const std::int64_t wanted =
      std::clamp((s.m * s.n * s.k + (by_rows_ ? beside : 0)) / kPieceWork, std::int64_t{1}, most);
  count_ = s.m == 0 || s.n == 0 ? 0 : static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(wanted)));
}

template <class T>
void GemmPartition<T>::merge() noexcept {
  // An element of C is the same sum in any tile, so the result does not depend on the cut.
  count_ = in_tiles_ && count_ > 0 ? 1 : count_;
}

template <class T>
std::int64_t GemmPartition<T>::begin(std::int64_t piece) const noexcept {
  return std::min(length_, (length_ + granule_ - 1) / granule_ * piece / count_ * granule_);
}

template <class T>
void GemmPartition<T>::run(std::int64_t piece) const {
  const std::int64_t from = begin(piece);
  const std::int64_t rows_before = by_rows_ ? from : 0;
  const std::int64_t columns_before = by_rows_ ? 0 : from;
  GemmShape s = shape_;
  (by_rows_ ? s.m : s.n) = begin(piece + 1) - from;
  T* to = c_ + rows_before * s.ldc + columns_before;
  const T* row = row_ == nullptr ? nullptr : row_ + columns_before;
  if (s.k == 0) {
    scale(s, beta_, row, to);
    return;
  }
  multiply(s, blocked_, alpha_, a_ + rows_before * (s.transpose_a ? 1 : s.lda),
           b_ + columns_before * (s.transpose_b ? s.ldb : 1), beta_, row, to);
}

template class GemmPartition<float>;
template class GemmPartition<double>;

}  // namespace detail

namespace {

// gemm(), in which every row of C starts as `row` unless that is null.
template <class T>
void gemm_from(const GemmShape& s, T alpha, const T* a, const T* b, T beta, const T* row, T* c) {
  if (s.m == 0 || s.n == 0) {
    return;
  }
  GemmPartition<T> pieces(s, alpha, a, b, beta, row, c);
  const bool on_one_thread =
      get_num_threads() == 1 || detail::is_for_one_thread(s.m * s.n * s.k, s.m * s.n + (s.m + s.n) * s.k);
  if (on_one_thread) {
    pieces.merge();
  }
  detail::run_pieces(pieces.count(), on_one_thread, [&](std::int64_t i) { pieces.run(i); });
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
  if (count == 1 || s.k == 0 ||
      (size * s.k >= kWorthCutting && GemmPartition<T>(s, T(1), a, b, T(0), nullptr, c).count() > 1)) {
    for (std::int64_t i = 0; i < count; ++i) {
      gemm(s, T(1), a + a_offsets[i], b + b_offsets[i], T(0), c + i * size);
    }
    return;
  }
  const std::int64_t grain = std::max(std::int64_t{1}, 8 * kPieceWork / (size * s.k));
  // Within a task, oneDNN also uses one thread.
  parallel_tasks((count + grain - 1) / grain, [&](std::int64_t task) {
    for (std::int64_t i = task * grain; i < std::min(count, (task + 1) * grain); ++i) {
      multiply(s, is_blocked(s), T(1), a + a_offsets[i], b + b_offsets[i], T(0), static_cast<const T*>(nullptr),
               c + i * size);
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
