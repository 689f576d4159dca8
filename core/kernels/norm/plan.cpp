#include "normgrad/core/kernels/norm/plan.hpp"

#include <algorithm>

#include "normgrad/core/base/even_blocks.hpp"
#include "normgrad/core/base/norm_arithmetic.hpp"
#include "normgrad/core/simd/dispatch.hpp"

namespace normgrad::kernels {

namespace {

// The thresholds of all plans, chosen by timing on a processor with AVX-512. docs/notes/performance.md has the recorded
// measurements. (kShortRun, which the loops use, is in plan.hpp.)

// Elements per task: enough to pay for a thread, few enough to fit in a level 2 cache.
constexpr std::int64_t kTaskElements = std::int64_t{1} << 15;
// Maximum number of blocks of partial parameter gradients, which are merged at the end.
constexpr std::int64_t kMaxBlocks = 32;
// Minimum output size in bytes for non-temporal stores: the four arrays of a forward and a backward no longer fit
// together in the last-level cache. The size is the cache share of a core or two.
constexpr std::int64_t kNonTemporalBytes = std::int64_t{1} << 22;
// Minimum run length, in elements, for non-temporal stores of runs that begin within a cache line.
constexpr std::int64_t kLongRun = 512;
// Minimum elements of a plane (a channel of a sample) for passes that go plane by plane, contiguously through memory.
// Going from one plane of a channel to the next takes twice the time.
constexpr std::int64_t kLongPlane = 128;
// Number of rows of a matrix [N, C] above which it is processed in tiles of rows, whose moments and sums are merged.
constexpr std::int64_t kTallMatrix = 1024;
// Minimum rows of such a tile.
constexpr std::int64_t kMinTileRows = 256;
// Columns of [N, C] per task: whole cache lines, and a few registers wide.
constexpr std::int64_t kColumnStep = 64;
// Minimum number of tasks for grouping channels to fit the cache.
constexpr std::int64_t kMinTasks = 8;
// Maximum elements of a row of parameters that are repeated for runs shorter than a register.
constexpr std::int64_t kMaxRepeated = std::int64_t{1} << 16;
// Parameters per task when partial gradients are merged.
constexpr std::int64_t kMergedParams = std::int64_t{1} << 12;

std::int64_t at_least_one(std::int64_t n) { return std::max<std::int64_t>(1, n); }

// Channels are divided into steps, the last of which takes the remainder, so that no task has only a few columns.
std::int64_t channels_per_task(const ChannelGeometry& g) {
  const std::int64_t step = at_least_one(kTaskElements / at_least_one(g.count()));
  if (g.spatial == 1) {
    return std::max(kColumnStep, step / kColumnStep * kColumnStep);
  }
  return g.channels >= kMinTasks * g.together() ? std::max(step, g.together()) : step;
}

// Every block has 2 * params() partial sums, which must stay few compared with its elements.
std::int64_t rows_per_block(const RowGeometry& g) {
  const std::int64_t samples = g.rows / g.param_period;
  const std::int64_t sample_elements = at_least_one(g.param_period * g.length());
  const std::int64_t worthwhile = has_short_runs(g) ? 8 : (g.inner >= 8 ? 1 : 16);
  const std::int64_t least = std::min<std::int64_t>(worthwhile, ceil_div(samples, 2));
  const std::int64_t block =
      std::max({least, kTaskElements / sample_elements, ceil_div(samples, kMaxBlocks), std::int64_t{1}});
  return block * g.param_period;
}

// Whether an output of `elements` elements, written in runs, uses non-temporal stores.
bool is_non_temporal(std::int64_t elements, std::size_t element_size, std::int64_t run) noexcept {
  const auto size = static_cast<std::int64_t>(element_size);
  return elements * size >= kNonTemporalBytes && (run * size % 64 == 0 || run >= kLongRun);
}

}  // namespace

RowPlan plan_of(const RowGeometry& g, std::size_t element_size) noexcept {
  return {
      .non_temporal = is_non_temporal(g.rows * g.length(), element_size, g.inner > 1 ? g.inner : g.length()),
      // Independent of the number of rows, since no row's result may depend on the others.
      .repeats_params =
          g.inner > 1 && g.inner < kMaxLanes && g.params_per_row > 1 && g.params() * g.inner <= kMaxRepeated,
      .rows_per_task = at_least_one(kTaskElements / at_least_one(g.length())),
      .rows_per_block = rows_per_block(g),
  };
}

ChannelPlan plan_of(const ChannelGeometry& g, std::size_t element_size) noexcept {
  const bool is_tall = g.spatial == 1 && g.channels >= kMinColumns && g.batch > kTallMatrix;
  const bool has_planes = g.spatial >= kLongPlane && g.batch > 0;
  return {
      .path = is_tall      ? ChannelPath::tiles
              : has_planes ? ChannelPath::planes
                           : ChannelPath::channels,
      .rows_per_tile = is_tall ? std::max(kMinTileRows, kTaskElements / g.channels) : 0,
      .non_temporal = g.spatial > 1 && is_non_temporal(g.channels * g.count(), element_size, g.spatial),
      .planes_per_task = at_least_one(kTaskElements / at_least_one(g.spatial)),
      .channels_per_task = channels_per_task(g),
  };
}

ChannelsLastPlan plan_of(const ChannelsLastGeometry& g) noexcept {
  return {
      .samples_per_task = at_least_one(kTaskElements / at_least_one(g.positions * g.channels)),
      .samples_per_block =
          rows_per_block({.rows = g.samples, .param_period = 1, .params_per_row = g.channels, .inner = g.positions}),
  };
}

PoolPlan plan_of(const NormPoolGeometry& g) noexcept {
  const std::int64_t samples = at_least_one(kTaskElements / (g.positions() * g.channels));
  return {
      .bands_per_task = at_least_one(kTaskElements / (g.window_height * g.width * g.channels)),
      .samples_per_task = samples,
      .samples_per_block = std::max(samples, ceil_div(g.samples, kMaxBlocks)),
  };
}

std::int64_t merged_params_per_task(std::int64_t params, std::int64_t blocks) noexcept {
  return blocks * params < kTaskElements ? params : kMergedParams;
}

bool computes_in_float32() { return norm_arithmetic() == kFloat32 && simd_level() != SimdLevel::sse2; }

bool fits_channels_last(const ChannelGeometry& g) noexcept { return g.channels >= kMinColumns; }

bool fits_channels_last(const RowGeometry& g) noexcept {
  return g.inner > 1 && g.length() > 4 && g.params() >= kMinColumns;
}

}  // namespace normgrad::kernels
