#include <algorithm>
#include <array>
#include <cmath>

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/image/image.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

constexpr double kFar = 0x1p30;  // no pixel is that far out

enum class Outside { zeros, border, reflection };

// A position, moved into the image as padding_mode says, and its derivative.
struct Moved {
  double at;
  double slope;
};

Moved into_image(double at, std::int64_t size, Outside outside, bool align_corners) {
  const double last = static_cast<double>(size - 1);
  double slope = 1.0;
  if (outside == Outside::reflection) {
    const double low = align_corners ? 0.0 : -0.5;
    const double span = align_corners ? last : last + 1.0;
    if (span == 0.0) {
      return {0.0, 0.0};
    }
    const double distance = std::abs(at - low);
    const double flips = std::floor(distance / span);
    const double rest = distance - flips * span;
    const bool forth = std::fmod(flips, 2.0) == 0.0;
    slope = (at < low ? -1.0 : 1.0) * (forth ? 1.0 : -1.0);
    at = (forth ? rest : span - rest) + low;
  }
  if (outside != Outside::zeros && !(at > 0.0 && at < last)) {
    return {std::clamp(at, 0.0, last), 0.0};
  }
  return {at, slope};
}

// One axis of the positions: a pixel and the part of a pixel behind it, which is differentiable.
struct AxisPlaces {
  std::vector<std::int64_t> low;
  Tensor part;
};

struct Sampler {
  std::int64_t images, channels, places;
  std::vector<std::int64_t> sizes;  // of the image, outermost first
  Outside outside;
  bool align_corners;
  Tensor rows;  // the pixels [images * pixels, channels], and a row of zeros for what lies outside

  // Coordinate `g` in [-1, 1], one per place, in pixels.
  Tensor in_pixels(const Tensor& g, std::int64_t size) const {
    const auto n = static_cast<double>(size);
    const Tensor at = align_corners ? (g + 1.0) * ((n - 1.0) / 2.0) : ((g + 1.0) * n - 1.0) / 2.0;
    const Tensor near = lt(abs(at), kFar);  // false for NaN
    const Tensor far = where(gt(at, 0.0), detail::scalar_like(at, kFar), detail::scalar_like(at, -kFar));
    return where(near, at, far);
  }

  // Recorded as slope * at + a constant.
  Tensor moved(const Tensor& at, std::int64_t size) const {
    if (outside == Outside::zeros) {
      return at;
    }
    Tensor slope = Tensor::empty(at.shape(), at.dtype());
    Tensor shift = Tensor::empty(at.shape(), at.dtype());
    dispatch_float("grid_sample", at.dtype(), [&](auto zero) {
      using T = decltype(zero);
      const T* from = at.data<T>();
      T* slopes = slope.mutable_data<T>();
      T* shifts = shift.mutable_data<T>();
      for (std::int64_t i = 0; i < at.numel(); ++i) {
        const Moved to = into_image(static_cast<double>(from[i]), size, outside, align_corners);
        slopes[i] = static_cast<T>(to.slope);
        shifts[i] = static_cast<T>(to.at - to.slope * static_cast<double>(from[i]));
      }
    });
    return at * slope + shift;
  }

  AxisPlaces split(const Tensor& at) const {
    AxisPlaces result;
    const auto values = at.to_vector<double>();
    std::vector<double> floors;
    for (const double value : values) {
      floors.push_back(std::floor(value));
      result.low.push_back(static_cast<std::int64_t>(floors.back()));
    }
    result.part = at - to(from_vector(floors, at.shape()), at.dtype());
    return result;
  }

  // The pixels at `position(place, axis)`, which may be outside.
  template <class F>
  Tensor pixels(F position) const {
    const std::int64_t per_image = Shape(sizes).numel();
    Tensor index = Tensor::empty({images * places}, kInt64);
    auto* to = index.mutable_data<std::int64_t>();
    for (std::int64_t i = 0; i < images * places; ++i) {
      std::int64_t flat = 0;
      bool inside = true;
      for (std::size_t axis = 0; axis < sizes.size(); ++axis) {
        std::int64_t p = position(static_cast<std::size_t>(i), axis);
        if (outside != Outside::zeros) {
          p = static_cast<std::int64_t>(into_image(static_cast<double>(p), sizes[axis], outside, align_corners).at);
        }
        inside = inside && p >= 0 && p < sizes[axis];
        flat = flat * sizes[axis] + p;
      }
      to[i] = inside ? i / places * per_image + flat : images * per_image;
    }
    return index_select(rows, 0, index);
  }
};

// The weight of the neighbor `k` (0, 1, ...) at the part t of a pixel: linear, or cubic with a = -0.75.
Tensor weight_of(const Tensor& t, std::int64_t k, bool cubic) {
  if (!cubic) {
    return k == 0 ? 1.0 - t : t;
  }
  constexpr double a = -0.75;
  const Tensor d = k == 0 ? t + 1.0 : k == 1 ? t : k == 2 ? 1.0 - t : 2.0 - t;  // distance
  if (k == 1 || k == 2) {
    return ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0;
  }
  return (((d - 5.0) * d + 8.0) * d - 4.0) * a;
}

Tensor sample(const Sampler& s, const std::vector<Tensor>& coordinates, const std::string& mode) {
  const std::size_t axes = s.sizes.size();
  const bool cubic = mode == "bicubic";
  std::vector<Tensor> at;
  for (std::size_t i = 0; i < axes; ++i) {
    const Tensor pixels = s.in_pixels(coordinates[i], s.sizes[i]);
    at.push_back(cubic ? pixels : s.moved(pixels, s.sizes[i]));
  }
  if (mode == "nearest") {
    std::vector<std::vector<std::int64_t>> nearest(axes);
    for (std::size_t i = 0; i < axes; ++i) {
      for (const double value : at[i].to_vector<double>()) {
        nearest[i].push_back(static_cast<std::int64_t>(std::nearbyint(value)));
      }
    }
    return s.pixels([&](std::size_t place, std::size_t axis) { return nearest[axis][place]; });
  }
  std::vector<AxisPlaces> places;
  for (const Tensor& positions : at) {
    places.push_back(s.split(positions));
  }
  const std::int64_t neighbors = cubic ? 4 : 2;
  const std::int64_t before = cubic ? 1 : 0;
  Tensor y;
  for (std::int64_t corner = 0; corner < (axes == 2 ? neighbors * neighbors : 8); ++corner) {
    std::array<std::int64_t, 3> k{};
    std::int64_t rest = corner;
    Tensor weight;
    for (std::size_t i = axes; i-- > 0;) {
      k[i] = rest % neighbors;
      rest /= neighbors;
      const Tensor along = weight_of(places[i].part, k[i], cubic);
      weight = weight.defined() ? weight * along : along;
    }
    const Tensor pixels =
        s.pixels([&](std::size_t place, std::size_t axis) { return places[axis].low[place] + k[axis] - before; });
    const Tensor term = pixels * unsqueeze(weight, 1);
    y = y.defined() ? y + term : term;
  }
  return y;
}

}  // namespace

Tensor grid_sample(const Tensor& x, const Tensor& grid, const GridSampleOptions& options) {
  require<ShapeError>(x.dim() == 4 || x.dim() == 5,
                      "grid_sample: expected an input [N, C, H, W] or [N, C, D, H, W] but got ", x.shape());
  const std::int64_t axes = x.dim() - 2;
  require<ShapeError>(grid.dim() == x.dim() && grid.size(0) == x.size(0) && grid.size(-1) == axes,
                      "grid_sample: expected a grid [", x.size(0), axes == 2 ? ", h, w, 2" : ", d, h, w, 3",
                      "] for an input ", x.shape(), " but got ", grid.shape());
  detail::check_same_dtype("grid_sample", x, grid);
  detail::check_float("grid_sample", x);
  require<ValueError>(options.mode == "bilinear" || options.mode == "nearest" || options.mode == "bicubic",
                      "grid_sample: expected mode \"bilinear\", \"nearest\" or \"bicubic\" but got \"", options.mode,
                      "\"");
  require<ValueError>(options.mode != "bicubic" || axes == 2,
                      "grid_sample: expected a 4-D input for mode \"bicubic\" but got ", x.shape());
  const bool zeros_outside = options.padding_mode == "zeros";
  require<ValueError>(zeros_outside || options.padding_mode == "border" || options.padding_mode == "reflection",
                      "grid_sample: expected padding_mode \"zeros\", \"border\" or \"reflection\" but got \"",
                      options.padding_mode, "\"");
  Sampler s{.images = x.size(0),
            .channels = x.size(1),
            .places = 1,
            .sizes = {},
            .outside = Outside::zeros,
            .align_corners = options.align_corners,
            .rows = {}};
  s.outside = zeros_outside ? Outside::zeros : options.padding_mode == "border" ? Outside::border : Outside::reflection;
  Shape result{s.images};
  for (std::int64_t i = 0; i < axes; ++i) {
    require<ShapeError>(x.size(i + 2) >= 1, "grid_sample: expected spatial axes that are not empty but got ",
                        x.shape());
    s.sizes.push_back(x.size(i + 2));
    s.places *= grid.size(i + 1);
    result.push_back(grid.size(i + 1));
  }
  result.push_back(s.channels);
  std::vector<std::int64_t> pixels_first{0, 2, 3};
  std::vector<std::int64_t> channels_first{0, 3, 1, 2};
  if (axes == 3) {
    pixels_first.push_back(4);
    channels_first = {0, 4, 1, 2, 3};
  }
  pixels_first.push_back(1);
  const std::int64_t pixels = s.images * Shape(s.sizes).numel();
  s.rows =
      cat({reshape_to(permute(x, pixels_first), {pixels, s.channels}), zeros({1, s.channels}, {.dtype = x.dtype()})});
  std::vector<Tensor> coordinates;  // outermost first; in the grid the column comes first
  for (std::int64_t i = axes; i-- > 0;) {
    coordinates.push_back(reshape_to(select(grid, -1, i), {s.images * s.places}));
  }
  return permute(reshape_to(sample(s, coordinates, options.mode), result), channels_first);
}

Tensor affine_grid(const Tensor& theta, const std::vector<std::int64_t>& size, bool align_corners) {
  const auto axes = static_cast<std::int64_t>(size.size()) - 2;
  require<ShapeError>(axes == 2 || axes == 3, "affine_grid: expected a size of 4 or 5 numbers but got ", size.size());
  require<ShapeError>(theta.shape() == Shape({size[0], axes, axes + 1}), "affine_grid: expected a theta ",
                      Shape({std::max<std::int64_t>(size[0], 0), axes, axes + 1}), " but got ", theta.shape());
  detail::check_float("affine_grid", theta);
  Shape result{size[0]};
  Shape spatial;
  for (std::size_t i = 2; i < size.size(); ++i) {
    require<ValueError>(size[i] >= 1, "affine_grid: expected sizes of at least 1 but got ", size[i]);
    result.push_back(size[i]);
    spatial.push_back(size[i]);
  }
  result.push_back(axes);
  std::vector<Tensor> coordinates;  // the column first, and ones at the end
  for (std::size_t i = spatial.rank(); i-- > 0;) {
    const auto n = static_cast<double>(spatial[i]);
    const double end = align_corners ? 1.0 : (n - 1.0) / n;
    Shape along(std::vector<std::int64_t>(spatial.rank(), 1));
    along[i] = spatial[i];
    const Tensor line = spatial[i] == 1 ? zeros({1}, {.dtype = theta.dtype()})
                                        : linspace(-end, end, spatial[i], {.dtype = theta.dtype()});
    coordinates.push_back(reshape_to(expand_to(reshape_to(line, along), spatial), {spatial.numel()}));
  }
  coordinates.push_back(ones({spatial.numel()}, {.dtype = theta.dtype()}));
  return reshape_to(matmul(stack(coordinates, 1), transpose(theta, 1, 2)), result);
}

}  // namespace normgrad
