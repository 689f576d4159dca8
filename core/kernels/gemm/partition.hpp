// A product divided into pieces, to run beside other work in one parallel region. For kernels only.
#pragma once

#include <cstdint>

#include "normgrad/core/base/near.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/kernels/gemm/gemm.hpp"

namespace normgrad::kernels::detail {

/// Multiplications per piece of a product, and the maximum number of pieces.
inline constexpr std::int64_t kPieceWork = std::int64_t{1} << 17;
inline constexpr std::int64_t kMaxPieces = 16;

/// Returns whether one thread computes a product of `work` multiplications over `elements` matrix elements sooner than
/// several: if processors share no cache, it finishes before another thread has fetched its part and returned the
/// result.
inline bool is_for_one_thread(std::int64_t work, std::int64_t elements) noexcept {
  constexpr std::int64_t kManyElements = std::int64_t{1} << 16;  // more than one processor's caches hold
  return work < 2 * kPieceWork || (work < 16 * kPieceWork && elements < kManyElements && !threads_share_cache());
}

/// C = alpha * op(A) op(B) + beta * C, or + `row` on every row unless null (beta is 1 then), in pieces of rows or
/// columns of C. The pieces do not change the result. Their number is a power of two, so that any common number of
/// threads gets equal shares, and each gets the same part of the arrays as in the operation before.
template <class T>
class GemmPartition {
 public:
  /// `beside`: further work of the pieces of rows, in multiplications.
  GemmPartition(const GemmShape& shape, T alpha, const T* a, const T* b, T beta, const T* row, T* c,
                std::int64_t beside = 0);
  /// Returns the number of pieces; 0 if C has no elements.
  std::int64_t count() const noexcept { return count_; }
  void run(std::int64_t piece) const;
  /// Uses a single piece, for one thread, if this does not change the result.
  void merge() noexcept;
  /// Returns whether pieces are rows; otherwise they are columns.
  bool by_rows() const noexcept { return by_rows_; }
  /// Returns the first row or column of a piece; the total length for the index after the last.
  std::int64_t begin(std::int64_t piece) const noexcept;

 private:
  GemmShape shape_;
  bool in_tiles_;  // otherwise a product with a vector
  bool blocked_;   // both matrices are copied
  T alpha_;
  const T* a_;
  const T* b_;
  T beta_;
  const T* row_;
  T* c_;
  bool by_rows_ = false;
  std::int64_t length_ = 0;   // of the divided axis
  std::int64_t granule_ = 1;  // columns that fill registers; small, so that halves match the optimizer's
  std::int64_t count_ = 0;
};

/// Runs `run(i)` for all `count` pieces, in one parallel region or on this thread.
template <class F>
void run_pieces(std::int64_t count, bool on_one_thread, const F& run) {
  if (!on_one_thread) {
    parallel_tasks(count, run);
    return;
  }
  parallel_tasks(1, [&](std::int64_t) {
    for (std::int64_t i = 0; i < count; ++i) {
      run(i);
    }
  });
}

}  // namespace normgrad::kernels::detail
