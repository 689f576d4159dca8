#include <algorithm>
#include <cmath>
#include <cstdint>

#include "lab/atlas/atlas.hpp"

namespace atlas {

using namespace normgrad;

namespace {

constexpr double kWhite = 2.5;
constexpr std::int64_t kGap = 2;        // pixels between two images
constexpr std::uint8_t kGapGray = 128;  // stands out from a light page and from a dark one

std::string base64(const std::string& bytes) {
  const char* digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t three = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      three = three << 8U | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      text += i + k <= bytes.size() ? digits[three >> (18 - 6 * k) & 63U] : '=';
    }
  }
  return text;
}

void append(std::string& bytes, std::int64_t value, int count) {
  for (int i = 0; i < count; ++i) {
    bytes += static_cast<char>(value >> (8 * i) & 255);
  }
}

/// A bitmap of 256 grays (BITMAPINFOHEADER), whose rows go from bottom to top and fill whole words.
std::string gray_bitmap(const std::vector<std::uint8_t>& pixels, std::int64_t height, std::int64_t width) {
  constexpr std::int64_t kHeaders = 14 + 40 + 1024;
  const std::int64_t row = (width + 3) / 4 * 4;
  std::string bytes = "BM";
  append(bytes, kHeaders + row * height, 4);
  append(bytes, 0, 4);
  append(bytes, kHeaders, 4);
  append(bytes, 40, 4);
  append(bytes, width, 4);
  append(bytes, height, 4);
  append(bytes, 1, 2);
  append(bytes, 8, 2);
  append(bytes, 0, 4);
  append(bytes, row * height, 4);
  append(bytes, 0, 16);
  for (std::int64_t gray = 0; gray < 256; ++gray) {
    append(bytes, gray * 0x010101, 4);
  }
  for (std::int64_t y = height; y-- > 0;) {
    for (std::int64_t x = 0; x < row; ++x) {
      bytes += static_cast<char>(x < width ? pixels[static_cast<std::size_t>(y * width + x)] : 0);
    }
  }
  return bytes;
}

}  // namespace

std::string bitmap_uri(const Tensor& images) {
  const Tensor gray = images.to(kFloat64).mean(Axes{1});
  const std::int64_t count = gray.size(0);
  const std::int64_t height = gray.size(1);
  const std::int64_t width = gray.size(2);
  const std::int64_t total = count * (width + kGap) - kGap;
  const std::vector<double> values = gray.to_vector<double>();
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(total * height), kGapGray);
  for (std::int64_t n = 0; n < count; ++n) {
    for (std::int64_t y = 0; y < height; ++y) {
      for (std::int64_t x = 0; x < width; ++x) {
        const double value = values[static_cast<std::size_t>((n * height + y) * width + x)];
        const double level = std::clamp((value / kWhite + 1.0) * 127.5, 0.0, 255.0);
        pixels[static_cast<std::size_t>(y * total + n * (width + kGap) + x)] =
            static_cast<std::uint8_t>(std::isnan(level) ? 0 : std::lround(level));
      }
    }
  }
  return "data:image/bmp;base64," + base64(gray_bitmap(pixels, height, total));
}

}  // namespace atlas
