#include "normgrad/core/kernels/norm.hpp"
#include "normgrad/core/kernels/norm_columns_simd.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

// What a tile of columns shares, as arrays of T.
template <class T, int W>
struct Tile {
  static constexpr std::int64_t kColumns = W * kLanes<T>;
  T high[kColumns], rstd[kColumns], low_term[kColumns], gamma[kColumns], beta[kColumns];

  void set_statistic(std::int64_t j, double mean, double r) {
    const Statistic<Uniform> s = statistic<T>(mean, r);
    high[j] = static_cast<T>(s.high.value);
    rstd[j] = static_cast<T>(r);
    low_term[j] = static_cast<T>(s.low_term.value);
  }
  void set_params(const T* g, const T* b) {
    for (std::int64_t j = 0; j < kColumns; ++j) {
      gamma[j] = g == nullptr ? T(1) : g[j];
      beta[j] = b == nullptr ? T(0) : b[j];
    }
  }
  Statistic<PerElement<T>> statistics() const { return {{high}, {rstd}, {low_term}}; }
};

template <class T, int W>
void column_moments(const ChannelGeometry& g, const T* x, const NormForward<T>& a, Moments* result) {
  constexpr std::int64_t kColumns = Tile<T, W>::kColumns;
  const double n = static_cast<double>(g.batch);
  T pivot[kColumns] = {};
  if (a.centre) {
    double sum[1][kColumns];
    reduce_columns<T, 1, W>(
        g.batch, g.channels, [=]<class V>(std::int64_t i, std::int64_t, V(&v)[1]) { v[0] = load_as<V>(x + i); }, sum);
    for (std::int64_t j = 0; j < kColumns; ++j) {
      pivot[j] = static_cast<T>(sum[0][j] / n);
    }
  }
  double sums[2][kColumns];
  const T* p = pivot;
  reduce_columns<T, 2, W>(
      g.batch, g.channels,
      [=]<class V>(std::int64_t i, std::int64_t j, V(&v)[2]) {
        v[0] = load_as<V>(x + i) - load_as<V>(p + j);
        v[1] = v[0] * v[0];
      },
      sums);
  for (std::int64_t j = 0; j < kColumns; ++j) {
    if (std::is_same_v<T, float> && is_out_of_range(sums[1][j], n, a.eps)) {
      result[j] = exact_moments(x + j, Segments{g.batch, g.channels, 1}, a.centre);
    } else {
      result[j] = finish_moments(static_cast<double>(pivot[j]), sums[0][j], sums[1][j], n, a.centre);
    }
  }
}

template <class T, int W>
void columns_forward(const ChannelGeometry& g, const NormForward<T>& a, bool given, std::int64_t c) {
  Tile<T, W> tile;
  if (!given) {
    Moments m[Tile<T, W>::kColumns];
    column_moments<T, W>(g, a.x + c, a, m);
    for (std::int64_t j = 0; j < tile.kColumns; ++j) {
      a.mean[c + j] = m[j].mean;
      a.rstd[c + j] = m[j].rstd(a.eps);
      if (a.var != nullptr) {
        a.var[c + j] = m[j].var;
      }
    }
  }
  if (a.y == nullptr) {
    return;
  }
  for (std::int64_t j = 0; j < tile.kColumns; ++j) {
    tile.set_statistic(j, a.mean[c + j], a.rstd[c + j]);
  }
  tile.set_params(a.gamma == nullptr ? nullptr : a.gamma + c, a.beta == nullptr ? nullptr : a.beta + c);
  const Statistic<PerElement<T>> stat = tile.statistics();
  const T* x = a.x + c;
  const T* gamma = tile.gamma;
  const T* beta = tile.beta;
  map_columns<T, W>(g.batch, g.channels, a.y + c, [=]<class V>(std::int64_t i, std::int64_t j) {
    return fused<V>(stat.xhat(load_as<V>(x + i), j), load_as<V>(gamma + j), load_as<V>(beta + j));
  });
}

// gx of a tile of columns, given sum(gy) and sum(gy * xhat) over the whole sets, which have n elements.
template <class T, int W>
void columns_gradient(const ChannelGeometry& g, const NormBackward<T>& a, const double (&sums)[2][Tile<T, W>::kColumns],
                      double n, std::int64_t c) {
  constexpr std::int64_t kColumns = Tile<T, W>::kColumns;
  Tile<T, W> tile;
  tile.set_params(a.gamma == nullptr ? nullptr : a.gamma + c, nullptr);
  for (std::int64_t j = 0; j < kColumns; ++j) {
    tile.set_statistic(j, a.mean[c + j], a.rstd[c + j]);
  }
  const T* gy = a.gy + c;
  T xhat_term[kColumns];
  T term[kColumns];
  for (std::int64_t j = 0; j < kColumns; ++j) {
    const double gamma = static_cast<double>(tile.gamma[j]);
    const SetTerms terms = set_terms(a.rstd[c + j], gamma * sums[0][j], gamma * sums[1][j], n, a.centre);
    xhat_term[j] = static_cast<T>(terms.xhat_term.value);
    term[j] = static_cast<T>(terms.term.value);
  }
  const Statistic<PerElement<T>> stat = tile.statistics();
  const T* x = a.x + c;
  const T* gamma = tile.gamma;
  const T* xt = xhat_term;
  const T* t = term;
  map_columns<T, W>(g.batch, g.channels, a.gx + c, [=]<class V>(std::int64_t i, std::int64_t j) {
    const V xhat = stat.xhat(load_as<V>(x + i), j);
    return fused<V>(load_as<V>(gy + i) * load_as<V>(gamma + j), stat.rstd.template at<V>(j),
                    fused<V>(xhat, load_as<V>(xt + j), load_as<V>(t + j)));
  });
}

template <class T, int W>
void columns_backward(const ChannelGeometry& g, const NormBackward<T>& a, bool given, std::int64_t c) {
  constexpr std::int64_t kColumns = Tile<T, W>::kColumns;
  Tile<T, W> tile;
  tile.set_params(a.gamma == nullptr ? nullptr : a.gamma + c, nullptr);
  const T* gy = a.gy + c;
  double sums[2][kColumns] = {};
  if (!given || a.ggamma != nullptr || a.gbeta != nullptr) {
    for (std::int64_t j = 0; j < kColumns; ++j) {
      tile.set_statistic(j, a.mean[c + j], a.rstd[c + j]);
    }
    const Statistic<PerElement<T>> stat = tile.statistics();
    const T* x = a.x + c;
    reduce_columns<T, 2, W>(
        g.batch, g.channels,
        [=]<class V>(std::int64_t i, std::int64_t j, V(&v)[2]) {
          v[0] = load_as<V>(gy + i);
          v[1] = v[0] * stat.xhat(load_as<V>(x + i), j);
        },
        sums);
  }
  for (std::int64_t j = 0; j < kColumns; ++j) {
    if (a.ggamma != nullptr) {
      a.ggamma[c + j] = static_cast<T>(sums[1][j]);
    }
    if (a.gbeta != nullptr) {
      a.gbeta[c + j] = static_cast<T>(sums[0][j]);
    }
  }
  if (a.gx == nullptr) {
    return;
  }
  if (given) {
    T scale[kColumns];
    for (std::int64_t j = 0; j < kColumns; ++j) {
      scale[j] = static_cast<T>(static_cast<double>(tile.gamma[j]) * a.rstd[c + j]);
    }
    const T* s = scale;
    map_columns<T, W>(g.batch, g.channels, a.gx + c,
                      [=]<class V>(std::int64_t i, std::int64_t j) { return load_as<V>(gy + i) * load_as<V>(s + j); });
    return;
  }
  columns_gradient<T, W>(g, a, sums, static_cast<double>(g.batch), c);
}

// Channels of one sample that lie together are worked on together, so that short ones do not jump about in memory;
// those of the whole batch stay in the cache.
constexpr std::int64_t kMostTogether = 32;

Segments channel(const ChannelGeometry& g) { return {g.batch, g.channels * g.spatial, g.spatial}; }

// out[c] = the sums of what make(c) makes, for `size` channels.
template <class T, int K, class Make>
void reduce_channels(const ChannelGeometry& g, std::int64_t size, const Make& make, double (*out)[K]) {
  Sums<T, K> sums[kMostTogether];
  for (std::int64_t n = 0; n < g.batch; ++n) {
    for (std::int64_t c = 0; c < size; ++c) {
      sums[c].add(n * g.channels * g.spatial, g.spatial, make(c));
    }
  }
  for (std::int64_t c = 0; c < size; ++c) {
    sums[c].total(out[c]);
  }
}

template <class T>
void channel_moments(const ChannelGeometry& g, const T* x, bool centre, double eps, std::int64_t size, Moments* m) {
  const Segments set = channel(g);
  if (is_tiny<T>(set.size())) {
    for (std::int64_t c = 0; c < size; ++c) {
      m[c] = exact_moments(x + c * g.spatial, set, centre);
    }
    return;
  }
  Uniform pivots[kMostTogether] = {};
  if (centre) {
    double sums[kMostTogether][1];
    reduce_channels<T>(
        g, size, [&](std::int64_t c) { return value_terms(x + c * g.spatial); }, sums);
    for (std::int64_t c = 0; c < size; ++c) {
      pivots[c] = pivot_of<T>(sums[c][0], set.size());
    }
  }
  double deviations[kMostTogether][2];
  reduce_channels<T>(
      g, size, [&](std::int64_t c) { return deviation_terms(x + c * g.spatial, pivots[c]); }, deviations);
  for (std::int64_t c = 0; c < size; ++c) {
    m[c] = moments_of(x + c * g.spatial, set, centre, eps, pivots[c], deviations[c]);
  }
}

// Calls f(c, i, segment) for the channels of one sample after the other; element i is where a channel of it begins.
template <class F>
void for_segments(const ChannelGeometry& g, std::int64_t first, std::int64_t size, const F& f) {
  for (std::int64_t n = 0; n < g.batch; ++n) {
    for (std::int64_t c = 0; c < size; ++c) {
      f(c, (n * g.channels + first + c) * g.spatial, Segments{1, 0, g.spatial});
    }
  }
}

template <class T>
void channels_forward(const ChannelGeometry& g, const NormForward<T>& a, bool given, std::int64_t first,
                      std::int64_t size) {
  if (!given) {
    Moments m[kMostTogether];
    channel_moments(g, a.x + first * g.spatial, a.centre, a.eps, size, m);
    for (std::int64_t c = 0; c < size; ++c) {
      a.mean[first + c] = m[c].mean;
      a.rstd[first + c] = m[c].rstd(a.eps);
      if (a.var != nullptr) {
        a.var[first + c] = m[c].var;
      }
    }
  }
  if (a.y == nullptr) {
    return;
  }
  Statistic<Uniform> stats[kMostTogether];
  Uniform gamma[kMostTogether];
  Uniform beta[kMostTogether];
  for (std::int64_t c = 0; c < size; ++c) {
    stats[c] = statistic<T>(a.mean[first + c], a.rstd[first + c]);
    gamma[c].value = a.gamma == nullptr ? 1.0 : static_cast<double>(a.gamma[first + c]);
    beta[c].value = a.beta == nullptr ? 0.0 : static_cast<double>(a.beta[first + c]);
  }
  const bool exact = is_tiny<T>(static_cast<double>(g.count()));
  for_segments(g, first, size, [&](std::int64_t c, std::int64_t i, const Segments& segment) {
    normalise(a.x + i, segment, exact, stats[c], gamma[c], beta[c], a.y + i, a.past_caches);
  });
}

// sums[c] = {sum(gy), sum(gy * xhat)}, which are the gradients of beta and gamma.
template <class T>
void channel_sums(const ChannelGeometry& g, const NormBackward<T>& a, const Statistic<Uniform>* stats,
                  std::int64_t first, std::int64_t size, double (*sums)[2]) {
  const auto make = [&](std::int64_t c) {
    return gradient_terms(a.gy + (first + c) * g.spatial, a.x + (first + c) * g.spatial, stats[c]);
  };
  const bool tiny = is_tiny<T>(static_cast<double>(g.count()));
  if (!tiny) {
    reduce_channels<T>(g, size, make, sums);
  }
  for (std::int64_t c = 0; c < size; ++c) {
    if (tiny || is_extreme<T>(stats[c])) {
      reduce_exact(channel(g), make(c), sums[c]);
    }
    finish_gradient_sums(stats[c], sums[c]);
    if (a.ggamma != nullptr) {
      a.ggamma[first + c] = static_cast<T>(sums[c][1]);
    }
    if (a.gbeta != nullptr) {
      a.gbeta[first + c] = static_cast<T>(sums[c][0]);
    }
  }
}

template <class T>
void channels_backward(const ChannelGeometry& g, const NormBackward<T>& a, bool given, std::int64_t first,
                       std::int64_t size) {
  Statistic<Uniform> stats[kMostTogether];
  Uniform gamma[kMostTogether];
  for (std::int64_t c = 0; c < size; ++c) {
    stats[c] = statistic<T>(a.mean[first + c], a.rstd[first + c]);
    gamma[c].value = a.gamma == nullptr ? 1.0 : static_cast<double>(a.gamma[first + c]);
  }
  double sums[kMostTogether][2];
  if (!given || a.ggamma != nullptr || a.gbeta != nullptr) {
    channel_sums(g, a, stats, first, size, sums);
  }
  if (a.gx == nullptr) {
    return;
  }
  if (given) {
    for_segments(g, first, size, [&](std::int64_t c, std::int64_t i, const Segments& segment) {
      const T* gy = a.gy + i;
      const Uniform scale{gamma[c].value * a.rstd[first + c]};
      map(segment, a.gx + i, a.past_caches,
          [=]<class V>(std::int64_t k, std::int64_t j) { return load_as<V>(gy + k) * scale.template at<V>(j); });
    });
    return;
  }
  const auto n = static_cast<double>(g.count());
  SetTerms terms[kMostTogether];
  for (std::int64_t c = 0; c < size; ++c) {
    const double scale = gamma[c].value;
    terms[c] = set_terms(a.rstd[first + c], scale * sums[c][0], scale * sums[c][1], n, a.centre);
  }
  for_segments(g, first, size, [&](std::int64_t c, std::int64_t i, const Segments& segment) {
    input_gradient(a.gy + i, a.x + i, segment, is_tiny<T>(n), stats[c], gamma[c], terms[c], a.gx + i, a.past_caches);
  });
}

// Calls f(first, size) for blocks of channels that are worked on together.
template <class F>
void for_blocks(const ChannelGeometry& g, std::int64_t begin, std::int64_t end, const F& f) {
  const std::int64_t together = g.together() < kMostTogether ? g.together() : kMostTogether;
  for (std::int64_t c = begin; c < end; c += together) {
    f(c, end - c < together ? end - c : together);
  }
}

// Whether [begin, end) is worked on in columns of a matrix [N, C].
template <class T>
bool in_columns(const ChannelGeometry& g, std::int64_t begin, std::int64_t end) {
  return g.spatial == 1 && end - begin >= kLanes<T> && !is_tiny<T>(static_cast<double>(g.batch));
}

}  // namespace

template <class T>
void norm_channels_forward_task(const ChannelGeometry& g, const NormForward<T>& a, bool given, std::int64_t begin,
                                std::int64_t end) {
  if (in_columns<T>(g, begin, end)) {
    for_tiles<T>(begin, end, [&]<int W>(std::int64_t c) { columns_forward<T, W>(g, a, given, c); });
    return;
  }
  for_blocks(g, begin, end, [&](std::int64_t first, std::int64_t size) { channels_forward(g, a, given, first, size); });
  if (a.past_caches) {
    end_stream();
  }
}

template <class T>
void norm_channels_backward_task(const ChannelGeometry& g, const NormBackward<T>& a, bool given, std::int64_t begin,
                                 std::int64_t end) {
  if (in_columns<T>(g, begin, end)) {
    for_tiles<T>(begin, end, [&]<int W>(std::int64_t c) { columns_backward<T, W>(g, a, given, c); });
    return;
  }
  for_blocks(g, begin, end,
             [&](std::int64_t first, std::int64_t size) { channels_backward(g, a, given, first, size); });
  if (a.past_caches) {
    end_stream();
  }
}

template <class T>
void norm_columns_gradient_task(const ChannelGeometry& g, const NormBackward<T>& a, const double* sums, double n) {
  for_tiles<T>(0, g.channels, [&]<int W>(std::int64_t c) {
    constexpr std::int64_t kColumns = Tile<T, W>::kColumns;
    double of_tile[2][kColumns];
    for (std::int64_t j = 0; j < kColumns; ++j) {
      of_tile[0][j] = sums[c + j];
      of_tile[1][j] = sums[g.channels + c + j];
    }
    columns_gradient<T, W>(g, a, of_tile, n, c);
  });
}

#define NORMGRAD_INSTANTIATE(T)                                                                                    \
  template void norm_channels_forward_task<T>(const ChannelGeometry&, const NormForward<T>&, bool, std::int64_t,   \
                                              std::int64_t);                                                       \
  template void norm_channels_backward_task<T>(const ChannelGeometry&, const NormBackward<T>&, bool, std::int64_t, \
                                               std::int64_t);                                                      \
  template void norm_columns_gradient_task<T>(const ChannelGeometry&, const NormBackward<T>&, const double*, double);
NORMGRAD_INSTANTIATE(float)
NORMGRAD_INSTANTIATE(double)
#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
