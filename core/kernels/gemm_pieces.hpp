// A product in pieces, for those who run it beside other work in one parallel region. For kernels only.
#pragma once

#include <cstdint>

#include "normgrad/core/kernels/gemm.hpp"

namespace normgrad::kernels::detail {

/// Multiplications per piece of a product that is cut, and how many pieces at most.
inline constexpr std::int64_t kPieceWork = std::int64_t{1} << 17;
inline constexpr std::int64_t kMaxPieces = 16;

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

}  // namespace normgrad::kernels::detail
