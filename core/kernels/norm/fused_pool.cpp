#include "normgrad/core/kernels/norm/fused_pool.hpp"

#include <algorithm>
#include <vector>

#include "normgrad/core/base/buffer.hpp"
#include "normgrad/core/base/even_blocks.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/kernels/norm/formulas.hpp"
#include "normgrad/core/kernels/norm/plan.hpp"

namespace normgrad::kernels {

namespace {

class Terms {
 public:
  explicit Terms(std::int64_t channels) : values_(static_cast<std::size_t>(5 * channels)) {
    double* p = values_.data();
    all = {p, p + channels, p + 2 * channels, p + 3 * channels, p + 4 * channels};
  }
  // `set(c)` is the index of the statistic of channel c.
  template <class A, class Set>
  void normalize(std::int64_t channels, const A& a, const double* means, const double* rstds, Set set) {
    for (std::int64_t c = 0; c < channels; ++c) {
      all.mean[c] = means[set(c)];
      all.scale[c] = rstds[set(c)] * (a.gamma == nullptr ? 1.0 : static_cast<double>(a.gamma[c]));
      all.beta[c] = a.beta == nullptr ? 0.0 : static_cast<double>(a.beta[c]);
    }
  }
  NormPoolTerms all{};

 private:
  std::vector<double> values_;
};

// Slopes and shifts of the channels [begin, end), which share a set of n elements; `sums` are those of gy and of gy *
// xhat.
template <class T>
void share_slopes(const NormPoolGeometry& g, const NormBackward<T>& a, const double* sums, double rstd, double n,
                  std::int64_t begin, std::int64_t end, const NormPoolTerms& terms) {
  const double none = g.groups == 0 ? -0.0 : 0.0;  // a single term keeps its sign, as in the norm kernels
  double sum_g = none;
  double sum_g_xhat = none;
  for (std::int64_t c = begin; c < end; ++c) {
    const double gamma = a.gamma == nullptr ? 1.0 : static_cast<double>(a.gamma[c]);
    sum_g += gamma * sums[c];
    sum_g_xhat += gamma * sums[g.channels + c];
  }
  const SetTerms shared = set_terms(rstd, sum_g, sum_g_xhat, n, a.center);
  std::fill(terms.slope + begin, terms.slope + end, shared.slope);
  std::fill(terms.shift + begin, terms.shift + end, shared.shift);
}

// Adds up the partial sums in order, and stores the parameter gradients, which are these sums.
template <class T>
std::vector<double> merge(const NormPoolGeometry& g, const NormBackward<T>& a, const std::vector<double>& parts) {
  const auto size = static_cast<std::size_t>(2 * g.channels);
  std::vector<double> sums(size, 0.0);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    sums[i % size] += parts[i];
  }
  for (std::int64_t c = 0; c < g.channels; ++c) {
    if (a.gbeta != nullptr) {
      a.gbeta[c] = static_cast<T>(sums[static_cast<std::size_t>(c)]);
    }
    if (a.ggamma != nullptr) {
      a.ggamma[c] = static_cast<T>(sums[static_cast<std::size_t>(g.channels + c)]);
    }
  }
  return sums;
}

template <class T>
void forward_over_batch(const NormPoolGeometry& g, const NormForward<T>& a, const PoolArgmax<T>& argmax) {
  NormForward<T> statistics = a;
  statistics.y = nullptr;
  norm_forward(ChannelGeometry{g.samples * g.positions(), g.channels, 1}, statistics);
  Terms terms(g.channels);
  terms.normalize(g.channels, a, a.computed.mean, a.computed.rstd, [](std::int64_t c) { return c; });
  const auto run = NORMGRAD_SIMD_SELECT(norm_pool_forward_task<T>);
  parallel_for(g.bands(), plan_of(g).bands_per_task,
               [&](std::int64_t begin, std::int64_t end) { run(g, a.x, terms.all, a.y, argmax, begin, end); });
}

template <class T>
void forward_by_sample(const NormPoolGeometry& g, const NormForward<T>& a, const PoolArgmax<T>& argmax) {
  const ChannelsLastGeometry pixels{g.samples, g.positions(), g.channels, g.groups};
  const auto statistics = NORMGRAD_SIMD_SELECT(norm_pixels_forward_task<T>);
  const auto run = NORMGRAD_SIMD_SELECT(norm_pool_forward_task<T>);
  NormForward<T> without_y = a;
  without_y.y = nullptr;
  parallel_for(g.samples, plan_of(g).samples_per_task, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> sums(static_cast<std::size_t>(6 * g.channels));
    Terms terms(g.channels);
    for (std::int64_t s = begin; s < end; ++s) {
      statistics(pixels, without_y, s, s + 1, sums.data(), sums.data() + 2 * g.channels);
      terms.normalize(g.channels, a, a.computed.mean + s * g.groups, a.computed.rstd + s * g.groups,
                      [per_group = pixels.per_group()](std::int64_t c) { return c / per_group; });
      run(g, a.x, terms.all, a.y, argmax, s * g.out_height(), (s + 1) * g.out_height());
    }
  });
}

template <class T>
void backward_over_batch(const NormPoolGeometry& g, const NormBackward<T>& a, const PoolArgmax<T>& argmax) {
  const std::int64_t step = plan_of(g).bands_per_task;
  Terms terms(g.channels);
  terms.normalize(g.channels, a, a.mean, a.rstd, [](std::int64_t c) { return c; });
  std::vector<double> parts(static_cast<std::size_t>(ceil_div(g.bands(), step) * 2 * g.channels));
  const auto sum = NORMGRAD_SIMD_SELECT(norm_pool_sums_task<T>);
  parallel_for(g.bands(), step, [&](std::int64_t begin, std::int64_t end) {
    double* part = parts.data() + begin / step * 2 * g.channels;
    sum(g, a.gy, argmax, terms.all, begin, end, part);
    for (std::int64_t c = 0; c < g.channels; ++c) {
      part[g.channels + c] *= a.rstd[c];
    }
  });
  const std::vector<double> sums = merge(g, a, parts);
  if (a.gx == nullptr) {
    return;
  }
  const double n = static_cast<double>(g.samples) * static_cast<double>(g.positions());
  for (std::int64_t c = 0; c < g.channels; ++c) {
    share_slopes(g, a, sums.data(), a.rstd[c], n, c, c + 1, terms.all);
  }
  const auto run = NORMGRAD_SIMD_SELECT(norm_pool_gradient_task<T>);
  parallel_for(g.bands(), step, [&](std::int64_t begin, std::int64_t end) {
    run(g, a.gy, a.x, argmax.place, terms.all, a.gx, begin, end);
  });
}

// Backward of one sample; its sums are added to `part`.
template <class T>
void backward_of_sample(const NormPoolGeometry& g, const NormBackward<T>& a, const PoolArgmax<T>& argmax,
                        std::int64_t s, Terms& terms, double* sums, double* part) {
  const std::int64_t per_group = g.channels / g.groups;
  const double* rstds = a.rstd + s * g.groups;
  terms.normalize(g.channels, a, a.mean + s * g.groups, rstds, [=](std::int64_t c) { return c / per_group; });
  const std::int64_t begin = s * g.out_height();
  const std::int64_t end = begin + g.out_height();
  NORMGRAD_SIMD_SELECT(norm_pool_sums_task<T>)(g, a.gy, argmax, terms.all, begin, end, sums);
  for (std::int64_t c = 0; c < g.channels; ++c) {
    sums[g.channels + c] *= rstds[c / per_group];
    part[c] += sums[c];
    part[g.channels + c] += sums[g.channels + c];
  }
  if (a.gx == nullptr) {
    return;
  }
  const double n = static_cast<double>(g.positions()) * static_cast<double>(per_group);
  for (std::int64_t group = 0; group < g.groups; ++group) {
    share_slopes(g, a, sums, rstds[group], n, group * per_group, (group + 1) * per_group, terms.all);
  }
  NORMGRAD_SIMD_SELECT(norm_pool_gradient_task<T>)(g, a.gy, a.x, argmax.place, terms.all, a.gx, begin, end);
}

template <class T>
void backward_by_sample(const NormPoolGeometry& g, const NormBackward<T>& a, const PoolArgmax<T>& argmax) {
  const std::int64_t step = plan_of(g).samples_per_block;
  std::vector<double> parts(static_cast<std::size_t>(ceil_div(g.samples, step) * 2 * g.channels), 0.0);
  parallel_for(g.samples, step, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> sums(static_cast<std::size_t>(2 * g.channels));
    Terms terms(g.channels);
    for (std::int64_t s = begin; s < end; ++s) {
      backward_of_sample(g, a, argmax, s, terms, sums.data(), parts.data() + begin / step * 2 * g.channels);
    }
  });
  merge(g, a, parts);
}

}  // namespace

template <class T>
void norm_pool_forward(const NormPoolGeometry& g, const NormForward<T>& a, const PoolArgmax<T>& argmax) {
  g.groups == 0 ? forward_over_batch(g, a, argmax) : forward_by_sample(g, a, argmax);
}

template <class T>
void norm_pool_backward(const NormPoolGeometry& g, const NormBackward<T>& a, const PoolArgmax<T>& argmax) {
  g.groups == 0 ? backward_over_batch(g, a, argmax) : backward_by_sample(g, a, argmax);
}

#define NORMGRAD_INSTANTIATE(T)                                                                             \
  template void norm_pool_forward<T>(const NormPoolGeometry&, const NormForward<T>&, const PoolArgmax<T>&); \
  template void norm_pool_backward<T>(const NormPoolGeometry&, const NormBackward<T>&, const PoolArgmax<T>&);
NORMGRAD_INSTANTIATE(float)
NORMGRAD_INSTANTIATE(double)
#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels
