#include "normgrad/data/image_folder.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <string_view>

#include "normgrad/core/base/detail/io_errors.hpp"
#include "normgrad/core/ops/image/image.hpp"
#include "normgrad/data/image_file.hpp"

namespace normgrad {

namespace {

namespace fs = std::filesystem;

bool is_image_name(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg";
}

/// Scales an image [C, H, W] so that it covers height x width, and crops the middle.
Tensor covering(const Tensor& image, std::int64_t height, std::int64_t width) {
  const double scale = std::max(static_cast<double>(height) / static_cast<double>(image.size(1)),
                                static_cast<double>(width) / static_cast<double>(image.size(2)));
  const auto scaled = [scale](std::int64_t size, std::int64_t least) {
    return std::max(least, static_cast<std::int64_t>(static_cast<double>(size) * scale + 0.5));
  };
  Tensor result = image;
  const std::int64_t full_height = scaled(image.size(1), height);
  const std::int64_t full_width = scaled(image.size(2), width);
  if (full_height != image.size(1) || full_width != image.size(2)) {
    result = interpolate(image.unsqueeze(0), {.size = {full_height, full_width}, .mode = "bilinear", .antialias = true})
                 .squeeze(0);
  }
  return result.narrow(1, (full_height - height) / 2, height).narrow(2, (full_width - width) / 2, width);
}

}  // namespace

struct ImageFolder::Data {
  std::vector<std::string> classes;
  std::vector<FilePath> files;
  std::vector<std::int64_t> labels;
  Shape image;
  bool scale = false;
};

ImageFolder::ImageFolder(const FilePath& root, const ImageFolderOptions& options) {
  require<ValueError>(options.channels == 1 || options.channels == 3, "ImageFolder: expected 1 or 3 channels but got ",
                      options.channels);
  const bool has_size = options.height > 0 && options.width > 0;
  require<ValueError>(has_size || (options.height == 0 && options.width == 0),
                      "ImageFolder: expected a height and a width of at least 1, or 0 for both, but got ",
                      options.height, " and ", options.width);
  auto data = std::make_shared<Data>();
  detail::with_io_errors("ImageFolder: '" + root.string() + "': ", [&] {
    std::vector<fs::path> folders;
    for (const auto& entry : fs::directory_iterator(fs::path(root))) {
      if (entry.is_directory()) {
        folders.push_back(entry.path());
      }
    }
    std::sort(folders.begin(), folders.end());
    require<IoError>(!folders.empty(), "ImageFolder: '", root.string(), "': expected a folder for each class");
    for (const fs::path& folder : folders) {
      std::vector<fs::path> files;
      for (const auto& entry : fs::recursive_directory_iterator(folder)) {
        if (is_image_name(entry.path()) && entry.is_regular_file()) {
          files.push_back(entry.path());
        }
      }
      require<IoError>(!files.empty(), "ImageFolder: '", folder.string(),
                       "': expected images (.png, .jpg, .jpeg) but there are none");
      std::sort(files.begin(), files.end());
      data->labels.insert(data->labels.end(), files.size(), static_cast<std::int64_t>(data->classes.size()));
      data->files.insert(data->files.end(), files.begin(), files.end());
      data->classes.push_back(folder.filename().string());
    }
  });
  data->scale = has_size;
  data->image = has_size ? Shape({options.channels, options.height, options.width})
                         : read_image(data->files.front(), options.channels).shape();
  data_ = std::move(data);
}

std::int64_t ImageFolder::size() const { return static_cast<std::int64_t>(data_->files.size()); }

Batch ImageFolder::batch(std::span<const std::int64_t> indices) const {
  check_indices("ImageFolder", indices, size());
  const Shape& shape = data_->image;
  const auto count = static_cast<std::int64_t>(indices.size());
  Batch batch{.inputs = Tensor::empty({count, shape[0], shape[1], shape[2]}, kFloat32),
              .labels = Tensor::empty({count}, kInt64)};
  float* to = batch.inputs.mutable_data<float>();
  std::int64_t* label = batch.labels.mutable_data<std::int64_t>();
  for (const std::int64_t index : indices) {
    const FilePath& path = file(index);
    Tensor image = read_image(path, shape[0]);
    if (data_->scale) {
      image = covering(image, shape[1], shape[2]);
    }
    require<IoError>(image.shape() == shape, "ImageFolder: '", path.string(), "': expected an image of ", shape,
                     ", as the first one, but got ", image.shape(), "; give a height and a width to scale them");
    to = std::copy_n(image.data<float>(), shape.numel(), to);
    *label++ = data_->labels[static_cast<std::size_t>(index)];
  }
  return batch;
}

const std::vector<std::string>& ImageFolder::classes() const noexcept { return data_->classes; }

Shape ImageFolder::image_shape() const { return data_->image; }

const FilePath& ImageFolder::file(std::int64_t index) const {
  check_indices("ImageFolder", {&index, 1}, size());
  return data_->files[static_cast<std::size_t>(index)];
}

std::int64_t ImageFolder::label(std::int64_t index) const {
  check_indices("ImageFolder", {&index, 1}, size());
  return data_->labels[static_cast<std::size_t>(index)];
}

}  // namespace normgrad
