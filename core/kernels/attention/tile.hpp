// One tile of scores of an attention: a block of queries against a block of keys. For the attention kernels only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "normgrad/core/base/random.hpp"
#include "normgrad/core/kernels/attention/attention.hpp"
#include "normgrad/core/kernels/gemm/gemm.hpp"
#include "normgrad/core/kernels/memory/scratch.hpp"

namespace normgrad::kernels::detail {

/// Queries and keys of a tile. A tile of scores and its operands stay in the level-2 cache.
inline constexpr std::int64_t kQueryBlock = 64;
inline constexpr std::int64_t kKeyBlock = 128;
inline constexpr std::int64_t kTileSize = kQueryBlock * kKeyBlock;

inline std::int64_t blocks_of(std::int64_t n, std::int64_t block) { return (n + block - 1) / block; }

/// A block of queries [i, i + rows) of a head and a block of keys [j, j + columns).
struct TilePlace {
  std::int64_t head;
  std::int64_t i;
  std::int64_t rows;
  std::int64_t j;
  std::int64_t columns;

  TilePlace(const AttentionGeometry& g, std::int64_t h, std::int64_t query_block, std::int64_t key_block)
      : head(h),
        i(query_block * kQueryBlock),
        rows(std::min(kQueryBlock, g.queries - i)),
        j(key_block * kKeyBlock),
        columns(std::min(kKeyBlock, g.keys - j)) {}
  /// Whether a causal mask leaves no key of the tile to any of its queries.
  bool is_in_future() const noexcept { return j > i + rows - 1; }
};

/// Small products on the calling thread.
template <class T>
class TileProducts {
 public:
  TileProducts()
      : scratch_(std::is_same_v<T, float> ? kGemmTilesScratch : gemm_scratch(kKeyBlock, kGemmBlockN, kGemmDepth)) {}

  /// C = alpha * op(A) op(B), plus C if `add`.
  void multiply(const GemmShape& s, T alpha, const T* a, const T* b, bool add, T* c) const {
    if (s.m == 0 || s.n == 0) {
      return;
    }
    if (s.k == 0) {
      for (std::int64_t r = 0; !add && r < s.m; ++r) {
        std::fill_n(c + r * s.ldc, s.n, T(0));
      }
      return;
    }
    if constexpr (std::is_same_v<T, float>) {
      NORMGRAD_SIMD_SELECT(gemm_tiles)
      (s, alpha, a, b, add ? GemmAddend<>{c, s.ldc} : GemmAddend<>(), c, scratch_.get());
    } else {
      NORMGRAD_SIMD_SELECT(gemm_blocked<T>)
      (s, alpha, a, b, add ? GemmAddend<T>{c, s.ldc} : GemmAddend<T>(), c, scratch_.get());
    }
  }

 private:
  Scratch<T> scratch_;
};

/// s = scale * q k^T + mask for a tile; rows of s are kKeyBlock elements apart.
template <class T>
void tile_scores(const AttentionGeometry& g, const TilePlace& at, const T* q, const T* k, const AttentionMask<T>& mask,
                 const TileProducts<T>& products, T* s) {
  const T* from_q = q + (at.head * g.queries + at.i) * g.features;
  const T* from_k = k + (at.head / g.group * g.keys + at.j) * g.features;
  products.multiply({false, true, at.rows, at.columns, g.features, g.features, g.features, kKeyBlock},
                    static_cast<T>(g.scale), from_q, from_k, false, s);
  if (mask.allowed != nullptr || mask.added != nullptr) {
    const std::int64_t start = mask.offsets[at.head] + at.i * mask.row_step + at.j * mask.column_step;
    NORMGRAD_SIMD_SELECT(attention_mask<T>)
    (s, kKeyBlock, at.rows, at.columns, mask.allowed == nullptr ? nullptr : mask.allowed + start,
     mask.added == nullptr ? nullptr : mask.added + start, mask.row_step, mask.column_step);
  }
  if (g.causal && at.j + at.columns - 1 > at.i) {
    for (std::int64_t r = 0; r < at.rows; ++r) {
      const std::int64_t seen = std::clamp<std::int64_t>(at.i + r + 1 - at.j, 0, at.columns);
      std::fill(s + r * kKeyBlock + seen, s + r * kKeyBlock + at.columns, -std::numeric_limits<T>::infinity());
    }
  }
}

/// Sets the factors of a tile: 0 for dropped weights, kept_scale for the others.
template <class T>
void tile_dropout(const AttentionGeometry& g, const TilePlace& at, const AttentionDropout& dropout, T* factors) {
  const T kept = static_cast<T>(dropout.kept_scale);
  Generator generator(dropout.seed);
  for (std::int64_t r = 0; r < at.rows; ++r) {
    const std::int64_t element = (at.head * g.queries + at.i + r) * g.keys + at.j;
    generator.set_position(dropout.position + static_cast<std::uint64_t>(element));
    std::generate_n(factors + r * kKeyBlock, at.columns, [&] { return generator() < dropout.limit ? T(0) : kept; });
  }
}

/// Multiplies the rows of a tile by the factors of tile_dropout().
template <class T>
void drop_in_tile(const TilePlace& at, const T* factors, T* s) {
  for (std::int64_t r = 0; r < at.rows; ++r) {
    NORMGRAD_SIMD_SELECT(attention_multiply<T>)(s + r * kKeyBlock, factors + r * kKeyBlock, at.columns);
  }
}

/// Blocks of queries that a task computes at least, so that small heads share a task.
inline std::int64_t blocks_per_task(const AttentionGeometry& g) {
  constexpr std::int64_t kTaskWork = std::int64_t{1} << 18;  // multiplications
  const std::int64_t work = std::min(kQueryBlock, g.queries) * g.keys * (g.features + g.values + 8);
  return std::max<std::int64_t>(1, kTaskWork / std::max<std::int64_t>(work, 1));
}

}  // namespace normgrad::kernels::detail
