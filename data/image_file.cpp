#include "normgrad/data/image_file.hpp"

#include <jerror.h>
#include <jpeglib.h>
#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "normgrad/core/base/detail/input_file.hpp"
#include "normgrad/core/base/detail/io_errors.hpp"

namespace normgrad {

namespace {

constexpr std::uint64_t kMaxImageValues = std::uint64_t{1} << 28;

/// The values of an image: rows of pixels of interleaved channels.
struct Pixels {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::vector<std::uint8_t> values;
};

/// A file cannot have more pixels per byte: deflate shortens by at most 1032, with 8 pixels in a byte, and JPEG codes
/// blocks of 64 pixels. So a short file does not cause a large allocation.
constexpr std::uint64_t kMaxPixelsPerByte = 8 * 1032;

void check_image_size(const std::string& where, std::uint64_t height, std::uint64_t width, std::uint64_t channels,
                      std::uint64_t file_size) {
  require<IoError>(height > 0 && width > 0 && height <= kMaxImageValues / channels / width, where,
                   "expected an image of at most 2^28 values but got ", height, "x", width, " of ", channels,
                   " channels");
  require<IoError>(height * width <= kMaxPixelsPerByte * file_size, where, "expected at most ",
                   kMaxPixelsPerByte * file_size, " pixels in ", file_size, " bytes but got ", height, "x", width);
}

/// RGB to gray: ITU-R BT.601, as in JPEG.
Pixels gray_of_rgb(const Pixels& rgb) {
  Pixels gray{.height = rgb.height, .width = rgb.width, .values = {}};
  gray.values.reserve(rgb.values.size() / 3);
  for (std::size_t i = 0; i < rgb.values.size(); i += 3) {
    const int sum = 299 * rgb.values[i] + 587 * rgb.values[i + 1] + 114 * rgb.values[i + 2];
    gray.values.push_back(static_cast<std::uint8_t>((sum + 500) / 1000));
  }
  return gray;
}

Pixels read_png(const std::string& where, const std::vector<std::uint8_t>& bytes, std::int64_t channels) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  struct End {
    png_image* image;
    ~End() { png_image_free(image); }
  } const end{&image};
  const auto check = [&](bool done) { require<IoError>(done, where, "cannot be read as PNG: ", image.message); };
  check(png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) != 0);
  const bool is_gray = channels == 1 && (image.format & PNG_FORMAT_FLAG_COLOR) == 0;
  const std::uint64_t read = is_gray ? 1 : 3;
  check_image_size(where, image.height, image.width, read, bytes.size());
  image.format = is_gray ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
  Pixels pixels{.height = image.height, .width = image.width, .values = {}};
  pixels.values.resize(static_cast<std::size_t>(image.height * static_cast<std::uint64_t>(image.width) * read));
  const png_color black{};
  check(png_image_finish_read(&image, &black, pixels.values.data(), 0, nullptr) != 0);
  return channels == 1 && !is_gray ? gray_of_rgb(pixels) : pixels;
}

/// libjpeg reports errors by a jump out of its functions.
struct JpegErrors {
  jpeg_error_mgr base;  // must be first
  std::jmp_buf back;
  std::array<char, JMSG_LENGTH_MAX> message;
};

void jump_out(j_common_ptr jpeg) {
  auto* errors = reinterpret_cast<JpegErrors*>(jpeg->err);
  jpeg->err->format_message(jpeg, errors->message.data());
  std::longjmp(errors->back, 1);
}

/// A warning is data that is damaged or missing, for which libjpeg invents some; but for bytes that it skips.
void jump_out_of_warnings(j_common_ptr jpeg, int level) {
  if (level < 0 && jpeg->err->msg_code != JWRN_EXTRANEOUS_DATA) {
    jump_out(jpeg);
  }
}

enum class JpegStep : std::uint8_t { header, pixels };

/// One step of reading. Returns false, with the message in `errors`, if it failed. Has no objects with destructors,
/// which the jump would leave out.
bool jpeg_step(jpeg_decompress_struct& jpeg, JpegErrors& errors, JpegStep step, const std::uint8_t* bytes,
               std::size_t size, int channels, std::uint8_t* to) {
  if (setjmp(errors.back) != 0) {
    return false;
  }
  if (step == JpegStep::header) {
    jpeg_create_decompress(&jpeg);
    jpeg_mem_src(&jpeg, bytes, static_cast<unsigned long>(size));
    jpeg_read_header(&jpeg, TRUE);
    return true;
  }
  jpeg.out_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_start_decompress(&jpeg);
  while (jpeg.output_scanline < jpeg.output_height) {
    JSAMPROW row = to + static_cast<std::size_t>(jpeg.output_scanline) * jpeg.output_width *
                            static_cast<std::size_t>(jpeg.output_components);
    jpeg_read_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_decompress(&jpeg);
  return true;
}

Pixels read_jpeg(const std::string& where, const std::vector<std::uint8_t>& bytes, std::int64_t channels) {
  jpeg_decompress_struct jpeg{};
  JpegErrors errors{};
  jpeg.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = jump_out;
  errors.base.emit_message = jump_out_of_warnings;
  struct End {
    jpeg_decompress_struct* jpeg;
    ~End() { jpeg_destroy_decompress(jpeg); }
  } const end{&jpeg};
  const auto check = [&](bool done) {
    require<IoError>(done, where, "cannot be read as JPEG: ", errors.message.data());
  };
  const int count = static_cast<int>(channels);
  check(jpeg_step(jpeg, errors, JpegStep::header, bytes.data(), bytes.size(), count, nullptr));
  check_image_size(where, jpeg.image_height, jpeg.image_width, static_cast<std::uint64_t>(channels), bytes.size());
  require<IoError>(
      jpeg.jpeg_color_space == JCS_GRAYSCALE || jpeg.jpeg_color_space == JCS_YCbCr || jpeg.jpeg_color_space == JCS_RGB,
      where, "expected a gray or RGB image but got one for printing (CMYK)");
  Pixels pixels{.height = jpeg.image_height, .width = jpeg.image_width, .values = {}};
  pixels.values.resize(static_cast<std::size_t>(pixels.height * pixels.width * channels));
  check(jpeg_step(jpeg, errors, JpegStep::pixels, nullptr, 0, count, pixels.values.data()));
  return pixels;
}

Tensor planes_of(const Pixels& pixels, std::int64_t channels) {
  Tensor image = Tensor::empty({channels, pixels.height, pixels.width}, kFloat32);
  float* to = image.mutable_data<float>();
  const auto area = static_cast<std::size_t>(pixels.height * pixels.width);
  for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) {
    for (std::size_t i = 0; i < area; ++i) {
      *to++ = static_cast<float>(pixels.values[i * static_cast<std::size_t>(channels) + c]) / 255.0F;
    }
  }
  return image;
}

}  // namespace

Tensor read_image(const FilePath& file, std::int64_t channels) {
  require<ValueError>(channels == 1 || channels == 3, "read_image: expected 1 or 3 channels but got ", channels);
  return detail::with_io_errors("read_image: '" + file.string() + "': ", [&] {
    const detail::InputFile input("read_image", file);
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(input.size()));
    input.read(0, bytes.data(), bytes.size());
    const auto begins_with = [&](std::initializer_list<std::uint8_t> magic) {
      return bytes.size() >= magic.size() && std::equal(magic.begin(), magic.end(), bytes.begin());
    };
    const bool is_png = begins_with({0x89, 'P', 'N', 'G'});
    require<IoError>(is_png || begins_with({0xff, 0xd8, 0xff}), input.where(), "expected a PNG or JPEG file");
    return planes_of(is_png ? read_png(input.where(), bytes, channels) : read_jpeg(input.where(), bytes, channels),
                     channels);
  });
}

void write_png(const FilePath& file, const Tensor& image) {
  require<ShapeError>(image.defined() && image.dim() == 3 && (image.size(0) == 1 || image.size(0) == 3) &&
                          image.numel() > 0 && image.numel() <= static_cast<std::int64_t>(kMaxImageValues),
                      "write_png: expected an image [1, H, W] or [3, H, W] but got ",
                      image.defined() ? image.shape() : Shape());
  require<DTypeError>(is_floating_point(image.dtype()) || image.dtype() == kUInt8,
                      "write_png: expected float32, float64 or uint8 but got ", image.dtype());
  std::vector<double> values = image.detach().to_vector<double>();
  if (image.dtype() == kUInt8) {
    for (double& value : values) {
      value /= 255.0;
    }
  }
  const auto channels = static_cast<std::size_t>(image.size(0));
  const std::size_t area = values.size() / channels;
  std::vector<std::uint8_t> bytes(values.size());
  for (std::size_t i = 0; i < area; ++i) {
    for (std::size_t c = 0; c < channels; ++c) {
      const double value = values[c * area + i];
      bytes[i * channels + c] = static_cast<std::uint8_t>(value >= 1.0  ? 255.0
                                                          : value > 0.0 ? value * 255.0 + 0.5
                                                                        : 0.0);
    }
  }
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.height = static_cast<png_uint_32>(image.size(1));
  png.width = static_cast<png_uint_32>(image.size(2));
  png.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  detail::with_io_errors("write_png: '" + file.string() + "': ", [&] {
    require<IoError>(png_image_write_to_file(&png, file.c_str(), 0, bytes.data(), 0, nullptr) != 0, "write_png: '",
                     file.string(), "': cannot be written: ", png.message);
  });
}

Tensor make_grid(const Tensor& images, std::int64_t columns, std::int64_t padding) {
  require<ShapeError>(images.defined() && images.dim() == 4 && images.numel() > 0,
                      "make_grid: expected images [n, C, H, W] but got ", images.defined() ? images.shape() : Shape());
  require<ValueError>(columns >= 1 && padding >= 0, "make_grid: expected columns >= 1 and padding >= 0 but got ",
                      columns, " and ", padding);
  const std::int64_t n = images.size(0);
  const std::int64_t height = images.size(2);
  const std::int64_t width = images.size(3);
  columns = std::min(columns, n);
  const std::int64_t rows = (n + columns - 1) / columns;
  Tensor grid = Tensor::empty(
      {images.size(1), padding + rows * (height + padding), padding + columns * (width + padding)}, images.dtype());
  grid.zero_();
  dispatch_float("make_grid", images.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* from = images.data<T>();
    T* to = grid.mutable_data<T>();
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int64_t top = padding + i / columns * (height + padding);
      const std::int64_t left = padding + i % columns * (width + padding);
      for (std::int64_t c = 0; c < images.size(1); ++c) {
        for (std::int64_t y = 0; y < height; ++y, from += width) {
          std::copy(from, from + width, to + (c * grid.size(1) + top + y) * grid.size(2) + left);
        }
      }
    }
  });
  return grid;
}

}  // namespace normgrad
