#include "normgrad/io/safetensors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>

#include "tests/support/files.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/layers/conv.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;
using tests::file_text;
using tests::write_text;

std::string header_of_length(std::uint64_t length) {
  std::string bytes(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<char>(length >> (8 * i));
  }
  return bytes;
}

/// A hand-made file.
std::string file_of(const std::string& json, const std::string& data = "") {
  return header_of_length(json.size()) + json + data;
}

template <class T>
Tensor tensor_of(const Shape& shape, const std::vector<T>& values) {
  Tensor x = Tensor::empty(shape, dtype_of<T>);
  std::copy(values.begin(), values.end(), x.mutable_data<T>());
  return x;
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

template <class T>
void expect_same_bits(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.shape(), b.shape());
  EXPECT_EQ(std::memcmp(a.data<T>(), b.data<T>(), static_cast<std::size_t>(a.numel()) * sizeof(T)), 0);
}

class SafetensorsTest : public testing::Test {
 protected:
  Safetensors load(const std::string& bytes) {
    write_text(file_, bytes);
    return load_safetensors(file_);
  }
  /// The message without the file name.
  std::string error(const std::string& bytes) {
    const std::string text = error_of<IoError>([&] { load(bytes); });
    const std::string start = "load_safetensors: '" + file_.string() + "': ";
    EXPECT_THAT(text, testing::StartsWith(start));
    return text.size() > start.size() ? text.substr(start.size()) : text;
  }

  tests::TemporaryFolder folder_;
  std::filesystem::path file_ = folder_ / "x.safetensors";
};

TEST_F(SafetensorsTest, WritesTheFormatByteForByte) {
  save_safetensors(file_,
                   {{"flags", tensor_of<bool>({3}, {true, false, true})},
                    {"a \"b\"", tensor_of<float>({2, 1}, {1.0F, -2.0F})},
                    {"count", tensor_of<std::int64_t>({}, {-3})}},
                   {{"format", "pt"}, {"epoch", "7"}});
  std::string json = R"({"__metadata__":{"epoch":"7","format":"pt"},)"
                     R"("flags":{"dtype":"BOOL","shape":[3],"data_offsets":[16,19]},)"
                     R"("a \"b\"":{"dtype":"F32","shape":[2,1],"data_offsets":[8,16]},)"
                     R"("count":{"dtype":"I64","shape":[],"data_offsets":[0,8]}})";
  json.resize((json.size() + 7) / 8 * 8, ' ');
  const std::string data =
      bytes_of<std::int64_t>({-3}) + bytes_of<float>({1.0F, -2.0F}) + std::string("\x01\x00\x01", 3);
  EXPECT_EQ(file_text(file_), file_of(json, data));
}

TEST_F(SafetensorsTest, GivesEveryBitBack) {
  const float subnormal = std::numeric_limits<float>::denorm_min();
  StateDict state;
  state["odd floats"] = tensor_of<float>({5}, {-0.0F, subnormal, INFINITY, std::nanf("7"), -1e-38F});
  state["doubles"] = tests::random_tensor({3, 4, 5}, kFloat64, 1);
  state["floats"] = tests::random_tensor({70'000, 3}, kFloat32, 2);
  state["ints"] = tensor_of<std::int64_t>({2}, {INT64_MIN, INT64_MAX});
  state["bools"] = tensor_of<bool>({2, 2}, {true, false, false, true});
  state["bytes"] = tensor_of<std::uint8_t>({3}, {0, 1, 255});
  state["small ints"] = tensor_of<std::int32_t>({2}, {INT32_MIN, INT32_MAX});
  state["none"] = Tensor::empty({0, 7});
  state["8 axes"] = tests::random_tensor({1, 2, 1, 2, 1, 2, 1, 2}, kFloat32, 3);
  const Metadata metadata = {{"", "empty key"}, {"text", "line\nbreak, \"quotes\", \xc3\xa9"}};
  save_safetensors(file_, state, metadata);
  const Safetensors loaded = load_safetensors(file_);
  EXPECT_EQ(loaded.metadata, metadata);
  ASSERT_EQ(loaded.tensors.size(), state.size());
  auto next = loaded.tensors.begin();
  for (const auto& [name, tensor] : state) {
    EXPECT_EQ(next->first, name) << "in another order";
    ASSERT_EQ(next->second.dtype(), tensor.dtype()) << name;
    dispatch_all(tensor.dtype(),
                 [&, &expected = tensor](auto zero) { expect_same_bits<decltype(zero)>(next->second, expected); });
    ++next;
  }
  const std::string bytes = file_text(file_);
  save_safetensors(file_, loaded.tensors, loaded.metadata);
  EXPECT_EQ(file_text(file_), bytes);
}

TEST_F(SafetensorsTest, WritesRowMajorWhateverLiesInMemory) {
  Tensor x = Tensor::empty_channels_last({1, 2, 1, 2}, kFloat32);
  x.copy_(tensor_of<float>({1, 2, 1, 2}, {1, 2, 3, 4}));
  save_safetensors(file_, {{"x", x}});
  EXPECT_THAT(load_safetensors(file_).tensors.at("x").to_vector<float>(), ElementsAre(1, 2, 3, 4));
}

template <class T>
std::string one_tensor(const std::string& dtype, const std::vector<T>& values) {
  const std::string data = bytes_of(values);
  return file_of(R"({"x":{"dtype":")" + dtype + R"(","shape":[)" + std::to_string(values.size()) +
                     R"(],"data_offsets":[0,)" + std::to_string(data.size()) + "]}}",
                 data);
}

TEST_F(SafetensorsTest, WritesPartsWithoutWhatSurroundsThem) {
  const Tensor x = tensor_of<float>({3, 2}, {1, 2, 3, 4, 5, 6});
  const Tensor images = tests::random_tensor({3, 2, 4, 4}, kFloat32, 1).as_channels_last();
  const StateDict parts = {{"row", x[1]}, {"rows", x.narrow(0, 1, 2)}, {"images", images.narrow(0, 1, 2)}};
  save_safetensors(file_, parts);
  EXPECT_LT(file_text(file_).size(), 8U + 300U + 6U * 4U + 64U * 4U);
  const StateDict loaded = load_safetensors(file_).tensors;
  EXPECT_THAT(loaded.at("row").to_vector<float>(), ElementsAre(3, 4));
  EXPECT_THAT(loaded.at("rows").to_vector<float>(), ElementsAre(3, 4, 5, 6));
  const std::vector<float> all = images.to_vector<float>();
  EXPECT_EQ(loaded.at("images").to_vector<float>(), std::vector<float>(all.begin() + 32, all.end()));
}

TEST_F(SafetensorsTest, WidensTypesThatTheLibraryLacks) {
  const auto integers = [&](const std::string& bytes) { return load(bytes).tensors.at("x").to_vector<std::int64_t>(); };
  EXPECT_THAT(integers(one_tensor<std::int8_t>("I8", {-128, 0, 127})), ElementsAre(-128, 0, 127));
  EXPECT_THAT(integers(one_tensor<std::int16_t>("I16", {-32768, 32767})), ElementsAre(-32768, 32767));
  EXPECT_THAT(integers(one_tensor<std::uint16_t>("U16", {65535})), ElementsAre(65535));
  EXPECT_THAT(integers(one_tensor<std::uint32_t>("U32", {UINT32_MAX})), ElementsAre(UINT32_MAX));
  EXPECT_THAT(integers(one_tensor<std::uint64_t>("U64", {1, INT64_MAX})), ElementsAre(1, INT64_MAX));
  // One, the smallest normal and subnormal numbers, the largest, and the infinities of binary16; then a NaN.
  const std::vector<float> halves =
      load(one_tensor<std::uint16_t>("F16", {0x3c00, 0xbc00, 0x0400, 0x8001, 0x7bff, 0x7c00, 0xfc00, 0x8000, 0x7e00}))
          .tensors.at("x")
          .to_vector<float>();
  EXPECT_THAT(std::vector<float>(halves.begin(), halves.end() - 1),
              ElementsAre(1.0F, -1.0F, 0x1p-14F, -0x1p-24F, 65504.0F, INFINITY, -INFINITY, 0.0F));
  EXPECT_TRUE(std::signbit(halves[7]));
  EXPECT_TRUE(std::isnan(halves[8]));
  EXPECT_THAT(
      load(one_tensor<std::uint16_t>("BF16", {0x3f80, 0xc049, 0x7f80, 0x0001})).tensors.at("x").to_vector<float>(),
      ElementsAre(1.0F, -3.140625F, INFINITY, 0x1p-133F));
}

TEST_F(SafetensorsTest, KeepsBytesAndSmallIntegers) {
  const Tensor bytes = load(one_tensor<std::uint8_t>("U8", {0, 255})).tensors.at("x");
  EXPECT_EQ(bytes.dtype(), kUInt8);
  EXPECT_THAT(bytes.to_vector<std::uint8_t>(), ElementsAre(0, 255));
  const Tensor ints = load(one_tensor<std::int32_t>("I32", {INT32_MIN, INT32_MAX})).tensors.at("x");
  EXPECT_EQ(ints.dtype(), kInt32);
  EXPECT_THAT(ints.to_vector<std::int32_t>(), ElementsAre(INT32_MIN, INT32_MAX));
}

TEST_F(SafetensorsTest, WidensMoreThanOneChunk) {
  std::vector<std::int16_t> values(200'001);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<std::int16_t>(i * 31);
  }
  EXPECT_EQ(load(one_tensor("I16", values)).tensors.at("x").to_vector<std::int64_t>(),
            std::vector<std::int64_t>(values.begin(), values.end()));
}

TEST_F(SafetensorsTest, EveryHalfIsWhatItsBitsSay) {
  std::vector<std::uint16_t> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i] = static_cast<std::uint16_t>(i);
  }
  const std::vector<float> floats = load(one_tensor("F16", all)).tensors.at("x").to_vector<float>();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const int exponent = static_cast<int>((i >> 10) & 31);
    const double fraction = static_cast<double>(i & 1023) / 1024.0;
    const double magnitude = exponent == 0 ? std::ldexp(fraction, -14) : std::ldexp(1.0 + fraction, exponent - 15);
    if (exponent == 31) {
      EXPECT_TRUE(fraction == 0.0 ? std::isinf(floats[i]) : std::isnan(floats[i])) << i;
    } else {
      EXPECT_EQ(static_cast<double>(floats[i]), i < 32768 ? magnitude : -magnitude) << i;
    }
  }
}

TEST_F(SafetensorsTest, RefusesValuesThatCannotBeHeld) {
  EXPECT_EQ(error(one_tensor<std::uint64_t>("U64", {1, std::uint64_t{1} << 63})),
            "tensor 'x': holds 9223372036854775808, which is too large for int64");
  EXPECT_EQ(error(one_tensor<std::uint8_t>("BOOL", {1, 0, 2})), "tensor 'x': expected bools of 0 or 1 but got 2");
  EXPECT_THAT(error(one_tensor<std::uint8_t>("F8_E5M2", {1})), HasSubstr("U64 or BOOL but got 'F8_E5M2'"));
}

TEST_F(SafetensorsTest, RefusesFilesThatDoNotFit) {
  EXPECT_EQ(error("1234567"), "expected the length of a header but the file has only 7 bytes");
  EXPECT_EQ(error(header_of_length(3) + "{}"),
            "expected a header of 3 bytes, as the file states, but only 2 bytes follow");
  EXPECT_THAT(error(header_of_length(UINT64_MAX) + "{}"), HasSubstr("expected a header of 18446744073709551615 bytes"));
  const auto entry = [](const std::string& shape, const std::string& offsets) {
    return R"("x":{"dtype":"F32","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
  };
  const auto with = [&](const std::string& entries, std::size_t size) {
    return error(file_of("{" + entries + "}", std::string(size, '\0')));
  };
  EXPECT_EQ(with(entry("[2]", "[0,8]"), 7), "tensor 'x': expected data_offsets within 7 bytes of data but got 0 to 8");
  EXPECT_EQ(with(entry("[2]", "[0,8]"), 9), "expected 8 bytes of data but the file has 9");
  EXPECT_EQ(with(entry("[2]", "[1,9]"), 9),
            "tensor 'x': expected its data at byte 0, where the one before ends, but got 1");
  EXPECT_EQ(with(entry("[3]", "[0,8]"), 8),
            "tensor 'x': expected 12 bytes for the shape [3] of F32 but its data_offsets are 0 to 8");
  EXPECT_EQ(with(entry("[2]", "[8,0]"), 8), "tensor 'x': expected data_offsets within 8 bytes of data but got 8 to 0");
  EXPECT_EQ(with(entry("[9223372036854775807,9]", "[0,8]"), 8),
            "tensor 'x': the shape [9223372036854775807, 9] has more elements than can be counted");
  EXPECT_EQ(with(entry("[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4),
            "the header is not valid: tensor 'x': expected a shape of at most 8 axes but got more");
  const std::string twice = entry("[1]", "[0,4]") + "," + R"("y":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  EXPECT_EQ(with(twice, 4), "tensor 'y': expected its data at byte 4, where the one before ends, but got 0");
  EXPECT_EQ(with(entry("[1]", "[0,4]") + "," + entry("[1]", "[4,8]"), 8),
            "the header is not valid: the name 'x' appears twice");
}

TEST_F(SafetensorsTest, RefusesHeadersThatAreNone) {
  const auto with = [&](const std::string& json) {
    const std::string text = error(file_of(json));
    const std::string start = "the header is not valid: ";
    EXPECT_THAT(text, testing::StartsWith(start)) << json;
    return text.substr(std::min(text.size(), start.size()));
  };
  EXPECT_EQ(with(""), "is not JSON from byte 1 on");
  EXPECT_EQ(with("{"), "is not JSON from byte 2 on");
  EXPECT_EQ(with("{} {}"), "is not JSON from byte 4 on");
  EXPECT_EQ(with("{\"\xff\":1}"), "is not JSON from byte 3 on");
  EXPECT_EQ(with("[]"), "unexpected array");
  EXPECT_EQ(with(std::string(100'000, '[')), "unexpected array");
  EXPECT_EQ(with(R"({"x":1})"), "'x': unexpected number");
  EXPECT_EQ(with(R"({"x":null})"), "'x': unexpected null");
  EXPECT_EQ(with(R"({"x":{}})"), "tensor 'x': expected a dtype, a shape and data_offsets");
  EXPECT_EQ(with(R"({"x":{"scale":1}})"), "tensor 'x': unknown field 'scale'");
  EXPECT_EQ(with(R"({"x":{"dtype":"F32","dtype":"F32"}})"), "tensor 'x': 'dtype' appears twice");
  EXPECT_EQ(with(R"({"x":{"dtype":["F32"]}})"), "'x': unexpected array");
  EXPECT_EQ(with(R"({"x":{"shape":4}})"), "'x': unexpected number");
  EXPECT_EQ(with(R"({"x":{"shape":[-4]}})"), "'x': unexpected negative number");
  EXPECT_EQ(with(R"({"x":{"shape":[4.5]}})"), "'x': unexpected number 4.5");
  EXPECT_EQ(with(R"({"x":{"shape":[[4]]}})"), "'x': unexpected array");
  EXPECT_EQ(with(R"({"x":{"shape":[true]}})"), "'x': unexpected boolean");
  EXPECT_EQ(with(R"({"x":{"shape":[18446744073709551615]}})"),
            "tensor 'x': the number 18446744073709551615 is too large");
  EXPECT_EQ(with(R"({"x":{"data_offsets":[1]}})"), "tensor 'x': expected two data_offsets but got 1");
  EXPECT_EQ(with(R"({"x":{"data_offsets":[1,2,3]}})"), "tensor 'x': expected two data_offsets but got more");
  EXPECT_EQ(with(R"({"__metadata__":{"a":1}})"), "'__metadata__': unexpected number");
  EXPECT_EQ(with(R"({"__metadata__":{"a":"1","a":"2"}})"), "the metadata 'a' appears twice");
}

TEST_F(SafetensorsTest, AcceptsAnEmptyFileAndBlanksAroundTheHeader) {
  EXPECT_TRUE(load(file_of("{}")).tensors.empty());
  EXPECT_EQ(load(file_of(" {\"__metadata__\": {\"a\": \"b\"}}   ")).metadata, (Metadata{{"a", "b"}}));
  save_safetensors(file_, StateDict());
  EXPECT_EQ(file_text(file_), file_of("{}      "));
}

TEST_F(SafetensorsTest, RefusesWhatItCannotWriteAndKeepsTheFile) {
  write_text(file_, "before");
  const Tensor x = Tensor::empty({1});
  EXPECT_EQ(error_of<ValueError>([&] {
              save_safetensors(file_, {{"x", Tensor()}});
            }),
            "save_safetensors: 'x' is undefined");
  EXPECT_EQ(error_of<ValueError>([&] {
              save_safetensors(file_, {{"__metadata__", x}});
            }),
            "save_safetensors: no tensor can be named '__metadata__'");
  EXPECT_THAT(error_of<ValueError>([&] {
                save_safetensors(file_, {{"\xff", x}});
              }),
              HasSubstr("expected names and metadata in UTF-8"));
  EXPECT_THAT(error_of<ValueError>([&] {
                save_safetensors(file_, StateDict(), {{"a", "\xff"}});
              }),
              HasSubstr("expected names and metadata in UTF-8"));
  EXPECT_EQ(file_text(file_), "before");
  EXPECT_EQ(error_of<IoError>([&] { save_safetensors(folder_ / "no" / "x", StateDict()); }),
            "save_safetensors: '" + (folder_ / "no" / "x").string() + "': the folder does not exist");
  EXPECT_EQ(error_of<IoError>([&] { save_safetensors(folder_.path(), StateDict()); }),
            "save_safetensors: '" + folder_.path().string() + "': expected the name of a file but it is a folder");
  EXPECT_EQ(error_of<IoError>([&] { load_safetensors(folder_ / "no"); }),
            "load_safetensors: '" + (folder_ / "no").string() + "': no such file");
  EXPECT_EQ(error_of<IoError>([&] { load_safetensors(folder_.path()); }),
            "load_safetensors: '" + folder_.path().string() + "': expected a file but it is a folder");
  EXPECT_EQ(error_of<IoError>([&] { load_safetensors("/dev/null"); }),
            "load_safetensors: '/dev/null': expected a file but it is something else");
}

struct Net : Module {
  Conv2d conv{1, 2, 3};
  BatchNorm2d norm{2};
  NORMGRAD_MEMBERS(Net, conv, norm)
};

TEST_F(SafetensorsTest, LoadsIntoAModelOfTheSameKeys) {
  Net one;
  Net two;
  save_safetensors(file_, one, {{"format", "pt"}});
  const LoadReport report = load_safetensors(file_, two);
  EXPECT_TRUE(report.missing_keys.empty());
  expect_same_bits<float>(one.conv.weight, two.conv.weight);
  expect_same_bits<double>(one.norm.running_mean, two.norm.running_mean);
  EXPECT_TRUE(two.conv.weight.requires_grad());
}

TEST_F(SafetensorsTest, NamesTheKeysThatDoNotFit) {
  Net net;
  StateDict state = net.state_dict();
  const Tensor before = net.conv.weight.detach().clone();
  state.erase("norm.bias");
  state["head.weight"] = Tensor::empty({3}).zero_();
  state["conv.bias"] = Tensor::empty({3}).zero_();
  state["conv.weight"] = Tensor::empty({2, 1, 3, 3}).zero_();
  save_safetensors(file_, state);
  EXPECT_EQ(error_of<ValueError>([&] { load_safetensors(file_, net); }),
            "load_safetensors: '" + file_.string() +
                "': Net: load_state_dict: the state does not fit; nothing was loaded\n"
                "  of another shape: conv.bias: expected [2] but got [3]\n"
                "  missing: norm.bias\n"
                "  unexpected: head.weight");
  expect_same_bits<float>(net.conv.weight, before);
  EXPECT_THAT(error_of<ValueError>([&] { load_safetensors(file_, net, {.strict = false}); }),
              HasSubstr("of another shape: conv.bias: expected [2] but got [3]"));
  state.erase("conv.bias");
  save_safetensors(file_, state);
  const LoadReport report = load_safetensors(file_, net, {.strict = false});
  EXPECT_THAT(report.missing_keys, ElementsAre("conv.bias", "norm.bias"));
  EXPECT_THAT(report.unexpected_keys, ElementsAre("head.weight"));
  EXPECT_EQ(net.conv.weight.data<float>()[5], 0.0F);
}

struct WithMask : Module {
  Linear fc{2, 2};
  StateBuffer mask{Tensor::empty({3}, kFloat32).fill_(1.0), {.persistent = false}};
  NORMGRAD_MEMBERS(WithMask, fc, mask)
};

TEST_F(SafetensorsTest, BuffersThatAreNotPersistentAreNotInTheFile) {
  const tests::TemporaryFolder folder;
  const auto path = folder.path() / "net.safetensors";
  const WithMask model;
  save_safetensors(path, model);
  EXPECT_EQ(load_safetensors(path).tensors.size(), 2U);
  WithMask loaded;
  loaded.mask.fill_(4.0);
  load_safetensors(path, loaded);
  EXPECT_EQ(loaded.fc.weight.to_vector<double>(), model.fc.weight.to_vector<double>());
  EXPECT_EQ(loaded.mask.to_vector<double>(), (std::vector<double>{4.0, 4.0, 4.0}));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
