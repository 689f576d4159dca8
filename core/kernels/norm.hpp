// The statistics engine of all normalization layers: which elements share a statistic, which share an affine parameter,
// and whether the mean is removed is all that BatchNorm, LayerNorm, InstanceNorm, GroupNorm and RMSNorm differ in.
//
//   mean = sum(x) / m,  var = sum((x - mean)^2) / m,  rstd = 1 / sqrt(var + eps)        over the m elements of a set
//   xhat = (x - mean) * rstd,  y = xhat * gamma + beta
//   g = gy * gamma,  gx = rstd * (g - mean(g) - xhat * mean(g * xhat)),  ggamma = sum(gy * xhat),  gbeta = sum(gy)
//
// Without centring (RMSNorm) mean is 0 and the term mean(g) is dropped. Ioffe and Szegedy, "Batch Normalization", 2015,
// section 3; Ba, Kiros and Hinton, "Layer Normalization", 2016; Wu and He, "Group Normalization", 2018; Zhang and
// Sennrich, "Root Mean Square Layer Normalization", 2019.
//
// Precision. All of it is computed in float64, and y, gx, ggamma and gbeta are rounded once, when they are stored: in
// float32 that is the nearest number there is (but for ties that float64 does not see), whatever the size of mean, std
// and set. The moments are sums of deviations from an element of the set, corrected for that element's own deviation,
// in one pass; where it turns out to be far from the mean, a second pass is around the mean. A constant set has exactly
// that constant as mean and variance 0, hence y == beta.
//
// Results do not depend on the number of threads: work is cut by size, sums over rows merge in the order of the rows.
#pragma once

#include <cstdint>

#include "normgrad/core/base/simd.hpp"

namespace normgrad::kernels {

/// x: [rows, per_row * span], a statistic per row; element j of row r has the affine parameter
/// (r % cycle) * per_row + j / span, so there are cycle * per_row of them and `cycle` divides `rows`.
///
/// LayerNorm and RMSNorm: cycle 1, span 1. InstanceNorm: cycle C, per_row 1, span H*W. GroupNorm: cycle G, per_row C/G,
/// span H*W. LayerNorm over C, H, W with a parameter per channel: cycle 1, per_row C, span H*W.
struct RowGeometry {
  std::int64_t rows;
  std::int64_t cycle;
  std::int64_t per_row;
  std::int64_t span;

  std::int64_t length() const noexcept { return per_row * span; }
  std::int64_t params() const noexcept { return cycle * per_row; }
};

/// x: [batch, channels, spatial], a statistic and an affine parameter per channel (BatchNorm).
struct ChannelGeometry {
  std::int64_t batch;
  std::int64_t channels;
  std::int64_t spatial;

  std::int64_t count() const noexcept { return batch * spatial; }
  /// Channels to work on at the same time: a few kilobytes of each sample, half of a level 2 cache of the batch.
  std::int64_t together() const noexcept {
    const std::int64_t by_sample = 1024 / (spatial > 0 ? spatial : 1);
    const std::int64_t by_batch = (std::int64_t{1} << 16) / (count() > 0 ? count() : 1);
    const std::int64_t both = by_sample < by_batch ? by_sample : by_batch;
    return both > 1 ? both : 1;
  }
};

/// x: [samples, positions, channels], that is [N, C, *] channels last: a statistic for each sample and each of `groups`
/// groups of neighbouring channels, an affine parameter per channel. At least kLeastColumns channels.
struct PixelGeometry {
  std::int64_t samples;
  std::int64_t positions;
  std::int64_t channels;
  std::int64_t groups;

  std::int64_t per_group() const noexcept { return channels / groups; }
};
inline constexpr std::int64_t kLeastColumns = 16;

template <class T>
struct NormForward {
  const T* x;
  const T* gamma;  ///< null: 1
  const T* beta;   ///< null: 0
  double eps;
  bool centre;               ///< false: mean stays 0 and var is the mean square
  T* y;                      ///< null: statistics only (not with given ones)
  double* mean;              ///< per set; read instead of written when the statistics are given
  double* rstd;              ///< as mean
  double* var;               ///< per set, biased; null: not wanted
  bool relu = false;         ///< y is 0 where it is not above 0; NaN stays
  bool past_caches = false;  ///< how to write y; the kernels decide
  bool per_element = false;  ///< gamma and beta are repeated over their spans; the kernels decide
};

template <class T>
struct NormBackward {
  const T* gy;
  const T* x;
  const T* gamma;  ///< null: 1
  const double* mean;
  const double* rstd;
  bool centre;
  T* gx;      ///< null: not wanted; likewise the next two
  T* ggamma;  ///< per affine parameter
  T* gbeta;
  bool relu = false;         ///< as in the forward: gy counts as 0 where y is
  const T* beta = nullptr;   ///< the forward's, from which it is known where that is; null: 0
  bool past_caches = false;  ///< how to write gx; the kernels decide
  bool per_element = false;  ///< gamma and beta are repeated over their spans; the kernels decide
};

/// T is float or double in all of these.
template <class T>
void norm_forward(const RowGeometry& g, const NormForward<T>& a);
template <class T>
void norm_backward(const RowGeometry& g, const NormBackward<T>& a);

template <class T>
void norm_forward(const ChannelGeometry& g, const NormForward<T>& a);
template <class T>
void norm_backward(const ChannelGeometry& g, const NormBackward<T>& a);

template <class T>
void norm_forward(const PixelGeometry& g, const NormForward<T>& a);
template <class T>
void norm_backward(const PixelGeometry& g, const NormBackward<T>& a);

/// With given statistics, which are constants: gx = gy * gamma * rstd. The backward takes no ReLU.
template <class T>
void norm_apply(const ChannelGeometry& g, const NormForward<T>& a);
template <class T>
void norm_apply_backward(const ChannelGeometry& g, const NormBackward<T>& a);

/// The most elements that a kernel computes at once.
inline constexpr std::int64_t kMostLanes = 8;
/// Whether rows have several spans, each of a few registers only.
inline bool has_short_spans(const RowGeometry& g) {
  constexpr std::int64_t kShortSpan = 128;
  return g.per_row > 1 && g.span >= kMostLanes && g.span < kShortSpan;
}

// The parts of the work that one task does, per instruction set.
// `partial` is null or takes ggamma and gbeta of the rows as 2 * params() doubles.
NORMGRAD_SIMD_DECLARE(
    template <class T>
    void norm_rows_forward_task(const RowGeometry& g, const NormForward<T>& a, std::int64_t begin, std::int64_t end);
    template <class T> void norm_rows_backward_task(const RowGeometry& g, const NormBackward<T>& a, std::int64_t begin,
                                                    std::int64_t end, double* partial);
    template <class T> void norm_channels_forward_task(const ChannelGeometry& g, const NormForward<T>& a, bool given,
                                                       std::int64_t begin, std::int64_t end);
    template <class T> void norm_channels_backward_task(const ChannelGeometry& g, const NormBackward<T>& a, bool given,
                                                        std::int64_t begin, std::int64_t end);
    // sum(gy) and sum(gy * xhat) per column of rows of [N, C], into 2 * channels doubles.
    template <class T> void norm_columns_sums_task(const ChannelGeometry& g, const NormBackward<T>& a, double* sums);
    // gx of rows of [N, C], given these sums of sets of n elements; null: with given statistics.
    template <class T>
    void norm_columns_gradient_task(const ChannelGeometry& g, const NormBackward<T>& a, const double* sums, double n);
    // `sums` has room for 2 * channels doubles, `columns` for 4 * channels.
    template <class T>
    void norm_pixels_forward_task(const PixelGeometry& g, const NormForward<T>& a, std::int64_t begin, std::int64_t end,
                                  double* sums, double* columns);
    template <class T>
    void norm_pixels_backward_task(const PixelGeometry& g, const NormBackward<T>& a, std::int64_t begin,
                                   std::int64_t end, double* partial, double* sums, double* columns);)

}  // namespace normgrad::kernels
