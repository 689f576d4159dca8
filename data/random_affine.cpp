// RandomAffine: images at the places of a random affine map.
#include <algorithm>
#include <cmath>

#include "normgrad/core/base/error.hpp"
#include "normgrad/core/base/random.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/image/image.hpp"
#include "normgrad/data/image_transform.hpp"

namespace normgrad {

namespace {

constexpr double kRadians = 3.14159265358979323846 / 180.0;

void check_range(const char* what, double low, double high, bool fits) {
  require<ValueError>(low <= high && fits && std::isfinite(low) && std::isfinite(high), "RandomAffine: expected ", what,
                      " but got [", low, ", ", high, "]");
}

// One map: the place in the image (column, row), from its center, of a place in the result.
struct AffineMap {
  double m[6];
};

// torchvision's inverse of: shear, rotate and scale about the center, then translate.
AffineMap inverse_map(double angle, double column, double row, double scale, double shear_x, double shear_y) {
  const double a = std::cos(angle - shear_y) / std::cos(shear_y);
  const double b = -std::cos(angle - shear_y) * std::tan(shear_x) / std::cos(shear_y) - std::sin(angle);
  const double c = std::sin(angle - shear_y) / std::cos(shear_y);
  const double d = -std::sin(angle - shear_y) * std::tan(shear_x) / std::cos(shear_y) + std::cos(angle);
  const double m[4] = {d / scale, -b / scale, -c / scale, a / scale};
  return {{m[0], m[1], -m[0] * column - m[1] * row, m[2], m[3], -m[2] * column - m[3] * row}};
}

}  // namespace

Tensor RandomAffine::operator()(const Tensor& images, Generator& generator) const {
  require<ShapeError>(images.defined() && images.dim() == 4, "RandomAffine: expected images [n, C, H, W] but got ",
                      images.defined() ? images.shape() : Shape());
  require<DTypeError>(is_floating_point(images.dtype()), "RandomAffine: expected float32 or float64 images but got ",
                      images.dtype());
  require<ValueError>(interpolation == "nearest" || interpolation == "bilinear",
                      "RandomAffine: expected interpolation \"nearest\" or \"bilinear\" but got \"", interpolation,
                      "\"");
  check_range("degrees with low <= high", degrees[0], degrees[1], true);
  check_range("translate in [0, 1]", std::min(translate[0], translate[1]), std::max(translate[0], translate[1]),
              std::min(translate[0], translate[1]) >= 0.0 && std::max(translate[0], translate[1]) <= 1.0);
  check_range("scale > 0 with low <= high", scale[0], scale[1], scale[0] > 0.0);
  for (const std::size_t i : {std::size_t{0}, std::size_t{2}}) {
    check_range("shear between -90 and 90 degrees with low <= high", shear[i], shear[i + 1],
                shear[i] > -90.0 && shear[i + 1] < 90.0);
  }
  const std::int64_t n = images.size(0);
  const auto height = static_cast<double>(images.size(2));
  const auto width = static_cast<double>(images.size(3));
  if (images.numel() == 0) {
    return images;
  }
  const auto between = [&](double low, double high) { return low + (high - low) * generator.uniform(); };
  Tensor theta = Tensor::empty({n, 2, 3}, images.dtype());
  dispatch_float("RandomAffine", images.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* to = theta.mutable_data<T>();
    for (std::int64_t i = 0; i < n; ++i, to += 6) {
      const double angle = between(degrees[0], degrees[1]) * kRadians;
      const double column = std::round(between(-translate[0] * width, translate[0] * width));
      const double row = std::round(between(-translate[1] * height, translate[1] * height));
      const double factor = between(scale[0], scale[1]);
      const double shear_x = between(shear[0], shear[1]) * kRadians;
      const double shear_y = between(shear[2], shear[3]) * kRadians;
      const auto [m] = inverse_map(angle, column, row, factor, shear_x, shear_y);
      // affine_grid() counts from -1 to 1 along each axis.
      to[0] = static_cast<T>(m[0]);
      to[1] = static_cast<T>(m[1] * height / width);
      to[2] = static_cast<T>(m[2] * 2.0 / width);
      to[3] = static_cast<T>(m[3] * width / height);
      to[4] = static_cast<T>(m[4]);
      to[5] = static_cast<T>(m[5] * 2.0 / height);
    }
  });
  const Tensor grid = affine_grid(theta, {n, images.size(1), images.size(2), images.size(3)});
  if (fill == 0.0) {
    return grid_sample(images, grid, {.mode = interpolation});
  }
  return grid_sample(images - fill, grid, {.mode = interpolation}) + fill;
}

}  // namespace normgrad
