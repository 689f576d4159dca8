#include "normgrad/core/kernels/norm/rows.hpp"

#include <algorithm>
#include <vector>

#include "normgrad/core/base/buffer.hpp"
#include "normgrad/core/base/even_blocks.hpp"
#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

namespace {

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

}  // namespace

template <class T, class R>
void rows_forward(const RowGeometry& g, const RowPlan& plan, const NormForward<T>& args) {
  const auto run = NORMGRAD_SIMD_SELECT(norm_rows_forward_task<T, R>);
  NormForward<T> a = args;
  a.non_temporal = plan.non_temporal;
  a.per_element = plan.repeats_params;
  const Buffer gamma = a.per_element ? repeat(g, a.gamma) : Buffer();
  const Buffer beta = a.per_element ? repeat(g, a.beta) : Buffer();
  parallel_for(g.rows, plan.rows_per_task, [&](std::int64_t begin, std::int64_t end) { run(g, a, begin, end); });
}

template <class T, class R>
void rows_backward(const RowGeometry& g, const RowPlan& plan, const NormBackward<T>& args) {
  NormBackward<T> a = args;
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
void pixels_forward(const ChannelsLastGeometry& g, const ChannelsLastPlan& plan, const NormForward<T>& a) {
  const auto run = NORMGRAD_SIMD_SELECT(norm_pixels_forward_task<T, R>);
  parallel_for(g.samples, plan.samples_per_task, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> sums(static_cast<std::size_t>(2 * g.channels));
    std::vector<double> columns(static_cast<std::size_t>(4 * g.channels));
    run(g, a, begin, end, sums.data(), columns.data());
  });
}

template <class T, class R>
void pixels_backward(const ChannelsLastGeometry& g, const ChannelsLastPlan& plan, const NormBackward<T>& a) {
  const auto run = NORMGRAD_SIMD_SELECT(norm_pixels_backward_task<T, R>);
  const bool affine = a.ggamma != nullptr || a.gbeta != nullptr;
  const std::int64_t params = affine ? g.channels : 0;
  const std::int64_t step = plan.samples_per_block;
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

#define NORMGRAD_INSTANTIATE(T, R)                                                                                 \
  template void rows_forward<T, R>(const RowGeometry&, const RowPlan&, const NormForward<T>&);                     \
  template void rows_backward<T, R>(const RowGeometry&, const RowPlan&, const NormBackward<T>&);                   \
  template void pixels_forward<T, R>(const ChannelsLastGeometry&, const ChannelsLastPlan&, const NormForward<T>&); \
  template void pixels_backward<T, R>(const ChannelsLastGeometry&, const ChannelsLastPlan&, const NormBackward<T>&);
NORMGRAD_INSTANTIATE(float, float)
NORMGRAD_INSTANTIATE(float, double)
NORMGRAD_INSTANTIATE(double, double)
#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels
