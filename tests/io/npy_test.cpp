#include <filesystem>

#include "normgrad/io/npy.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <xtensor/xnpy.hpp>

#include "tests/support/files.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/temporary_folder.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/core/xtensor.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using tests::error_of;
using tests::file_text;
using tests::write_text;

class NpyTest : public testing::Test {
 protected:
  /// Loads a file of version 1 with this header.
  Tensor load(const std::string& header, const std::string& data = "") {
    std::string bytes("\x93NUMPY\x01\x00", 8);
    bytes += static_cast<char>(header.size() & 0xff);
    bytes += static_cast<char>(header.size() >> 8);
    write_text(path_, bytes + header + data);
    return load_npy(path_);
  }
  std::string error_of_file() {
    const std::string text = error_of<IoError>([&] { load_npy(path_); });
    const std::string start = "load_npy: '" + path_.string() + "': ";
    EXPECT_THAT(text, testing::StartsWith(start));
    return text.substr(std::min(text.size(), start.size()));
  }
  std::string error(const std::string& header, const std::string& data = "") {
    try {
      load(header, data);
    } catch (const IoError&) {
    }
    return error_of_file();
  }
  const tests::TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_ / "x.npy";
};

TEST_F(NpyTest, ReadsWhatItWrote) {
  for (const DType dtype : {kFloat32, kFloat64, kInt64, kBool, kUInt8, kInt32}) {
    for (const Shape& shape : {Shape{2, 3}, Shape{5}, Shape{}, Shape{2, 0}}) {
      const Tensor x = full(shape, 1.0, {.dtype = dtype});
      save_npy(path_, x);
      const Tensor y = load_npy(path_);
      EXPECT_EQ(y.dtype(), dtype);
      EXPECT_EQ(y.shape(), shape);
      EXPECT_EQ(y.to_vector<double>(), x.to_vector<double>());
    }
  }
  save_npy(path_, arange(6).reshape({3, 2}));
  EXPECT_THAT(load_npy(path_).to_vector<double>(), ElementsAre(0, 1, 2, 3, 4, 5));
  save_npy(path_, arange(6).reshape({3, 2})[1]);  // a part, without what surrounds it
  EXPECT_THAT(load_npy(path_).to_vector<double>(), ElementsAre(2, 3));
}

TEST_F(NpyTest, WritesTheBytesOfNumPy) {
  const std::filesystem::path golden = NORMGRAD_SOURCE_DIR "/tests/fixtures/exchange/c_order.npy";
  save_npy(path_, load_npy(golden));
  EXPECT_EQ(file_text(path_), file_text(golden));
}

TEST_F(NpyTest, ReadsFortranOrderAndSmallIntegers) {
  const xt::xarray<double, xt::layout_type::column_major> a = {{1, 2, 3}, {4, 5, 6}};
  xt::dump_npy(path_, a);
  EXPECT_THAT(load_npy(path_).to_vector<double>(), ElementsAre(1, 2, 3, 4, 5, 6));
  xt::dump_npy(path_, xt::xarray<std::uint8_t>{1, 255});
  EXPECT_EQ(load_npy(path_).dtype(), kUInt8);
  EXPECT_THAT(load_npy(path_).to_vector<std::int64_t>(), ElementsAre(1, 255));
  xt::dump_npy(path_, xt::xarray<std::int32_t>{-1, 2});
  EXPECT_EQ(load_npy(path_).dtype(), kInt32);
  EXPECT_THAT(load_npy(path_).to_vector<std::int64_t>(), ElementsAre(-1, 2));
  xt::dump_npy(path_, xt::xarray<std::int16_t>{-1, 2});
  EXPECT_EQ(load_npy(path_).dtype(), kInt64);
}

TEST_F(NpyTest, NamesTheTypesAsNumPy) {
  const auto written = [&](const Tensor& x) {
    save_npy(path_, x);
    return file_text(path_);
  };
  EXPECT_THAT(written(tensor({1, 255}, {.dtype = kUInt8})), testing::HasSubstr("'descr': '|u1'"));
  EXPECT_THAT(written(tensor({1, 255}, {.dtype = kUInt8})), testing::EndsWith("\n\x01\xff"));
  EXPECT_THAT(written(tensor({-2}, {.dtype = kInt32})), testing::HasSubstr("'descr': '<i4'"));
  EXPECT_THAT(written(tensor({-2}, {.dtype = kInt32})), testing::EndsWith("\n\xfe\xff\xff\xff"));
}

TEST_F(NpyTest, ReadsFortranOrderOfEveryType) {
  for (const DType dtype : {kFloat32, kFloat64, kInt64, kBool, kUInt8, kInt32}) {
    const Tensor x = tensor({{1, 0, 1}, {0, 0, 1}}, {.dtype = dtype});
    save_npy(path_, x.t());
    std::string bytes = file_text(path_);
    bytes.replace(bytes.find("False"), 5, "True ");
    bytes.replace(bytes.find("(3, 2)"), 6, "(2, 3)");
    write_text(path_, bytes);
    const Tensor y = load_npy(path_);
    EXPECT_EQ(y.dtype(), dtype);
    EXPECT_EQ(y.shape(), x.shape());
    EXPECT_EQ(y.to_vector<double>(), x.to_vector<double>());
  }
}

TEST_F(NpyTest, ReadsHeadersOfEveryForm) {
  EXPECT_THAT(load("{'descr':\"|u1\",'shape':(2),'fortran_order':True}", "\x05\x06").to_vector<std::int64_t>(),
              ElementsAre(5, 6));
  EXPECT_EQ(load("{ 'shape' : ( ) , 'descr' : '|b1' , 'fortran_order' : False , }\n", "\x01").shape(), Shape());
  const std::string header = "{'descr':'|u1','fortran_order':False,'shape':(1,)}";
  write_text(path_, std::string("\x93NUMPY\x02\x00", 8) + static_cast<char>(header.size()) + std::string(3, '\0') +
                        header + "\x07");
  EXPECT_THAT(load_npy(path_).to_vector<std::int64_t>(), ElementsAre(7));
}

TEST_F(NpyTest, RefusesOtherFiles) {
  EXPECT_EQ(error_of<IoError>([] { load_npy("/nowhere/x.npy"); }), "load_npy: '/nowhere/x.npy': no such file");
  EXPECT_EQ(error_of<IoError>([] { save_npy("/nowhere/x.npy", zeros({1})); }),
            "save_npy: '/nowhere/x.npy': the folder does not exist");
  write_text(path_, "not an array");
  EXPECT_EQ(error_of_file(), "is not a .npy file");
  write_text(path_, "\x93NUMPY");
  EXPECT_EQ(error_of_file(), "is not a .npy file");
  write_text(path_, std::string("\x93NUMPY\x09\x00\x00\x00\x00\x00", 12));
  EXPECT_EQ(error_of_file(), "expected version 1, 2 or 3 of the format but got 9");
  const std::string bytes = xt::dump_npy(xt::xarray<float>{1, 2, 3});
  write_text(path_, bytes.substr(0, bytes.size() - 4));
  EXPECT_EQ(error_of_file(), "expected 12 bytes for the shape [3] of '<f4' but got 8");
  write_text(path_, bytes + "x");
  EXPECT_EQ(error_of_file(), "expected 12 bytes for the shape [3] of '<f4' but got 13");
  write_text(path_, bytes.substr(0, 40));
  EXPECT_EQ(error_of_file(), "expected a header of 118 bytes but got only 40");
}

TEST_F(NpyTest, RefusesOtherElementsAndClaims) {
  const auto of = [](const std::string& descr, const std::string& shape) {
    return "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }";
  };
  EXPECT_EQ(error(of(">f4", "(1,)"), "1234"),
            "holds elements of type '>f4'; expected little-endian floats of 2, 4 or 8 bytes, integers, or bools");
  EXPECT_EQ(error(of("<u8", "(1,)"), std::string(8, '\xff')),
            "holds 18446744073709551615, which is too large for int64");
  EXPECT_EQ(error(of("|b1", "(1,)"), "\x02"), "expected bools of 0 or 1 but got 2");
  EXPECT_EQ(error(of("<f8", "(1000000000000,)"), "12345678"),
            "expected 8000000000000 bytes for the shape [1000000000000] of '<f8' but got 8");
  EXPECT_EQ(error(of("<f8", "(4611686018427387904, 4)"), "12345678"),
            "the shape [4611686018427387904, 4] has more elements than can be counted");
  EXPECT_EQ(error(of("|u1", "(99999999999999999999,)")), "expected a size at byte 51 of the header");
  EXPECT_EQ(error(of("|u1", "(-1,)")), "expected a size at byte 51 of the header");
  EXPECT_EQ(error(of("|u1", "(1,1,1,1,1,1,1,1,1)"), "1"), "expected at most 8 axes but got more");
  EXPECT_EQ(error("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }"),
            "expected ''' at byte 10 of the header");
  EXPECT_EQ(error("{'descr': '<f4"), "the header ends within a string");
  EXPECT_EQ(error("{'descr': '<f4'"), "expected '}' at byte 15 of the header");
  EXPECT_EQ(error("{'descr': '<f4', 'descr': '<f4'}"), "'descr' appears twice in the header");
  EXPECT_EQ(error("{'order': 'C'}"), "unknown entry 'order' in the header");
  EXPECT_EQ(error("{'fortran_order': Maybe}"), "expected True or False at byte 18 of the header");
  EXPECT_EQ(error("{'fortran_order': True}"), "expected a header of 'descr', 'fortran_order' and 'shape'");
  EXPECT_EQ(error(of("|u1", "(1,)") + "}", "1"), "expected a header of 'descr', 'fortran_order' and 'shape'");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
