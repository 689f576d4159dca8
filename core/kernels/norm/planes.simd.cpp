#include "normgrad/core/kernels/norm/planes.hpp"
#include "normgrad/core/kernels/norm/moments_simd.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

Segments plane_of(const ChannelGeometry& g) { return {1, 0, g.spatial}; }

}  // namespace

template <class T, class R>
void norm_planes_moments_task(const ChannelGeometry& g, const NormForward<T>& a, std::int64_t begin, std::int64_t end,
                              double* means, double* vars) {
  for (std::int64_t p = begin; p < end; ++p) {
    const Moments m = moments_of<R>(a.x + p * g.spatial, plane_of(g), a.center);
    means[p] = m.mean;
    vars[p] = m.var;
  }
}

// All planes have the same length. Starts from the first plane's mean, so that equal means are preserved exactly.
template <class T>
void norm_planes_merge_task(const ChannelGeometry& g, const NormForward<T>& a, const double* means,
                            const double* vars) {
  const auto planes = static_cast<double>(g.batch);
  double* mean = a.computed.mean;
  double* sums = a.computed.rstd;
  for (std::int64_t c = 0; c < g.channels; ++c) {
    mean[c] = means[c];
    sums[c] = 0.0;
  }
  for (std::int64_t n = 1; n < g.batch; ++n) {
    for (std::int64_t c = 0; c < g.channels; ++c) {
      sums[c] += means[n * g.channels + c] - means[c];
    }
  }
  for (std::int64_t c = 0; c < g.channels; ++c) {
    mean[c] += sums[c] / planes;
    sums[c] = 0.0;
  }
  for (std::int64_t n = 0; n < g.batch; ++n) {
    for (std::int64_t c = 0; c < g.channels; ++c) {
      const double delta = means[n * g.channels + c] - mean[c];
      sums[c] += vars[n * g.channels + c] + delta * delta;
    }
  }
  for (std::int64_t c = 0; c < g.channels; ++c) {
    store_moments(a, c, {mean[c], sums[c] / planes});
  }
}

template <class T, class R>
void norm_planes_apply_task(const ChannelGeometry& g, const NormForward<T>& a, std::int64_t begin, std::int64_t end) {
  with_activation<T, R>(a.relu, [&](const auto& activation) {
    for (std::int64_t p = begin; p < end; ++p) {
      const std::int64_t c = p % g.channels;
      if (std::is_same_v<R, float> && !suits_float32(a.mean()[c], a.rstd()[c])) {
        norm_planes_apply_task<T, double>(g, a, p, p + 1);
        continue;
      }
      normalize(a.x + p * g.spatial, plane_of(g), Statistic<R>{a.mean()[c], a.rstd()[c]},
                Uniform{at_or(a.gamma, c, 1.0)}, Uniform{at_or(a.beta, c, 0.0)}, activation, a.y + p * g.spatial,
                a.non_temporal);
    }
  });
  if (a.non_temporal) {
    store_fence();
  }
}

template <class T, class R>
void norm_planes_sums_task(const ChannelGeometry& g, const NormBackward<T>& a, std::int64_t begin, std::int64_t end,
                           double* gy, double* gy_xhat) {
  with_activation<T, R>(a.relu, [&](const auto& activation) {
    for (std::int64_t p = begin; p < end; ++p) {
      const std::int64_t c = p % g.channels;
      if (std::is_same_v<R, float> && !suits_float32(a.mean[c], a.rstd[c])) {
        norm_planes_sums_task<T, double>(g, a, p, p + 1, gy, gy_xhat);
        continue;
      }
      double sums[2];
      gradient_sums(a.gy + p * g.spatial, a.x + p * g.spatial, plane_of(g), Statistic<R>{a.mean[c], a.rstd[c]},
                    Uniform{at_or(a.gamma, c, 1.0)}, Uniform{at_or(a.beta, c, 0.0)}, activation, sums);
      gy[p] = sums[0];
      gy_xhat[p] = sums[1];
    }
  });
}

template <class T, class R>
void norm_planes_gradient_task(const ChannelGeometry& g, const NormBackward<T>& a, std::int64_t begin, std::int64_t end,
                               const double* gy, const double* gy_xhat) {
  const auto n = static_cast<double>(g.count());
  with_activation<T, R>(a.relu, [&](const auto& activation) {
    for (std::int64_t p = begin; p < end; ++p) {
      const std::int64_t c = p % g.channels;
      if (std::is_same_v<R, float> && !suits_float32(a.mean[c], a.rstd[c])) {
        norm_planes_gradient_task<T, double>(g, a, p, p + 1, gy, gy_xhat);
        continue;
      }
      const double gamma = at_or(a.gamma, c, 1.0);
      const Uniform beta{at_or(a.beta, c, 0.0)};
      const T* gy_plane = a.gy + p * g.spatial;
      const T* x = a.x + p * g.spatial;
      T* gx = a.gx + p * g.spatial;
      const Statistic<R> stat{a.mean[c], a.rstd[c]};
      if (gy == nullptr) {
        given_input_gradient(gy_plane, plane_of(g), stat, Uniform{gamma}, gx, a.non_temporal);
        continue;
      }
      const SetTerms terms = set_terms(a.rstd[c], gamma * gy[c], gamma * gy_xhat[c], n, a.center);
      input_gradient(gy_plane, x, plane_of(g), stat, Uniform{gamma}, beta, activation, terms, gx, a.non_temporal);
    }
  });
  if (a.non_temporal) {
    store_fence();
  }
}

#define NORMGRAD_INSTANTIATE(T, R)                                                                            \
  template void norm_planes_moments_task<T, R>(const ChannelGeometry&, const NormForward<T>&, std::int64_t,   \
                                               std::int64_t, double*, double*);                               \
  template void norm_planes_apply_task<T, R>(const ChannelGeometry&, const NormForward<T>&, std::int64_t,     \
                                             std::int64_t);                                                   \
  template void norm_planes_sums_task<T, R>(const ChannelGeometry&, const NormBackward<T>&, std::int64_t,     \
                                            std::int64_t, double*, double*);                                  \
  template void norm_planes_gradient_task<T, R>(const ChannelGeometry&, const NormBackward<T>&, std::int64_t, \
                                                std::int64_t, const double*, const double*);
NORMGRAD_INSTANTIATE(float, float)
NORMGRAD_INSTANTIATE(float, double)
NORMGRAD_INSTANTIATE(double, double)
#undef NORMGRAD_INSTANTIATE
template void norm_planes_merge_task<float>(const ChannelGeometry&, const NormForward<float>&, const double*,
                                            const double*);
template void norm_planes_merge_task<double>(const ChannelGeometry&, const NormForward<double>&, const double*,
                                             const double*);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
