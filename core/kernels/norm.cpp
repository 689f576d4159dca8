#include "normgrad/core/kernels/norm.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "normgrad/core/base/buffer.hpp"
#include "normgrad/core/base/even_blocks.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/kernels/norm_planes.hpp"

namespace normgrad::kernels {

namespace {

constexpr std::int64_t kTaskElements = std::int64_t{1} << 15;
// Columns that a task of [N, C] takes: whole cache lines, and a few registers wide.
constexpr std::int64_t kColumnStep = 64;
constexpr std::int64_t kMaxBlocks = 32;
constexpr std::int64_t kLeastTasks = 8;

// Whether an output is written past the caches: where the four arrays of a norm's forward and backward do not stay in
// the last cache together, its lines would only push out what is still to be read. The size is that of the share that a
// core or two have in common caches; what processors report of these differs too much to be of use.
bool goes_past_caches(std::int64_t elements, std::size_t element_size, std::int64_t segment) {
  constexpr std::int64_t kLargeOutput = std::int64_t{1} << 22;
  constexpr std::int64_t kLongSegment = 512;
  const auto size = static_cast<std::int64_t>(element_size);
  return elements * size >= kLargeOutput && (segment * size % 64 == 0 || segment >= kLongSegment);
}

// Channels are cut in steps whose last one takes the remainder, so that no task has only a few columns.
template <class F>
void for_channels(const ChannelGeometry& g, F f) {
  std::int64_t step = std::max<std::int64_t>(1, kTaskElements / std::max<std::int64_t>(1, g.count()));
  if (g.spatial == 1) {
    step = std::max(kColumnStep, step / kColumnStep * kColumnStep);
  } else if (g.channels >= kLeastTasks * g.together()) {
    step = std::max(step, g.together());
  }
  const std::int64_t tasks = std::max<std::int64_t>(1, g.channels / step);
  if (tasks == 1) {
    f(std::int64_t{0}, g.channels);
    return;
  }
  parallel_tasks(tasks, [&](std::int64_t i) { f(i * step, i + 1 == tasks ? g.channels : (i + 1) * step); });
}

template <class T>
bool rows_go_past_caches(const RowGeometry& g) {
  return goes_past_caches(g.rows * g.length(), sizeof(T), g.span > 1 ? g.span : g.length());
}
template <class T>
void channels_forward(const ChannelGeometry& g, NormForward<T> a, bool given) {
  const auto run = NORMGRAD_SIMD_SELECT(norm_channels_forward_task<T>);
  a.past_caches = g.spatial > 1 && goes_past_caches(g.channels * g.count(), sizeof(T), g.spatial);
  if (works_in_planes(g)) {
    planes_forward(g, a, given);
    return;
  }
  for_channels(g, [&](std::int64_t begin, std::int64_t end) { run(g, a, given, begin, end); });
}
template <class T>
void channels_backward(const ChannelGeometry& g, NormBackward<T> a, bool given) {
  const auto run = NORMGRAD_SIMD_SELECT(norm_channels_backward_task<T>);
  a.past_caches = g.spatial > 1 && goes_past_caches(g.channels * g.count(), sizeof(T), g.spatial);
  if (works_in_planes(g)) {
    planes_backward(g, a, given);
    return;
  }
  for_channels(g, [&](std::int64_t begin, std::int64_t end) { run(g, a, given, begin, end); });
}

// A tall matrix [N, C] (an image channels last) is worked on in blocks of rows that stay in the cache, whose moments
// and sums are merged; 0: not worth it, go column by column.
std::int64_t rows_per_tile(const ChannelGeometry& g) {
  constexpr std::int64_t kTall = 1024;
  if (g.spatial != 1 || g.channels < kLeastColumns || g.batch <= kTall) {
    return 0;
  }
  return std::max<std::int64_t>(256, kTaskElements / g.channels);
}

// Calls f(rows, element, block) for each block of rows: its geometry, where it starts, and its number.
template <class F>
void for_row_tiles(const ChannelGeometry& g, std::int64_t step, F f) {
  parallel_for(g.batch, step, [&](std::int64_t begin, std::int64_t end) {
    f(ChannelGeometry{end - begin, g.channels, 1}, begin * g.channels, begin / step);
  });
}

// Moments of all rows from those of blocks (Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for
// computing sample variances", 1979).
template <class T>
void merge_moments(const ChannelGeometry& g, std::int64_t step, const std::vector<double>& means,
                   const std::vector<double>& vars, const NormForward<T>& a) {
  const std::int64_t blocks = ceil_div(g.batch, step);
  for (std::int64_t c = 0; c < g.channels; ++c) {
    // From the first block's on, so that equal means stay what they are.
    auto n = static_cast<double>(std::min(step, g.batch));
    double mean = means[static_cast<std::size_t>(c)];
    double m2 = vars[static_cast<std::size_t>(c)] * n;
    for (std::int64_t b = 1; b < blocks; ++b) {
      const auto i = static_cast<std::size_t>(b * g.channels + c);
      const auto rows = static_cast<double>(std::min(step, g.batch - b * step));
      const double delta = means[i] - mean;
      m2 += vars[i] * rows + delta * delta * n * rows / (n + rows);
      n += rows;
      mean += delta * rows / n;
    }
    const double var = m2 / n;
    a.mean[c] = mean;
    a.rstd[c] = 1.0 / std::sqrt(var + a.eps);
    if (a.var != nullptr) {
      a.var[c] = var;
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
void apply_in_tiles(const ChannelGeometry& g, std::int64_t step, NormForward<T> a) {
  const auto run = NORMGRAD_SIMD_SELECT(norm_channels_forward_task<T>);
  a.var = nullptr;
  for_row_tiles(g, step, [&](const ChannelGeometry& tile, std::int64_t element, std::int64_t /*block*/) {
    run(tile, from_element(a, element), true, 0, g.channels);
  });
}

template <class T>
void forward_in_tiles(const ChannelGeometry& g, std::int64_t step, const NormForward<T>& a) {
  const auto run = NORMGRAD_SIMD_SELECT(norm_channels_forward_task<T>);
  const auto size = static_cast<std::size_t>(ceil_div(g.batch, step) * g.channels);
  std::vector<double> means(size), rstds(size), vars(size);
  for_row_tiles(g, step, [&](const ChannelGeometry& tile, std::int64_t element, std::int64_t block) {
    NormForward<T> of_tile = from_element(a, element);
    of_tile.y = nullptr;
    of_tile.mean = means.data() + block * g.channels;
    of_tile.rstd = rstds.data() + block * g.channels;
    of_tile.var = vars.data() + block * g.channels;
    run(tile, of_tile, false, 0, g.channels);
  });
  merge_moments(g, step, means, vars, a);
  if (a.y != nullptr) {
    apply_in_tiles(g, step, a);
  }
}

template <class T>
NormBackward<T> from_element(NormBackward<T> a, std::int64_t element) {
  a.gy += element;
  a.x += element;
  a.gx = a.gx == nullptr ? nullptr : a.gx + element;
  return a;
}

template <class T>
void backward_in_tiles(const ChannelGeometry& g, std::int64_t step, const NormBackward<T>& a, bool given) {
  const std::int64_t blocks = ceil_div(g.batch, step);
  const bool sums_wanted = !given || a.ggamma != nullptr || a.gbeta != nullptr;
  const auto size = static_cast<std::size_t>(2 * g.channels);
  std::vector<double> sums(sums_wanted ? size : 0, 0.0);
  if (sums_wanted) {
    const auto run = NORMGRAD_SIMD_SELECT(norm_columns_sums_task<T>);
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
    const auto gradient = NORMGRAD_SIMD_SELECT(norm_columns_gradient_task<T>);
    for_row_tiles(g, step, [&](const ChannelGeometry& tile, std::int64_t element, std::int64_t /*block*/) {
      gradient(tile, from_element(a, element), given ? nullptr : sums.data(), static_cast<double>(g.batch));
    });
  }
}

// Whether parameters of spans shorter than a batch are repeated for each element: a row is then worked on in one piece.
// Whether does not depend on the number of rows, for none may change with its neighbours.
bool repeats_params(const RowGeometry& g) {
  constexpr std::int64_t kFewElements = std::int64_t{1} << 16;
  return g.span > 1 && g.span < kMostLanes && g.per_row > 1 && g.params() * g.span <= kFewElements;
}

// Rows per block for the gradients of the affine parameters: every block has 2 * params() partial sums, which must stay
// few in comparison with its elements.
std::int64_t rows_per_block(const RowGeometry& g) {
  const std::int64_t samples = g.rows / g.cycle;
  const std::int64_t sample_elements = std::max<std::int64_t>(1, g.cycle * g.length());
  const std::int64_t worthwhile = has_short_spans(g) ? 8 : (g.span >= 8 ? 1 : 16);
  const std::int64_t least = std::min<std::int64_t>(worthwhile, ceil_div(samples, 2));
  const std::int64_t block =
      std::max({least, kTaskElements / sample_elements, ceil_div(samples, kMaxBlocks), std::int64_t{1}});
  return block * g.cycle;
}

// Memory of the pool: fresh pages would cost more than the sums.
template <class T>
T* as(const Buffer& memory) {
  return reinterpret_cast<T*>(memory.data());
}
Buffer doubles(std::int64_t n) { return Buffer(static_cast<std::size_t>(n) * sizeof(double)); }

// Makes `params` point to its values, each repeated over its span.
template <class T>
Buffer repeat(const RowGeometry& g, const T*& params) {
  if (params == nullptr) {
    return {};
  }
  Buffer memory(static_cast<std::size_t>(g.params() * g.span) * sizeof(T));
  T* to = as<T>(memory);
  for (std::int64_t p = 0; p < g.params(); ++p, to += g.span) {
    std::fill_n(to, g.span, params[p]);
  }
  params = as<T>(memory);
  return memory;
}

// gradient[p] = the sum of the blocks' sums, in their order.
template <class T>
void merge(const double* partials, std::int64_t blocks, std::int64_t params, std::int64_t which, T* gradient) {
  if (gradient == nullptr) {
    return;
  }
  constexpr std::int64_t kChunk = 512;
  parallel_for(params, blocks * params < kTaskElements ? params : 8 * kChunk,
               [&](std::int64_t begin, std::int64_t end) {
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

template <class T>
void norm_forward(const RowGeometry& g, const NormForward<T>& args) {
  const auto run = NORMGRAD_SIMD_SELECT(norm_rows_forward_task<T>);
  NormForward<T> a = args;
  a.past_caches = rows_go_past_caches<T>(g);
  a.per_element = repeats_params(g);
  const Buffer gamma = a.per_element ? repeat(g, a.gamma) : Buffer();
  const Buffer beta = a.per_element ? repeat(g, a.beta) : Buffer();
  const std::int64_t grain = std::max<std::int64_t>(1, kTaskElements / std::max<std::int64_t>(1, g.length()));
  parallel_for(g.rows, grain, [&](std::int64_t begin, std::int64_t end) { run(g, a, begin, end); });
}

template <class T>
void norm_backward(const RowGeometry& g, const NormBackward<T>& args) {
  const auto run = NORMGRAD_SIMD_SELECT(norm_rows_backward_task<T>);
  NormBackward<T> a = args;
  a.past_caches = rows_go_past_caches<T>(g);
  a.per_element = repeats_params(g);
  const Buffer gamma = a.per_element ? repeat(g, a.gamma) : Buffer();
  const Buffer beta = a.per_element && a.relu ? repeat(g, a.beta) : Buffer();
  const bool affine = a.ggamma != nullptr || a.gbeta != nullptr;
  const std::int64_t sums = affine ? 2 * g.params() : 0;
  const std::int64_t step = rows_per_block(g);
  const std::int64_t blocks = ceil_div(g.rows, step);
  const Buffer partials = doubles(blocks * sums);
  parallel_for(g.rows, step, [&](std::int64_t begin, std::int64_t end) {
    double* partial = affine ? as<double>(partials) + begin / step * sums : nullptr;
    run(g, a, begin, end, partial);
  });
  merge(as<double>(partials), blocks, sums / 2, 0, a.ggamma);
  merge(as<double>(partials), blocks, sums / 2, 1, a.gbeta);
}

template <class T>
void norm_forward(const ChannelGeometry& g, const NormForward<T>& a) {
  if (const std::int64_t step = rows_per_tile(g); step > 0) {
    forward_in_tiles(g, step, a);
    return;
  }
  channels_forward(g, a, false);
}

template <class T>
void norm_backward(const ChannelGeometry& g, const NormBackward<T>& a) {
  if (const std::int64_t step = rows_per_tile(g); step > 0) {
    backward_in_tiles(g, step, a, false);
    return;
  }
  channels_backward(g, a, false);
}

template <class T>
void norm_apply(const ChannelGeometry& g, const NormForward<T>& a) {
  if (const std::int64_t step = rows_per_tile(g); step > 0) {
    apply_in_tiles(g, step, a);
    return;
  }
  channels_forward(g, a, true);
}

template <class T>
void norm_apply_backward(const ChannelGeometry& g, const NormBackward<T>& a) {
  if (const std::int64_t step = rows_per_tile(g); step > 0) {
    backward_in_tiles(g, step, a, true);
    return;
  }
  channels_backward(g, a, true);
}

template <class T>
void norm_forward(const PixelGeometry& g, const NormForward<T>& a) {
  const auto run = NORMGRAD_SIMD_SELECT(norm_pixels_forward_task<T>);
  const std::int64_t grain =
      std::max<std::int64_t>(1, kTaskElements / std::max<std::int64_t>(1, g.positions * g.channels));
  parallel_for(g.samples, grain, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> sums(static_cast<std::size_t>(2 * g.channels));
    std::vector<double> columns(static_cast<std::size_t>(4 * g.channels));
    run(g, a, begin, end, sums.data(), columns.data());
  });
}

template <class T>
void norm_backward(const PixelGeometry& g, const NormBackward<T>& a) {
  const auto run = NORMGRAD_SIMD_SELECT(norm_pixels_backward_task<T>);
  const bool affine = a.ggamma != nullptr || a.gbeta != nullptr;
  const std::int64_t params = affine ? g.channels : 0;
  const std::int64_t step = rows_per_block({g.samples, 1, g.channels, g.positions});
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

#define NORMGRAD_INSTANTIATE(T)                                                   \
  template void norm_forward<T>(const RowGeometry&, const NormForward<T>&);       \
  template void norm_backward<T>(const RowGeometry&, const NormBackward<T>&);     \
  template void norm_forward<T>(const ChannelGeometry&, const NormForward<T>&);   \
  template void norm_backward<T>(const ChannelGeometry&, const NormBackward<T>&); \
  template void norm_forward<T>(const PixelGeometry&, const NormForward<T>&);     \
  template void norm_backward<T>(const PixelGeometry&, const NormBackward<T>&);   \
  template void norm_apply<T>(const ChannelGeometry&, const NormForward<T>&);     \
  template void norm_apply_backward<T>(const ChannelGeometry&, const NormBackward<T>&);
NORMGRAD_INSTANTIATE(float)
NORMGRAD_INSTANTIATE(double)
#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels
