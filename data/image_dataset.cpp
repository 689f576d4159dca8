#include "normgrad/data/image_dataset.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "normgrad/core/base/error.hpp"

namespace normgrad {

ImageDataset::ImageDataset(const Shape& images, std::vector<std::uint8_t> pixels, std::vector<std::uint8_t> labels,
                           std::int64_t num_classes) {
  require<ShapeError>(images.dim() == 4 && images.numel() > 0,
                      "ImageDataset: expected images [N, C, H, W] of at least one pixel but got ", images);
  require<ShapeError>(static_cast<std::int64_t>(pixels.size()) == images.numel(), "ImageDataset: expected ",
                      images.numel(), " pixels for images ", images, " but got ", pixels.size());
  require<ShapeError>(static_cast<std::int64_t>(labels.size()) == images[0], "ImageDataset: expected ", images[0],
                      " labels for images ", images, " but got ", labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    require<ValueError>(labels[i] < num_classes, "ImageDataset: expected labels below ", num_classes, " but label ", i,
                        " is ", int{labels[i]});
  }
  size_ = images[0];
  data_ = std::make_shared<const Data>(Data{.image_shape = {images[1], images[2], images[3]},
                                            .pixels = std::move(pixels),
                                            .labels = std::move(labels),
                                            .num_classes = num_classes});
  for (std::size_t value = 0; value < value_of_.size(); ++value) {
    value_of_[value] = static_cast<float>(static_cast<double>(value) / 255.0);
  }
}

std::span<const std::uint8_t> ImageDataset::pixels(std::int64_t index) const {
  check_indices("ImageDataset", {&index, 1}, size_);
  const auto count = static_cast<std::size_t>(image_shape().numel());
  return std::span(data_->pixels).subspan(static_cast<std::size_t>(index) * count, count);
}

std::int64_t ImageDataset::label(std::int64_t index) const {
  check_indices("ImageDataset", {&index, 1}, size_);
  return data_->labels[static_cast<std::size_t>(index)];
}

Batch ImageDataset::batch(std::span<const std::int64_t> indices) const {
  check_indices("ImageDataset", indices, size_);
  const Shape& image = image_shape();
  const auto count = static_cast<std::int64_t>(indices.size());
  Batch batch{.inputs = Tensor::empty({count, image[0], image[1], image[2]}), .labels = Tensor::empty({count}, kInt64)};
  float* input = batch.inputs.mutable_data<float>();
  std::int64_t* label = batch.labels.mutable_data<std::int64_t>();
  for (const std::int64_t index : indices) {
    for (const std::uint8_t pixel : pixels(index)) {
      *input++ = value_of_[pixel];
    }
    *label++ = data_->labels[static_cast<std::size_t>(index)];
  }
  return batch;
}

Batch ImageDataset::all() const {
  std::vector<std::int64_t> indices(static_cast<std::size_t>(size_));
  std::iota(indices.begin(), indices.end(), std::int64_t{0});
  return batch(indices);
}

ImageDataset ImageDataset::first(std::int64_t count) const {
  require<ValueError>(count >= 1, "ImageDataset: expected at least 1 image but got ", count);
  ImageDataset part = *this;
  part.size_ = std::min(size_, count);
  return part;
}

PixelStatistics ImageDataset::pixel_statistics() const {
  std::array<std::int64_t, 256> times{};
  const auto count = static_cast<std::size_t>(size_ * image_shape().numel());
  for (const std::uint8_t pixel : std::span(data_->pixels).first(count)) {
    ++times[pixel];
  }
  double mean = 0.0;
  for (std::size_t value = 0; value < times.size(); ++value) {
    mean += static_cast<double>(value) * static_cast<double>(times[value]);
  }
  mean /= static_cast<double>(count);
  double squares = 0.0;
  for (std::size_t value = 0; value < times.size(); ++value) {
    const double distance = static_cast<double>(value) - mean;
    squares += distance * distance * static_cast<double>(times[value]);
  }
  return {.mean = mean / 255.0, .std = std::sqrt(squares / static_cast<double>(count)) / 255.0};
}

ImageDataset ImageDataset::standardized(const PixelStatistics& statistics) const {
  require<ValueError>(statistics.std > 0.0, "standardized: expected a standard deviation above 0 but got ",
                      statistics.std, "; are all pixels equal?");
  ImageDataset scaled = *this;
  for (std::size_t value = 0; value < value_of_.size(); ++value) {
    scaled.value_of_[value] =
        static_cast<float>((static_cast<double>(value) / 255.0 - statistics.mean) / statistics.std);
  }
  return scaled;
}

DatasetPtr share_dataset(ImageDataset images) { return std::make_shared<const ImageDataset>(std::move(images)); }

}  // namespace normgrad
