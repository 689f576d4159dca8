#include "normgrad/core/kernels/gemm/gemm.hpp"

#include <array>
#include <type_traits>
#include <utility>

#include "normgrad/core/kernels/gemm/transpose_simd.hpp"
#include "normgrad/core/simd/detail/batch.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

// A tile of C has up to kTileRows x (kVectors * lanes) elements: 27 of AVX-512's 32 registers, 21 of NEON's (g++ loads
// the elements of A early, and of 24 sums it keeps some in memory), 12 of the 16 otherwise.
#if defined(NORMGRAD_SIMD_avx512)
constexpr std::int64_t kTileRows = 9;
#elif defined(NORMGRAD_SIMD_neon)
constexpr std::int64_t kTileRows = 7;
#else
constexpr std::int64_t kTileRows = 4;
#endif
constexpr std::int64_t kVectors = 3;
template <class T>
constexpr std::int64_t kPanel = kVectors* kLanes<T>;  // columns

// Columns of B copied at a time: its panels stay in the L2 cache while the tiles of A pass by.
#if defined(NORMGRAD_SIMD_avx512)
constexpr std::int64_t kBlockColumns = kGemmBlockN;
#else
constexpr std::int64_t kBlockColumns = 144;
#endif
static_assert(kBlockColumns <= kGemmBlockN && kBlockColumns % kPanel<float> == 0);

// Divides `length` into as few parts of at most `most` as possible, of similar lengths.
struct Parts {
  Parts(std::int64_t length_of_all, std::int64_t most)
      : length(length_of_all), count((length_of_all + most - 1) / most) {}
  std::int64_t begin(std::int64_t part) const { return part * (length / count) + smaller(part, length % count); }

  std::int64_t length;
  std::int64_t count;
};

// Copies rows [0, rows) of a block of op(A) to a tile: element (i, p) to to[p * rows + i]. `beyond`: rows that may be
// read behind these.
template <class T>
void pack_a(const T* a, std::int64_t row_step, std::int64_t depth_step, std::int64_t rows, std::int64_t depth,
            std::int64_t beyond, T* to) {
  std::int64_t p = 0;
  if (row_step == 1) {
    constexpr std::int64_t kVectorsOfRows = (kTileRows + kLanes<T> - 1) / kLanes<T>;
    // What is stored too much is overwritten by the next column.
    for (; rows + beyond >= kVectorsOfRows * kLanes<T> && p + kVectorsOfRows * kLanes<T> < depth; ++p) {
      for (std::int64_t v = 0; v < kVectorsOfRows; ++v) {
        store(to + p * rows + v * kLanes<T>, load(a + p * depth_step + v * kLanes<T>));
      }
    }
    for (; p < depth; ++p) {
      for (std::int64_t i = 0; i < rows; ++i) {
        to[p * rows + i] = a[p * depth_step + i];
      }
    }
    return;
  }
  std::int64_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    transpose_rows(a + i * row_step, row_step, depth, to + i, rows);
  }
  for (; i < rows; ++i) {
    for (p = 0; p < depth; ++p) {
      to[p * rows + i] = a[i * row_step + p];
    }
  }
}

// Copies a block of op(B) to panels of kPanel columns, depth first. Missing columns of the last vector are 0; the last
// panel has only the vectors it needs.
template <class T>
void pack_b(const GemmShape& s, const T* b, std::int64_t columns, std::int64_t depth, T* to) {
  constexpr std::int64_t kLane = kLanes<T>;
  if (!s.transpose_b) {
    constexpr std::int64_t kAhead = 4;  // each row may have a page of its own, which no processor prefetches
    constexpr auto kLine = static_cast<std::int64_t>(64 / sizeof(T));
    for (std::int64_t p = 0; p < depth; ++p, b += s.ldb) {
      for (std::int64_t j = 0; p + kAhead < depth && j < columns; j += kLine) {
        __builtin_prefetch(b + kAhead * s.ldb + j);
      }
      for (std::int64_t j = 0; j < columns; j += kPanel<T>) {
        const std::int64_t width = smaller(kPanel<T>, (columns - j + kLane - 1) / kLane * kLane);
        T* row = to + j * depth + p * width;
        for (std::int64_t v = 0; v < width; v += kLane) {
          store(row + v, j + v + kLane <= columns ? load(b + j + v) : load_partial(b + j + v, columns - j - v));
        }
      }
    }
    return;
  }
  for (std::int64_t j = 0; j < columns; j += kPanel<T>) {
    const std::int64_t width = smaller(kPanel<T>, (columns - j + kLane - 1) / kLane * kLane);
    T* panel = to + j * depth;
    for (std::int64_t i = 0; i < width; i += 4) {
      const T* from = b + (j + i) * s.ldb;
      if (i + 4 <= width && j + i + 4 <= columns) {
        transpose_rows(from, s.ldb, depth, panel + i, width);
        continue;
      }
      for (std::int64_t k = 0; k < smaller(4, width - i); ++k) {
        for (std::int64_t p = 0; p < depth; ++p) {
          panel[p * width + i + k] = j + i + k < columns ? from[k * s.ldb + p] : T(0);
        }
      }
    }
  }
}

// What all tiles of a block share.
template <class T>
struct Block {
  std::int64_t depth;
  T alpha;
  std::int64_t ldc;
};

// c = alpha * a * b + added on R rows and V vectors, of which the last has `last` elements.
template <class T, std::int64_t R, std::int64_t V>
void multiply_tile(const Block<T>& block, const T* a, const T* b, const GemmAddend<T>& added, T* c, std::int64_t last) {
  Batch<T> sum[R][V];
#pragma GCC unroll 9
  for (std::int64_t i = 0; i < R; ++i) {
    __builtin_prefetch(c + i * block.ldc, 1);
    __builtin_prefetch(c + i * block.ldc + (V - 1) * kLanes<T> + last - 1, 1);
#pragma GCC unroll 3
    for (std::int64_t v = 0; v < V; ++v) {
      sum[i][v] = Batch<T>(T(0));
    }
  }
  for (std::int64_t p = 0; p < block.depth; ++p, a += R, b += V * kLanes<T>) {
    Batch<T> row[V];
#pragma GCC unroll 3
    for (std::int64_t v = 0; v < V; ++v) {
      row[v] = load(b + v * kLanes<T>);
    }
#pragma GCC unroll 9
    for (std::int64_t i = 0; i < R; ++i) {
      const Batch<T> x(a[i]);
#pragma GCC unroll 3
      for (std::int64_t v = 0; v < V; ++v) {
        sum[i][v] = muladd(x, row[v], sum[i][v]);
      }
    }
  }
  const Batch<T> alpha(block.alpha);
  const Batch<T> scale(added.scale);
#pragma GCC unroll 9
  for (std::int64_t i = 0; i < R; ++i) {
    const T* more = added.from == nullptr ? nullptr : added.from + i * added.step;
#pragma GCC unroll 3
    for (std::int64_t v = 0; v < V; ++v) {
      T* to = c + i * block.ldc + v * kLanes<T>;
      const Batch<T> value = alpha * sum[i][v];
      if (v + 1 == V && last < kLanes<T>) {
        store_partial(to, more == nullptr ? value : value + scale * load_partial(more + v * kLanes<T>, last), last);
      } else {
        store(to, more == nullptr ? value : value + scale * load(more + v * kLanes<T>));
      }
    }
  }
}

template <class T>
using MultiplyTile = void (*)(const Block<T>&, const T*, const T*, const GemmAddend<T>&, T*, std::int64_t);

// The kernel of each height and width: [vectors - 1][rows - 1].
template <class T, std::size_t... V, std::size_t... R>
constexpr auto kernels_of_all_sizes(std::index_sequence<V...> /*widths*/, std::index_sequence<R...> heights) {
  constexpr auto of_width = []<std::size_t W>(std::integral_constant<std::size_t, W>, std::index_sequence<R...>) {
    return std::array<MultiplyTile<T>, sizeof...(R)>{&multiply_tile<T, R + 1, W + 1>...};
  };
  return std::array{of_width(std::integral_constant<std::size_t, V>(), heights)...};
}

}  // namespace

template <class T>
void gemm_blocked(const GemmShape& s, T alpha, const T* a, const T* b, const GemmAddend<T>& added, T* c, T* scratch) {
  static constexpr auto kKernels =
      kernels_of_all_sizes<T>(std::make_index_sequence<kVectors>(), std::make_index_sequence<kTileRows>());
  T* packed_b = scratch;
  const std::int64_t widest = (smaller(s.n, kGemmBlockN) + kPanel<T> - 1) / kPanel<T> * kPanel<T>;
  T* packed_a = scratch + smaller(s.k, kGemmDepth) * widest;
  const Parts blocks(s.m, kGemmBlockM);
  for (std::int64_t block = 0; block < blocks.count; ++block) {
    const std::int64_t i0 = blocks.begin(block);
    const Parts tiles(blocks.begin(block + 1) - i0, kTileRows);
    for (std::int64_t p0 = 0; p0 < s.k; p0 += kGemmDepth) {
      const Block<T> shared{smaller(kGemmDepth, s.k - p0), alpha, s.ldc};
      const GemmAddend<T> before = p0 == 0 ? added : GemmAddend<T>{c, s.ldc, T(1)};
      for (std::int64_t t = 0; t < tiles.count; ++t) {
        const std::int64_t i = i0 + tiles.begin(t);
        const std::int64_t rows = tiles.begin(t + 1) - tiles.begin(t);
        pack_a(a + (s.transpose_a ? p0 * s.lda + i : i * s.lda + p0), s.transpose_a ? 1 : s.lda,
               s.transpose_a ? s.lda : 1, rows, shared.depth, s.m - i - rows, packed_a + tiles.begin(t) * shared.depth);
      }
      for (std::int64_t j0 = 0; j0 < s.n; j0 += kBlockColumns) {
        const std::int64_t columns = smaller(kBlockColumns, s.n - j0);
        pack_b(s, b + (s.transpose_b ? j0 * s.ldb + p0 : p0 * s.ldb + j0), columns, shared.depth, packed_b);
        for (std::int64_t t = 0; t < tiles.count; ++t) {
          const std::int64_t i = i0 + tiles.begin(t);
          const std::int64_t rows = tiles.begin(t + 1) - tiles.begin(t);
          for (std::int64_t j = 0; j < columns; j += kPanel<T>) {
            const std::int64_t width = smaller(kPanel<T>, columns - j);
            const std::int64_t before_last = (width - 1) / kLanes<T>;  // vectors
            kKernels[static_cast<std::size_t>(before_last)][static_cast<std::size_t>(rows - 1)](
                shared, packed_a + tiles.begin(t) * shared.depth, packed_b + j * shared.depth, before.at(i, j0 + j),
                c + i * s.ldc + j0 + j, width - before_last * kLanes<T>);
          }
        }
      }
    }
  }
}

template void gemm_blocked<double>(const GemmShape&, double, const double*, const double*, const GemmAddend<double>&,
                                   double*, double*);
template void gemm_blocked<float>(const GemmShape&, float, const float*, const float*, const GemmAddend<float>&, float*,
                                  float*);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
