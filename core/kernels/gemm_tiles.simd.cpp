#include "normgrad/core/base/simd_batch.hpp"
#include "normgrad/core/kernels/gemm.hpp"
#include "normgrad/core/kernels/gemm_dots_simd.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

constexpr std::int64_t kLane = kLanes<float>;

// Rows of a tile of C that is V vectors wide: its sums, a row of B and an element of A lie in registers.
#if defined(NORMGRAD_SIMD_avx512)
constexpr std::int64_t kWidest = 4;
constexpr std::int64_t kRowsOf[kWidest + 1] = {0, 14, 12, 9, 6};
#else
constexpr std::int64_t kWidest = 3;
constexpr std::int64_t kRowsOf[kWidest + 1] = {0, 8, 6, 4};
#endif
constexpr std::int64_t kPanelFloats = 7168;  // of B: fits the first-level cache with room to spare
static_assert(kWidest * kLane <= kGemmTilesWidth);

std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
std::int64_t larger(std::int64_t a, std::int64_t b) { return a > b ? a : b; }

struct Operands {
  const float* a;
  std::int64_t row_step;    // of A
  std::int64_t depth_step;  // of A
  const float* b;           // rows of `b_step` elements
  std::int64_t b_step;
  std::int64_t depth;
  float alpha;
  float beta;
};

// Half of a vector, for columns that need no more: AVX-512's arithmetic takes twice the time of that of half the width.
#if defined(NORMGRAD_SIMD_avx512)
constexpr std::int64_t kHalfLane = kLane / 2;
struct Half {
  __m256 lanes = _mm256_setzero_ps();

  void add_product(const Batch<float>& x, const float* row) {
    lanes = _mm256_fmadd_ps(_mm512_castps512_ps256(x), _mm256_loadu_ps(row), lanes);
  }
  Batch<float> whole() const { return _mm512_zextps256_ps512(lanes); }
};
#else
constexpr std::int64_t kHalfLane = 0;
struct Half {
  void add_product(const Batch<float>&, const float*) {}
  Batch<float> whole() const { return Batch<float>(0.0F); }
};
#endif

// c = alpha * A B + beta * c on R rows and V vectors, the last one of `last` elements, half a vector when WithHalf.
template <std::int64_t R, std::int64_t V, bool WithHalf>
void tile(const Operands& o, const float* a, float* c, std::int64_t ldc, std::int64_t last) {
  constexpr std::int64_t kWhole = WithHalf ? V - 1 : V;
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
  for (std::int64_t p = 0; p < o.depth; ++p, a += o.depth_step, b += o.b_step) {
    Batch<float> row[V];
#pragma GCC unroll 8
    for (std::int64_t v = 0; v < kWhole; ++v) {
      row[v] = load(b + v * kLane);
    }
#pragma GCC unroll 16
    for (std::int64_t i = 0; i < R; ++i) {
      const Batch<float> x(a[i * o.row_step]);
#pragma GCC unroll 8
      for (std::int64_t v = 0; v < kWhole; ++v) {
        sum[i][v] = muladd(x, row[v], sum[i][v]);
      }
      if constexpr (WithHalf) {
        half[i].add_product(x, b + kWhole * kLane);
      }
    }
  }
  const Batch<float> alpha(o.alpha);
  const Batch<float> beta(o.beta);
#pragma GCC unroll 16
  for (std::int64_t i = 0; i < R; ++i) {
    if constexpr (WithHalf) {
      sum[i][kWhole] = half[i].whole();
    }
#pragma GCC unroll 8
    for (std::int64_t v = 0; v < V; ++v) {
      float* to = c + i * ldc + v * kLane;
      const Batch<float> value = alpha * sum[i][v];
      if (v + 1 == V && last < kLane) {
        store_partial(to, o.beta == 0.0F ? value : value + beta * load_partial(to, last), last);
      } else {
        store(to, o.beta == 0.0F ? value : value + beta * load(to));
      }
    }
  }
}

template <std::int64_t R, std::int64_t V, bool WithHalf>
void tile_of(std::int64_t rows, const Operands& o, const float* a, float* c, std::int64_t ldc, std::int64_t last) {
  if constexpr (R > 1) {
    if (rows < R) {
      tile_of<R - 1, V, WithHalf>(rows, o, a, c, ldc, last);
      return;
    }
  }
  tile<R, V, WithHalf>(o, a, c, ldc, last);
}

// All rows of a panel of V vectors, in tiles of about the same height.
template <std::int64_t V>
void panel(std::int64_t vectors, std::int64_t m, const Operands& o, float* c, std::int64_t ldc, std::int64_t last) {
  if constexpr (V > 1) {
    if (vectors < V) {
      panel<V - 1>(vectors, m, o, c, ldc, last);
      return;
    }
  }
  constexpr std::int64_t kRows = kRowsOf[V];
  const std::int64_t tiles = (m + kRows - 1) / kRows;
  for (std::int64_t i = 0, begin = 0; i < tiles; ++i) {
    const std::int64_t rows = m / tiles + (i < m % tiles ? 1 : 0);
    const float* a = o.a + begin * o.row_step;
    if (V > 1 && last <= kHalfLane) {
      tile_of<kRows, V, (V > 1 && kHalfLane > 0)>(rows, o, a, c + begin * ldc, ldc, last);
    } else {
      tile_of<kRows, V, false>(rows, o, a, c + begin * ldc, ldc, last);
    }
    begin += rows;
  }
}

#if defined(__SSE__)
// to[j * to_step + i] = from[i * from_step + j] for 4 x 4 elements.
void transpose_4x4(const float* from, std::int64_t from_step, float* to, std::int64_t to_step) {
  __m128 r0 = _mm_loadu_ps(from);
  __m128 r1 = _mm_loadu_ps(from + from_step);
  __m128 r2 = _mm_loadu_ps(from + 2 * from_step);
  __m128 r3 = _mm_loadu_ps(from + 3 * from_step);
  _MM_TRANSPOSE4_PS(r0, r1, r2, r3);
  _mm_storeu_ps(to, r0);
  _mm_storeu_ps(to + to_step, r1);
  _mm_storeu_ps(to + 2 * to_step, r2);
  _mm_storeu_ps(to + 3 * to_step, r3);
}
#else
void transpose_4x4(const float* from, std::int64_t from_step, float* to, std::int64_t to_step) {
  for (std::int64_t i = 0; i < 4; ++i) {
    for (std::int64_t j = 0; j < 4; ++j) {
      to[j * to_step + i] = from[i * from_step + j];
    }
  }
}
#endif

// Rows [p, p + depth) of `columns` columns of op(B) from `j` on, `width` apart, filled up with zeros.
void pack(const GemmShape& s, const float* b, std::int64_t p, std::int64_t depth, std::int64_t j, std::int64_t columns,
          std::int64_t width, float* to) {
  for (std::int64_t q = 0; columns < width && q < depth; ++q) {
    for (std::int64_t i = columns; i < width; ++i) {
      to[q * width + i] = 0.0F;
    }
  }
  if (!s.transpose_b) {
    const float* from = b + p * s.ldb + j;
    for (std::int64_t q = 0; q < depth; ++q, from += s.ldb, to += width) {
      std::int64_t i = 0;
      for (; i + kLane <= columns; i += kLane) {
        store(to + i, load(from + i));
      }
      if (i < columns) {
        store_partial(to + i, load_partial(from + i, columns - i), columns - i);
      }
    }
    return;
  }
  const float* from = b + j * s.ldb + p;
  for (std::int64_t i = 0; i < columns; i += 4) {
    std::int64_t q = 0;
    for (; i + 4 <= columns && q + 4 <= depth; q += 4) {
      transpose_4x4(from + i * s.ldb + q, s.ldb, to + q * width + i, width);
    }
    for (; q < depth; ++q) {
      for (std::int64_t k = i; k < smaller(columns, i + 4); ++k) {
        to[q * width + k] = from[k * s.ldb + q];
      }
    }
  }
}

// Whether whole panels of B are better read as they lie than copied: few rows of A are done before a copy would be, and
// whole cache lines that do not push each other out need none.
bool reads_directly(const GemmShape& s, std::int64_t width, std::int64_t depth) {
  constexpr std::int64_t kFewRows = 8;
  constexpr std::int64_t kFewPages = 128;
  const bool lines = s.ldb % 16 == 0 && s.ldb % 256 != 0 && depth <= kFewPages;
  return !s.transpose_b && (s.m <= kFewRows || s.ldb == width || lines);
}

}  // namespace

void gemm_tiles(const GemmShape& s, float alpha, const float* a, const float* b, float beta, float* c, float* scratch) {
#if defined(NORMGRAD_SIMD_avx512)
  if (dots_pay(s)) {
    gemm_dots(s, alpha, a, b, beta, c);
    return;
  }
#endif
  const std::int64_t vectors = (s.n + kLane - 1) / kLane;
  for (std::int64_t p = 0; p < s.k; p += kGemmTilesDepth) {
    const std::int64_t depth = smaller(kGemmTilesDepth, s.k - p);
    const std::int64_t widest = smaller(kWidest, larger(3, kPanelFloats / (depth * kLane)));
    const std::int64_t panels = (vectors + widest - 1) / widest;
    Operands o{a + p * (s.transpose_a ? s.lda : 1),
               s.transpose_a ? 1 : s.lda,
               s.transpose_a ? s.lda : 1,
               scratch,
               0,
               depth,
               alpha,
               p == 0 ? beta : 1.0F};
    for (std::int64_t i = 0, begin = 0; i < panels; ++i) {
      const std::int64_t width = (vectors / panels + (i < vectors % panels ? 1 : 0)) * kLane;
      const std::int64_t columns = smaller(width, s.n - begin);
      const bool direct = columns == width && reads_directly(s, width, depth);
      if (!direct) {
        pack(s, b, p, depth, begin, columns, width, scratch);
      }
      o.b = direct ? b + p * s.ldb + begin : scratch;
      o.b_step = direct ? s.ldb : width;
      panel<kWidest>(width / kLane, s.m, o, c + begin, s.ldc, columns - (width - kLane));
      begin += width;
    }
  }
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
