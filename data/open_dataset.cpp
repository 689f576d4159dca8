#include <algorithm>
#include <filesystem>
#include <initializer_list>

#include "normgrad/core/base/detail/io_errors.hpp"
#include "normgrad/data/cifar.hpp"
#include "normgrad/data/digits.hpp"
#include "normgrad/data/idx.hpp"
#include "normgrad/data/image_dataset.hpp"

namespace normgrad {

namespace {

namespace fs = std::filesystem;

constexpr const char* kFashionMnistFolder = "/usr/share/datasets/fashion-mnist";

/// Returns the first of the names found in the folder, plain or with .gz. Some mirrors write ".idx3-" for "-idx3-".
fs::path find_file(const fs::path& folder, std::initializer_list<const char*> names) {
  for (const std::string name : names) {
    std::string dotted = name;
    dotted[name.find("-idx")] = '.';
    for (const std::string& candidate : {name, name + ".gz", dotted, dotted + ".gz"}) {
      std::error_code none;  // an inaccessible file counts as missing
      if (fs::exists(folder / candidate, none)) {
        return folder / candidate;
      }
    }
  }
  fail<IoError>("open_dataset: expected '", (folder / *names.begin()).string(),
                "' or the same with .gz but found neither");
}

ImageDataset read_part(const fs::path& folder, const std::string& part, std::int64_t num_classes) {
  const std::string idx3 = part + "-images-idx3-ubyte";
  const std::string idx4 = part + "-images-idx4-ubyte";
  const std::string idx1 = part + "-labels-idx1-ubyte";
  const fs::path image_file = find_file(folder, {idx3.c_str(), idx4.c_str()});
  const fs::path label_file = find_file(folder, {idx1.c_str()});
  IdxArray labels = read_idx(label_file, 1, 1);
  IdxArray images = read_idx(image_file, 3, 4);
  if (images.shape.dim() == 3) {
    images.shape.insert(1, 1);
  }
  require<IoError>(images.shape.numel() > 0, "open_dataset: '", image_file.string(),
                   "': expected at least one image of at least one pixel but got ", images.shape);
  require<IoError>(labels.shape[0] == images.shape[0], "open_dataset: '", label_file.string(), "': expected ",
                   images.shape[0], " labels, one for each image of '", image_file.filename().string(), "', but got ",
                   labels.shape[0]);
  const auto bad = std::find_if(labels.values.begin(), labels.values.end(),
                                [&](std::uint8_t label) { return label >= num_classes; });
  require<IoError>(bad == labels.values.end(), "open_dataset: '", label_file.string(), "': expected labels from 0 to ",
                   num_classes - 1, " but label ", bad - labels.values.begin(), " is ",
                   bad == labels.values.end() ? 0 : int{*bad});
  return {images.shape, std::move(images.values), std::move(labels.values), num_classes};
}

ImageSplits read_folder(const fs::path& folder, std::int64_t num_classes) {
  ImageSplits splits{.train = read_part(folder, "train", num_classes), .test = read_part(folder, "t10k", num_classes)};
  require<IoError>(splits.train.image_shape() == splits.test.image_shape(), "open_dataset: '", folder.string(),
                   "': expected training and test images of the same shape but got ", splits.train.image_shape(),
                   " and ", splits.test.image_shape());
  return splits;
}

ImageSplits read_source(const std::string& source, std::int64_t num_classes) {
  if (source == "digits") {
    return make_digits();
  }
  const bool fashion = source == "fashion-mnist";
  const fs::path folder = fashion ? kFashionMnistFolder : source;
  std::error_code none;
  require<IoError>(
      fs::is_directory(folder, none),
      "open_dataset: ", fashion ? "Fashion-MNIST is not installed: expected the folder '" : "there is no folder '",
      folder.string(), "'",
      fashion ? " of Debian's package dataset-fashion-mnist" : "; expected a folder, fashion-mnist or digits");
  if (fs::exists(folder / "data_batch_1.bin", none)) {
    return read_cifar10(folder);
  }
  if (fs::exists(folder / "train.bin", none)) {
    return read_cifar100(folder);
  }
  return read_folder(folder, num_classes);
}

ImageSplits open_splits(const std::string& source, const OpenDatasetOptions& options) {
  require<ValueError>(options.num_classes >= 1 && options.num_classes <= 256,
                      "open_dataset: expected 1 to 256 classes but got ", options.num_classes);
  require<ValueError>(options.train_limit >= 0, "open_dataset: expected a train_limit of 0 (all) or more but got ",
                      options.train_limit);
  ImageSplits splits = read_source(source, options.num_classes);
  if (options.train_limit > 0) {
    splits.train = splits.train.first(options.train_limit);
  }
  if (options.standardize) {
    const PixelStatistics statistics = splits.train.pixel_statistics();
    require<IoError>(statistics.std > 0.0, "open_dataset: '", source,
                     "': expected training images that can be standardized but all pixels are equal");
    splits.train = splits.train.standardized(statistics);
    splits.test = splits.test.standardized(statistics);
  }
  return splits;
}

}  // namespace

ImageSplits open_dataset(const std::string& source, const OpenDatasetOptions& options) {
  return detail::with_io_errors("open_dataset: '" + source + "': ", [&] { return open_splits(source, options); });
}

std::string default_dataset() {
  std::error_code none;
  return fs::is_directory(kFashionMnistFolder, none) ? "fashion-mnist" : "digits";
}

}  // namespace normgrad
