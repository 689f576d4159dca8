#include "normgrad/data/image_transform.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "normgrad/core/base/error.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad {

namespace {

// Position of a result's window in its image, and whether it is flipped.
struct Window {
  std::int64_t top = 0;
  std::int64_t left = 0;
  bool flip_x = false;
  bool flip_y = false;
};

constexpr std::int64_t kMaxPixels = std::numeric_limits<std::int32_t>::max();  // sums cannot overflow

void check_images(const char* where, const Tensor& images) {
  require<ShapeError>(images.defined() && images.dim() == 4, where, ": expected images [n, C, H, W] but got ",
                      images.defined() ? images.shape() : Shape());
}

template <class T>
void cut_row(const T* from, std::int64_t width, T* to, std::int64_t out_width, const Window& window, T fill) {
  for (std::int64_t x = 0; x < out_width; ++x) {
    const std::int64_t at = window.left + (window.flip_x ? out_width - 1 - x : x);
    to[x] = at >= 0 && at < width ? from[at] : fill;
  }
}

Tensor cut(const char* where, const Tensor& images, std::int64_t height, std::int64_t width,
           const std::vector<Window>& windows, double fill) {
  const Shape& in = images.shape();
  Tensor out = Tensor::empty({in[0], in[1], height, width}, images.dtype());
  dispatch_float(where, images.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* from = images.data<T>();
    T* to = out.mutable_data<T>();
    for (std::int64_t plane = 0; plane < in[0] * in[1]; ++plane, from += in[2] * in[3]) {
      const Window& window = windows[static_cast<std::size_t>(plane / in[1])];
      for (std::int64_t y = 0; y < height; ++y, to += width) {
        const std::int64_t at = window.top + (window.flip_y ? height - 1 - y : y);
        if (at >= 0 && at < in[2]) {
          cut_row(from + at * in[3], in[3], to, width, window, static_cast<T>(fill));
        } else {
          std::fill_n(to, width, static_cast<T>(fill));
        }
      }
    }
  });
  return out;
}

std::vector<Window> windows_of(const Tensor& images) {
  return std::vector<Window>(static_cast<std::size_t>(images.size(0)));
}

std::int64_t draw(Generator& generator, std::int64_t low, std::int64_t high) {
  return low + static_cast<std::int64_t>(generator.below(static_cast<std::uint64_t>(high - low + 1)));
}

void check_probability(const char* where, double p) {
  require<ValueError>(p >= 0.0 && p <= 1.0, where, ": expected p in [0, 1] but got ", p);
}

}  // namespace

Tensor RandomShift::operator()(const Tensor& images, Generator& generator) const {
  check_images("RandomShift", images);
  require<ValueError>(max_shift >= 0, "RandomShift: expected max_shift >= 0 but got ", max_shift);
  require<ValueError>(max_shift <= kMaxPixels, "RandomShift: expected max_shift <= ", kMaxPixels, " but got ",
                      max_shift);
  std::vector<Window> windows = windows_of(images);
  for (Window& window : windows) {
    window.top = draw(generator, -max_shift, max_shift);
    window.left = draw(generator, -max_shift, max_shift);
  }
  return cut("RandomShift", images, images.size(2), images.size(3), windows, fill);
}

Tensor RandomHorizontalFlip::operator()(const Tensor& images, Generator& generator) const {
  check_images("RandomHorizontalFlip", images);
  check_probability("RandomHorizontalFlip", p);
  std::vector<Window> windows = windows_of(images);
  for (Window& window : windows) {
    window.flip_x = generator.uniform() < p;
  }
  return cut("RandomHorizontalFlip", images, images.size(2), images.size(3), windows, 0.0);
}

Tensor RandomVerticalFlip::operator()(const Tensor& images, Generator& generator) const {
  check_images("RandomVerticalFlip", images);
  check_probability("RandomVerticalFlip", p);
  std::vector<Window> windows = windows_of(images);
  for (Window& window : windows) {
    window.flip_y = generator.uniform() < p;
  }
  return cut("RandomVerticalFlip", images, images.size(2), images.size(3), windows, 0.0);
}

Tensor RandomCrop::operator()(const Tensor& images, Generator& generator) const {
  check_images("RandomCrop", images);
  require<ValueError>(padding >= 0, "RandomCrop: expected padding >= 0 but got ", padding);
  require<ValueError>(padding <= kMaxPixels, "RandomCrop: expected padding <= ", kMaxPixels, " but got ", padding);
  require<ShapeError>(
      height >= 1 && width >= 1 && height <= images.size(2) + 2 * padding && width <= images.size(3) + 2 * padding,
      "RandomCrop: expected a window of 1x1 to ", images.size(2) + 2 * padding, "x", images.size(3) + 2 * padding,
      " for images ", images.shape(), " with padding ", padding, " but got ", height, "x", width);
  std::vector<Window> windows = windows_of(images);
  for (Window& window : windows) {
    window.top = draw(generator, -padding, images.size(2) + padding - height);
    window.left = draw(generator, -padding, images.size(3) + padding - width);
  }
  return cut("RandomCrop", images, height, width, windows, fill);
}

Tensor RandomErasing::operator()(const Tensor& images, Generator& generator) const {
  check_images("RandomErasing", images);
  check_probability("RandomErasing", p);
  require<ValueError>(scale[0] > 0.0 && scale[0] <= scale[1] && scale[1] <= 1.0,
                      "RandomErasing: expected a scale with 0 < from <= to <= 1 but got ", scale[0], " and ", scale[1]);
  require<ValueError>(ratio[0] > 0.0 && ratio[0] <= ratio[1] && std::isfinite(ratio[1]),
                      "RandomErasing: expected a ratio with 0 < from <= to but got ", ratio[0], " and ", ratio[1]);
  Tensor out = images.detach().clone();
  const std::int64_t height = images.size(2);
  const std::int64_t width = images.size(3);
  dispatch_float("RandomErasing", images.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* image = out.mutable_data<T>();
    for (std::int64_t i = 0; i < images.size(0); ++i, image += images.size(1) * height * width) {
      if (!(generator.uniform() < p)) {
        continue;
      }
      for (int attempt = 0; attempt < 10; ++attempt) {
        const double share = scale[0] + (scale[1] - scale[0]) * generator.uniform();
        const double shape = ratio[0] * std::pow(ratio[1] / ratio[0], generator.uniform());  // even on a log scale
        const double area = share * static_cast<double>(height * width);
        const auto h = static_cast<std::int64_t>(std::round(std::sqrt(area * shape)));
        const auto w = static_cast<std::int64_t>(std::round(std::sqrt(area / shape)));
        if (h >= height || w >= width) {
          continue;
        }
        const std::int64_t top = draw(generator, 0, height - h);
        const std::int64_t left = draw(generator, 0, width - w);
        for (std::int64_t row = 0; row < images.size(1) * h; ++row) {
          std::fill_n(image + (row / h * height + top + row % h) * width + left, w, static_cast<T>(value));
        }
        break;
      }
    }
  });
  return out;
}

namespace {

/// The gray of a pixel: ITU-R BT.601, or the mean of other than 3 channels.
template <class T>
double gray_of(const T* pixel, std::int64_t channels, std::int64_t area) {
  if (channels == 3) {
    return 0.299 * static_cast<double>(pixel[0]) + 0.587 * static_cast<double>(pixel[area]) +
           0.114 * static_cast<double>(pixel[2 * area]);
  }
  double sum = 0.0;
  for (std::int64_t c = 0; c < channels; ++c) {
    sum += static_cast<double>(pixel[c * area]);
  }
  return sum / static_cast<double>(channels);
}

/// x = clamp(gray + factor (x - gray)) for an image, where gray(i) is that for pixel i.
template <class T, class Gray>
void blend(T* image, std::int64_t channels, std::int64_t area, double factor, const Gray& gray) {
  for (std::int64_t i = 0; i < area; ++i) {
    const double from = gray(i);
    for (std::int64_t c = 0; c < channels; ++c) {
      T& x = image[c * area + i];
      x = static_cast<T>(std::clamp(from + factor * (static_cast<double>(x) - from), 0.0, 1.0));
    }
  }
}

}  // namespace

Tensor ColorJitter::operator()(const Tensor& images, Generator& generator) const {
  check_images("ColorJitter", images);
  for (const double v : {brightness, contrast, saturation}) {
    require<ValueError>(v >= 0.0 && v < 1e6, "ColorJitter: expected brightness, contrast and saturation >= 0 but got ",
                        v);
  }
  const auto factor = [&](double v) {
    const double least = std::max(0.0, 1.0 - v);
    return least + (1.0 + v - least) * generator.uniform();
  };
  Tensor out = images.detach().clone();
  const std::int64_t channels = images.size(1);
  const std::int64_t area = images.size(2) * images.size(3);
  dispatch_float("ColorJitter", images.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* image = out.mutable_data<T>();
    for (std::int64_t n = 0; n < images.size(0); ++n, image += channels * area) {
      if (brightness > 0.0) {
        blend(image, channels, area, factor(brightness), [](std::int64_t /*i*/) { return 0.0; });
      }
      if (contrast > 0.0) {
        double mean = 0.0;
        for (std::int64_t i = 0; i < area; ++i) {
          mean += gray_of(image + i, channels, area) / static_cast<double>(area);
        }
        blend(image, channels, area, factor(contrast), [mean](std::int64_t /*i*/) { return mean; });
      }
      if (saturation > 0.0 && channels == 3) {
        blend(image, channels, area, factor(saturation),
              [&](std::int64_t i) { return gray_of(image + i, channels, area); });
      }
    }
  });
  return out;
}

Tensor Normalize::operator()(const Tensor& images, Generator& /*generator*/) const {
  check_images("Normalize", images);
  const auto channels = static_cast<std::size_t>(images.size(1));
  require<ShapeError>(mean.size() == channels && std.size() == channels, "Normalize: expected ", channels,
                      " means and standard deviations, one for each channel of ", images.shape(), ", but got ",
                      mean.size(), " and ", std.size());
  for (const double deviation : std) {
    require<ValueError>(deviation > 0.0, "Normalize: expected standard deviations above 0 but got ", deviation);
  }
  Tensor out = Tensor::empty(images.shape(), images.dtype());
  dispatch_float("Normalize", images.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* from = images.data<T>();
    T* to = out.mutable_data<T>();
    const std::int64_t plane = images.size(2) * images.size(3);
    for (std::int64_t i = 0; i < images.numel(); ++i) {
      const std::size_t c = static_cast<std::size_t>(i / plane) % channels;
      to[i] = static_cast<T>((static_cast<double>(from[i]) - mean[c]) / std[c]);
    }
  });
  return out;
}

std::function<Batch(Batch batch, Generator& generator)> compose(std::vector<ImageTransform> transforms) {
  return [transforms = std::move(transforms)](Batch batch, Generator& generator) {
    for (const ImageTransform& transform : transforms) {
      batch.inputs = transform(batch.inputs, generator);
    }
    return batch;
  };
}

std::function<Batch(Batch batch, Generator& generator)> compose(std::vector<ImageTransform> of_images,
                                                                std::vector<ImageTransform> of_masks) {
  require<ValueError>(of_images.size() == of_masks.size(), "compose: expected one transform of masks for each of the ",
                      of_images.size(), " of images (null: none) but got ", of_masks.size());
  return [of_images = std::move(of_images), of_masks = std::move(of_masks)](Batch batch, Generator& generator) {
    const Tensor& labels = batch.labels;
    const std::int64_t axes = labels.defined() ? labels.dim() : 0;
    require<ShapeError>(
        batch.inputs.dim() == 4 && (axes == 3 || axes == 4) && labels.size(0) == batch.inputs.size(0) &&
            labels.size(-2) == batch.inputs.size(2) && labels.size(-1) == batch.inputs.size(3),
        "compose: expected images [n, C, H, W] and masks [n, H, W] or [n, C, H, W] of the same n, H and W but got ",
        batch.inputs.shape(), " and ", labels.defined() ? to_string(labels.shape()) : "no labels");
    const DType dtype = labels.dtype();
    Tensor masks = is_floating_point(dtype) ? labels : labels.to(kFloat64);
    masks = axes == 3 ? masks.unsqueeze(1) : masks;
    for (std::size_t i = 0; i < of_images.size(); ++i) {
      Generator again = generator;
      batch.inputs = of_images[i](batch.inputs, generator);
      masks = of_masks[i] ? of_masks[i](masks, again) : masks;
    }
    batch.labels = (axes == 3 ? masks.squeeze(1) : masks).to(dtype);
    return batch;
  };
}

}  // namespace normgrad
