#include "normgrad/core/kernels/conv/winograd.hpp"

#include <algorithm>

#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/kernels/elementwise/accumulate.hpp"
#include "normgrad/core/kernels/gemm/gemm.hpp"
#include "normgrad/core/kernels/memory/scratch.hpp"

namespace normgrad::kernels {

namespace {

constexpr std::int64_t kPoints = 16;                       // of a transformed tile
constexpr std::int64_t kMaxPairs = std::int64_t{1} << 14;  // transformed weights stay in the L2 cache
constexpr std::int64_t kMaxTiles = 96;                     // per block
constexpr std::int64_t kMaxSummed = 24;  // per block of the weight gradient: longer sums would increase rounding errors
constexpr std::int64_t kBlockFloats = 96 << 10;            // transformed tiles of x and y in use at a time
constexpr std::int64_t kTaskWork = std::int64_t{1} << 21;  // multiplications
constexpr std::int64_t kMaxTasks = 16;

WinogradGrid grid_of(const ConvGeometry& g) {
  return {g.in[1], g.in[2], g.out[1], g.out[2], g.padding[1], g.padding[2], (g.out[1] + 1) / 2, (g.out[2] + 1) / 2};
}

// Division of the tiles of all images into tasks, by the geometry alone.
struct Plan {
  std::int64_t tiles;
  std::int64_t task;   // tiles per task
  std::int64_t block;  // tiles transformed together
  std::int64_t x_step;
  std::int64_t y_step;

  explicit Plan(const ConvGeometry& g, std::int64_t most_tiles = kMaxTiles) {
    const WinogradGrid grid = grid_of(g);
    tiles = g.n * grid.rows * grid.columns;
    const std::int64_t work = tiles * kPoints * g.c_in * g.c_out;
    const std::int64_t tasks = std::clamp(work / kTaskWork, std::int64_t{1}, kMaxTasks);
    block = std::clamp(kBlockFloats / (kPoints * (g.c_in + g.c_out)) / 12 * 12, std::int64_t{12}, most_tiles);
    task = ((tiles + tasks - 1) / tasks + block - 1) / block * block;
    x_step = winograd_step(block, g.c_in);
    y_step = winograd_step(block, g.c_out);
  }
  std::int64_t tasks() const noexcept { return (tiles + task - 1) / task; }

  // Calls f(begin, count) for each block of a task.
  template <class F>
  void for_each_block(std::int64_t index, F f) const {
    const std::int64_t end = std::min(tiles, (index + 1) * task);
    for (std::int64_t begin = index * task; begin < end; begin += block) {
      f(begin, std::min(block, end - begin));
    }
  }
};

// Rearranges w [c_out, c_in, 3, 3] to [9, c_in, c_out], or to [9, c_out, c_in] with the window rotated by 180 degrees.
void lay_out(const ConvGeometry& g, bool turned, const float* w, float* to) {
  const std::int64_t pairs = g.c_in * g.c_out;
  for (std::int64_t o = 0; o < g.c_out; ++o) {
    for (std::int64_t i = 0; i < g.c_in; ++i, w += 9) {
      float* target = to + (turned ? o * g.c_in + i : i * g.c_out + o);
      for (std::int64_t k = 0; k < 9; ++k) {
        target[(turned ? 8 - k : k) * pairs] = w[k];
      }
    }
  }
}

// Convolves x with the transformed weights.
void convolve(const ConvGeometry& g, const float* x, const float* transformed, const float* bias, bool relu, float* y) {
  const WinogradGrid grid = grid_of(g);
  const Plan plan(g);
  const Scratch<float> zeros(g.c_in);
  std::fill_n(zeros.get(), g.c_in, 0.0F);
  const auto input = NORMGRAD_SIMD_SELECT(winograd_input);
  const auto output = NORMGRAD_SIMD_SELECT(winograd_output);
  const auto multiply = NORMGRAD_SIMD_SELECT(gemm_tiles);
  parallel_tasks(plan.tasks(), [&](std::int64_t task) {
    const Scratch<float> v(kPoints * plan.x_step);
    const Scratch<float> m(kPoints * plan.y_step);
    const Scratch<float> panel(kGemmTilesScratch);
    plan.for_each_block(task, [&](std::int64_t begin, std::int64_t count) {
      input(grid, begin, count, g.c_in, x, zeros.get(), v.get(), plan.x_step);
      const GemmShape shape = GemmShape::dense(false, false, count, g.c_out, g.c_in);
      for (std::int64_t k = 0; k < kPoints; ++k) {
        multiply(shape, 1.0F, v.get() + k * plan.x_step, transformed + k * g.c_in * g.c_out, {},
                 m.get() + k * plan.y_step, panel.get());
      }
      output(grid, begin, count, g.c_out, m.get(), plan.y_step, bias, relu, y);
    });
  });
}

// The rearranged and transformed weights.
class TransformedWeight {
 public:
  TransformedWeight(const ConvGeometry& g, bool turned, const float* w) : transformed_(kPoints * g.c_in * g.c_out) {
    const Scratch<float> plain(9 * g.c_in * g.c_out);
    lay_out(g, turned, w, plain.get());
    NORMGRAD_SIMD_SELECT(winograd_weight)(g.c_in * g.c_out, plain.get(), transformed_.get());
  }
  const float* get() const noexcept { return transformed_.get(); }

 private:
  Scratch<float> transformed_;
};

}  // namespace

bool winograd_serves(const ConvGeometry& g) {
  const auto is_all = [](const ConvGeometry::Sizes& sizes, std::int64_t first, std::int64_t others) {
    return sizes == ConvGeometry::Sizes{first, others, others};
  };
  constexpr std::int64_t kFewTiles = 32;
  const bool has_fma = simd_level() != SimdLevel::sse2 && simd_level() != SimdLevel::generic;
  return g.channels_last && has_fma && g.groups == 1 && is_all(g.kernel, 1, 3) && is_all(g.stride, 1, 1) &&
         is_all(g.dilation, 1, 1) && g.in[0] == 1 && g.padding[0] == 0 && g.padding[1] <= 2 && g.padding[2] <= 2 &&
         g.out == g.natural_out() && g.out[1] >= 4 && g.out[2] >= 4 && g.c_in % 16 == 0 && g.c_out % 16 == 0 &&
         g.c_in * g.c_out <= kMaxPairs && g.n * g.out[1] * g.out[2] >= 4 * kFewTiles;
}

void winograd_forward(const ConvGeometry& g, const float* x, const float* w, const float* bias, float* y, bool relu) {
  const TransformedWeight transformed(g, false, w);
  convolve(g, x, transformed.get(), bias, relu, y);
}

void winograd_backward_input(const ConvGeometry& g, const float* gy, const float* w, float* gx) {
  const TransformedWeight transformed(g, true, w);
  ConvGeometry turned = g;
  std::swap(turned.c_in, turned.c_out);
  std::swap(turned.in, turned.out);
  turned.padding = {0, 2 - g.padding[1], 2 - g.padding[2]};
  convolve(turned, gy, transformed.get(), nullptr, false, gx);
}

void winograd_backward_weight(const ConvGeometry& g, const float* gy, const float* x, float* gw) {
  const WinogradGrid grid = grid_of(g);
  const Plan plan(g, kMaxSummed);
  const std::int64_t pairs = g.c_in * g.c_out;
  const std::int64_t channels = std::max(g.c_in, g.c_out);
  const Scratch<float> zeros(channels);
  std::fill_n(zeros.get(), channels, 0.0F);
  const Scratch<float> partial(plan.tasks() * kPoints * pairs);
  const auto input = NORMGRAD_SIMD_SELECT(winograd_input);
  const auto output_adjoint = NORMGRAD_SIMD_SELECT(winograd_output_adjoint);
  const auto multiply = NORMGRAD_SIMD_SELECT(gemm_tiles);
  parallel_tasks(plan.tasks(), [&](std::int64_t task) {
    const Scratch<float> v(kPoints * plan.x_step);
    const Scratch<float> z(kPoints * plan.y_step);
    const Scratch<float> panel(kGemmTilesScratch);
    float* sum = partial.get() + task * kPoints * pairs;
    bool is_first = true;
    plan.for_each_block(task, [&](std::int64_t begin, std::int64_t count) {
      input(grid, begin, count, g.c_in, x, zeros.get(), v.get(), plan.x_step);
      output_adjoint(grid, begin, count, g.c_out, gy, zeros.get(), z.get(), plan.y_step);
      const GemmShape shape = GemmShape::dense(true, false, g.c_in, g.c_out, count);
      for (std::int64_t k = 0; k < kPoints; ++k) {
        float* to = sum + k * pairs;
        multiply(shape, 1.0F, v.get() + k * plan.x_step, z.get() + k * plan.y_step,
                 is_first ? GemmAddend<>() : GemmAddend<>{to, shape.ldc}, to, panel.get());
      }
      is_first = false;
    });
  });
  for (std::int64_t task = 1; task < plan.tasks(); ++task) {
    accumulate(partial.get() + task * kPoints * pairs, partial.get(), kPoints * pairs);
  }
  const Scratch<float> plain(9 * pairs);
  NORMGRAD_SIMD_SELECT(winograd_weight_adjoint)(pairs, partial.get(), plain.get());
  for (std::int64_t o = 0; o < g.c_out; ++o) {
    for (std::int64_t i = 0; i < g.c_in; ++i) {
      for (std::int64_t k = 0; k < 9; ++k) {
        *gw++ = plain.get()[k * pairs + i * g.c_out + o];
      }
    }
  }
}

}  // namespace normgrad::kernels
