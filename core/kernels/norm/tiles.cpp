#include "normgrad/core/kernels/norm/tiles.hpp"

#include <algorithm>
#include <vector>

#include "normgrad/core/base/even_blocks.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/kernels/norm/formulas.hpp"

namespace normgrad::kernels {

namespace {

// Calls f(rows, element, block) for each block of rows: its geometry, its first element, and its number.
template <class F>
void for_row_tiles(const ChannelGeometry& g, std::int64_t step, F f) {
  parallel_for(g.batch, step, [&](std::int64_t begin, std::int64_t end) {
    f(ChannelGeometry{end - begin, g.channels, 1}, begin * g.channels, begin / step);
  });
}

// Merges the moments of blocks of rows.
template <class T>
void merge_blocks(const ChannelGeometry& g, std::int64_t step, const std::vector<double>& means,
                  const std::vector<double>& vars, const NormForward<T>& a) {
  const std::int64_t blocks = ceil_div(g.batch, step);
  for (std::int64_t c = 0; c < g.channels; ++c) {
    const auto part = [&](std::int64_t b) -> PartialMoments {
      const auto i = static_cast<std::size_t>(b * g.channels + c);
      const auto rows = static_cast<double>(std::min(step, g.batch - b * step));
      return {rows, means[i], vars[i] * rows};
    };
    PartialMoments set = part(0);
    for (std::int64_t b = 1; b < blocks; ++b) {
      merge_moments(set, part(b));
    }
    const double var = set.m2 / set.n;
    a.computed.mean[c] = set.mean;
    a.computed.rstd[c] = rstd_of(var, a.eps);
    if (a.computed.var != nullptr) {
      a.computed.var[c] = var;
    }
  }
}

template <class T>
NormForward<T> from_element(NormForward<T> a, std::int64_t element) {
  a.x += element;
  a.y = a.y == nullptr ? nullptr : a.y + element;
  return a;
}

template <class T>
NormBackward<T> from_element(NormBackward<T> a, std::int64_t element) {
  a.gy += element;
  a.x += element;
  a.gx = a.gx == nullptr ? nullptr : a.gx + element;
  return a;
}

template <class T, class R>
void apply_in_tiles(const ChannelGeometry& g, std::int64_t step, NormForward<T> a) {
  const auto run = NORMGRAD_SIMD_SELECT(norm_columns_forward_task<T, R>);
  for_row_tiles(g, step, [&](const ChannelGeometry& tile, std::int64_t element, std::int64_t /*block*/) {
    run(tile, from_element(a, element), 0, g.channels);
  });
}

}  // namespace

template <class T, class R>
void tiles_forward(const ChannelGeometry& g, const ChannelPlan& plan, const NormForward<T>& a) {
  const std::int64_t step = plan.rows_per_tile;
  if (a.is_given()) {
    apply_in_tiles<T, R>(g, step, a);
    return;
  }
  const auto run = NORMGRAD_SIMD_SELECT(norm_columns_forward_task<T, R>);
  const auto size = static_cast<std::size_t>(ceil_div(g.batch, step) * g.channels);
  std::vector<double> means(size), rstds(size), vars(size);
  for_row_tiles(g, step, [&](const ChannelGeometry& tile, std::int64_t element, std::int64_t block) {
    NormForward<T> of_tile = from_element(a, element);
    of_tile.y = nullptr;
    of_tile.computed = {.mean = means.data() + block * g.channels,
                        .rstd = rstds.data() + block * g.channels,
                        .var = vars.data() + block * g.channels};
    run(tile, of_tile, 0, g.channels);
  });
  merge_blocks(g, step, means, vars, a);
  if (a.y != nullptr) {
    NormForward<T> apply = a;
    apply.given = {.mean = a.computed.mean, .rstd = a.computed.rstd};
    apply_in_tiles<T, R>(g, step, apply);
  }
}

template <class T, class R>
void tiles_backward(const ChannelGeometry& g, const ChannelPlan& plan, const NormBackward<T>& a) {
  const std::int64_t step = plan.rows_per_tile;
  const std::int64_t blocks = ceil_div(g.batch, step);
  const bool sums_wanted = !a.constant_statistics || a.ggamma != nullptr || a.gbeta != nullptr;
  const auto size = static_cast<std::size_t>(2 * g.channels);
  std::vector<double> sums(sums_wanted ? size : 0, 0.0);
  if (sums_wanted) {
    const auto run = NORMGRAD_SIMD_SELECT(norm_columns_sums_task<T, R>);
    std::vector<double> parts(static_cast<std::size_t>(blocks) * size);
    for_row_tiles(g, step, [&](const ChannelGeometry& tile, std::int64_t element, std::int64_t block) {
      run(tile, from_element(a, element), parts.data() + static_cast<std::size_t>(block) * size);
    });
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
  }
  if (a.gx != nullptr) {
    const auto gradient = NORMGRAD_SIMD_SELECT(norm_columns_gradient_task<T, R>);
    for_row_tiles(g, step, [&](const ChannelGeometry& tile, std::int64_t element, std::int64_t /*block*/) {
      gradient(tile, from_element(a, element), a.constant_statistics ? nullptr : sums.data(),
               static_cast<double>(g.batch));
    });
  }
}

#define NORMGRAD_INSTANTIATE(T, R)                                                                      \
  template void tiles_forward<T, R>(const ChannelGeometry&, const ChannelPlan&, const NormForward<T>&); \
  template void tiles_backward<T, R>(const ChannelGeometry&, const ChannelPlan&, const NormBackward<T>&);
NORMGRAD_INSTANTIATE(float, float)
NORMGRAD_INSTANTIATE(float, double)
NORMGRAD_INSTANTIATE(double, double)
#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels
