#include "normgrad/core/kernels/norm.hpp"

#include <algorithm>
#include <vector>

#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

namespace {

constexpr std::int64_t kTaskElements = std::int64_t{1} << 15;
// Columns that a task of [N, C] takes: whole cache lines, and a few registers wide.
constexpr std::int64_t kColumnStep = 64;
constexpr std::int64_t kMaxBlocks = 32;

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// Channels are cut in steps whose last one takes the remainder, so that no task has only a few columns.
template <class F>
void for_channels(const ChannelGeometry& g, F f) {
  std::int64_t step = std::max<std::int64_t>(1, kTaskElements / std::max<std::int64_t>(1, g.count()));
  if (g.spatial == 1) {
    step = std::max(kColumnStep, step / kColumnStep * kColumnStep);
  }
  const std::int64_t tasks = std::max<std::int64_t>(1, g.channels / step);
  if (tasks == 1) {
    f(std::int64_t{0}, g.channels);
    return;
  }
  parallel_tasks(tasks, [&](std::int64_t i) { f(i * step, i + 1 == tasks ? g.channels : (i + 1) * step); });
}

// Rows per block for the gradients of the affine parameters: every block has 2 * params() partial sums, which must stay
// few in comparison with its elements.
std::int64_t rows_per_block(const RowGeometry& g) {
  const std::int64_t samples = g.rows / g.cycle;
  const std::int64_t sample_elements = std::max<std::int64_t>(1, g.cycle * g.length());
  const std::int64_t least = g.span >= 8 ? 1 : std::min<std::int64_t>(8, ceil_div(samples, 2));
  const std::int64_t block =
      std::max({least, kTaskElements / sample_elements, ceil_div(samples, kMaxBlocks), std::int64_t{1}});
  return block * g.cycle;
}

template <class T>
void merge(const std::vector<double>& partials, std::int64_t blocks, std::int64_t params, std::int64_t which,
           T* gradient) {
  if (gradient == nullptr) {
    return;
  }
  for (std::int64_t p = 0; p < params; ++p) {
    double sum = 0.0;
    for (std::int64_t b = 0; b < blocks; ++b) {
      sum += partials[static_cast<std::size_t>((b * 2 + which) * params + p)];
    }
    gradient[p] = static_cast<T>(sum);
  }
}

}  // namespace

template <class T>
void norm_forward(const RowGeometry& g, const NormForward<T>& a) {
  const auto run = NORMGRAD_SIMD_SELECT(norm_rows_forward_task<T>);
  const std::int64_t grain = std::max<std::int64_t>(1, kTaskElements / std::max<std::int64_t>(1, g.length()));
  parallel_for(g.rows, grain, [&](std::int64_t begin, std::int64_t end) { run(g, a, begin, end); });
}

template <class T>
void norm_backward(const RowGeometry& g, const NormBackward<T>& a) {
  const auto run = NORMGRAD_SIMD_SELECT(norm_rows_backward_task<T>);
  const bool affine = a.ggamma != nullptr || a.gbeta != nullptr;
  const std::int64_t params = affine ? g.params() : 0;
  const std::int64_t step = rows_per_block(g);
  const std::int64_t blocks = ceil_div(g.rows, step);
  std::vector<double> partials(static_cast<std::size_t>(blocks * 2 * params), 0.0);
  parallel_for(g.rows, step, [&](std::int64_t begin, std::int64_t end) {
    std::vector<T> scratch(static_cast<std::size_t>(2 * params));
    double* partial = affine ? partials.data() + begin / step * 2 * params : nullptr;
    run(g, a, begin, end, partial, scratch.data());
  });
  merge(partials, blocks, params, 0, a.ggamma);
  merge(partials, blocks, params, 1, a.gbeta);
}

template <class T>
void norm_forward(const ChannelGeometry& g, const NormForward<T>& a) {
  const auto run = NORMGRAD_SIMD_SELECT(norm_channels_forward_task<T>);
  for_channels(g, [&](std::int64_t begin, std::int64_t end) { run(g, a, false, begin, end); });
}

template <class T>
void norm_backward(const ChannelGeometry& g, const NormBackward<T>& a) {
  const auto run = NORMGRAD_SIMD_SELECT(norm_channels_backward_task<T>);
  for_channels(g, [&](std::int64_t begin, std::int64_t end) { run(g, a, false, begin, end); });
}

template <class T>
void norm_apply(const ChannelGeometry& g, const NormForward<T>& a) {
  const auto run = NORMGRAD_SIMD_SELECT(norm_channels_forward_task<T>);
  for_channels(g, [&](std::int64_t begin, std::int64_t end) { run(g, a, true, begin, end); });
}

template <class T>
void norm_apply_backward(const ChannelGeometry& g, const NormBackward<T>& a) {
  const auto run = NORMGRAD_SIMD_SELECT(norm_channels_backward_task<T>);
  for_channels(g, [&](std::int64_t begin, std::int64_t end) { run(g, a, true, begin, end); });
}

#define NORMGRAD_INSTANTIATE(T)                                                   \
  template void norm_forward<T>(const RowGeometry&, const NormForward<T>&);       \
  template void norm_backward<T>(const RowGeometry&, const NormBackward<T>&);     \
  template void norm_forward<T>(const ChannelGeometry&, const NormForward<T>&);   \
  template void norm_backward<T>(const ChannelGeometry&, const NormBackward<T>&); \
  template void norm_apply<T>(const ChannelGeometry&, const NormForward<T>&);     \
  template void norm_apply_backward<T>(const ChannelGeometry&, const NormBackward<T>&);
NORMGRAD_INSTANTIATE(float)
NORMGRAD_INSTANTIATE(double)
#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels
