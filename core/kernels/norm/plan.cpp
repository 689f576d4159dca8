#include "normgrad/core/kernels/norm/plan.hpp"

#include <algorithm>

#include "normgrad/core/base/even_blocks.hpp"

namespace normgrad::kernels {

using namespace norm_thresholds;

namespace {

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

}  // namespace

bool is_non_temporal(std::int64_t elements, std::size_t element_size, std::int64_t run) noexcept {
  const auto size = static_cast<std::int64_t>(element_size);
  return elements * size >= kNonTemporalBytes && (run * size % 64 == 0 || run >= kLongRun);
}

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

bool fits_channels_last(const ChannelGeometry& g) noexcept { return g.channels >= kMinColumns; }

bool fits_channels_last(const RowGeometry& g) noexcept {
  return g.inner > 1 && g.length() > 4 && g.params() >= kMinColumns;
}

}  // namespace normgrad::kernels
