// Image files in one folder per class.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "normgrad/core/base/file_path.hpp"
#include "normgrad/data/dataset.hpp"

namespace normgrad {

/// Options of an ImageFolder.
struct ImageFolderOptions {
  std::int64_t height = 0;    ///< size of all images: scaled so that they cover it, then cropped to its middle;
  std::int64_t width = 0;     ///< both 0: the images have the size of the first one
  std::int64_t channels = 3;  ///< 3: RGB, 1: gray
};

/// The files root/<class>/**.png, .jpg and .jpeg (in any case), as torchvision.datasets.ImageFolder: labels are numbers
/// of the classes in alphabetical order, and the images of a class are ordered by path. Batches are float32
/// [n, channels, height, width] in [0, 1] with int64 labels [n]. Files are read when they are needed, so the set may be
/// larger than memory; use DataLoaderOptions::num_workers. A cheap handle.
class ImageFolder final : public Dataset {
 public:
  /// Throws IoError, naming the folder, if it cannot be read, has no folder, or has a class without an image, and
  /// ValueError for options out of range.
  explicit ImageFolder(const FilePath& root, const ImageFolderOptions& options = {});
  std::int64_t size() const override;
  /// Throws IoError, naming the file, for one that cannot be read as an image, or, without a size in the options, has
  /// another size than the first.
  Batch batch(std::span<const std::int64_t> indices) const override;

  /// Returns the names of the classes, in the order of their labels.
  const std::vector<std::string>& classes() const noexcept;
  std::int64_t num_classes() const noexcept { return static_cast<std::int64_t>(classes().size()); }
  /// Returns [channels, height, width].
  Shape image_shape() const;
  /// Return the file and the label of an example. Throw IndexError.
  const FilePath& file(std::int64_t index) const;
  std::int64_t label(std::int64_t index) const;

 private:
  struct Data;
  std::shared_ptr<const Data> data_;
};

}  // namespace normgrad
