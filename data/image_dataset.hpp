// Labelled images in the style of MNIST.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "normgrad/data/dataset.hpp"

namespace normgrad {

/// Mean and (biased) standard deviation of all pixels of a set, pixels counted from 0 to 1.
struct PixelStatistics {
  double mean = 0.0;  ///< of the pixels
  double std = 1.0;   ///< dividing by their number, not by one less
};

/// Images of one size with class labels. Kept as bytes, handed out as float32 [n, C, H, W] with labels int64 [n].
/// A cheap handle: copies and parts share the pixels.
class ImageDataset : public Dataset {
 public:
  /// `pixels` are images.numel() bytes for `images` = [N, C, H, W]. Throws ShapeError when sizes do not fit each other,
  /// ValueError for a label that is not below num_classes.
  ImageDataset(const Shape& images, std::vector<std::uint8_t> pixels, std::vector<std::uint8_t> labels,
               std::int64_t num_classes = 10);

  std::int64_t size() const override { return size_; }
  /// [C, H, W].
  const Shape& image_shape() const noexcept { return data_->image_shape; }
  std::int64_t num_classes() const noexcept { return data_->num_classes; }
  std::span<const std::uint8_t> pixels(std::int64_t index) const;
  std::int64_t label(std::int64_t index) const;
  Batch batch(std::span<const std::int64_t> indices) const override;
  /// All examples in one batch.
  Batch all() const;

  /// The first `count` examples (all when there are fewer).
  ImageDataset first(std::int64_t count) const;

  /// Of all pixels of all channels.
  PixelStatistics pixel_statistics() const;
  /// The same images, handed out as (pixel / 255 - mean) / std; to be called with the statistics of the training set.
  /// Throws ValueError unless std > 0.
  ImageDataset standardised(const PixelStatistics& statistics) const;

 private:
  struct Data {
    Shape image_shape;
    std::vector<std::uint8_t> pixels;
    std::vector<std::uint8_t> labels;
    std::int64_t num_classes;
  };

  std::shared_ptr<const Data> data_;
  std::int64_t size_ = 0;
  std::array<float, 256> value_of_{};  // what a pixel is handed out as
};

/// The two parts of a published dataset.
struct ImageSplits {
  ImageDataset train;  ///< to train with
  ImageDataset test;   ///< to measure with
};

/// Options of open_dataset().
struct OpenDatasetOptions {
  /// Hand out pixels with mean 0 and standard deviation 1 over the training set; else from 0 to 1.
  bool standardise = true;
  /// Use only the first images for training; 0: all. The statistics are those of the images that are used.
  std::int64_t train_limit = 0;
  std::int64_t num_classes = 10;  ///< labels are below
};

/// `source` is
///   "fashion-mnist"  Fashion-MNIST as Debian's package dataset-fashion-mnist installs it,
///   "digits"         drawn here, see digits.hpp: needs no files,
///   or a folder with files called as MNIST's: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte
///   and t10k-labels-idx1-ubyte, each plain or with .gz; images [N, H, W] or [N, C, H, W] (then also "-idx4-").
/// Throws IoError, naming the file, for files that are missing, damaged, do not fit each other or hold a label that is
/// not below num_classes.
ImageSplits open_dataset(const std::string& source, const OpenDatasetOptions& options = {});

/// "fashion-mnist" where it is installed, else "digits".
std::string default_dataset();

}  // namespace normgrad
