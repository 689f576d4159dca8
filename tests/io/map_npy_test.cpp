// map_npy: tensors over mapped files.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/raises.hpp"
#include "tests/support/temporary_folder.hpp"
#include "normgrad/core/base/buffer.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/data/loader.hpp"
#include "normgrad/io/npy.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;

std::string bytes_of_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A .npy file of version 1 with `elements` after a header of 128 bytes in all, or 128 - `less`.
void write_array(const std::filesystem::path& path, const std::string& descr, const std::string& shape,
                 const std::string& elements, bool fortran = false, std::size_t less = 0) {
  std::string header =
      "{'descr': '" + descr + "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': " + shape + ", }";
  header.resize(128 - 10 - less - 1, ' ');
  header += '\n';
  std::ofstream file(path, std::ios::binary);
  file << std::string("\x93NUMPY\x01\x00", 8) << static_cast<char>(header.size()) << '\0' << header << elements;
}

TEST(MapNpyTest, HoldsTheElementsOfTheFile) {
  const tests::TemporaryFolder folder;
  for (const DType dtype : {kFloat32, kFloat64, kInt64}) {
    for (const Shape& shape : {Shape{}, Shape{7}, Shape{30, 41, 5}, Shape{3, 0}}) {
      const Tensor x = arange(shape.numel()).to(dtype).reshape({shape.begin(), shape.end()});
      save_npy(folder / "x.npy", x);
      const Tensor y = map_npy(folder / "x.npy");
      EXPECT_EQ(y.shape(), shape);
      EXPECT_EQ(y.dtype(), dtype);
      EXPECT_EQ(y.to_vector<double>(), x.to_vector<double>());
      EXPECT_EQ((y + y).to_vector<double>(), (x + x).to_vector<double>());
    }
  }
}

TEST(MapNpyTest, WritesStayInMemory) {
  const tests::TemporaryFolder folder;
  save_npy(folder / "x.npy", zeros({1000}));
  const std::string before = bytes_of_file(folder / "x.npy");
  Tensor x = map_npy(folder / "x.npy");
  const Tensor other = map_npy(folder / "x.npy");
  x.add_(ones({1000}));
  EXPECT_EQ(sum(x).item(), 1000.0);
  EXPECT_EQ(sum(other).item(), 0.0);
  EXPECT_EQ(bytes_of_file(folder / "x.npy"), before);
  std::filesystem::remove(folder / "x.npy");  // the map keeps the elements
  EXPECT_EQ(sum(x).item(), 1000.0);
  EXPECT_EQ(sum(other).item(), 0.0);
}

// The file has holes instead of most elements, so that it takes no space on the disk.
TEST(MapNpyTest, ASetLargerThanTheMemoryIsLoadedInBatches) {
  const tests::TemporaryFolder folder;
  constexpr std::int64_t kRows = std::int64_t{1} << 18;
  constexpr std::int64_t kColumns = 65536;  // 64 GiB in all
  write_array(folder / "inputs.npy", "<f4", "(262144, 65536)", "");
  std::error_code failed;
  std::filesystem::resize_file(folder / "inputs.npy", 128 + static_cast<std::uintmax_t>(kRows * kColumns * 4), failed);
  if (failed) {
    GTEST_SKIP() << "the file system has no files of 64 GiB with holes";
  }
  {
    std::fstream file(folder / "inputs.npy", std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(128 + (kRows - 1) * kColumns * 4);
    const float one = 1.0F;
    file.write(reinterpret_cast<const char*>(&one), sizeof(one));
  }
  save_npy(folder / "labels.npy", arange(kRows));
  reset_peak_memory();
  const std::size_t before = memory_stats().peak_bytes_in_use;
  const TensorDataset data(map_npy(folder / "inputs.npy"), map_npy(folder / "labels.npy"));
  EXPECT_EQ(data.size(), kRows);
  const std::vector<std::int64_t> last{0, kRows - 1};
  const Batch batch = data.batch(last);
  EXPECT_EQ(batch.inputs.shape(), (Shape{2, kColumns}));
  EXPECT_EQ(batch.inputs.to_vector<double>()[kColumns], 1.0);
  EXPECT_EQ(batch.labels.to_vector<std::int64_t>(), last);
  DataLoader batches(data, {.batch_size = 8, .shuffle = true, .seed = 3, .num_workers = 2});
  std::int64_t count = 0;
  for (const auto& [inputs, labels] : batches) {
    EXPECT_EQ(inputs.shape(), (Shape{8, kColumns}));
    if (++count == 20) {
      break;
    }
  }
  EXPECT_LT(memory_stats().peak_bytes_in_use - before, std::size_t{1} << 28);  // the order of an epoch, and batches
}

TEST(MapNpyTest, MapsBytesAndSmallIntegers) {
  const tests::TemporaryFolder folder;
  write_array(folder / "x.npy", "|u1", "(2, 2)", "\x01\x02\x03\xff");
  const Tensor bytes = map_npy(folder / "x.npy");
  EXPECT_EQ(bytes.dtype(), kUInt8);
  EXPECT_EQ(bytes.to_vector<std::int64_t>(), (std::vector<std::int64_t>{1, 2, 3, 255}));
  save_npy(folder / "y.npy", tensor({-1, 7}, {.dtype = kInt32}));
  EXPECT_EQ(map_npy(folder / "y.npy").to_vector<std::int32_t>(), (std::vector<std::int32_t>{-1, 7}));
}

TEST(MapNpyTest, RefusesWhatItCannotMap) {
  const tests::TemporaryFolder folder;
  const std::filesystem::path path = folder / "x.npy";
  const auto message = [&] { return error_of<IoError>([&] { map_npy(path); }); };
  const std::string where = "map_npy: '" + path.string() + "': ";
  EXPECT_EQ(message(), where + "no such file");
  write_array(path, "|i1", "(4,)", "abcd");
  EXPECT_EQ(message(), where +
                           "expected elements of float32, float64, int64, int32 or uint8 to map but got I8; "
                           "load_npy() converts them");
  write_array(path, "|b1", "(1,)", std::string(1, '\2'));  // no bool
  EXPECT_EQ(message(), where +
                           "expected elements of float32, float64, int64, int32 or uint8 to map but got BOOL; "
                           "load_npy() converts them");
  write_array(path, "<f4", "(1, 2)", "abcdefgh", true);
  EXPECT_EQ(message(), where + "expected an array in C order to map but it is in Fortran order; load_npy() reads it");
  write_array(path, "<f4", "(2,)", "abcdefgh", false, 2);
  EXPECT_EQ(message(), where + "expected elements at a multiple of 4 bytes to map but they begin at byte 126");
  write_array(path, "<f4", "(3,)", "abcdefgh");
  EXPECT_EQ(message(), where + "expected 12 bytes for the shape [3] of '<f4' but got 8");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
