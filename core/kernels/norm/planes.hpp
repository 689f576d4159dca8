// Channels of [N, C, *] whose samples are far apart in memory. Passes go contiguously, plane by plane (a plane is one
// channel of one sample). Going from one plane of a channel to the next takes twice the time. The array is read once
// for the statistics and once to normalize it. For the kernels of norm.hpp.
#pragma once

#include "normgrad/core/kernels/norm/norm.hpp"

namespace normgrad::kernels {

/// Implements norm_forward and norm_backward. R is the arithmetic.
template <class T, class R>
void planes_forward(const ChannelGeometry& g, const ChannelPlan& plan, const NormForward<T>& a);
template <class T, class R>
void planes_backward(const ChannelGeometry& g, const ChannelPlan& plan, const NormBackward<T>& a);

// Planes [begin, end) of one task. Results are per plane; there are N * C planes.
NORMGRAD_SIMD_DECLARE(template <class T, class R>
                      void norm_planes_moments_task(const ChannelGeometry& g, const NormForward<T>& a,
                                                    std::int64_t begin, std::int64_t end, double* means, double* vars);
                      template <class T> void norm_planes_merge_task(const ChannelGeometry& g, const NormForward<T>& a,
                                                                     const double* means, const double* vars);
                      template <class T, class R>
                      void norm_planes_apply_task(const ChannelGeometry& g, const NormForward<T>& a, std::int64_t begin,
                                                  std::int64_t end);
                      template <class T, class R>
                      void norm_planes_sums_task(const ChannelGeometry& g, const NormBackward<T>& a, std::int64_t begin,
                                                 std::int64_t end, double* gy, double* gy_xhat);
                      // Takes sum(gy) and sum(gy * xhat) per channel; null means constant statistics.
                      template <class T, class R>
                      void norm_planes_gradient_task(const ChannelGeometry& g, const NormBackward<T>& a,
                                                     std::int64_t begin, std::int64_t end, const double* gy,
                                                     const double* gy_xhat);)

}  // namespace normgrad::kernels
