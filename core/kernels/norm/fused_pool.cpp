#include "normgrad/core/kernels/norm/fused_pool.hpp"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "normgrad/core/base/buffer.hpp"
#include "normgrad/core/base/even_blocks.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/kernels/norm/formulas.hpp"

namespace normgrad::kernels {

namespace {

// The terms of the channels in the arithmetic R; computed as by Statistic and SharedParams (formulas.hpp).
template <class R>
class Terms {
 public:
  explicit Terms(std::int64_t channels)
      : values_(static_cast<std::size_t>(5 * channels)), excess_(static_cast<std::size_t>(channels)) {
    R* p = values_.data();
    all = {p, p + channels, p + 2 * channels, p + 3 * channels, p + 4 * channels};
  }
  // `set(c)` is the index of the statistic of channel c.
  template <class A, class Set>
  void normalize(std::int64_t channels, const A& a, const double* means, const double* rstds, Set set) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const double mean = means[set(c)];
      const double scale = rstds[set(c)] * (a.gamma == nullptr ? 1.0 : static_cast<double>(a.gamma[c]));
      const double beta = a.beta == nullptr ? 0.0 : static_cast<double>(a.beta[c]);
      all.mean[c] = static_cast<R>(mean);
      all.scale[c] = static_cast<R>(scale);
      all.addend[c] = static_cast<R>(beta);
      if constexpr (std::is_same_v<R, float>) {
        const auto excess = static_cast<double>(split(mean).excess);
        excess_[static_cast<std::size_t>(c)] = excess;
        all.addend[c] = static_cast<R>(excess * scale + beta);
      }
    }
  }
  void set_shared(std::int64_t c, const SetTerms& terms) {
    all.slope[c] = static_cast<R>(terms.slope);
    all.shift[c] = static_cast<R>(
        std::is_same_v<R, float> ? terms.shift + excess_[static_cast<std::size_t>(c)] * terms.slope : terms.shift);
  }
  // sum(gy * (x - mean)), from the sums of gy and of gy * d.
  double centered(std::int64_t c, double sum_gy, double sum_gy_d) const {
    return std::is_same_v<R, float> ? sum_gy_d + excess_[static_cast<std::size_t>(c)] * sum_gy : sum_gy_d;
  }
  NormPoolTerms<R> all{};

 private:
  std::vector<R> values_;
  std::vector<double> excess_;
};

// Whether R suits all of n statistics.
template <class R>
bool all_suit(const double* means, const double* rstds, std::int64_t n) {
  bool all = true;
  for (std::int64_t i = 0; std::is_same_v<R, float> && i < n; ++i) {
    all = all && suits_float32(means[i], rstds[i]);
  }
  return all;
}

// sum(gy) and sum(gy * (x - mean)) per channel of bands [begin, end).
template <class T, class R>
void sums_of_bands(const NormPoolGeometry& g, const NormBackward<T>& a, const PoolArgmax<T>& argmax,
                   const Terms<R>& terms, std::int64_t begin, std::int64_t end, double* sums) {
  NORMGRAD_SIMD_SELECT(norm_pool_sums_task<T, R>)(g, a.gy, argmax, terms.all, begin, end, sums);
  for (std::int64_t c = 0; c < g.channels; ++c) {
    sums[g.channels + c] = terms.centered(c, sums[c], sums[g.channels + c]);
  }
}

// Slopes and shifts of the channels [begin, end), which share a set of n elements; `sums` are those of gy and of gy *
// xhat.
template <class T, class R>
void share_slopes(const NormPoolGeometry& g, const NormBackward<T>& a, const double* sums, double rstd, double n,
                  std::int64_t begin, std::int64_t end, Terms<R>& terms) {
  const double none = g.groups == 0 ? -0.0 : 0.0;  // a single term keeps its sign, as in the norm kernels
  double sum_g = none;
  double sum_g_xhat = none;
  for (std::int64_t c = begin; c < end; ++c) {
    const double gamma = a.gamma == nullptr ? 1.0 : static_cast<double>(a.gamma[c]);
    sum_g += gamma * sums[c];
    sum_g_xhat += gamma * sums[g.channels + c];
  }
  const SetTerms shared = set_terms(rstd, sum_g, sum_g_xhat, n, a.center);
  for (std::int64_t c = begin; c < end; ++c) {
    terms.set_shared(c, shared);
  }
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

template <class T, class R>
void normalize_over_batch(const NormPoolGeometry& g, const NormForward<T>& a, const PoolArgmax<T>& argmax) {
  Terms<R> terms(g.channels);
  terms.normalize(g.channels, a, a.computed.mean, a.computed.rstd, [](std::int64_t c) { return c; });
  const auto run = NORMGRAD_SIMD_SELECT(norm_pool_forward_task<T, R>);
  parallel_for(g.bands(), plan_of(g).bands_per_task,
               [&](std::int64_t begin, std::int64_t end) { run(g, a.x, terms.all, a.y, argmax, begin, end); });
}

// Copies the channels that float32 does not suit.
template <class U>
void copy_unsuited(const U* from, std::int64_t n, std::int64_t channels, const double* means, const double* rstds,
                   U* to) {
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t i = c; i < n && !suits_float32(means[c], rstds[c]); i += channels) {
      to[i] = from[i];
    }
  }
}

template <class T, class R>
void forward_over_batch(const NormPoolGeometry& g, const NormForward<T>& a, const PoolArgmax<T>& argmax) {
  NormForward<T> statistics = a;
  statistics.y = nullptr;
  norm_forward(ChannelGeometry{g.samples * g.positions(), g.channels, 1}, statistics);
  normalize_over_batch<T, R>(g, a, argmax);
  const double* means = a.computed.mean;
  const double* rstds = a.computed.rstd;
  if (all_suit<R>(means, rstds, g.channels)) {
    return;
  }
  const std::int64_t windows = g.bands() * g.out_width() * g.channels;
  const auto size = static_cast<std::size_t>(windows);
  std::vector<T> y(size), x(size);
  std::vector<std::uint8_t> place(size);
  NormForward<T> exact = a;
  exact.y = y.data();
  normalize_over_batch<T, double>(g, exact, {place.data(), x.data()});
  copy_unsuited(y.data(), windows, g.channels, means, rstds, a.y);
  copy_unsuited(place.data(), windows, g.channels, means, rstds, argmax.place);
  if (argmax.x != nullptr) {
    copy_unsuited(x.data(), windows, g.channels, means, rstds, argmax.x);
  }
}

template <class T, class R>
void normalize_sample(const NormPoolGeometry& g, const NormForward<T>& a, const PoolArgmax<T>& argmax, std::int64_t s) {
  Terms<R> terms(g.channels);
  terms.normalize(g.channels, a, a.computed.mean + s * g.groups, a.computed.rstd + s * g.groups,
                  [per_group = g.channels / g.groups](std::int64_t c) { return c / per_group; });
  NORMGRAD_SIMD_SELECT(norm_pool_forward_task<T, R>)
  (g, a.x, terms.all, a.y, argmax, s * g.out_height(), (s + 1) * g.out_height());
}

template <class T, class R>
void forward_by_sample(const NormPoolGeometry& g, const NormForward<T>& a, const PoolArgmax<T>& argmax) {
  const ChannelsLastGeometry pixels{g.samples, g.positions(), g.channels, g.groups};
  const auto statistics = NORMGRAD_SIMD_SELECT(norm_pixels_forward_task<T, R>);
  NormForward<T> without_y = a;
  without_y.y = nullptr;
  parallel_for(g.samples, plan_of(g).samples_per_task, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> sums(static_cast<std::size_t>(6 * g.channels));
    for (std::int64_t s = begin; s < end; ++s) {
      statistics(pixels, without_y, s, s + 1, sums.data(), sums.data() + 2 * g.channels);
      all_suit<R>(a.computed.mean + s * g.groups, a.computed.rstd + s * g.groups, g.groups)
          ? normalize_sample<T, R>(g, a, argmax, s)
          : normalize_sample<T, double>(g, a, argmax, s);
    }
  });
}

// sum(gy) and sum(gy * xhat) per channel, for each task.
template <class T, class R>
std::vector<double> sums_over_batch(const NormPoolGeometry& g, const NormBackward<T>& a, const PoolArgmax<T>& argmax,
                                    const Terms<R>& terms) {
  const std::int64_t step = plan_of(g).bands_per_task;
  std::vector<double> parts(static_cast<std::size_t>(ceil_div(g.bands(), step) * 2 * g.channels));
  parallel_for(g.bands(), step, [&](std::int64_t begin, std::int64_t end) {
    double* part = parts.data() + begin / step * 2 * g.channels;
    sums_of_bands(g, a, argmax, terms, begin, end, part);
    for (std::int64_t c = 0; c < g.channels; ++c) {
      part[g.channels + c] *= a.rstd[c];
    }
  });
  return parts;
}

template <class T, class R>
void gradient_over_batch(const NormPoolGeometry& g, const NormBackward<T>& a, const PoolArgmax<T>& argmax,
                         const std::vector<double>& sums, Terms<R>& terms, T* gx) {
  const double n = static_cast<double>(g.samples) * static_cast<double>(g.positions());
  for (std::int64_t c = 0; c < g.channels; ++c) {
    share_slopes(g, a, sums.data(), a.rstd[c], n, c, c + 1, terms);
  }
  const auto run = NORMGRAD_SIMD_SELECT(norm_pool_gradient_task<T, R>);
  parallel_for(g.bands(), plan_of(g).bands_per_task, [&](std::int64_t begin, std::int64_t end) {
    run(g, a.gy, a.x, argmax.place, terms.all, gx, begin, end);
  });
}

template <class T, class R>
void backward_over_batch(const NormPoolGeometry& g, const NormBackward<T>& a, const PoolArgmax<T>& argmax) {
  const auto set = [](std::int64_t c) { return c; };
  const bool suited = all_suit<R>(a.mean, a.rstd, g.channels);
  Terms<R> terms(g.channels);
  terms.normalize(g.channels, a, a.mean, a.rstd, set);
  Terms<double> exact_terms(suited ? 0 : g.channels);
  std::vector<double> parts = sums_over_batch(g, a, argmax, terms);
  if (!suited) {
    exact_terms.normalize(g.channels, a, a.mean, a.rstd, set);
    const std::vector<double> exact = sums_over_batch(g, a, argmax, exact_terms);
    copy_unsuited(exact.data(), static_cast<std::int64_t>(exact.size()), g.channels, a.mean, a.rstd, parts.data());
  }
  const std::vector<double> sums = merge(g, a, parts);
  if (a.gx == nullptr) {
    return;
  }
  gradient_over_batch(g, a, argmax, sums, terms, a.gx);
  if (!suited) {
    std::vector<T> exact(static_cast<std::size_t>(g.samples * g.positions() * g.channels));
    gradient_over_batch(g, a, argmax, sums, exact_terms, exact.data());
    copy_unsuited(exact.data(), static_cast<std::int64_t>(exact.size()), g.channels, a.mean, a.rstd, a.gx);
  }
}

// Backward of one sample; its sums are added to `part`.
template <class T, class R>
void backward_of_sample(const NormPoolGeometry& g, const NormBackward<T>& a, const PoolArgmax<T>& argmax,
                        std::int64_t s, double* sums, double* part) {
  const std::int64_t per_group = g.channels / g.groups;
  const double* rstds = a.rstd + s * g.groups;
  Terms<R> terms(g.channels);
  terms.normalize(g.channels, a, a.mean + s * g.groups, rstds, [=](std::int64_t c) { return c / per_group; });
  const std::int64_t begin = s * g.out_height();
  const std::int64_t end = begin + g.out_height();
  sums_of_bands(g, a, argmax, terms, begin, end, sums);
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
    share_slopes(g, a, sums, rstds[group], n, group * per_group, (group + 1) * per_group, terms);
  }
  NORMGRAD_SIMD_SELECT(norm_pool_gradient_task<T, R>)(g, a.gy, a.x, argmax.place, terms.all, a.gx, begin, end);
}

template <class T, class R>
void backward_by_sample(const NormPoolGeometry& g, const NormBackward<T>& a, const PoolArgmax<T>& argmax) {
  const std::int64_t step = plan_of(g).samples_per_block;
  std::vector<double> parts(static_cast<std::size_t>(ceil_div(g.samples, step) * 2 * g.channels), 0.0);
  parallel_for(g.samples, step, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> sums(static_cast<std::size_t>(2 * g.channels));
    for (std::int64_t s = begin; s < end; ++s) {
      double* part = parts.data() + begin / step * 2 * g.channels;
      all_suit<R>(a.mean + s * g.groups, a.rstd + s * g.groups, g.groups)
          ? backward_of_sample<T, R>(g, a, argmax, s, sums.data(), part)
          : backward_of_sample<T, double>(g, a, argmax, s, sums.data(), part);
    }
  });
  merge(g, a, parts);
}

template <class T, class R>
void pool_forward(const NormPoolGeometry& g, const NormForward<T>& a, const PoolArgmax<T>& argmax) {
  g.groups == 0 ? forward_over_batch<T, R>(g, a, argmax) : forward_by_sample<T, R>(g, a, argmax);
}
template <class T, class R>
void pool_backward(const NormPoolGeometry& g, const NormBackward<T>& a, const PoolArgmax<T>& argmax) {
  g.groups == 0 ? backward_over_batch<T, R>(g, a, argmax) : backward_by_sample<T, R>(g, a, argmax);
}
template <class T>
bool pools_in_float32() {
  return std::is_same_v<T, float> && computes_in_float32();
}

}  // namespace

template <class T>
void norm_pool_forward(const NormPoolGeometry& g, const NormForward<T>& a, const PoolArgmax<T>& argmax) {
  pools_in_float32<T>() ? pool_forward<T, T>(g, a, argmax) : pool_forward<T, double>(g, a, argmax);
}

template <class T>
void norm_pool_backward(const NormPoolGeometry& g, const NormBackward<T>& a, const PoolArgmax<T>& argmax) {
  pools_in_float32<T>() ? pool_backward<T, T>(g, a, argmax) : pool_backward<T, double>(g, a, argmax);
}

#define NORMGRAD_INSTANTIATE(T)                                                                             \
  template void norm_pool_forward<T>(const NormPoolGeometry&, const NormForward<T>&, const PoolArgmax<T>&); \
  template void norm_pool_backward<T>(const NormPoolGeometry&, const NormBackward<T>&, const PoolArgmax<T>&);
NORMGRAD_INSTANTIATE(float)
NORMGRAD_INSTANTIATE(double)
#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels
