// The statistics engine of all normalization layers. BatchNorm, LayerNorm, InstanceNorm, GroupNorm and RMSNorm differ
// only in which elements share a statistic, which share an affine parameter, and whether the mean is subtracted.
//
//   mean = sum(x) / m,  var = sum((x - mean)^2) / m,  rstd = 1 / sqrt(var + eps)        over the m elements of a set
//   xhat = (x - mean) * rstd,  y = xhat * gamma + beta
//   g = gy * gamma,  gx = rstd * (g - mean(g) - xhat * mean(g * xhat)),  ggamma = sum(gy * xhat),  gbeta = sum(gy)
//
// Without centering (RMSNorm), mean is 0 and the term mean(g) is dropped. Ioffe and Szegedy, "Batch Normalization",
// 2015, section 3; Ba, Kiros and Hinton, "Layer Normalization", 2016; Wu and He, "Group Normalization", 2018; Zhang and
// Sennrich, "Root Mean Square Layer Normalization", 2019.
//
// Precision. The arithmetic R of a kernel is float or double. float32 tensors are computed in float, unless
// set_norm_arithmetic(kFloat64) was called: each element in float32, sums in double after short runs in float32, the
// mean and rstd as two float32 each (docs/norms.md). In double, y, gx, ggamma and gbeta are rounded once, when stored,
// and a float32 result is the nearest number (except for ties that float64 does not resolve).
// The moments are one-pass sums of deviations from a pivot, an element of the set or the mean of a few, corrected for
// the pivot's own deviation. If the pivot turns out to be far from the mean, a second pass is made around the mean. A
// constant set has exactly that constant as mean and variance 0, hence y == beta.
//
// Results do not depend on the number of threads: work is divided by size, and sums over rows are merged in row order.
#pragma once

#include <cstddef>
#include <cstdint>

#include "normgrad/core/simd/dispatch.hpp"

namespace normgrad::kernels {

/// x: [rows, params_per_row * inner], with one statistic per row. Element j of row r has the affine parameter (r %
/// param_period) * params_per_row + j / inner. There are param_period * params_per_row parameters, and param_period
/// divides rows.
///
/// LayerNorm and RMSNorm: param_period 1, inner 1. InstanceNorm: param_period C, params_per_row 1, inner H*W.
/// GroupNorm: param_period G, params_per_row C/G, inner H*W. LayerNorm over C, H, W with a parameter per channel:
/// param_period 1, params_per_row C, inner H*W.
struct RowGeometry {
  std::int64_t rows;
  std::int64_t param_period;
  std::int64_t params_per_row;
  std::int64_t inner;

  std::int64_t length() const noexcept { return params_per_row * inner; }
  std::int64_t params() const noexcept { return param_period * params_per_row; }
};

/// x: [batch, channels, spatial], with a statistic and an affine parameter per channel (BatchNorm).
struct ChannelGeometry {
  std::int64_t batch;
  std::int64_t channels;
  std::int64_t spatial;

  std::int64_t count() const noexcept { return batch * spatial; }
  /// Channels to process together: a few kilobytes of each sample, and half of a level 2 cache of the whole batch.
  std::int64_t together() const noexcept {
    const std::int64_t by_sample = 1024 / (spatial > 0 ? spatial : 1);
    const std::int64_t by_batch = (std::int64_t{1} << 16) / (count() > 0 ? count() : 1);
    const std::int64_t both = by_sample < by_batch ? by_sample : by_batch;
    return both > 1 ? both : 1;
  }
};

/// x: [samples, positions, channels], that is, channels-last [N, C, *]. There is a statistic per sample and per group
/// of consecutive channels (`groups` groups), and an affine parameter per channel. At least kMinColumns channels.
struct ChannelsLastGeometry {
  std::int64_t samples;
  std::int64_t positions;
  std::int64_t channels;
  std::int64_t groups;

  std::int64_t per_group() const noexcept { return channels / groups; }
};
inline constexpr std::int64_t kMinColumns = 16;

/// One number per set each.
struct GivenStatistics {
  const double* mean = nullptr;
  const double* rstd = nullptr;
};
struct ComputedStatistics {
  double* mean = nullptr;
  double* rstd = nullptr;
  double* var = nullptr;  ///< biased; null: not needed
};

template <class T>
struct NormForward {
  const T* x;
  const T* gamma = nullptr;  ///< null: 1
  const T* beta = nullptr;   ///< null: 0
  double eps = 0.0;
  bool center = true;                ///< if false, mean is 0 and var is the mean square
  T* y = nullptr;                    ///< null: statistics only
  GivenStatistics given = {};        ///< only for ChannelGeometry: normalizes with these and computes none
  ComputedStatistics computed = {};  ///< receives the statistics of x, unless they are given
  bool relu = false;                 ///< applies max(y, 0); NaN propagates
  bool non_temporal = false;         ///< non-temporal stores of y; chosen by the kernels
  bool per_element = false;          ///< gamma and beta are repeated over their inner size; chosen by the kernels

  bool is_given() const noexcept { return given.mean != nullptr; }
  /// The statistics that y is computed with.
  const double* mean() const noexcept { return is_given() ? given.mean : computed.mean; }
  const double* rstd() const noexcept { return is_given() ? given.rstd : computed.rstd; }
};

template <class T>
struct NormBackward {
  const T* gy;
  const T* x;
  const T* gamma = nullptr;  ///< null: 1
  const double* mean = nullptr;
  const double* rstd = nullptr;
  bool center = true;
  /// The statistics were given: gx = gy * gamma * rstd. Only for ChannelGeometry and without ReLU.
  bool constant_statistics = false;
  T* gx = nullptr;      ///< null: not needed, as for the next two
  T* ggamma = nullptr;  ///< per affine parameter
  T* gbeta = nullptr;
  bool relu = false;          ///< as in the forward: gy is 0 where y is
  const T* beta = nullptr;    ///< of the forward, to recompute where y is 0; null: 0
  bool non_temporal = false;  ///< non-temporal stores of gx; chosen by the kernels
  bool per_element = false;   ///< gamma and beta are repeated over their inner size; chosen by the kernels
};

/// T is float or double in all functions.
template <class T>
void norm_forward(const RowGeometry& g, const NormForward<T>& a);
template <class T>
void norm_backward(const RowGeometry& g, const NormBackward<T>& a);

template <class T>
void norm_forward(const ChannelGeometry& g, const NormForward<T>& a);
template <class T>
void norm_backward(const ChannelGeometry& g, const NormBackward<T>& a);

template <class T>
void norm_forward(const ChannelsLastGeometry& g, const NormForward<T>& a);
template <class T>
void norm_backward(const ChannelsLastGeometry& g, const NormBackward<T>& a);

// The plans: how a norm traverses memory. A plan depends only on the geometry and the element size, never on the number
// of threads or the instruction set, so results depend on neither.

/// The maximum number of elements that a kernel computes at once.
inline constexpr std::int64_t kMaxLanes = 8;

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
  columns,   ///< a matrix [N, C], many columns at a time
  planes,    ///< [N, C, *] plane by plane
  channels,  ///< [N, C, *], a few channels at a time
};
struct ChannelPlan {
  ChannelPath path;
  std::int64_t rows_per_tile;      ///< for ChannelPath::tiles
  bool non_temporal;               ///< whether y and gx use non-temporal stores
  std::int64_t planes_per_task;    ///< for ChannelPath::planes
  std::int64_t channels_per_task;  ///< for ChannelPath::columns and ChannelPath::channels
};
ChannelPlan plan_of(const ChannelGeometry& g, std::size_t element_size) noexcept;

/// Samples with statistics per group of channels (ChannelsLastGeometry).
struct ChannelsLastPlan {
  std::int64_t samples_per_task;   ///< in the forward
  std::int64_t samples_per_block;  ///< in the backward
};
ChannelsLastPlan plan_of(const ChannelsLastGeometry& g) noexcept;

/// The parameters per task when the partial gradients of `blocks` blocks are merged.
std::int64_t merged_params_per_task(std::int64_t params, std::int64_t blocks) noexcept;

/// Whether norms of float32 tensors are computed in float32: as set_norm_arithmetic() says, but never with SSE2.
/// Without fused multiply-adds an element would be rounded once more than docs/norms.md promises.
bool computes_in_float32();

/// Whether there is a kernel for these sets in channels-last format.
bool fits_channels_last(const ChannelGeometry& g) noexcept;
bool fits_channels_last(const RowGeometry& g) noexcept;

// The work of one task, per instruction set. R is the arithmetic, float or double; T is float or R. `partial` is null,
// or ggamma and gbeta of the rows, params() doubles each, are added to it. The backward has a task for rows with a
// parameter per element and one for the others.
NORMGRAD_SIMD_DECLARE(
    template <class T, class R>
    void norm_rows_forward_task(const RowGeometry& g, const NormForward<T>& a, std::int64_t begin, std::int64_t end);
    template <class T, class R>
    void norm_rows_backward_elements_task(const RowGeometry& g, const NormBackward<T>& a, std::int64_t begin,
                                          std::int64_t end, double* partial);
    template <class T, class R>
    void norm_rows_backward_spans_task(const RowGeometry& g, const NormBackward<T>& a, std::int64_t begin,
                                       std::int64_t end, double* partial);
    template <class T, class R> void norm_channels_forward_task(const ChannelGeometry& g, const NormForward<T>& a,
                                                                std::int64_t begin, std::int64_t end);
    template <class T, class R> void norm_channels_backward_task(const ChannelGeometry& g, const NormBackward<T>& a,
                                                                 std::int64_t begin, std::int64_t end);
    template <class T, class R> void norm_columns_forward_task(const ChannelGeometry& g, const NormForward<T>& a,
                                                               std::int64_t begin, std::int64_t end);
    template <class T, class R> void norm_columns_backward_task(const ChannelGeometry& g, const NormBackward<T>& a,
                                                                std::int64_t begin, std::int64_t end);
    // sum(gy) and sum(gy * xhat) per column of rows of [N, C], into 2 * channels doubles.
    template <class T, class R>
    void norm_columns_sums_task(const ChannelGeometry& g, const NormBackward<T>& a, double* sums);
    // gx of rows of [N, C], given these sums over sets of n elements; null sums mean constant statistics.
    template <class T, class R>
    void norm_columns_gradient_task(const ChannelGeometry& g, const NormBackward<T>& a, const double* sums, double n);
    // `sums` has room for 2 * channels doubles, `columns` for 4 * channels.
    template <class T, class R>
    void norm_pixels_forward_task(const ChannelsLastGeometry& g, const NormForward<T>& a, std::int64_t begin,
                                  std::int64_t end, double* sums, double* columns);
    template <class T, class R>
    void norm_pixels_backward_task(const ChannelsLastGeometry& g, const NormBackward<T>& a, std::int64_t begin,
                                   std::int64_t end, double* partial, double* sums, double* columns);)

}  // namespace normgrad::kernels
