// PNG and JPEG files: what PIL reads from them (tests/fixtures/images/generate.py), damaged files, and folders of them.
#include "normgrad/data/image_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/idx_files.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/source_tree.hpp"
#include "tests/support/temporary_folder.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/data/image_folder.hpp"
#include "normgrad/data/loader.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;
using tests::Bytes;
using tests::error_of;

fs::path fixture(const std::string& name) { return tests::source_dir() / "tests/fixtures/images" / name; }

/// The values as bytes, in the order of PIL: pixel by pixel.
std::vector<double> bytes_of(const Tensor& image) {
  const std::vector<double> values = image.to_vector<double>();
  const auto channels = static_cast<std::size_t>(image.size(0));
  const std::size_t area = values.size() / channels;
  std::vector<double> bytes(values.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = values[i % channels * area + i / channels] * 255.0;
  }
  return bytes;
}

// PIL rounds gray in another way; JPEG decoders may differ by rounding.
TEST(ReadImageTest, ReadsWhatPilReads) {
  std::ifstream stream(fixture("images.json"));
  const json file = json::parse(stream);
  ASSERT_EQ(file["cases"].size(), 9U);
  for (const json& c : file["cases"]) {
    const std::string name = c["file"];
    const Tensor rgb = read_image(fixture(name));
    ASSERT_EQ(rgb.shape(), Shape({3, file["height"], file["width"]})) << name;
    EXPECT_EQ(rgb.dtype(), kFloat32);
    const bool is_jpeg = name.ends_with(".jpg");
    EXPECT_THAT(bytes_of(rgb),
                testing::Pointwise(testing::DoubleNear(is_jpeg ? 1.01 : 1e-4), c["rgb"].get<std::vector<double>>()))
        << name;
    const Tensor gray = read_image(fixture(name), 1);
    ASSERT_EQ(gray.shape(), Shape({1, file["height"], file["width"]})) << name;
    EXPECT_THAT(bytes_of(gray), testing::Pointwise(testing::DoubleNear(1.01), c["gray"].get<std::vector<double>>()))
        << name;
  }
}

TEST(ReadImageTest, ReadsWhatWritePngWrites) {
  const tests::TemporaryFolder folder;
  for (const std::int64_t channels : {1, 3}) {
    Tensor image = zeros({channels, 4, 6});
    float* to = image.mutable_data<float>();
    for (std::int64_t i = 0; i < image.numel(); ++i) {
      to[i] = static_cast<float>((i * 37) % 256) / 255.0F;
    }
    const fs::path file = folder / "image.png";
    write_png(file, image);
    EXPECT_EQ(read_image(file, channels).to_vector<float>(), image.to_vector<float>());
  }
  const fs::path file = folder / "clamped.png";
  write_png(file, full({1, 1, 1}, 1.5));
  EXPECT_EQ(read_image(file, 1).item(), 1.0);
  write_png(file, full({1, 1, 1}, std::nan(""), {.dtype = kFloat64}));
  EXPECT_EQ(read_image(file, 1).item(), 0.0);
  write_png(file, tensor({{{0, 1}, {128, 255}}}, {.dtype = kUInt8}));
  EXPECT_EQ((read_image(file, 1) * 255 + 0.5).to(kUInt8).to_vector<std::uint8_t>(),
            (std::vector<std::uint8_t>{0, 1, 128, 255}));
  EXPECT_EQ(error_of<ShapeError>([&] {
              write_png(file, zeros({2, 4, 4}));
            }),
            "write_png: expected an image [1, H, W] or [3, H, W] but got [2, 4, 4]");
  EXPECT_EQ(error_of<DTypeError>([&] {
              write_png(file, zeros({1, 4, 4}, {.dtype = kInt64}));
            }),
            "write_png: expected float32, float64 or uint8 but got int64");
  EXPECT_THAT(error_of<IoError>([&] {
                write_png(folder / "nowhere/a.png", zeros({1, 4, 4}));
              }),
              HasSubstr("nowhere/a.png': cannot be written: "));
}

TEST(ReadImageTest, NamesTheFileThatItCannotRead) {
  const tests::TemporaryFolder folder;
  const fs::path file = folder / "x.png";
  const auto message = [&] {
    const std::string text = error_of<IoError>([&] { read_image(file); });
    const std::string where = "read_image: '" + file.string() + "': ";
    EXPECT_THAT(text, StartsWith(where));
    return text.substr(std::min(text.size(), where.size()));
  };
  EXPECT_THAT(error_of<IoError>([&] { read_image(folder / "nowhere.png"); }), HasSubstr("nowhere.png'"));
  tests::write_file(file, {});
  EXPECT_EQ(message(), "expected a PNG or JPEG file");
  tests::write_file(file, {'G', 'I', 'F', '8'});
  EXPECT_EQ(message(), "expected a PNG or JPEG file");
  fs::copy(fixture("cmyk.jpg"), file, fs::copy_options::overwrite_existing);
  EXPECT_EQ(message(), "expected a gray or RGB image but got one for printing (CMYK)");
  EXPECT_EQ(error_of<ValueError>([&] { read_image(file, 4); }), "read_image: expected 1 or 3 channels but got 4");

  // Headers that promise more than the file can hold.
  const auto message_for_size = [&](std::uint8_t high, std::uint8_t low) {
    Bytes png = tests::read_bytes(fixture("rgb.png"));
    const Bytes size = {0, 0, high, low, 0, 0, high, low};
    std::copy(size.begin(), size.end(), png.begin() + 16);
    const auto crc = static_cast<std::uint32_t>(crc32(0, png.data() + 12, 17));
    for (int i = 0; i < 4; ++i) {
      png[static_cast<std::size_t>(29 + i)] = static_cast<std::uint8_t>(crc >> (24 - 8 * i));
    }
    tests::write_file(file, png);
    return message();
  };
  EXPECT_EQ(message_for_size(0xea, 0x60), "expected an image of at most 2^28 values but got 60000x60000 of 3 channels");
  EXPECT_EQ(message_for_size(0x10, 0x00), "expected at most 1469568 pixels in 178 bytes but got 4096x4096");
}

// A prefix is refused, and a changed bit gives a result or an IoError.
TEST(ReadImageTest, DamagedFilesAreRefused) {
  const tests::TemporaryFolder folder;
  const fs::path file = folder / "x";
  for (const std::string name : {"rgb.png", "palette.png", "rgb.jpg", "progressive.jpg", "gray.jpg"}) {
    const Bytes whole = tests::read_bytes(fixture(name));
    const std::size_t needed = whole.size() - (name.ends_with(".jpg") ? 2 : 12);  // without the mark of the end
    for (std::size_t size = 0; size < needed; size += size + 20 < needed ? 9 : 1) {
      tests::write_file(file, Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
      EXPECT_THROW(read_image(file), IoError) << name << " " << size;
    }
    for (std::size_t i = 0; i < whole.size(); i += 3) {
      Bytes bytes = whole;
      bytes[i] ^= static_cast<std::uint8_t>(1U << i % 8);
      tests::write_file(file, bytes);
      try {
        EXPECT_EQ(read_image(file).dim(), 3);
      } catch (const IoError&) {
      }
    }
  }
}

TEST(MakeGridTest, LaysOutRows) {
  const Tensor grid = make_grid(arange(1, 13, 1, {.dtype = kFloat32}).reshape({3, 1, 2, 2}), 2, 1);
  EXPECT_EQ(grid.shape(), Shape({1, 7, 7}));
  EXPECT_EQ(grid.to_vector<double>(), (std::vector<double>{0, 0,  0,  0, 0, 0, 0,  //
                                                           0, 1,  2,  0, 5, 6, 0,  //
                                                           0, 3,  4,  0, 7, 8, 0,  //
                                                           0, 0,  0,  0, 0, 0, 0,  //
                                                           0, 9,  10, 0, 0, 0, 0,  //
                                                           0, 11, 12, 0, 0, 0, 0,  //
                                                           0, 0,  0,  0, 0, 0, 0}));
  EXPECT_EQ(make_grid(zeros({2, 3, 4, 5}), 8, 0).shape(), Shape({3, 4, 10}));
  EXPECT_EQ(error_of<ShapeError>([] {
              make_grid(zeros({3, 2, 2}));
            }),
            "make_grid: expected images [n, C, H, W] but got [3, 2, 2]");
  EXPECT_EQ(error_of<ValueError>([] {
              make_grid(zeros({1, 1, 2, 2}), 0);
            }),
            "make_grid: expected columns >= 1 and padding >= 0 but got 0 and 2");
}

class ImageFolderTest : public testing::Test {
 protected:
  void add(const std::string& name, double value, std::int64_t height = 4, std::int64_t width = 4) {
    fs::create_directories((root_ / name).parent_path());
    write_png(root_ / name, full({1, height, width}, value));
  }
  std::string error(const ImageFolderOptions& options = {}) {
    return error_of<IoError>([&] { ImageFolder(root_.path(), options); });
  }
  std::string where(const std::string& name = "") const {
    return "ImageFolder: '" + (name.empty() ? root_.path() : root_ / name).string() + "': ";
  }

  const tests::TemporaryFolder root_;
};

TEST_F(ImageFolderTest, ClassesAndFilesAreInAlphabeticalOrder) {
  add("dog/b.png", 0.4);
  add("dog/a.PNG", 0.2);
  add("cat/deep/z.png", 0.6);
  add("cat/a.png", 0.8);
  tests::write_file(root_ / "cat/notes.txt", {1});
  tests::write_file(root_ / "readme", {1});
  fs::copy(fixture("gray.jpg"), root_ / "dog/c.jpeg");
  const ImageFolder data(root_.path(), {.height = 2, .width = 2, .channels = 1});
  EXPECT_EQ(data.classes(), (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(data.num_classes(), 2);
  EXPECT_EQ(data.size(), 5);
  EXPECT_EQ(data.file(1), root_ / "cat/deep/z.png");
  EXPECT_EQ(data.label(1), 0);
  EXPECT_EQ(data.label(4), 1);
  DataLoader loader(data, {.batch_size = 4, .num_workers = 2});
  const Batch batch = *loader.begin();
  EXPECT_EQ(batch.inputs.shape(), Shape({4, 1, 2, 2}));
  EXPECT_EQ(batch.labels.to_vector<std::int64_t>(), (std::vector<std::int64_t>{0, 0, 1, 1}));
  const std::vector<double> values = batch.inputs.to_vector<double>();
  const double expected[] = {0.8, 0.6, 0.2, 0.4};
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_NEAR(values[i], expected[i / 4], 1e-6) << i;
  }
}

// The middle third of a wide image is white.
TEST_F(ImageFolderTest, ScalesAndCropsTheMiddle) {
  Tensor wide = zeros({1, 10, 30});
  for (std::int64_t i = 0; i < 300; ++i) {
    wide.mutable_data<float>()[i] = i % 30 / 10 == 1 ? 1.0F : 0.0F;
  }
  fs::create_directories(root_ / "a");
  write_png(root_ / "a/wide.png", wide);
  const auto pixels = [&](std::int64_t height, std::int64_t width) {
    const std::int64_t first = 0;
    return ImageFolder(root_.path(), {.height = height, .width = width, .channels = 1})
        .batch({&first, 1})
        .inputs.to_vector<double>();
  };
  EXPECT_EQ(pixels(10, 10), std::vector<double>(100, 1.0));
  EXPECT_EQ(pixels(10, 30), wide.to_vector<double>());
  const std::vector<double> small = pixels(1, 3);
  EXPECT_NEAR(small[0], 1.0 / 7.0, 1e-5);  // a triangle of 2 pixels around each center
  EXPECT_NEAR(small[1], 0.75, 1e-5);
  EXPECT_NEAR(small[2], 1.0 / 7.0, 1e-5);
}

TEST_F(ImageFolderTest, ErrorsNameFolderAndFile) {
  EXPECT_EQ(error(), where() + "expected a folder for each class");
  fs::create_directories(root_ / "empty");
  EXPECT_EQ(error(), where("empty") + "expected images (.png, .jpg, .jpeg) but there are none");
  add("empty/a.png", 0.5);
  add("empty/b.png", 0.5, 4, 5);
  const ImageFolder data(root_.path());
  EXPECT_EQ(data.image_shape(), Shape({3, 4, 4}));
  const std::int64_t second = 1;
  EXPECT_EQ(error_of<IoError>([&] {
              data.batch({&second, 1});
            }),
            where("empty/b.png") +
                "expected an image of [3, 4, 4], as the first one, but got [3, 4, 5]; give a height and a width to "
                "scale them");
  tests::write_file(root_ / "empty/b.png", {1, 2, 3});
  DataLoader loader(data, {.batch_size = 1});
  auto it = loader.begin();
  ++it;
  EXPECT_THAT(
      error_of<IoError>([&] { static_cast<void>(*it); }),
      testing::AllOf(HasSubstr("example 1 (batch 1 of epoch 0)"),
                     HasSubstr("read_image: '" + (root_ / "empty/b.png").string() + "': expected a PNG or JPEG file")));
  EXPECT_THAT(error_of<IoError>([&] { ImageFolder(root_ / "nowhere"); }), StartsWith(where("nowhere")));
  EXPECT_EQ(error_of<ValueError>([&] { ImageFolder(root_.path(), {.height = 3}); }),
            "ImageFolder: expected a height and a width of at least 1, or 0 for both, but got 3 and 0");
  EXPECT_EQ(error_of<ValueError>([&] { ImageFolder(root_.path(), {.channels = 2}); }),
            "ImageFolder: expected 1 or 3 channels but got 2");
  EXPECT_THROW(data.label(2), IndexError);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
