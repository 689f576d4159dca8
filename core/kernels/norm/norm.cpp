#include "normgrad/core/kernels/norm/norm.hpp"

#include <algorithm>
#include <type_traits>

#include "normgrad/core/base/even_blocks.hpp"
#include "normgrad/core/base/norm_arithmetic.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/kernels/norm/fused_pool.hpp"
#include "normgrad/core/kernels/norm/planes.hpp"
#include "normgrad/core/kernels/norm/rows.hpp"
#include "normgrad/core/kernels/norm/tiles.hpp"

namespace normgrad::kernels {

namespace {

// The thresholds of all plans, chosen by timing on a processor with AVX-512. docs/notes/performance.md has the recorded
// measurements. (kShortRun, which the loops use, is in norm.hpp.)

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
  const bool is_matrix = g.spatial == 1 && g.batch > 0;
  const bool is_tall = is_matrix && g.channels >= kMinColumns && g.batch > kTallMatrix;
  const bool has_planes = g.spatial >= kLongPlane && g.batch > 0;
  return {
      .path = is_tall      ? ChannelPath::tiles
              : is_matrix  ? ChannelPath::columns
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

namespace {

// Runs the task for the channels of each step of the plan.
template <class Args>
void for_channels(const ChannelGeometry& g, const ChannelPlan& plan, const Args& a,
                  void (*task)(const ChannelGeometry&, const Args&, std::int64_t, std::int64_t)) {
  const std::int64_t step = plan.channels_per_task;
  const std::int64_t tasks = std::max<std::int64_t>(1, g.channels / step);
  if (tasks == 1) {
    task(g, a, 0, g.channels);
    return;
  }
  parallel_tasks(tasks, [&](std::int64_t i) { task(g, a, i * step, i + 1 == tasks ? g.channels : (i + 1) * step); });
}

template <class T, class R>
void channels_forward(const ChannelGeometry& g, const NormForward<T>& args) {
  NormForward<T> a = args;
  const ChannelPlan plan = plan_of(g, sizeof(T));
  a.non_temporal = plan.non_temporal;
  switch (plan.path) {
    case ChannelPath::tiles:
      tiles_forward<T, R>(g, plan, a);
      break;
    case ChannelPath::columns:
      for_channels(g, plan, a, NORMGRAD_SIMD_SELECT(norm_columns_forward_task<T, R>));
      break;
    case ChannelPath::planes:
      planes_forward<T, R>(g, plan, a);
      break;
    case ChannelPath::channels:
      for_channels(g, plan, a, NORMGRAD_SIMD_SELECT(norm_channels_forward_task<T, R>));
      break;
  }
}

template <class T, class R>
void channels_backward(const ChannelGeometry& g, const NormBackward<T>& args) {
  NormBackward<T> a = args;
  const ChannelPlan plan = plan_of(g, sizeof(T));
  a.non_temporal = plan.non_temporal;
  switch (plan.path) {
    case ChannelPath::tiles:
      tiles_backward<T, R>(g, plan, a);
      break;
    case ChannelPath::columns:
      for_channels(g, plan, a, NORMGRAD_SIMD_SELECT(norm_columns_backward_task<T, R>));
      break;
    case ChannelPath::planes:
      planes_backward<T, R>(g, plan, a);
      break;
    case ChannelPath::channels:
      for_channels(g, plan, a, NORMGRAD_SIMD_SELECT(norm_channels_backward_task<T, R>));
      break;
  }
}

// Whether norms of T are computed in float32.
template <class T>
bool in_float32() {
  return std::is_same_v<T, float> && computes_in_float32();
}
// Rows that are too short for a register take as long in float64.
template <class T>
bool in_float32(const RowGeometry& g) {
  return in_float32<T>() && g.length() >= kMaxLanes;
}

}  // namespace

template <class T>
void norm_forward(const RowGeometry& g, const NormForward<T>& a) {
  const RowPlan plan = plan_of(g, sizeof(T));
  in_float32<T>(g) ? rows_forward<T, T>(g, plan, a) : rows_forward<T, double>(g, plan, a);
}
template <class T>
void norm_backward(const RowGeometry& g, const NormBackward<T>& a) {
  const RowPlan plan = plan_of(g, sizeof(T));
  in_float32<T>(g) ? rows_backward<T, T>(g, plan, a) : rows_backward<T, double>(g, plan, a);
}
template <class T>
void norm_forward(const ChannelGeometry& g, const NormForward<T>& a) {
  in_float32<T>() ? channels_forward<T, T>(g, a) : channels_forward<T, double>(g, a);
}
template <class T>
void norm_backward(const ChannelGeometry& g, const NormBackward<T>& a) {
  in_float32<T>() ? channels_backward<T, T>(g, a) : channels_backward<T, double>(g, a);
}
template <class T>
void norm_forward(const ChannelsLastGeometry& g, const NormForward<T>& a) {
  const ChannelsLastPlan plan = plan_of(g);
  in_float32<T>() ? pixels_forward<T, T>(g, plan, a) : pixels_forward<T, double>(g, plan, a);
}
template <class T>
void norm_backward(const ChannelsLastGeometry& g, const NormBackward<T>& a) {
  const ChannelsLastPlan plan = plan_of(g);
  in_float32<T>() ? pixels_backward<T, T>(g, plan, a) : pixels_backward<T, double>(g, plan, a);
}

#define NORMGRAD_INSTANTIATE(T)                                                      \
  template void norm_forward<T>(const RowGeometry&, const NormForward<T>&);          \
  template void norm_backward<T>(const RowGeometry&, const NormBackward<T>&);        \
  template void norm_forward<T>(const ChannelGeometry&, const NormForward<T>&);      \
  template void norm_backward<T>(const ChannelGeometry&, const NormBackward<T>&);    \
  template void norm_forward<T>(const ChannelsLastGeometry&, const NormForward<T>&); \
  template void norm_backward<T>(const ChannelsLastGeometry&, const NormBackward<T>&);
NORMGRAD_INSTANTIATE(float)
NORMGRAD_INSTANTIATE(double)
#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels
