#include <algorithm>

#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/kernels/conv/conv.hpp"
#include "normgrad/core/kernels/elementwise/accumulate.hpp"
#include "normgrad/core/kernels/gemm/gemm.hpp"
#include "normgrad/core/kernels/memory/scratch.hpp"

namespace normgrad::kernels::unfolded {

namespace {

// One image and group as a matrix product w [c_out / groups, depth] * columns [depth, positions].
struct Unfolded {
  explicit Unfolded(const ConvGeometry& geometry)
      : g(geometry),
        channels_in(g.c_in / g.groups),
        channels_out(g.c_out / g.groups),
        depth(channels_in * ConvGeometry::volume(g.kernel)),
        positions(ConvGeometry::volume(g.out)),
        x_group(channels_in * ConvGeometry::volume(g.in)),
        y_group(channels_out * positions) {
    const ConvGeometry::Sizes ones{1, 1, 1};
    is_copy = g.kernel == ones && g.stride == ones && g.padding == ConvGeometry::Sizes{0, 0, 0} && g.in == g.out;
  }

  const ConvGeometry& g;
  std::int64_t channels_in;
  std::int64_t channels_out;
  std::int64_t depth;
  std::int64_t positions;
  std::int64_t x_group;
  std::int64_t y_group;
  bool is_copy = false;  // the columns are the image itself

  std::int64_t scratch_size() const noexcept { return is_copy ? 0 : depth * positions; }

  // Calls f(x_offset, column_offset, count) for each run of `count` positions along the width at which a window element
  // is inside the image. Elements of x are one stride apart.
  template <class F>
  void for_each_run(F f) const {
    std::int64_t row = 0;
    for (std::int64_t c = 0; c < channels_in; ++c) {
      for (std::int64_t kd = 0; kd < g.kernel[0]; ++kd) {
        for (std::int64_t kh = 0; kh < g.kernel[1]; ++kh) {
          for (std::int64_t kw = 0; kw < g.kernel[2]; ++kw, ++row) {
            const std::int64_t w0 = kw * g.dilation[2] - g.padding[2];
            const std::int64_t first = w0 >= 0 ? 0 : (-w0 + g.stride[2] - 1) / g.stride[2];
            const std::int64_t inside = g.in[2] - 1 - w0;
            const std::int64_t last = inside < 0 ? 0 : std::min(g.out[2], inside / g.stride[2] + 1);
            for (std::int64_t od = 0; od < g.out[0]; ++od) {
              const std::int64_t d = od * g.stride[0] - g.padding[0] + kd * g.dilation[0];
              for (std::int64_t oh = 0; oh < g.out[1]; ++oh) {
                const std::int64_t h = oh * g.stride[1] - g.padding[1] + kh * g.dilation[1];
                if (d >= 0 && d < g.in[0] && h >= 0 && h < g.in[1] && first < last) {
                  f(((c * g.in[0] + d) * g.in[1] + h) * g.in[2] + w0 + first * g.stride[2],
                    row * positions + (od * g.out[1] + oh) * g.out[2] + first, last - first);
                }
              }
            }
          }
        }
      }
    }
  }

  template <class T>
  const T* unfold(const T* x, T* columns) const {
    if (is_copy) {
      return x;
    }
    std::fill_n(columns, depth * positions, T(0));
    for_each_run([&](std::int64_t from, std::int64_t to, std::int64_t count) {
      for (std::int64_t i = 0; i < count; ++i) {
        columns[to + i] = x[from + i * g.stride[2]];
      }
    });
    return columns;
  }

  template <class T>
  void fold(const T* columns, T* x) const {
    std::fill_n(x, x_group, T(0));
    for_each_run([&](std::int64_t to, std::int64_t from, std::int64_t count) {
      for (std::int64_t i = 0; i < count; ++i) {
        x[to + i * g.stride[2]] += columns[from + i];
      }
    });
  }
};

// Images per task; small images share one.
std::int64_t images_per_task(const ConvGeometry& g) {
  constexpr std::int64_t kWork = std::int64_t{1} << 16;
  return std::max(std::int64_t{1}, kWork * std::max(g.n, std::int64_t{1}) / std::max(g.work(), std::int64_t{1}));
}

// Calls f(image, group, columns) for every image and group, with scratch memory for the columns.
template <class T, class F>
void for_each_product(const Unfolded& u, F f) {
  parallel_for(u.g.n, images_per_task(u.g), [&](std::int64_t begin, std::int64_t end) {
    const Scratch<T> columns(u.scratch_size());
    for (std::int64_t image = begin; image < end; ++image) {
      for (std::int64_t group = 0; group < u.g.groups; ++group) {
        f(image, group, columns.get());
      }
    }
  });
}

}  // namespace

template <class T>
void conv_forward(const ConvGeometry& g, const T* x, const T* w, const T* bias, T* y) {
  const Unfolded u(g);
  const GemmShape shape = GemmShape::dense(false, false, u.channels_out, u.positions, u.depth);
  for_each_product<T>(u, [&](std::int64_t image, std::int64_t group, T* columns) {
    T* to = y + image * g.y_size() + group * u.y_group;
    for (std::int64_t c = 0; bias != nullptr && c < u.channels_out; ++c) {
      std::fill_n(to + c * u.positions, u.positions, bias[group * u.channels_out + c]);
    }
    const T* from = u.unfold(x + image * g.x_size() + group * u.x_group, columns);
    gemm(shape, T(1), w + group * u.channels_out * u.depth, from, T(bias != nullptr ? 1 : 0), to);
  });
}

template <class T>
void conv_backward_input(const ConvGeometry& g, const T* gy, const T* w, T* gx) {
  const Unfolded u(g);
  const GemmShape shape = GemmShape::dense(true, false, u.depth, u.positions, u.channels_out);
  for_each_product<T>(u, [&](std::int64_t image, std::int64_t group, T* columns) {
    T* to = gx + image * g.x_size() + group * u.x_group;
    gemm(shape, T(1), w + group * u.channels_out * u.depth, gy + image * g.y_size() + group * u.y_group, T(0),
         u.is_copy ? to : columns);
    if (!u.is_copy) {
      u.fold(columns, to);
    }
  });
}

template <class T>
void conv_backward_weight(const ConvGeometry& g, const T* gy, const T* x, T* gw) {
  constexpr std::int64_t kPieces = 8;
  const Unfolded u(g);
  const GemmShape shape = GemmShape::dense(false, true, u.channels_out, u.depth, u.positions);
  const std::int64_t images = std::max((g.n + kPieces - 1) / kPieces, images_per_task(g));
  const std::int64_t pieces = (g.n + images - 1) / images;
  const Scratch<T> partial(std::max(std::int64_t{0}, pieces - 1) * g.w_size());
  std::fill_n(gw, g.w_size(), T(0));
  parallel_tasks(pieces, [&](std::int64_t piece) {
    T* sum = piece == 0 ? gw : partial.get() + (piece - 1) * g.w_size();
    const Scratch<T> columns(u.scratch_size());
    for (std::int64_t image = piece * images; image < std::min(g.n, (piece + 1) * images); ++image) {
      for (std::int64_t group = 0; group < g.groups; ++group) {
        const T* from = u.unfold(x + image * g.x_size() + group * u.x_group, columns.get());
        gemm(shape, T(1), gy + image * g.y_size() + group * u.y_group, from, T(image == piece * images ? 0 : 1),
             sum + group * u.channels_out * u.depth);
      }
    }
  });
  for (std::int64_t piece = 1; piece < pieces; ++piece) {
    accumulate(partial.get() + (piece - 1) * g.w_size(), gw, g.w_size());
  }
}

template void conv_forward<float>(const ConvGeometry&, const float*, const float*, const float*, float*);
template void conv_forward<double>(const ConvGeometry&, const double*, const double*, const double*, double*);
template void conv_backward_input<float>(const ConvGeometry&, const float*, const float*, float*);
template void conv_backward_input<double>(const ConvGeometry&, const double*, const double*, double*);
template void conv_backward_weight<float>(const ConvGeometry&, const float*, const float*, float*);
template void conv_backward_weight<double>(const ConvGeometry&, const double*, const double*, double*);

}  // namespace normgrad::kernels::unfolded
