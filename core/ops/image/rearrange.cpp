#include <algorithm>
#include <limits>
#include <span>

#include "normgrad/core/base/detail/checked.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/index.hpp"
#include "normgrad/core/ops/image/image.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

void check_images(const char* name, const Tensor& x) {
  require<ShapeError>(x.dim() >= 3, name, ": expected an input [*, C, H, W] but got ", x.shape());
}

// The leading axes joined, for room within the limit of axes.
std::int64_t images_of(const Shape& shape) { return Shape(std::span(shape.begin(), shape.rank() - 3)).numel(); }

}  // namespace

Tensor pixel_shuffle(const Tensor& x, std::int64_t r) {
  check_images("pixel_shuffle", x);
  Shape shape = x.shape();
  const std::size_t c = shape.rank() - 3;
  require<ValueError>(r >= 1, "pixel_shuffle: expected upscale_factor >= 1 but got ", r);
  const std::int64_t square = detail::checked_mul("pixel_shuffle", r, r);
  require<ShapeError>(shape[c] % square == 0, "pixel_shuffle: expected channels divisible by ", square,
                      ", the square of upscale_factor, but got ", x.shape());
  const std::int64_t channels = shape[c] / square;
  const std::int64_t height = shape[c + 1];
  const std::int64_t width = shape[c + 2];
  const Tensor parts = reshape_to(x, {images_of(shape), channels, r, r, height, width});
  shape[c] = channels;
  shape[c + 1] = detail::checked_mul("pixel_shuffle", height, r);
  shape[c + 2] = detail::checked_mul("pixel_shuffle", width, r);
  return reshape_to(permute(parts, {0, 1, 4, 2, 5, 3}), shape);
}

Tensor pixel_unshuffle(const Tensor& x, std::int64_t r) {
  check_images("pixel_unshuffle", x);
  Shape shape = x.shape();
  const std::size_t c = shape.rank() - 3;
  require<ValueError>(r >= 1, "pixel_unshuffle: expected downscale_factor >= 1 but got ", r);
  require<ShapeError>(shape[c + 1] % r == 0 && shape[c + 2] % r == 0, "pixel_unshuffle: expected rows and columns ",
                      "divisible by downscale_factor = ", r, " but got ", x.shape());
  const std::int64_t height = shape[c + 1] / r;
  const std::int64_t width = shape[c + 2] / r;
  const Tensor parts = reshape_to(x, {images_of(shape), shape[c], height, r, width, r});
  shape[c] = detail::checked_mul("pixel_unshuffle", shape[c], detail::checked_mul("pixel_unshuffle", r, r));
  shape[c + 1] = height;
  shape[c + 2] = width;
  return reshape_to(permute(parts, {0, 1, 3, 5, 2, 4}), shape);
}

namespace {

// Where the windows of a padded image take their elements.
struct Windows {
  std::int64_t height;  // of the padded image
  std::int64_t width;
  std::int64_t rows;  // of windows
  std::int64_t columns;
  std::array<std::int64_t, 3> kernel;
  std::array<std::int64_t, 3> padding;
  std::array<std::int64_t, 3> dilation;
  std::array<std::int64_t, 3> stride;

  Windows(const char* name, std::int64_t h, std::int64_t w, const PerAxis& kernel_size, const UnfoldOptions& options)
      : kernel(kernel_size.resolve(name, "kernel_size", 2, 1, 1)),
        padding(options.padding.resolve(name, "padding", 2, 0, 0)),
        dilation(options.dilation.resolve(name, "dilation", 2, 1, 1)),
        stride(options.stride.resolve(name, "stride", 2, 1, 1)) {
    height = detail::checked_add(name, h, detail::checked_mul(name, 2, padding[1]));
    width = detail::checked_add(name, w, detail::checked_mul(name, 2, padding[2]));
    rows = count(name, height, 1);
    columns = count(name, width, 2);
    detail::checked_mul(name, detail::checked_mul(name, kernel[1], kernel[2]),
                        detail::checked_mul(name, rows, columns));
  }

  std::int64_t elements() const { return kernel[1] * kernel[2]; }
  std::int64_t windows() const { return rows * columns; }

  // [elements, windows], as positions in the flattened image.
  Tensor positions() const {
    Tensor index = Tensor::empty({elements() * windows()}, kInt64);
    auto* to = index.mutable_data<std::int64_t>();
    for (std::int64_t e = 0; e < elements(); ++e) {
      const std::int64_t row = e / kernel[2] * dilation[1];
      const std::int64_t column = e % kernel[2] * dilation[2];
      for (std::int64_t i = 0; i < rows; ++i) {
        for (std::int64_t j = 0; j < columns; ++j) {
          *to++ = (i * stride[1] + row) * width + j * stride[2] + column;
        }
      }
    }
    return index;
  }

 private:
  std::int64_t count(const char* name, std::int64_t size, std::size_t axis) const {
    const std::int64_t room = size - 1 - detail::checked_mul(name, dilation[axis], kernel[axis] - 1);
    require<ShapeError>(room >= 0, name, ": expected a window no larger than the padded image but got kernel_size ",
                        kernel[axis], " (dilation ", dilation[axis], ") on ", size, " elements");
    return room / stride[axis] + 1;
  }
};

}  // namespace

Tensor unfold(const Tensor& x, const PerAxis& kernel_size, const UnfoldOptions& options) {
  require<ShapeError>(x.dim() == 3 || x.dim() == 4, "unfold: expected an input [N, C, H, W] or [C, H, W] but got ",
                      x.shape());
  const Windows windows("unfold", x.size(-2), x.size(-1), kernel_size, options);
  const std::int64_t images = x.dim() == 4 ? x.size(0) : 1;
  const std::int64_t channels = x.size(-3);
  const std::int64_t top = windows.padding[1];
  const std::int64_t left = windows.padding[2];
  const Tensor padded = top == 0 && left == 0 ? x : pad(x, {left, left, top, top});
  const Tensor planes = reshape_to(padded, {images * channels, windows.height * windows.width});
  const Tensor columns = index_select(planes, 1, windows.positions());
  const std::int64_t size = channels * windows.elements();
  return reshape_to(columns, x.dim() == 4 ? Shape{images, size, windows.windows()} : Shape{size, windows.windows()});
}

Tensor fold(const Tensor& x, const PerAxis& output_size, const PerAxis& kernel_size, const UnfoldOptions& options) {
  require<ShapeError>(x.dim() == 2 || x.dim() == 3, "fold: expected an input [N, C kh kw, L] or [C kh kw, L] but got ",
                      x.shape());
  const auto size = output_size.resolve("fold", "output_size", 2, 1, 1);
  const Windows windows("fold", size[1], size[2], kernel_size, options);
  require<ShapeError>(x.size(-2) % windows.elements() == 0 && x.size(-1) == windows.windows(),
                      "fold: expected columns of a multiple of ", windows.elements(), " elements for each of ",
                      windows.windows(), " windows but got ", x.shape());
  const std::int64_t images = x.dim() == 3 ? x.size(0) : 1;
  const std::int64_t channels = x.size(-2) / windows.elements();
  const Tensor columns = reshape_to(x, {images * channels, windows.elements() * windows.windows()});
  const Tensor planes =
      detail::add_rows({images * channels, windows.height * windows.width}, 1, windows.positions(), columns);
  const Tensor padded = reshape_to(planes, {images, channels, windows.height, windows.width});
  const std::int64_t top = windows.padding[1];
  const std::int64_t left = windows.padding[2];
  const Tensor y = top == 0 && left == 0 ? padded : pad(padded, {-left, -left, -top, -top});
  return x.dim() == 3 ? y : reshape_to(y, {channels, size[1], size[2]});
}

Tensor pad(const Tensor& x, const std::vector<std::int64_t>& pads, const std::string& mode, double value) {
  if (mode == "constant") {
    return pad(x, pads, value);
  }
  require<ValueError>(mode == "reflect" || mode == "replicate" || mode == "circular",
                      "pad: expected mode \"constant\", \"reflect\", \"replicate\" or \"circular\" but got \"", mode,
                      "\"");
  require<ValueError>(pads.size() % 2 == 0 && pads.size() / 2 <= x.shape().rank(),
                      "pad: expected a pair of numbers for at most each axis of ", x.shape(), " but got ", pads.size(),
                      " numbers");
  Tensor y = x;
  for (std::size_t i = 0; i < pads.size(); i += 2) {
    const std::size_t axis = x.shape().rank() - 1 - i / 2;
    const std::int64_t size = x.shape()[axis];
    const std::int64_t before = pads[i];
    const std::int64_t after = pads[i + 1];
    if (before == 0 && after == 0) {
      continue;
    }
    constexpr std::int64_t kAny = std::numeric_limits<std::int64_t>::max();
    const std::int64_t limit = size == 0 ? 0 : mode == "reflect" ? size - 1 : mode == "circular" ? size : kAny;
    require<ValueError>(before <= limit && after <= limit, "pad: expected padding of at most ", limit, " for mode \"",
                        mode, "\" and axis ", axis, " of ", x.shape(), " but got ", before, " and ", after);
    const std::int64_t length = detail::checked_add("pad", detail::checked_add("pad", size, before), after);
    require<ValueError>(before >= -size && after >= -size && length >= 0, "pad: cannot cut ",
                        std::max<std::int64_t>(detail::checked_sub("pad", 0, before), 0), " and ",
                        std::max<std::int64_t>(detail::checked_sub("pad", 0, after), 0), " elements off axis ", axis,
                        " of ", x.shape());
    Tensor index = Tensor::empty({length}, kInt64);
    auto* to = index.mutable_data<std::int64_t>();
    for (std::int64_t k = 0; k < length; ++k) {
      const std::int64_t at = k - before;
      to[k] = mode == "replicate"  ? std::clamp<std::int64_t>(at, 0, size - 1)
              : mode == "circular" ? (at + size) % size
              : at < 0             ? -at
              : at >= size         ? 2 * (size - 1) - at
                                   : at;
    }
    y = index_select(y, static_cast<std::int64_t>(axis), index);
  }
  return is_same(x, y) ? clone(x) : y;
}

}  // namespace normgrad
