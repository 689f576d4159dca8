#include "normgrad/core/kernels/norm/planes.hpp"

#include <algorithm>

#include "normgrad/core/base/buffer.hpp"
#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

namespace {

// Calls f(begin, end) for blocks of planes. With `backwards`, starts with the last ones, which are still in the caches
// after a pass.
template <class F>
void for_planes(const ChannelGeometry& g, const ChannelPlan& plan, bool backwards, F f) {
  const std::int64_t planes = g.batch * g.channels;
  parallel_for(planes, plan.planes_per_task, [&](std::int64_t begin, std::int64_t end) {
    backwards ? f(planes - end, planes - begin) : f(begin, end);
  });
}

double* doubles(const Buffer& memory) { return reinterpret_cast<double*>(memory.data()); }

// sums[c] over the samples, in order; also stored in `gradient` unless that is null.
template <class T>
void merge(const ChannelGeometry& g, const double* of_planes, double* sums, T* gradient) {
  std::fill_n(sums, g.channels, 0.0);
  for (std::int64_t n = 0; n < g.batch; ++n) {
    for (std::int64_t c = 0; c < g.channels; ++c) {
      sums[c] += of_planes[n * g.channels + c];
    }
  }
  if (gradient != nullptr) {
    std::transform(sums, sums + g.channels, gradient, [](double sum) { return static_cast<T>(sum); });
  }
}

}  // namespace

template <class T, class R>
void planes_forward(const ChannelGeometry& g, const ChannelPlan& plan, const NormForward<T>& a) {
  const std::int64_t planes = g.batch * g.channels;
  if (!a.is_given()) {
    const auto moments = NORMGRAD_SIMD_SELECT(norm_planes_moments_task<T, R>);
    const Buffer memory(static_cast<std::size_t>(2 * planes) * sizeof(double));
    double* means = doubles(memory);
    for_planes(g, plan, false,
               [&](std::int64_t begin, std::int64_t end) { moments(g, a, begin, end, means, means + planes); });
    NORMGRAD_SIMD_SELECT(norm_planes_merge_task<T>)(g, a, means, means + planes);
  }
  if (a.y != nullptr) {
    const auto apply = NORMGRAD_SIMD_SELECT(norm_planes_apply_task<T, R>);
    for_planes(g, plan, !a.is_given(), [&](std::int64_t begin, std::int64_t end) { apply(g, a, begin, end); });
  }
}

template <class T, class R>
void planes_backward(const ChannelGeometry& g, const ChannelPlan& plan, const NormBackward<T>& a) {
  const std::int64_t planes = g.batch * g.channels;
  const bool summed = !a.constant_statistics || a.ggamma != nullptr || a.gbeta != nullptr;
  const Buffer memory(static_cast<std::size_t>(summed ? 2 * (planes + g.channels) : 0) * sizeof(double));
  double* gy = doubles(memory);
  double* gy_xhat = gy + g.channels;
  if (summed) {
    const auto sums = NORMGRAD_SIMD_SELECT(norm_planes_sums_task<T, R>);
    double* of_planes = gy_xhat + g.channels;
    for_planes(g, plan, false,
               [&](std::int64_t begin, std::int64_t end) { sums(g, a, begin, end, of_planes, of_planes + planes); });
    merge(g, of_planes, gy, a.gbeta);
    merge(g, of_planes + planes, gy_xhat, a.ggamma);
  }
  if (a.gx != nullptr) {
    const auto gradient = NORMGRAD_SIMD_SELECT(norm_planes_gradient_task<T, R>);
    for_planes(g, plan, summed, [&](std::int64_t begin, std::int64_t end) {
      gradient(g, a, begin, end, a.constant_statistics ? nullptr : gy, gy_xhat);
    });
  }
}

#define NORMGRAD_INSTANTIATE(T, R)                                                                       \
  template void planes_forward<T, R>(const ChannelGeometry&, const ChannelPlan&, const NormForward<T>&); \
  template void planes_backward<T, R>(const ChannelGeometry&, const ChannelPlan&, const NormBackward<T>&);
NORMGRAD_INSTANTIATE(float, float)
NORMGRAD_INSTANTIATE(float, double)
NORMGRAD_INSTANTIATE(double, double)
#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels
