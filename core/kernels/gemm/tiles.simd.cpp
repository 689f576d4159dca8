#include "normgrad/core/kernels/gemm/dots_simd.hpp"
#include "normgrad/core/kernels/gemm/gemm.hpp"
#include "normgrad/core/kernels/gemm/transpose_simd.hpp"
#include "normgrad/core/simd/detail/batch.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

constexpr std::int64_t kTileLane = kLanes<float>;

// Rows of a tile of C that is V vectors wide: its sums, a row of B and an element of A fit in registers.
#if defined(NORMGRAD_SIMD_avx512)
constexpr std::int64_t kWidest = 4;
constexpr std::int64_t kRowsOf[kWidest + 1] = {0, 14, 12, 9, 6};
#elif defined(NORMGRAD_SIMD_neon)
constexpr std::int64_t kWidest = 4;
constexpr std::int64_t kRowsOf[kWidest + 1] = {0, 12, 8, 7, 5};
#else
constexpr std::int64_t kWidest = 3;
constexpr std::int64_t kRowsOf[kWidest + 1] = {0, 8, 6, 4};
#endif
constexpr std::int64_t kPanelFloats = 7168;  // of B: fits in the L1 cache with room to spare
static_assert(kWidest * kTileLane <= kGemmTilesWidth);

struct Operands {
  const float* a;
  std::int64_t row_step;    // of A
  std::int64_t depth_step;  // of A
  const float* b;           // rows of `b_step` elements
  std::int64_t b_step;
  std::int64_t depth;
  float alpha;
};

// Number of valid columns in the last vector. half: AVX-512 arithmetic takes twice the time of half its width. With
// AVX-512 missing columns are not read, so B need not be copied.
enum class Tail { whole, part, half };

#if defined(NORMGRAD_SIMD_avx512)
constexpr bool kHasTails = true;
struct Half {
  __m256 lanes = _mm256_setzero_ps();

  void add_product(const Batch<float>& x, const Batch<float>& row) {
    lanes = _mm256_fmadd_ps(_mm512_castps512_ps256(x), _mm512_castps512_ps256(row), lanes);
  }
  Batch<float> whole() const { return _mm512_zextps256_ps512(lanes); }
};
using ColumnMask = __mmask16;
ColumnMask first_columns(std::int64_t n) { return static_cast<ColumnMask>((1U << n) - 1U); }
[[gnu::always_inline]] inline Batch<float> load_columns(const float* p, ColumnMask columns) {
  return _mm512_maskz_loadu_ps(columns, p);
}
#else
constexpr bool kHasTails = false;
struct Half {
  void add_product(const Batch<float>&, const Batch<float>&) {}
  Batch<float> whole() const { return Batch<float>(0.0F); }
};
using ColumnMask = int;
ColumnMask first_columns(std::int64_t) { return 0; }
[[maybe_unused, gnu::always_inline]] inline Batch<float> load_columns(const float* p, ColumnMask) { return load(p); }
#endif

// c = alpha * A B + added on R rows and V vectors, of which the last has `last` elements.
template <std::int64_t R, std::int64_t V, Tail kTail>
void tile(const Operands& o, const float* a, const GemmAddend<>& added, float* c, std::int64_t ldc, std::int64_t last) {
  constexpr std::int64_t kWhole = kTail == Tail::whole ? V : V - 1;
  Batch<float> sum[R][V];
  Half half[R];
#pragma GCC unroll 16
  for (std::int64_t i = 0; i < R; ++i) {
#pragma GCC unroll 8
    for (std::int64_t v = 0; v < V; ++v) {
      sum[i][v] = Batch<float>(0.0F);
    }
  }
  const float* b = o.b;
  const auto columns = first_columns(last);
  for (std::int64_t p = 0; p < o.depth; ++p, a += o.depth_step, b += o.b_step) {
    Batch<float> row[V];
#pragma GCC unroll 8
    for (std::int64_t v = 0; v < kWhole; ++v) {
      row[v] = load(b + v * kTileLane);
    }
    if constexpr (kTail != Tail::whole) {
      row[V - 1] = load_columns(b + kWhole * kTileLane, columns);
    }
#pragma GCC unroll 16
    for (std::int64_t i = 0; i < R; ++i) {
      const Batch<float> x(a[i * o.row_step]);
#pragma GCC unroll 8
      for (std::int64_t v = 0; v < (kTail == Tail::half ? V - 1 : V); ++v) {
        sum[i][v] = muladd(x, row[v], sum[i][v]);
      }
      if constexpr (kTail == Tail::half) {
        half[i].add_product(x, row[V - 1]);
      }
    }
  }
  const Batch<float> alpha(o.alpha);
  const Batch<float> scale(added.scale);
#pragma GCC unroll 16
  for (std::int64_t i = 0; i < R; ++i) {
    if constexpr (kTail == Tail::half) {
      sum[i][V - 1] = half[i].whole();
    }
    const float* more = added.from == nullptr ? nullptr : added.from + i * added.step;
#pragma GCC unroll 8
    for (std::int64_t v = 0; v < V; ++v) {
      float* to = c + i * ldc + v * kTileLane;
      const Batch<float> value = alpha * sum[i][v];
      if (v + 1 == V && last < kTileLane) {
        store_partial(to, more == nullptr ? value : value + scale * load_partial(more + v * kTileLane, last), last);
      } else {
        store(to, more == nullptr ? value : value + scale * load(more + v * kTileLane));
      }
    }
  }
}

template <std::int64_t R, std::int64_t V, Tail kTail>
void tile_of(std::int64_t rows, const Operands& o, const float* a, const GemmAddend<>& added, float* c,
             std::int64_t ldc, std::int64_t last) {
  if constexpr (R > 1) {
    if (rows < R) {
      tile_of<R - 1, V, kTail>(rows, o, a, added, c, ldc, last);
      return;
    }
  }
  tile<R, V, kTail>(o, a, added, c, ldc, last);
}

// All rows of a panel of V vectors, in tiles of similar height.
template <std::int64_t V>
void panel(std::int64_t vectors, std::int64_t m, const Operands& o, const GemmAddend<>& added, float* c,
           std::int64_t ldc, std::int64_t last) {
  if constexpr (V > 1) {
    if (vectors < V) {
      panel<V - 1>(vectors, m, o, added, c, ldc, last);
      return;
    }
  }
  constexpr std::int64_t kRows = kRowsOf[V];
  auto* run = &tile_of<kRows, V, Tail::whole>;
  if constexpr (kHasTails) {
    run = last == kTileLane       ? run
          : last <= kTileLane / 2 ? &tile_of<kRows, V, Tail::half>
                                  : &tile_of<kRows, V, Tail::part>;
  }
  const std::int64_t tiles = (m + kRows - 1) / kRows;
  for (std::int64_t i = 0, begin = 0; i < tiles; ++i) {
    const std::int64_t rows = m / tiles + (i < m % tiles ? 1 : 0);
    run(rows, o, o.a + begin * o.row_step, added.at(begin, 0), c + begin * ldc, ldc, last);
    begin += rows;
  }
}

// Copies rows [p, p + depth) of `columns` columns of op(B), starting at column `j`, to rows `width` apart. Pads with
// zeros if missing columns are read.
void pack(const GemmShape& s, const float* b, std::int64_t p, std::int64_t depth, std::int64_t j, std::int64_t columns,
          std::int64_t width, float* to) {
  for (std::int64_t q = 0; !kHasTails && columns < width && q < depth; ++q) {
    for (std::int64_t i = columns; i < width; ++i) {
      to[q * width + i] = 0.0F;
    }
  }
  if (!s.transpose_b) {
    const float* from = b + p * s.ldb + j;
    for (std::int64_t q = 0; q < depth; ++q, from += s.ldb, to += width) {
      std::int64_t i = 0;
      for (; i + kTileLane <= columns; i += kTileLane) {
        store(to + i, load(from + i));
      }
      if (i < columns) {
        store_partial(to + i, load_partial(from + i, columns - i), columns - i);
      }
    }
    return;
  }
  const float* from = b + j * s.ldb + p;
  std::int64_t i = 0;
  for (; i + 4 <= columns; i += 4) {
    transpose_rows(from + i * s.ldb, s.ldb, depth, to + i, width);
  }
  for (; i < columns; ++i) {
    for (std::int64_t q = 0; q < depth; ++q) {
      to[q * width + i] = from[i * s.ldb + q];
    }
  }
}

// Whether to read a panel of B in place instead of copying it. With few rows of A this is faster than a copy, and rows
// that do not evict each other from the cache need none. If they are not whole cache lines, many rows of A make a copy
// worthwhile.
bool reads_directly(const GemmShape& s, std::int64_t columns, std::int64_t width, std::int64_t depth) {
  constexpr std::int64_t kFewRows = 8;
  constexpr std::int64_t kSomeRows = 64;
  constexpr std::int64_t kFewPages = 128;
  if (s.transpose_b || (columns < width && !kHasTails)) {
    return false;
  }
  const bool apart = s.ldb % 256 != 0 && depth <= kFewPages;
  return s.m <= kFewRows || s.ldb == width || (apart && (s.ldb % kTileLane == 0 || (kHasTails && s.m <= kSomeRows)));
}

// The product of a column and a row, in the order of C's memory.
void outer_product(const GemmShape& s, float alpha, const float* a, const float* b, const GemmAddend<>& added,
                   float* c) {
  const Batch<float> by(alpha);
  const Batch<float> scale(added.scale);
  for (std::int64_t i = 0; i < s.m; ++i) {
    const Batch<float> x(a[i * (s.transpose_a ? 1 : s.lda)]);
    const float* more = added.from == nullptr ? nullptr : added.from + i * added.step;
    float* to = c + i * s.ldc;
    std::int64_t j = 0;
    for (; j + kTileLane <= s.n; j += kTileLane) {
      const Batch<float> value = by * (x * load(b + j));
      store(to + j, more == nullptr ? value : value + scale * load(more + j));
    }
    if (const std::int64_t last = s.n - j; last > 0) {
      const Batch<float> value = by * (x * load_partial(b + j, last));
      store_partial(to + j, more == nullptr ? value : value + scale * load_partial(more + j, last), last);
    }
  }
}

}  // namespace

void gemm_tiles(const GemmShape& s, float alpha, const float* a, const float* b, const GemmAddend<>& added, float* c,
                float* scratch) {
#if defined(NORMGRAD_SIMD_avx512)
  if (dots_pay(s)) {
    gemm_dots(s, alpha, a, b, added, c);
    return;
  }
#endif
  if (s.k == 1 && !s.transpose_b) {
    outer_product(s, alpha, a, b, added, c);
    return;
  }
  const std::int64_t vectors = (s.n + kTileLane - 1) / kTileLane;
  for (std::int64_t p = 0; p < s.k; p += kGemmDepth) {
    const std::int64_t depth = smaller(kGemmDepth, s.k - p);
    const std::int64_t widest = smaller(kWidest, larger(3, kPanelFloats / (depth * kTileLane)));
    const std::int64_t panels = (vectors + widest - 1) / widest;
    const GemmAddend<> before = p == 0 ? added : GemmAddend<>{c, s.ldc};
    Operands o{a + p * (s.transpose_a ? s.lda : 1),
               s.transpose_a ? 1 : s.lda,
               s.transpose_a ? s.lda : 1,
               scratch,
               0,
               depth,
               alpha};
    for (std::int64_t i = 0, begin = 0; i < panels; ++i) {
      const std::int64_t width = (vectors / panels + (i < vectors % panels ? 1 : 0)) * kTileLane;
      const std::int64_t columns = smaller(width, s.n - begin);
      const bool direct = reads_directly(s, columns, width, depth);
      if (!direct) {
        pack(s, b, p, depth, begin, columns, width, scratch);
      }
      o.b = direct ? b + p * s.ldb + begin : scratch;
      o.b_step = direct ? s.ldb : width;
      panel<kWidest>(width / kTileLane, s.m, o, before.at(0, begin), c + begin, s.ldc, columns - (width - kTileLane));
      begin += width;
    }
  }
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
