// Channels of [N, C, *] whose samples lie far apart: passes over the array go straight through memory, plane by plane
// (a plane is one channel of one sample), rather than from one plane of a channel to the next, which costs twice the
// time. The array is read once for the statistics and once more to be normalised. For the kernels of norm.hpp.
#pragma once

#include "normgrad/core/kernels/norm.hpp"

namespace normgrad::kernels {

/// Whether the planes are long enough; they depend on their length alone.
bool works_in_planes(const ChannelGeometry& g) noexcept;

/// The work of norm_forward and norm_backward or, `given`, of norm_apply and norm_apply_backward.
template <class T>
void planes_forward(const ChannelGeometry& g, const NormForward<T>& a, bool given);
template <class T>
void planes_backward(const ChannelGeometry& g, const NormBackward<T>& a, bool given);

// Planes [begin, end) of one task; results per plane, of N * C.
NORMGRAD_SIMD_DECLARE(
    template <class T> void norm_planes_moments_task(const ChannelGeometry& g, const NormForward<T>& a,
                                                     std::int64_t begin, std::int64_t end, double* means, double* vars);
    template <class T> void norm_planes_merge_task(const ChannelGeometry& g, const NormForward<T>& a,
                                                   const double* means, const double* vars);
    template <class T> void norm_planes_apply_task(const ChannelGeometry& g, const NormForward<T>& a,
                                                   std::int64_t begin, std::int64_t end);
    template <class T> void norm_planes_sums_task(const ChannelGeometry& g, const NormBackward<T>& a,
                                                  std::int64_t begin, std::int64_t end, double* gy, double* gy_xhat);
    // Given sum(gy) and sum(gy * xhat) per channel, or null: with given statistics.
    template <class T>
    void norm_planes_gradient_task(const ChannelGeometry& g, const NormBackward<T>& a, std::int64_t begin,
                                   std::int64_t end, const double* gy, const double* gy_xhat);)

}  // namespace normgrad::kernels
