// Exchanging weights with PyTorch in both directions: tests/fixtures/exchange has the files that PyTorch wrote, and the
// scripts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <zlib.h>

#include <filesystem>
#include <map>
#include <sstream>

#include "tests/support/files.hpp"
#include "tests/support/run_program.hpp"
#include "tests/support/temporary_folder.hpp"
#include "normgrad/normgrad.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

const std::string kFixtures = NORMGRAD_SOURCE_DIR "/tests/fixtures/exchange/";

/// The network of tests/fixtures/exchange/cnn.py.
struct Net : Module {
  Conv2d conv1{1, 8, 3, {.padding = 1}};
  BatchNorm2d norm1{8};
  Conv2d conv2{8, 16, 3, {.stride = 2, .groups = 2, .bias = false}};
  GroupNorm norm2{4, 16};
  Linear fc{16 * 2 * 2, 10};
  NORMGRAD_MEMBERS(Net, conv1, norm1, conv2, norm2, fc)

  Tensor forward(const Tensor& x) override {
    const Tensor h = max_pool2d(relu(norm1(conv1(x))), 2);
    return fc(relu(norm2(conv2(h))).flatten(1));
  }
};

Tensor logits_of(Net& net) {
  net.eval();
  const NoGradGuard no_grad;
  return net(load_npz(kFixtures + "cnn_logits.npz").at("input"));
}

void expect_near(const std::vector<double>& actual, const std::vector<double>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    EXPECT_NEAR(actual[i], expected[i], 1e-5) << "logit " << i;
  }
}

TEST(ExchangeTest, WeightsOfPyTorchGiveItsLogits) {
  Net net;
  const LoadReport report = load_safetensors(kFixtures + "cnn.safetensors", net);
  EXPECT_TRUE(report.missing_keys.empty() && report.unexpected_keys.empty());
  EXPECT_EQ(load_safetensors(kFixtures + "cnn.safetensors").metadata.at("format"), "pt");
  const Tensor expected = load_npz(kFixtures + "cnn_logits.npz").at("logits");
  ASSERT_EQ(expected.shape(), Shape({4, 10}));
  expect_near(logits_of(net).to_vector<double>(), expected.to_vector<double>());
}

TEST(ExchangeTest, WeightsOfPyTorchComeBackByteForByte) {
  const tests::TemporaryFolder folder;
  Net net;
  load_safetensors(kFixtures + "cnn.safetensors", net);
  save_safetensors(folder / "net.safetensors", net);
  const StateDict before = load_safetensors(kFixtures + "cnn.safetensors").tensors;
  const StateDict after = load_safetensors(folder / "net.safetensors").tensors;
  ASSERT_EQ(after.size(), before.size());
  for (const auto& entry : before) {
    dispatch_all(entry.second.dtype(), [&](auto zero) {
      using T = decltype(zero);
      EXPECT_EQ(after.at(entry.first).to_vector<T>(), entry.second.to_vector<T>()) << entry.first;
    });
  }
}

std::string expected_line(const std::string& name, const Tensor& tensor) {
  std::ostringstream line;
  static const std::map<DType, const char*> dtypes = {{kFloat32, "F32"}, {kFloat64, "F64"}, {kInt64, "I64"},
                                                      {kInt32, "I32"},   {kUInt8, "U8"},    {kBool, "BOOL"}};
  const char* dtype = dtypes.at(tensor.dtype());
  line << name << ' ' << dtype << ' ';
  for (std::size_t axis = 0; axis < tensor.shape().rank(); ++axis) {
    line << (axis > 0 ? "x" : "") << tensor.shape()[axis];
  }
  line << (tensor.shape().empty() ? "- " : " ");
  dispatch_all(tensor.dtype(), [&](auto zero) {
    using T = decltype(zero);
    line << crc32(0, reinterpret_cast<const Bytef*>(tensor.data<T>()),
                  static_cast<uInt>(static_cast<std::size_t>(tensor.numel()) * sizeof(T)));
  });
  return line.str();
}

std::string python_here() {
  return std::filesystem::exists("/usr/bin/python3") ? "/usr/bin/python3" : "/usr/local/bin/python3";
}

TEST(ExchangeTest, PythonReadsEveryDType) {
  const tests::TemporaryFolder folder;
  StateDict state;
  for (const DType dtype : {kFloat32, kFloat64, kInt64, kInt32, kUInt8, kBool}) {
    state[dtype_name(dtype)] = tensor({1, 0, 1}, {.dtype = dtype});
  }
  save_safetensors(folder / "x.safetensors", state);
  const tests::ProgramResult result =
      tests::run_program({python_here(), kFixtures + "read.py", folder / "x.safetensors"},
                         {.environment = {{"PYTHONDONTWRITEBYTECODE", "1"}}});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  std::istringstream lines(result.out);
  std::string line;
  for (const auto& [name, tensor] : state) {
    ASSERT_TRUE(std::getline(lines, line));
    EXPECT_EQ(line, expected_line(name, tensor));
  }
}

TEST(ExchangeTest, PythonReadsWhatIsWrittenHere) {
  const std::string python = python_here();
  const tests::TemporaryFolder folder;
  manual_seed(3);
  Net net;
  for (const auto& [name, tensor] : net.named_buffers()) {
    if (tensor.dtype() == kFloat32) {
      Tensor(tensor).fill_(0.75);
    }
  }
  save_safetensors(folder / "net.safetensors", net, {{"format", "pt"}});
  const tests::ProgramResult result =
      tests::run_program({python, kFixtures + "read.py", folder / "net.safetensors", kFixtures + "cnn_logits.npz"},
                         {.environment = {{"PYTHONDONTWRITEBYTECODE", "1"}}});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  std::istringstream lines(result.out);
  std::string line;
  for (const auto& [name, tensor] : net.state_dict()) {
    ASSERT_TRUE(std::getline(lines, line));
    EXPECT_EQ(line, expected_line(name, tensor));
  }
  ASSERT_TRUE(std::getline(lines, line));
  if (line == "no torch") {
    GTEST_LOG_(INFO) << "PyTorch is not installed: its logits were not compared";
    return;
  }
  std::istringstream words(line);
  std::string word;
  words >> word;
  ASSERT_EQ(word, "logits");
  std::vector<double> logits;
  for (double value = 0.0; words >> value;) {
    logits.push_back(value);
  }
  expect_near(logits_of(net).to_vector<double>(), logits);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
