#include "normgrad/core/kernels/norm/norm.hpp"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "normgrad/core/base/buffer.hpp"
#include "normgrad/core/base/even_blocks.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/kernels/norm/formulas.hpp"
#include "normgrad/core/kernels/norm/plan.hpp"
#include "normgrad/core/kernels/norm/planes.hpp"

namespace normgrad::kernels {

namespace {

template <class F>
void for_channels(const ChannelGeometry& g, const ChannelPlan& plan, F f) {
  const std::int64_t step = plan.channels_per_task;
  const std::int64_t tasks = std::max<std::int64_t>(1, g.channels / step);
  if (tasks == 1) {
    f(std::int64_t{0}, g.channels);
    return;
  }
  parallel_tasks(tasks, [&](std::int64_t i) { f(i * step, i + 1 == tasks ? g.channels : (i + 1) * step); });
}

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

template <class T, class R>
void apply_in_tiles(const ChannelGeometry& g, std::int64_t step, NormForward<T> a) {
  const auto run = NORMGRAD_SIMD_SELECT(norm_channels_forward_task<T, R>);
  for_row_tiles(g, step, [&](const ChannelGeometry& tile, std::int64_t element, std::int64_t /*block*/) {
    run(tile, from_element(a, element), 0, g.channels);
  });
}

template <class T, class R>
void forward_in_tiles(const ChannelGeometry& g, std::int64_t step, const NormForward<T>& a) {
  const auto run = NORMGRAD_SIMD_SELECT(norm_channels_forward_task<T, R>);
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

template <class T>
NormBackward<T> from_element(NormBackward<T> a, std::int64_t element) {
  a.gy += element;
  a.x += element;
  a.gx = a.gx == nullptr ? nullptr : a.gx + element;
  return a;
}

template <class T, class R>
void backward_in_tiles(const ChannelGeometry& g, std::int64_t step, const NormBackward<T>& a) {
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

// Pooled memory: fresh pages would cost more than the sums.
template <class T>
T* as(const Buffer& memory) {
  return reinterpret_cast<T*>(memory.data());
}
Buffer doubles(std::int64_t n) { return Buffer(static_cast<std::size_t>(n) * sizeof(double)); }

// Makes `params` point to a copy of its values, each repeated `inner` times.
template <class T>
Buffer repeat(const RowGeometry& g, const T*& params) {
  if (params == nullptr) {
    return {};
  }
  Buffer memory(static_cast<std::size_t>(g.params() * g.inner) * sizeof(T));
  T* to = as<T>(memory);
  for (std::int64_t p = 0; p < g.params(); ++p, to += g.inner) {
    std::fill_n(to, g.inner, params[p]);
  }
  params = as<T>(memory);
  return memory;
}

// gradient[p] = the sum of the blocks' partial sums, in order.
template <class T>
void merge(const double* partials, std::int64_t blocks, std::int64_t params, std::int64_t which, T* gradient) {
  if (gradient == nullptr) {
    return;
  }
  constexpr std::int64_t kChunk = 512;
  parallel_for(params, merged_params_per_task(params, blocks), [&](std::int64_t begin, std::int64_t end) {
    double sums[kChunk];
    for (std::int64_t p = begin; p < end; p += kChunk) {
      const std::int64_t n = std::min(kChunk, end - p);
      std::fill_n(sums, n, 0.0);
      for (std::int64_t b = 0; b < blocks; ++b) {
        const double* of_block = partials + (b * 2 + which) * params + p;
        for (std::int64_t i = 0; i < n; ++i) {
          sums[i] += of_block[i];
        }
      }
      std::transform(sums, sums + n, gradient + p, [](double sum) { return static_cast<T>(sum); });
    }
  });
}

template <class T, class R>
void rows_forward(const RowGeometry& g, const NormForward<T>& args) {
  const auto run = NORMGRAD_SIMD_SELECT(norm_rows_forward_task<T, R>);
  NormForward<T> a = args;
  const RowPlan plan = plan_of(g, sizeof(T));
  a.non_temporal = plan.non_temporal;
  a.per_element = plan.repeats_params;
  const Buffer gamma = a.per_element ? repeat(g, a.gamma) : Buffer();
  const Buffer beta = a.per_element ? repeat(g, a.beta) : Buffer();
  parallel_for(g.rows, plan.rows_per_task, [&](std::int64_t begin, std::int64_t end) { run(g, a, begin, end); });
}

template <class T, class R>
void rows_backward(const RowGeometry& g, const NormBackward<T>& args) {
  NormBackward<T> a = args;
  const RowPlan plan = plan_of(g, sizeof(T));
  a.non_temporal = plan.non_temporal;
  a.per_element = plan.repeats_params;
  const Buffer gamma = a.per_element ? repeat(g, a.gamma) : Buffer();
  const Buffer beta = a.per_element && a.relu ? repeat(g, a.beta) : Buffer();
  const bool affine = a.ggamma != nullptr || a.gbeta != nullptr;
  const bool by_element = g.inner == 1 && (a.gamma != nullptr || a.beta != nullptr || affine);
  const auto run = by_element ? NORMGRAD_SIMD_SELECT(norm_rows_backward_elements_task<T, R>)
                              : NORMGRAD_SIMD_SELECT(norm_rows_backward_spans_task<T, R>);
  const std::int64_t sums = affine ? 2 * g.params() : 0;
  const std::int64_t step = plan.rows_per_block;
  const std::int64_t blocks = ceil_div(g.rows, step);
  const Buffer partials = doubles(blocks * sums);
  parallel_for(g.rows, step, [&](std::int64_t begin, std::int64_t end) {
    double* partial = affine ? as<double>(partials) + begin / step * sums : nullptr;
    std::fill_n(partial, sums, 0.0);
    run(g, a, begin, end, partial);
  });
  merge(as<double>(partials), blocks, sums / 2, 0, a.ggamma);
  merge(as<double>(partials), blocks, sums / 2, 1, a.gbeta);
}

template <class T, class R>
void channels_forward(const ChannelGeometry& g, const NormForward<T>& args) {
  NormForward<T> a = args;
  const ChannelPlan plan = plan_of(g, sizeof(T));
  a.non_temporal = plan.non_temporal;
  switch (plan.path) {
    case ChannelPath::tiles:
      a.is_given() ? apply_in_tiles<T, R>(g, plan.rows_per_tile, a) : forward_in_tiles<T, R>(g, plan.rows_per_tile, a);
      break;
    case ChannelPath::planes:
      planes_forward<T, R>(g, plan, a);
      break;
    case ChannelPath::channels:
      for_channels(g, plan,
                   [&, run = NORMGRAD_SIMD_SELECT(norm_channels_forward_task<T, R>)](
                       std::int64_t begin, std::int64_t end) { run(g, a, begin, end); });
      break;
  }
}

template <class T, class R>
void channels_backward(const ChannelGeometry& g, const NormBackward<T>& args) {
  NormBackward<T> a = args;
  const ChannelPlan plan = plan_of(g, sizeof(T));
  a.non_temporal = plan.non_temporal;
  switch (plan.path) {
    case ChannelPath::tiles:
      backward_in_tiles<T, R>(g, plan.rows_per_tile, a);
      break;
    case ChannelPath::planes:
      planes_backward<T, R>(g, plan, a);
      break;
    case ChannelPath::channels:
      for_channels(g, plan,
                   [&, run = NORMGRAD_SIMD_SELECT(norm_channels_backward_task<T, R>)](
                       std::int64_t begin, std::int64_t end) { run(g, a, begin, end); });
      break;
  }
}

template <class T, class R>
void pixels_forward(const ChannelsLastGeometry& g, const NormForward<T>& a) {
  const auto run = NORMGRAD_SIMD_SELECT(norm_pixels_forward_task<T, R>);
  parallel_for(g.samples, plan_of(g).samples_per_task, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> sums(static_cast<std::size_t>(2 * g.channels));
    std::vector<double> columns(static_cast<std::size_t>(4 * g.channels));
    run(g, a, begin, end, sums.data(), columns.data());
  });
}

template <class T, class R>
void pixels_backward(const ChannelsLastGeometry& g, const NormBackward<T>& a) {
  const auto run = NORMGRAD_SIMD_SELECT(norm_pixels_backward_task<T, R>);
  const bool affine = a.ggamma != nullptr || a.gbeta != nullptr;
  const std::int64_t params = affine ? g.channels : 0;
  const std::int64_t step = plan_of(g).samples_per_block;
  const std::int64_t blocks = ceil_div(g.samples, step);
  std::vector<double> partials(static_cast<std::size_t>(blocks * 2 * params), 0.0);
  parallel_for(g.samples, step, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> sums(static_cast<std::size_t>(2 * g.channels));
    std::vector<double> columns(static_cast<std::size_t>(4 * g.channels));
    double* partial = affine ? partials.data() + begin / step * 2 * params : nullptr;
    run(g, a, begin, end, partial, sums.data(), columns.data());
  });
  merge(partials.data(), blocks, params, 0, a.ggamma);
  merge(partials.data(), blocks, params, 1, a.gbeta);
}

// Whether norms of T are computed in float32.
template <class T>
bool in_float32() {
  return std::is_same_v<T, float> && computes_in_float32();
}
// Rows that are too short for a register take as long in float64.
template <class T>
bool in_float32(const RowGeometry& g) {
  return in_float32<T>() && g.length() >= kMaxLanes;
}

}  // namespace

template <class T>
void norm_forward(const RowGeometry& g, const NormForward<T>& a) {
  in_float32<T>(g) ? rows_forward<T, T>(g, a) : rows_forward<T, double>(g, a);
}
template <class T>
void norm_backward(const RowGeometry& g, const NormBackward<T>& a) {
  in_float32<T>(g) ? rows_backward<T, T>(g, a) : rows_backward<T, double>(g, a);
}
template <class T>
void norm_forward(const ChannelGeometry& g, const NormForward<T>& a) {
  in_float32<T>() ? channels_forward<T, T>(g, a) : channels_forward<T, double>(g, a);
}
template <class T>
void norm_backward(const ChannelGeometry& g, const NormBackward<T>& a) {
  in_float32<T>() ? channels_backward<T, T>(g, a) : channels_backward<T, double>(g, a);
}
template <class T>
void norm_forward(const ChannelsLastGeometry& g, const NormForward<T>& a) {
  in_float32<T>() ? pixels_forward<T, T>(g, a) : pixels_forward<T, double>(g, a);
}
template <class T>
void norm_backward(const ChannelsLastGeometry& g, const NormBackward<T>& a) {
  in_float32<T>() ? pixels_backward<T, T>(g, a) : pixels_backward<T, double>(g, a);
}

#define NORMGRAD_INSTANTIATE(T)                                                      \
  template void norm_forward<T>(const RowGeometry&, const NormForward<T>&);          \
  template void norm_backward<T>(const RowGeometry&, const NormBackward<T>&);        \
  template void norm_forward<T>(const ChannelGeometry&, const NormForward<T>&);      \
  template void norm_backward<T>(const ChannelGeometry&, const NormBackward<T>&);    \
  template void norm_forward<T>(const ChannelsLastGeometry&, const NormForward<T>&); \
  template void norm_backward<T>(const ChannelsLastGeometry&, const NormBackward<T>&);
NORMGRAD_INSTANTIATE(float)
NORMGRAD_INSTANTIATE(double)
#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels
