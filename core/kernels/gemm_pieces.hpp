// A product in pieces, for those who run it beside other work in one parallel region. For kernels only.
#pragma once

#include <cstdint>

#include "normgrad/core/base/near.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/kernels/gemm.hpp"

namespace normgrad::kernels::detail {

/// Multiplications per piece of a product that is cut, and how many pieces at most.
inline constexpr std::int64_t kPieceWork = std::int64_t{1} << 17;
inline constexpr std::int64_t kMaxPieces = 16;

/// Whether products of `work` multiplications over matrices of `elements` altogether are done sooner by one thread:
/// where processors share no cache, it has finished while another one fetches its part and hands back the result.
inline bool is_for_one_thread(std::int64_t work, std::int64_t elements) noexcept {
  constexpr std::int64_t kManyElements = std::int64_t{1} << 16;  // which lie in more than one processor's caches
  return work < 2 * kPieceWork || (work < 16 * kPieceWork && elements < kManyElements && !threads_are_near());
}

/// C = alpha * op(A) op(B) + beta * C, or + `row` on every row unless that is null (beta is 1 then), in pieces of rows
/// or of columns of C, as the shape alone says: a power of two, so that any usual number of threads gets the same
/// share, each again the part of the arrays that it had in the operation before.
template <class T>
class GemmPieces {
 public:
  /// `beside`: what else a piece of rows will do, all of it in multiplications.
  GemmPieces(const GemmShape& shape, T alpha, const T* a, const T* b, T beta, const T* row, T* c,
             std::int64_t beside = 0);
  /// 0 when C has no elements.
  std::int64_t count() const noexcept { return count_; }
  void run(std::int64_t piece) const;
  /// One piece, where the result is the same: for one thread.
  void make_one_of_all() noexcept;
  /// Whether a piece is some of the rows, or some of the columns.
  bool by_rows() const noexcept { return by_rows_; }
  /// The first row or column of a piece; the length of all behind the last.
  std::int64_t begin(std::int64_t piece) const noexcept;

 private:
  GemmShape shape_;
  bool in_tiles_;
  T alpha_;
  const T* a_;
  const T* b_;
  T beta_;
  const T* row_;
  T* c_;
  bool by_rows_ = false;
  std::int64_t length_ = 0;   // of what is cut
  std::int64_t granule_ = 1;  // columns that fill registers; few, so that halves are those of the optimizer
  std::int64_t count_ = 0;
};

/// Runs `run(i)` for all `count` pieces, in one region or on this thread, where oneDNN keeps to it, too.
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
