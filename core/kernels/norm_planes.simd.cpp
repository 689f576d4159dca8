#include "normgrad/core/kernels/norm_planes.hpp"
#include "normgrad/core/kernels/norm_parts_simd.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

template <class T>
void norm_planes_moments_task(const ChannelGeometry& g, const NormForward<T>& a, std::int64_t begin, std::int64_t end,
                              double* means, double* vars) {
  constexpr std::int64_t kTogether = 4;  // none waits for the pivot of another
  for (std::int64_t p = begin; p < end; p += kTogether) {
    const std::int64_t size = end - p < kTogether ? end - p : kTogether;
    Uniform pivots[kTogether];
    for (std::int64_t i = 0; i < size; ++i) {
      pivots[i] = first_pivot(a.x + (p + i) * g.spatial, g.spatial, a.centre);
    }
    for (std::int64_t i = 0; i < size; ++i) {
      const Moments m = neighbour_moments(a.x + (p + i) * g.spatial, g.spatial, a.centre, pivots[i]);
      means[p + i] = m.mean;
      vars[p + i] = m.var;
    }
  }
}

// All planes are of one length. From the first one's mean on, so that equal means stay what they are.
template <class T>
void norm_planes_merge_task(const ChannelGeometry& g, const NormForward<T>& a, const double* means,
                            const double* vars) {
  const auto planes = static_cast<double>(g.batch);
  for (std::int64_t c = 0; c < g.channels; ++c) {
    a.mean[c] = means[c];
    a.rstd[c] = 0.0;
  }
  double* sums = a.rstd;
  for (std::int64_t n = 1; n < g.batch; ++n) {
    for (std::int64_t c = 0; c < g.channels; ++c) {
      sums[c] += means[n * g.channels + c] - means[c];
    }
  }
  for (std::int64_t c = 0; c < g.channels; ++c) {
    a.mean[c] += sums[c] / planes;
    sums[c] = 0.0;
  }
  for (std::int64_t n = 0; n < g.batch; ++n) {
    for (std::int64_t c = 0; c < g.channels; ++c) {
      const double delta = means[n * g.channels + c] - a.mean[c];
      sums[c] += vars[n * g.channels + c] + delta * delta;
    }
  }
  const Segments channel{g.batch, g.channels * g.spatial, g.spatial};
  for (std::int64_t c = 0; c < g.channels; ++c) {
    Moments m{a.mean[c], sums[c] / planes};
    if (std::is_same_v<T, float> && is_out_of_range(m.var * channel.size(), channel.size(), a.eps)) {
      m = exact_moments(a.x + c * g.spatial, channel, a.centre);
      a.mean[c] = m.mean;
    }
    a.rstd[c] = m.rstd(a.eps);
    if (a.var != nullptr) {
      a.var[c] = m.var;
    }
  }
}

template <class T>
void norm_planes_apply_task(const ChannelGeometry& g, const NormForward<T>& a, std::int64_t begin, std::int64_t end) {
  const Segments plane{1, 0, g.spatial};
  for (std::int64_t p = begin; p < end; ++p) {
    const std::int64_t c = p % g.channels;
    const Uniform gamma{a.gamma == nullptr ? 1.0 : static_cast<double>(a.gamma[c])};
    const Uniform beta{a.beta == nullptr ? 0.0 : static_cast<double>(a.beta[c])};
    normalise(a.x + p * g.spatial, plane, false, statistic<T>(a.mean[c], a.rstd[c]), gamma, beta, a.y + p * g.spatial,
              a.past_caches);
  }
  if (a.past_caches) {
    end_stream();
  }
}

template <class T>
void norm_planes_sums_task(const ChannelGeometry& g, const NormBackward<T>& a, std::int64_t begin, std::int64_t end,
                           double* gy, double* gy_xhat) {
  for (std::int64_t p = begin; p < end; ++p) {
    const std::int64_t c = p % g.channels;
    double sums[2];
    gradient_sums(a.gy + p * g.spatial, a.x + p * g.spatial, Segments{1, 0, g.spatial}, false,
                  statistic<T>(a.mean[c], a.rstd[c]), sums);
    gy[p] = sums[0];
    gy_xhat[p] = sums[1];
  }
}

template <class T>
void norm_planes_gradient_task(const ChannelGeometry& g, const NormBackward<T>& a, std::int64_t begin, std::int64_t end,
                               const double* gy, const double* gy_xhat) {
  const Segments plane{1, 0, g.spatial};
  const auto n = static_cast<double>(g.count());
  for (std::int64_t p = begin; p < end; ++p) {
    const std::int64_t c = p % g.channels;
    const Uniform gamma{a.gamma == nullptr ? 1.0 : static_cast<double>(a.gamma[c])};
    const T* gy_plane = a.gy + p * g.spatial;
    T* gx = a.gx + p * g.spatial;
    if (gy == nullptr) {
      const Uniform scale{gamma.value * a.rstd[c]};
      map(plane, gx, a.past_caches,
          [=]<class V>(std::int64_t i, std::int64_t j) { return load_as<V>(gy_plane + i) * scale.template at<V>(j); });
      continue;
    }
    const SetTerms terms = set_terms(a.rstd[c], gamma.value * gy[c], gamma.value * gy_xhat[c], n, a.centre);
    input_gradient(gy_plane, a.x + p * g.spatial, plane, false, statistic<T>(a.mean[c], a.rstd[c]), gamma, terms, gx,
                   a.past_caches);
  }
  if (a.past_caches) {
    end_stream();
  }
}

#define NORMGRAD_INSTANTIATE(T)                                                                                        \
  template void norm_planes_moments_task<T>(const ChannelGeometry&, const NormForward<T>&, std::int64_t, std::int64_t, \
                                            double*, double*);                                                         \
  template void norm_planes_merge_task<T>(const ChannelGeometry&, const NormForward<T>&, const double*,                \
                                          const double*);                                                              \
  template void norm_planes_apply_task<T>(const ChannelGeometry&, const NormForward<T>&, std::int64_t, std::int64_t);  \
  template void norm_planes_sums_task<T>(const ChannelGeometry&, const NormBackward<T>&, std::int64_t, std::int64_t,   \
                                         double*, double*);                                                            \
  template void norm_planes_gradient_task<T>(const ChannelGeometry&, const NormBackward<T>&, std::int64_t,             \
                                             std::int64_t, const double*, const double*);
NORMGRAD_INSTANTIATE(float)
NORMGRAD_INSTANTIATE(double)
#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
