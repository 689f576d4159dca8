// Writes small data sets in CIFAR-10's binary form.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "tests/support/idx_files.hpp"

namespace normgrad::tests {

/// A pixel of image i, which has the label i % 10: a gradient in a direction that belongs to the label, with noise.
inline std::uint8_t cifar_pixel(std::int64_t i, std::size_t pixel) {
  const std::int64_t label = i % 10;
  const auto channel = static_cast<std::int64_t>(pixel / 1024);
  const auto y = static_cast<std::int64_t>(pixel / 32 % 32);
  const auto x = static_cast<std::int64_t>(pixel % 32);
  const std::int64_t level = label < 5 ? x * (label + 1) : y * (label - 4);
  const auto noise = static_cast<std::int64_t>((static_cast<std::uint64_t>(i) * 7919 + pixel * 104729) % 61);
  return static_cast<std::uint8_t>(60 + (channel == label % 3 ? level % 128 : 0) + noise);
}

/// Five batches of `images` each, and `test` more for testing.
inline void write_cifar10_folder(const std::filesystem::path& folder, std::int64_t images, std::int64_t test) {
  std::filesystem::create_directories(folder);
  std::int64_t next = 0;
  const auto write = [&](const std::string& name, std::int64_t count) {
    Bytes bytes;
    for (std::int64_t end = next + count; next < end; ++next) {
      bytes.push_back(static_cast<std::uint8_t>(next % 10));
      for (std::size_t pixel = 0; pixel < 3072; ++pixel) {
        bytes.push_back(cifar_pixel(next, pixel));
      }
    }
    write_file(folder / name, bytes);
  };
  for (int batch = 1; batch <= 5; ++batch) {
    write("data_batch_" + std::to_string(batch) + ".bin", images);
  }
  write("test_batch.bin", test);
}

}  // namespace normgrad::tests
