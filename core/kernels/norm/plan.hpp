// How a norm traverses memory. A plan depends only on the geometry and the element size, never on the number of threads
// or the instruction set, so results depend on neither.
#pragma once

#include <cstddef>
#include <cstdint>

#include "normgrad/core/kernels/norm/norm.hpp"

namespace normgrad::kernels {

/// The thresholds of all plans, chosen by timing on a processor with AVX-512. docs/notes/performance.md has the
/// recorded measurements.
namespace norm_thresholds {

/// Elements per task: enough to pay for a thread, few enough to fit in a level 2 cache.
inline constexpr std::int64_t kTaskElements = std::int64_t{1} << 15;
/// Maximum number of blocks of partial parameter gradients, which are merged at the end.
inline constexpr std::int64_t kMaxBlocks = 32;
/// Minimum output size in bytes for non-temporal stores: the four arrays of a forward and a backward no longer fit
/// together in the last-level cache. The size is the cache share of a core or two.
inline constexpr std::int64_t kNonTemporalBytes = std::int64_t{1} << 22;
/// Minimum run length, in elements, for non-temporal stores of runs that begin within a cache line.
inline constexpr std::int64_t kLongRun = 512;
/// Minimum elements of a plane (a channel of a sample) for passes that go plane by plane, contiguously through memory.
/// Going from one plane of a channel to the next takes twice the time.
inline constexpr std::int64_t kLongPlane = 128;
/// Number of rows of a matrix [N, C] above which it is processed in tiles of rows, whose moments and sums are merged.
inline constexpr std::int64_t kTallMatrix = 1024;
/// Minimum rows of such a tile.
inline constexpr std::int64_t kMinTileRows = 256;
/// Columns of [N, C] per task: whole cache lines, and a few registers wide.
inline constexpr std::int64_t kColumnStep = 64;
/// Minimum number of tasks for grouping channels to fit the cache.
inline constexpr std::int64_t kMinTasks = 8;
/// Inner runs shorter than this are processed several at a time.
inline constexpr std::int64_t kShortRun = 128;
/// Maximum elements of a row of parameters that are repeated for runs shorter than a register.
inline constexpr std::int64_t kMaxRepeated = std::int64_t{1} << 16;

}  // namespace norm_thresholds

/// Whether an output of `elements` elements, written in runs, uses non-temporal stores.
bool is_non_temporal(std::int64_t elements, std::size_t element_size, std::int64_t run) noexcept;

/// Rows with one statistic each (RowGeometry).
struct RowPlan {
  bool non_temporal;    ///< whether y and gx use non-temporal stores
  bool repeats_params;  ///< whether parameters are repeated over their runs, so that a row is processed in one piece
  std::int64_t rows_per_task;   ///< in the forward
  std::int64_t rows_per_block;  ///< in the backward: rows whose parameter gradients are summed together
};
RowPlan plan_of(const RowGeometry& g, std::size_t element_size) noexcept;
/// Whether rows have several runs of only a few registers each.
constexpr bool has_short_runs(const RowGeometry& g) noexcept {
  return g.params_per_row > 1 && g.inner >= kMaxLanes && g.inner < norm_thresholds::kShortRun;
}

/// Channels with one statistic each (ChannelGeometry).
enum class ChannelPath {
  tiles,     ///< a tall matrix [N, C] in tiles of rows (channels-last images)
  planes,    ///< [N, C, *] plane by plane
  channels,  ///< channel by channel, or a few columns of [N, C] at a time
};
struct ChannelPlan {
  ChannelPath path;
  std::int64_t rows_per_tile;      ///< for ChannelPath::tiles
  bool non_temporal;               ///< whether y and gx use non-temporal stores
  std::int64_t channels_per_task;  ///< for ChannelPath::channels
};
ChannelPlan plan_of(const ChannelGeometry& g, std::size_t element_size) noexcept;

/// Samples with statistics per group of channels (ChannelsLastGeometry).
struct ChannelsLastPlan {
  std::int64_t samples_per_task;   ///< in the forward
  std::int64_t samples_per_block;  ///< in the backward
};
ChannelsLastPlan plan_of(const ChannelsLastGeometry& g) noexcept;

/// Whether there is a kernel for these sets in channels-last format.
bool fits_channels_last(const ChannelGeometry& g) noexcept;
bool fits_channels_last(const RowGeometry& g) noexcept;

}  // namespace normgrad::kernels
