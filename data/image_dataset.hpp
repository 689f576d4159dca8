// Labeled images in the style of MNIST.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "normgrad/data/collate.hpp"
#include "normgrad/data/dataset.hpp"

namespace normgrad {

/// Mean and (biased) standard deviation of all pixels of a set, with pixels scaled to [0, 1].
struct PixelStatistics {
  double mean = 0.0;  ///< of the pixels
  double std = 1.0;   ///< biased: divided by the number of pixels
};

/// Images of one size with class labels. Stored as bytes, returned as float32 [n, C, H, W] with int64 labels [n]. A
/// cheap handle: copies and parts share the pixels.
class ImageDataset : public Dataset {
 public:
  /// `pixels` holds images.numel() bytes for `images` = [N, C, H, W]. Throws ShapeError if the sizes do not match, and
  /// ValueError for a label that is not below num_classes.
  ImageDataset(const Shape& images, std::vector<std::uint8_t> pixels, std::vector<std::uint8_t> labels,
               std::int64_t num_classes = 10);

  std::int64_t size() const override { return size_; }
  /// Returns [C, H, W].
  const Shape& image_shape() const noexcept { return data_->image_shape; }
  std::int64_t num_classes() const noexcept { return data_->num_classes; }
  std::span<const std::uint8_t> pixels(std::int64_t index) const;
  std::int64_t label(std::int64_t index) const;
  Batch batch(std::span<const std::int64_t> indices) const override;
  /// Returns all examples as one batch.
  Batch all() const;

  /// Returns the first `count` examples (all if there are fewer).
  ImageDataset first(std::int64_t count) const;

  /// Returns the statistics of all pixels of all channels.
  PixelStatistics pixel_statistics() const;
  /// Returns the same images as (pixel / 255 - mean) / std. Pass the statistics of the training set. Throws ValueError
  /// unless std > 0.
  ImageDataset standardized(const PixelStatistics& statistics) const;

 private:
  struct Data {
    Shape image_shape;
    std::vector<std::uint8_t> pixels;
    std::vector<std::uint8_t> labels;
    std::int64_t num_classes;
  };

  std::shared_ptr<const Data> data_;
  std::int64_t size_ = 0;
  std::array<float, 256> value_of_{};  // float value of each pixel value
};

/// As for any dataset, see collate.hpp.
DatasetPtr share_dataset(ImageDataset images);

/// The training and test parts of a published dataset.
struct ImageSplits {
  ImageDataset train;  ///< for training
  ImageDataset test;   ///< for evaluation
};

/// Options of open_dataset().
struct OpenDatasetOptions {
  /// Standardize pixels to mean 0 and standard deviation 1 over the training set; otherwise they are in [0, 1].
  bool standardize = true;
  /// Use only the first images for training; 0: all. The statistics are those of the images used.
  std::int64_t train_limit = 0;
  std::int64_t num_classes = 10;  ///< labels of IDX files are below this number; CIFAR has its own
};

/// Opens a data set. `source` is one of
///   "fashion-mnist"  Fashion-MNIST as installed by Debian's package dataset-fashion-mnist,
///   "digits"         synthetic digits, see digits.hpp: needs no files,
///   a folder with CIFAR-10 or CIFAR-100 in binary form (data_batch_1.bin or train.bin), see cifar.hpp,
///   or a folder with files named like MNIST's: train-images-idx3-ubyte, train-labels-idx1-ubyte,
///   t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, each plain or with .gz; images [N, H, W] or [N, C, H, W] (then
///   also "-idx4-").
/// Throws IoError, naming the file, for files that are missing, damaged or inconsistent, or that hold a label not below
/// num_classes. Throws ValueError for options out of range.
ImageSplits open_dataset(const std::string& source, const OpenDatasetOptions& options = {});

/// Returns "fashion-mnist" if it is installed, else "digits".
std::string default_dataset();

}  // namespace normgrad
