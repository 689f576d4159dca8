#include "normgrad/io/npz.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <zip.h>

#include <cmath>
#include <filesystem>

#include "tests/support/files.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/io/npy.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;
using tests::file_text;
using tests::write_text;

const std::string kFixtures = NORMGRAD_SOURCE_DIR "/tests/fixtures/exchange/";

class NpzTest : public testing::Test {
 protected:
  std::string error() {
    const std::string text = error_of<IoError>([&] { load_npz(path_); });
    const std::string start = "load_npz: '" + path_.string() + "': ";
    EXPECT_THAT(text, testing::StartsWith(start));
    return text.substr(std::min(text.size(), start.size()));
  }
  /// Writes an archive with libzip.
  void write_archive(const std::vector<std::pair<std::string, std::string>>& entries) {
    zip_t* archive = zip_open(path_.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
    for (const auto& [name, bytes] : entries) {
      zip_file_add(archive, name.c_str(), zip_source_buffer(archive, bytes.data(), bytes.size(), 0), ZIP_FL_ENC_UTF_8);
    }
    ASSERT_EQ(zip_close(archive), 0);
  }
  const tests::TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_ / "x.npz";
};

TEST_F(NpzTest, ReadsWhatNumPyWrote) {
  for (const std::string name : {"arrays.npz", "arrays_compressed.npz"}) {
    const StateDict arrays = load_npz(kFixtures + name);
    EXPECT_EQ(arrays.size(), 15U);
    const auto integers = [&](const char* key) { return arrays.at(key).to_vector<std::int64_t>(); };
    EXPECT_THAT(integers("int8"), ElementsAre(-128, 0, 1, 127, 2, 3));
    EXPECT_THAT(integers("uint8"), ElementsAre(0, 0, 1, 255, 2, 3));
    EXPECT_THAT(integers("int16"), ElementsAre(-32768, 0, 1, 32767, 2, 3));
    EXPECT_THAT(integers("uint16"), ElementsAre(0, 0, 1, 65535, 2, 3));
    EXPECT_THAT(integers("int32"), ElementsAre(INT32_MIN, 0, 1, INT32_MAX, 2, 3));
    EXPECT_THAT(integers("uint32"), ElementsAre(0, 0, 1, UINT32_MAX, 2, 3));
    EXPECT_THAT(integers("int64"), ElementsAre(INT64_MIN, 0, 1, INT64_MAX, 2, 3));
    EXPECT_THAT(integers("uint64"), ElementsAre(0, INT64_MAX));
    for (const auto& [key, dtype] : std::vector<std::pair<const char*, DType>>{
             {"int8", kInt64}, {"uint8", kUInt8}, {"int16", kInt64}, {"int32", kInt32}, {"uint32", kInt64}}) {
      EXPECT_EQ(arrays.at(key).dtype(), dtype) << key;
    }
    EXPECT_THAT(arrays.at("bool").to_vector<bool>(), ElementsAre(true, false, true));
    EXPECT_THAT(arrays.at("float16").to_vector<float>(), ElementsAre(1.5F, -0x1p-24F, 65504.0F, INFINITY));
    EXPECT_EQ(arrays.at("float32").shape(), Shape({2, 3, 4}));
    EXPECT_EQ(arrays.at("float64").dtype(), kFloat64);
    EXPECT_EQ(arrays.at("fortran").to_vector<double>(), arange(24).to_vector<double>());
    EXPECT_EQ(arrays.at("fortran").shape(), Shape({2, 3, 4}));
    EXPECT_EQ(arrays.at("scalar").item(), 3.25);
    EXPECT_EQ(arrays.at("empty").shape(), Shape({0, 3}));
    EXPECT_EQ(arrays.at("float32").to_vector<float>(), load_npy(kFixtures + "c_order.npy").to_vector<float>());
  }
}

TEST_F(NpzTest, GivesEveryBitBack) {
  StateDict state;
  state["layer.weight"] = tests::random_tensor({300, 1000}, kFloat32, 1);
  state["a/b"] = tests::random_tensor({3, 2}, kFloat64, 2);
  state["\xc3\xa9"] = arange(3);
  for (const bool compress : {false, true}) {
    save_npz(path_, state, {.compress = compress});
    const StateDict loaded = load_npz(path_);
    ASSERT_EQ(loaded.size(), state.size());
    auto next = loaded.begin();
    for (const auto& [name, tensor] : state) {
      EXPECT_EQ(next->first, name);
      EXPECT_EQ(next->second.shape(), tensor.shape());
      EXPECT_EQ(next->second.dtype(), tensor.dtype());
      EXPECT_EQ(next->second.to_vector<double>(), tensor.to_vector<double>());
      ++next;
    }
    const std::string bytes = file_text(path_);
    save_npz(path_, loaded, {.compress = compress});
    EXPECT_EQ(file_text(path_), bytes);
  }
  save_npz(path_, StateDict());
  EXPECT_TRUE(load_npz(path_).empty());
}

TEST_F(NpzTest, RefusesDamagedArchives) {
  EXPECT_EQ(error(), "no such file");
  write_text(path_, "");
  EXPECT_THAT(error(), HasSubstr("is not a valid archive"));
  write_text(path_, std::string(1000, 'x'));
  EXPECT_THAT(error(), HasSubstr("is not a valid archive: Not a zip archive"));
  save_npz(path_, {{"x", tests::random_tensor({100}, kFloat32, 1)}});
  const std::string bytes = file_text(path_);
  for (const std::size_t length : {bytes.size() - 1, bytes.size() / 2, std::size_t{30}}) {
    write_text(path_, bytes.substr(0, length));
    EXPECT_THAT(error(), HasSubstr("is not a valid archive"));
  }
  std::string flipped = bytes;
  flipped[300] = static_cast<char>(flipped[300] ^ 1);  // within an element
  write_text(path_, flipped);
  EXPECT_EQ(error(), "array 'x': is damaged: CRC error");
}

TEST_F(NpzTest, RefusesWhatIsNoArray) {
  write_archive({{"notes.txt", "hello"}});
  EXPECT_EQ(error(), "expected arrays, called *.npy, but got 'notes.txt'");
  write_archive({{"x.npy", "hello"}});
  EXPECT_EQ(error(), "array 'x': is not a .npy file");
  write_archive({{"x.npy", ""}});
  EXPECT_EQ(error(), "array 'x': is not a .npy file");
  write_text(path_, "before");
  EXPECT_EQ(error_of<ValueError>([&] { save_npz(path_, {{"x", Tensor()}}); }), "save_npz: 'x' is undefined");
  EXPECT_EQ(file_text(path_), "before");
  EXPECT_EQ(error_of<IoError>([&] { save_npz(folder_.path(), StateDict()); }),
            "save_npz: '" + folder_.path().string() + "': expected the name of a file but it is a folder");
}

TEST_F(NpzTest, UnpacksNoMoreThanItIsAllowed) {
  const std::filesystem::path path = folder_ / "zeros.npz";
  save_npz(path, {{"a", zeros({100'000})}, {"b", zeros({100'000})}}, {.compress = true});
  ASSERT_LT(std::filesystem::file_size(path), 4000U);
  EXPECT_EQ(load_npz(path).size(), 2U);
  save_npy(folder_ / "a.npy", zeros({100'000}));
  const std::uint64_t bytes = 2 * std::filesystem::file_size(folder_ / "a.npy");
  EXPECT_EQ(load_npz(path, {.max_bytes = bytes}).size(), 2U);
  EXPECT_EQ(error_of<IoError>([&] { load_npz(path, {.max_bytes = bytes - 1}); }),
            "load_npz: '" + path.string() + "': array 'b': expected at most " + std::to_string(bytes - 1) +
                " bytes in the whole archive but there are more; {.max_bytes = n} allows n");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
