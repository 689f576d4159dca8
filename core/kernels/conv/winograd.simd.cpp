#include "normgrad/core/kernels/conv/winograd.hpp"
#include "normgrad/core/simd/detail/batch.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

using B = Batch<float>;
constexpr std::int64_t kLane = kLanes<float>;
static_assert(16 % kLane == 0);

struct Four {
  B v[4];
};

// B^T, A, G and their transposes along one axis.
Four input_axis(const B& d0, const B& d1, const B& d2, const B& d3) { return {{d0 - d2, d1 + d2, d2 - d1, d1 - d3}}; }
Four output_adjoint_axis(const B& g0, const B& g1) { return {{g0, g0 + g1, g0 - g1, -g1}}; }
Four weight_axis(const B& w0, const B& w1, const B& w2) {
  const B half(0.5F);
  const B outer = w0 + w2;
  return {{w0, half * (outer + w1), half * (outer - w1), w2}};
}

// Calls f(t, image, row, column) for tiles [begin, begin + count); row and column are those of the tile's first output.
template <class F>
void for_each_tile(const WinogradGrid& g, std::int64_t begin, std::int64_t count, F f) {
  std::int64_t column = begin % g.columns;
  std::int64_t row = begin / g.columns % g.rows;
  std::int64_t image = begin / (g.columns * g.rows);
  for (std::int64_t t = 0; t < count; ++t) {
    f(t, image, 2 * row, 2 * column);
    if (++column == g.columns) {
      column = 0;
      if (++row == g.rows) {
        row = 0;
        ++image;
      }
    }
  }
}

}  // namespace

void winograd_input(const WinogradGrid& g, std::int64_t begin, std::int64_t count, std::int64_t channels,
                    const float* x, const float* zeros, float* to, std::int64_t step) {
  for_each_tile(g, begin, count, [&](std::int64_t t, std::int64_t image, std::int64_t row, std::int64_t column) {
    const float* from[4][4];
    for (std::int64_t i = 0; i < 4; ++i) {
      const std::int64_t h = row + i - g.padding_height;
      for (std::int64_t j = 0; j < 4; ++j) {
        const std::int64_t w = column + j - g.padding_width;
        const bool inside = h >= 0 && h < g.in_height && w >= 0 && w < g.in_width;
        from[i][j] = inside ? x + ((image * g.in_height + h) * g.in_width + w) * channels : zeros;
      }
    }
    for (std::int64_t c = 0; c < channels; c += kLane) {
      Four rows[4];
#pragma GCC unroll 4
      for (std::int64_t i = 0; i < 4; ++i) {
        rows[i] = input_axis(load(from[i][0] + c), load(from[i][1] + c), load(from[i][2] + c), load(from[i][3] + c));
      }
      float* target = to + t * channels + c;
#pragma GCC unroll 4
      for (std::int64_t j = 0; j < 4; ++j) {
        const Four column_of = input_axis(rows[0].v[j], rows[1].v[j], rows[2].v[j], rows[3].v[j]);
#pragma GCC unroll 4
        for (std::int64_t i = 0; i < 4; ++i) {
          store(target + (i * 4 + j) * step, column_of.v[i]);
        }
      }
    }
  });
}

void winograd_output(const WinogradGrid& g, std::int64_t begin, std::int64_t count, std::int64_t channels,
                     const float* m, std::int64_t step, const float* bias, bool relu, float* y) {
  const B zero(0.0F);
  // Keeps NaN.
  const auto put = [=](float* to, const B& v) { store(to, relu ? xsimd::select(v <= zero, zero, v) : v); };
  for_each_tile(g, begin, count, [&](std::int64_t t, std::int64_t image, std::int64_t row, std::int64_t column) {
    float* first = y + ((image * g.out_height + row) * g.out_width + column) * channels;
    const bool has_row = row + 1 < g.out_height;
    const bool has_column = column + 1 < g.out_width;
    const std::int64_t below = g.out_width * channels;
    for (std::int64_t c = 0; c < channels; c += kLane) {
      const float* from = m + t * channels + c;
      B upper[4];
      B lower[4];
#pragma GCC unroll 4
      for (std::int64_t j = 0; j < 4; ++j) {
        const B m1 = load(from + (4 + j) * step);
        const B m2 = load(from + (8 + j) * step);
        upper[j] = load(from + j * step) + m1 + m2;
        lower[j] = m1 - m2 - load(from + (12 + j) * step);
      }
      const B offset = bias == nullptr ? B(0.0F) : load(bias + c);
      float* target = first + c;
      put(target, upper[0] + upper[1] + upper[2] + offset);
      if (has_column) {
        put(target + channels, upper[1] - upper[2] - upper[3] + offset);
      }
      if (has_row) {
        put(target + below, lower[0] + lower[1] + lower[2] + offset);
      }
      if (has_row && has_column) {
        put(target + below + channels, lower[1] - lower[2] - lower[3] + offset);
      }
    }
  });
}

void winograd_output_adjoint(const WinogradGrid& g, std::int64_t begin, std::int64_t count, std::int64_t channels,
                             const float* gy, const float* zeros, float* to, std::int64_t step) {
  for_each_tile(g, begin, count, [&](std::int64_t t, std::int64_t image, std::int64_t row, std::int64_t column) {
    const float* first = gy + ((image * g.out_height + row) * g.out_width + column) * channels;
    const bool has_row = row + 1 < g.out_height;
    const bool has_column = column + 1 < g.out_width;
    const float* right = has_column ? first + channels : zeros;
    const float* below = has_row ? first + g.out_width * channels : zeros;
    const float* corner = has_row && has_column ? first + (g.out_width + 1) * channels : zeros;
    for (std::int64_t c = 0; c < channels; c += kLane) {
      const Four left_column = output_adjoint_axis(load(first + c), load(below + c));
      const Four right_column = output_adjoint_axis(load(right + c), load(corner + c));
      float* target = to + t * channels + c;
#pragma GCC unroll 4
      for (std::int64_t i = 0; i < 4; ++i) {
        const Four row_of = output_adjoint_axis(left_column.v[i], right_column.v[i]);
#pragma GCC unroll 4
        for (std::int64_t j = 0; j < 4; ++j) {
          store(target + (i * 4 + j) * step, row_of.v[j]);
        }
      }
    }
  });
}

void winograd_weight(std::int64_t pairs, const float* w, float* to) {
  for (std::int64_t p = 0; p < pairs; p += kLane) {
    Four columns[3];
#pragma GCC unroll 3
    for (std::int64_t j = 0; j < 3; ++j) {
      columns[j] = weight_axis(load(w + j * pairs + p), load(w + (3 + j) * pairs + p), load(w + (6 + j) * pairs + p));
    }
#pragma GCC unroll 4
    for (std::int64_t i = 0; i < 4; ++i) {
      const Four row = weight_axis(columns[0].v[i], columns[1].v[i], columns[2].v[i]);
#pragma GCC unroll 4
      for (std::int64_t j = 0; j < 4; ++j) {
        store(to + (i * 4 + j) * pairs + p, row.v[j]);
      }
    }
  }
}

void winograd_weight_adjoint(std::int64_t pairs, const float* u, float* w) {
  const B half(0.5F);
  for (std::int64_t p = 0; p < pairs; p += kLane) {
    B rows[3][4];
#pragma GCC unroll 4
    for (std::int64_t j = 0; j < 4; ++j) {
      const B u1 = load(u + (4 + j) * pairs + p);
      const B u2 = load(u + (8 + j) * pairs + p);
      const B mean = half * (u1 + u2);
      rows[0][j] = load(u + j * pairs + p) + mean;
      rows[1][j] = half * (u1 - u2);
      rows[2][j] = mean + load(u + (12 + j) * pairs + p);
    }
#pragma GCC unroll 3
    for (std::int64_t i = 0; i < 3; ++i) {
      const B mean = half * (rows[i][1] + rows[i][2]);
      store(w + (3 * i) * pairs + p, rows[i][0] + mean);
      store(w + (3 * i + 1) * pairs + p, half * (rows[i][1] - rows[i][2]));
      store(w + (3 * i + 2) * pairs + p, mean + rows[i][3]);
    }
  }
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
