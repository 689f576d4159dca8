// Writes IDX files byte by byte, independently of the library's reader.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace normgrad::tests {

using Bytes = std::vector<std::uint8_t>;

inline Bytes idx_bytes(std::uint32_t magic, const std::vector<std::uint32_t>& sizes, const Bytes& values) {
  Bytes bytes;
  const auto put = [&](std::uint32_t word) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      bytes.push_back(static_cast<std::uint8_t>(word >> shift));
    }
  };
  put(magic);
  for (const std::uint32_t size : sizes) {
    put(size);
  }
  bytes.insert(bytes.end(), values.begin(), values.end());
  return bytes;
}

inline void write_file(const std::filesystem::path& file, const Bytes& bytes) {
  std::ofstream(file, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

inline void write_gzip(const std::filesystem::path& file, const Bytes& bytes, int level = 6) {
  gzFile out = gzopen(file.c_str(), ("wb" + std::to_string(level)).c_str());
  gzwrite(out, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(out);
}

inline Bytes read_bytes(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Writes a small dataset with MNIST's file names: 28x28 images; image i has class i % 10 and row 2 * (i % 10) white.
inline void write_mnist_folder(const std::filesystem::path& folder, std::uint32_t train, std::uint32_t test) {
  std::filesystem::create_directories(folder);
  const auto part = [&](const std::string& name, std::uint32_t count) {
    Bytes pixels(std::size_t{count} * 784);
    Bytes labels(count);
    for (std::uint32_t i = 0; i < count; ++i) {
      labels[i] = static_cast<std::uint8_t>(i % 10);
      for (std::size_t column = 0; column < 28; ++column) {
        pixels[i * 784 + 2 * (i % 10) * 28 + column] = 255;
      }
    }
    write_file(folder / (name + "-images-idx3-ubyte"), idx_bytes(0x803, {count, 28, 28}, pixels));
    write_file(folder / (name + "-labels-idx1-ubyte"), idx_bytes(0x801, {count}, labels));
  };
  part("train", train);
  part("t10k", test);
}

}  // namespace normgrad::tests
