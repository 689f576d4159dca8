#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/kernels/image/resample.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/detail/index.hpp"
#include "normgrad/core/ops/image/image.hpp"
#include "normgrad/core/ops/pool/pool.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

using kernels::Taps;

// A linear map along one axis, and its adjoint.
struct AxisMap {
  std::shared_ptr<const Taps> taps;
  std::shared_ptr<const Taps> adjoint;
};

Tensor resample(const Tensor& x, std::size_t axis, const AxisMap& map) {
  const kernels::IndexShape around = detail::index_shape(x.shape(), axis, map.taps->count());
  Shape shape = x.shape();
  shape[axis] = map.taps->count();
  Tensor y = Tensor::empty(shape, x.dtype());
  dispatch_float("interpolate", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::resample(*map.taps, around.outer, around.inner, x.data<T>(), y.mutable_data<T>());
  });
  return record("interpolate", std::move(y), {x}, [axis, map](const Tensor& gy, GradSink& into) {
    into.add(0, resample(gy, axis, {map.adjoint, map.taps}));
  });
}

// One axis of an interpolation.
struct AxisScale {
  std::int64_t in;
  std::int64_t out;
  double ratio;  // pixels of x per pixel of the result
  bool exact;    // whether the ratio is in / out
  bool align_corners;

  double center(std::int64_t j) const {
    return align_corners ? ratio * static_cast<double>(j) : ratio * (static_cast<double>(j) + 0.5) - 0.5;
  }
};

std::int64_t whole_part(double x) { return static_cast<std::int64_t>(std::floor(x)); }

Taps nearest_taps(const AxisScale& s, bool half) {
  Taps taps{.length = s.in};
  for (std::int64_t j = 0; j < s.out; ++j) {
    // With integers where possible: floor(3 * (1 / 3)) would be 0.
    const std::int64_t at = !s.exact ? whole_part((static_cast<double>(j) + (half ? 0.5 : 0.0)) * s.ratio)
                            : half   ? (2 * j + 1) * s.in / (2 * s.out)
                                     : j * s.in / s.out;
    taps.add(std::clamp<std::int64_t>(at, 0, s.in - 1), 1.0);
    taps.finish();
  }
  return taps;
}

Taps linear_taps(const AxisScale& s) {
  Taps taps{.length = s.in};
  for (std::int64_t j = 0; j < s.out; ++j) {
    const double at = std::max(s.center(j), 0.0);
    const std::int64_t low = std::min(whole_part(at), s.in - 1);
    const double weight = std::clamp(at - static_cast<double>(low), 0.0, 1.0);
    taps.add(low, 1.0 - weight);
    if (low + 1 < s.in) {
      taps.add(low + 1, weight);
    } else {
      taps.weight.back() = 1.0;
    }
    taps.finish();
  }
  return taps;
}

// The weight of a neighbor at distance t.
double cubic(double t, double a) {
  t = std::abs(t);
  if (t < 1.0) {
    return ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0;
  }
  return t < 2.0 ? (((t - 5.0) * t + 8.0) * t - 4.0) * a : 0.0;
}

Taps cubic_taps(const AxisScale& s) {
  Taps taps{.length = s.in};
  for (std::int64_t j = 0; j < s.out; ++j) {
    const double at = s.center(j);
    const std::int64_t low = whole_part(at);
    for (std::int64_t i = low - 1; i <= low + 2; ++i) {
      taps.add(std::clamp<std::int64_t>(i, 0, s.in - 1), cubic(at - static_cast<double>(i), -0.75));
    }
    taps.finish();
  }
  return taps;
}

// When shrinking, the weights stretch over `ratio` times as many pixels, as in Pillow and in PyTorch's antialias.
Taps antialias_taps(const AxisScale& s, bool is_cubic) {
  Taps taps{.length = s.in};
  const double stretch = std::max(s.ratio, 1.0);
  const double support = (is_cubic ? 2.0 : 1.0) * stretch;
  for (std::int64_t j = 0; j < s.out; ++j) {
    const double center = s.ratio * (static_cast<double>(j) + 0.5);
    const std::int64_t first = std::max<std::int64_t>(static_cast<std::int64_t>(center - support + 0.5), 0);
    const std::int64_t last = std::min(static_cast<std::int64_t>(center + support + 0.5), s.in);
    double sum = 0.0;
    for (std::int64_t i = first; i < last; ++i) {
      const double distance = (static_cast<double>(i) - center + 0.5) / stretch;
      const double weight = is_cubic ? cubic(distance, -0.5) : std::max(1.0 - std::abs(distance), 0.0);
      taps.add(i, weight);
      sum += weight;
    }
    for (auto t = static_cast<std::size_t>(taps.start.back()); sum != 0.0 && t < taps.weight.size(); ++t) {
      taps.weight[t] /= sum;
    }
    taps.finish();
  }
  return taps;
}

struct Mode {
  const char* name;
  std::size_t axes;  // 0: any number
};

constexpr Mode kModes[] = {{"nearest", 0},  {"nearest-exact", 0}, {"area", 0},     {"linear", 1},
                           {"bilinear", 2}, {"bicubic", 2},       {"trilinear", 3}};

void check_mode(const InterpolateOptions& o, const Tensor& x) {
  const auto* mode =
      std::find_if(std::begin(kModes), std::end(kModes), [&](const Mode& m) { return o.mode == m.name; });
  require<ValueError>(mode != std::end(kModes),
                      "interpolate: expected mode \"nearest\", \"nearest-exact\", \"area\", \"linear\", \"bilinear\", "
                      "\"bicubic\" or \"trilinear\" but got \"",
                      o.mode, "\"");
  require<ShapeError>(x.dim() >= 3 && x.dim() <= 5, "interpolate: expected an input [N, C, ...] with 1 to 3 spatial ",
                      "axes but got ", x.shape());
  require<ShapeError>(mode->axes == 0 || x.shape().rank() == mode->axes + 2, "interpolate: expected an input with ",
                      mode->axes, mode->axes == 1 ? " spatial axis" : " spatial axes", " for mode \"", o.mode,
                      "\" but got ", x.shape());
  require<ValueError>(mode->axes != 0 || !o.align_corners, "interpolate: align_corners is not supported for mode \"",
                      o.mode, "\"");
  require<ValueError>(!o.antialias || mode->axes == 2,
                      "interpolate: expected mode \"bilinear\" or \"bicubic\" for antialias but got \"", o.mode, "\"");
  require<ValueError>(o.size.sizes().empty() != o.scale_factor.factors().empty(),
                      "interpolate: expected either size or scale_factor but got ",
                      o.size.sizes().empty() ? "neither" : "both");
  require<ValueError>(!o.recompute_scale_factor || o.size.sizes().empty(),
                      "interpolate: expected a scale_factor for recompute_scale_factor but got none");
}

// The axes of the result, outermost first.
std::vector<AxisScale> scales_of(const InterpolateOptions& o, const Tensor& x) {
  const std::size_t axes = x.shape().rank() - 2;
  std::vector<double> factors = o.scale_factor.factors();
  std::vector<std::int64_t> sizes = o.size.sizes();
  require<ShapeError>(factors.size() <= 1 || factors.size() == axes, "interpolate: expected one scale_factor or ", axes,
                      " but got ", factors.size());
  require<ShapeError>(sizes.size() <= 1 || sizes.size() == axes, "interpolate: expected one size or ", axes,
                      " but got ", sizes.size());
  if (sizes.empty()) {
    factors.resize(axes, factors[0]);
  } else {
    sizes.resize(axes, sizes[0]);
  }
  std::vector<AxisScale> scales;
  for (std::size_t i = 0; i < axes; ++i) {
    AxisScale s{x.shape()[i + 2], 0, 1.0, true, o.align_corners.value_or(false)};
    require<ShapeError>(s.in >= 1, "interpolate: expected spatial axes that are not empty but got ", x.shape());
    if (!sizes.empty()) {
      require<ValueError>(sizes[i] >= 1, "interpolate: expected sizes of at least 1 but got ", sizes[i]);
      s.out = sizes[i];
    } else {
      const double size = std::floor(static_cast<double>(s.in) * factors[i]);
      require<ValueError>(factors[i] > 0.0 && size >= 1.0 && size < 0x1p53,
                          "interpolate: expected a scale_factor with a result of at least 1 element per axis but got ",
                          factors[i], " for an axis of ", s.in);
      s.out = static_cast<std::int64_t>(size);
      s.exact = o.recompute_scale_factor;
    }
    if (s.align_corners) {
      s.ratio = s.out > 1 ? static_cast<double>(s.in - 1) / static_cast<double>(s.out - 1) : 0.0;
    } else {
      s.ratio = s.exact ? static_cast<double>(s.in) / static_cast<double>(s.out) : 1.0 / factors[i];
    }
    scales.push_back(s);
  }
  return scales;
}

}  // namespace

Tensor interpolate(const Tensor& x, const InterpolateOptions& options) {
  check_mode(options, x);
  detail::check_float("interpolate", x);
  const std::vector<AxisScale> scales = scales_of(options, x);
  if (options.mode == "area") {
    std::vector<std::int64_t> sizes;
    std::transform(scales.begin(), scales.end(), std::back_inserter(sizes), [](const AxisScale& s) { return s.out; });
    const PerAxis size(sizes);
    return scales.size() == 1   ? adaptive_avg_pool1d(x, size)
           : scales.size() == 2 ? adaptive_avg_pool2d(x, size)
                                : adaptive_avg_pool3d(x, size);
  }
  Shape result = x.shape();
  for (std::size_t i = 0; i < scales.size(); ++i) {
    result[i + 2] = scales[i].out;
  }
  Tensor::empty(result, x.dtype());  // throws before the weights of a size that cannot be
  Tensor y = x;
  // The axis that grows most comes last, so that the arrays between are small; the innermost one first among equals.
  std::vector<std::size_t> order(scales.size());
  std::iota(order.rbegin(), order.rend(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return scales[a].out * scales[b].in < scales[b].out * scales[a].in;
  });
  for (const std::size_t i : order) {
    const AxisScale& s = scales[i];
    if (s.in == s.out && s.ratio == 1.0) {
      continue;  // every mode keeps such an axis
    }
    const Taps taps = options.mode == "nearest"         ? nearest_taps(s, false)
                      : options.mode == "nearest-exact" ? nearest_taps(s, true)
                      : options.antialias               ? antialias_taps(s, options.mode == "bicubic")
                      : options.mode == "bicubic"       ? cubic_taps(s)
                                                        : linear_taps(s);
    const AxisMap map{std::make_shared<Taps>(taps), std::make_shared<Taps>(taps.transposed())};
    y = resample(y, i + 2, map);
  }
  return is_same(x, y) ? clone(x) : y;
}

}  // namespace normgrad
