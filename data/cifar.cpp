#include "normgrad/data/cifar.hpp"

#include <filesystem>
#include <initializer_list>
#include <string>
#include <vector>

#include "normgrad/core/base/detail/input_file.hpp"
#include "normgrad/core/base/detail/io_errors.hpp"

namespace normgrad {

namespace {

constexpr std::int64_t kCifarValues = 3 * 32 * 32;

/// The bytes before an image: `count` of them, of which number `used` is the label.
struct CifarLabel {
  std::int64_t count;
  std::int64_t used;
  std::int64_t num_classes;
};

struct CifarImages {
  std::vector<std::uint8_t> pixels;
  std::vector<std::uint8_t> labels;
};

void read_cifar_file(const char* operation, const FilePath& path, const CifarLabel& label, CifarImages& to) {
  const detail::InputFile file(operation, path);
  const auto record = static_cast<std::uint64_t>(label.count + kCifarValues);
  const std::uint64_t images = file.size() / record;
  require<IoError>(images > 0 && file.size() % record == 0, file.where(), "expected images of ", record,
                   " bytes each but got ", file.size(), " bytes, which end within image ", images);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(file.size()));
  file.read(0, bytes.data(), bytes.size());
  for (std::uint64_t i = 0; i < images; ++i) {
    const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(i * record);
    const std::uint8_t value = begin[label.used];
    require<IoError>(value < label.num_classes, file.where(), "expected labels from 0 to ", label.num_classes - 1,
                     " but that of image ", i, " is ", int{value});
    to.labels.push_back(value);
    to.pixels.insert(to.pixels.end(), begin + label.count, begin + static_cast<std::ptrdiff_t>(record));
  }
}

ImageDataset read_cifar_part(const char* operation, const FilePath& folder, std::initializer_list<const char*> files,
                             const CifarLabel& label) {
  CifarImages all;
  for (const char* file : files) {
    const FilePath path = std::filesystem::path(folder) / file;
    detail::with_io_errors(detail::concat(operation, ": '", path.string(), "': "),
                           [&] { read_cifar_file(operation, path, label, all); });
  }
  const Shape shape = {static_cast<std::int64_t>(all.labels.size()), 3, 32, 32};
  return {shape, std::move(all.pixels), std::move(all.labels), label.num_classes};
}

}  // namespace

ImageSplits read_cifar10(const FilePath& folder) {
  const CifarLabel label = {.count = 1, .used = 0, .num_classes = 10};
  return {
      .train = read_cifar_part(
          "read_cifar10", folder,
          {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"}, label),
      .test = read_cifar_part("read_cifar10", folder, {"test_batch.bin"}, label)};
}

ImageSplits read_cifar100(const FilePath& folder, Cifar100Options options) {
  const CifarLabel label = {.count = 2, .used = options.coarse ? 0 : 1, .num_classes = options.coarse ? 20 : 100};
  return {.train = read_cifar_part("read_cifar100", folder, {"train.bin"}, label),
          .test = read_cifar_part("read_cifar100", folder, {"test.bin"}, label)};
}

}  // namespace normgrad
