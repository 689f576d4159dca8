// How a norm traverses memory. A plan depends only on the geometry and the element size, never on the number of threads
// or the instruction set, so results depend on neither.
#pragma once

#include <cstddef>
#include <cstdint>

#include "normgrad/core/kernels/norm/fused_pool.hpp"
#include "normgrad/core/kernels/norm/norm.hpp"

namespace normgrad::kernels {

/// Rows with one statistic each (RowGeometry).
struct RowPlan {
  bool non_temporal;    ///< whether y and gx use non-temporal stores
  bool repeats_params;  ///< whether parameters are repeated over their runs, so that a row is processed in one piece
  std::int64_t rows_per_task;   ///< in the forward
  std::int64_t rows_per_block;  ///< in the backward: rows whose parameter gradients are summed together
};
RowPlan plan_of(const RowGeometry& g, std::size_t element_size) noexcept;
/// Inner runs shorter than this are processed several at a time.
inline constexpr std::int64_t kShortRun = 128;
/// Whether rows have several runs of only a few registers each.
constexpr bool has_short_runs(const RowGeometry& g) noexcept {
  return g.params_per_row > 1 && g.inner >= kMaxLanes && g.inner < kShortRun;
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
  std::int64_t planes_per_task;    ///< for ChannelPath::planes
  std::int64_t channels_per_task;  ///< for ChannelPath::channels
};
ChannelPlan plan_of(const ChannelGeometry& g, std::size_t element_size) noexcept;

/// Samples with statistics per group of channels (ChannelsLastGeometry).
struct ChannelsLastPlan {
  std::int64_t samples_per_task;   ///< in the forward
  std::int64_t samples_per_block;  ///< in the backward
};
ChannelsLastPlan plan_of(const ChannelsLastGeometry& g) noexcept;

/// A norm fused with pooling (NormPoolGeometry).
struct PoolPlan {
  std::int64_t bands_per_task;     ///< for statistics over all samples
  std::int64_t samples_per_task;   ///< for statistics per sample, in the forward
  std::int64_t samples_per_block;  ///< in the backward
};
PoolPlan plan_of(const NormPoolGeometry& g) noexcept;

/// The parameters per task when the partial gradients of `blocks` blocks are merged.
std::int64_t merged_params_per_task(std::int64_t params, std::int64_t blocks) noexcept;

/// Whether norms of float32 tensors are computed in float32: as set_norm_arithmetic() says, but never with SSE2.
/// Without fused multiply-adds an element would be rounded once more than docs/norms.md promises.
bool computes_in_float32();

/// Whether there is a kernel for these sets in channels-last format.
bool fits_channels_last(const ChannelGeometry& g) noexcept;
bool fits_channels_last(const RowGeometry& g) noexcept;

}  // namespace normgrad::kernels
