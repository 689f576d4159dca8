// PyTorch's .pt files: tests/fixtures/exchange has the files that PyTorch wrote, and the scripts.
#include "normgrad/io/torch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <sstream>

#include "tests/support/raises.hpp"
#include "tests/support/run_program.hpp"
#include "tests/support/temporary_folder.hpp"
#include "normgrad/normgrad.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using tests::error_of;

const std::string kFixtures = NORMGRAD_SOURCE_DIR "/tests/fixtures/exchange/";

// The models of tests/fixtures/exchange/torch_models.py.
struct LstmNet : Module {
  LSTM lstm{5, 6, {.num_layers = 2, .batch_first = true, .bidirectional = true}};
  Linear head{12, 3};
  NORMGRAD_MEMBERS(LstmNet, lstm, head)

  Tensor forward(const Tensor& x) override { return head(lstm(x).output.select(1, -1)); }
};

struct EncoderNet : Module {
  TransformerEncoder encoder{
      TransformerEncoderLayer(16, 2, {.dim_feedforward = 24, .activation = &gelu_exact, .batch_first = true}), 2,
      LayerNorm(16)};
  NORMGRAD_MEMBERS(EncoderNet, encoder)

  static Tensor gelu_exact(const Tensor& x) { return gelu(x); }
  Tensor forward(const Tensor& x) override { return encoder(x); }
};

struct BasicBlock : Module {
  BasicBlock(std::int64_t inputs, std::int64_t outputs, std::int64_t stride)
      : conv1(inputs, outputs, 3, {.stride = stride, .padding = 1, .bias = false}),
        bn1(outputs),
        conv2(outputs, outputs, 3, {.padding = 1, .bias = false}),
        bn2(outputs) {
    if (stride != 1 || inputs != outputs) {
      downsample.push_back(Conv2d(inputs, outputs, 1, {.stride = stride, .bias = false}));
      downsample.push_back(BatchNorm2d(outputs));
    }
  }
  Conv2d conv1;
  BatchNorm2d bn1;
  Conv2d conv2;
  BatchNorm2d bn2;
  Sequential downsample;  // without modules it returns its input
  NORMGRAD_MEMBERS(BasicBlock, conv1, bn1, conv2, bn2, downsample)

  Tensor forward(const Tensor& x) override { return relu(bn2(conv2(relu(bn1(conv1(x))))) + downsample(x)); }
};

struct ResNet18 : Module {
  static Sequential stage(std::int64_t inputs, std::int64_t outputs, std::int64_t stride) {
    return Sequential(BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs, 1));
  }
  Conv2d conv1{3, 4, 7, {.stride = 2, .padding = 3, .bias = false}};
  BatchNorm2d bn1{4};
  Sequential layer1 = stage(4, 4, 1);
  Sequential layer2 = stage(4, 8, 2);
  Sequential layer3 = stage(8, 16, 2);
  Sequential layer4 = stage(16, 32, 2);
  Linear fc{32, 10};
  NORMGRAD_MEMBERS(ResNet18, conv1, bn1, layer1, layer2, layer3, layer4, fc)

  Tensor forward(const Tensor& x) override {
    const Tensor h = max_pool2d(relu(bn1(conv1(x))), 3, {.stride = 2, .padding = 1});
    return fc(adaptive_avg_pool2d(layer4(layer3(layer2(layer1(h)))), 1).flatten(1));
  }
};

struct Case {
  const char* name;
  const char* prefix;  // of the state in the .pt file
  std::unique_ptr<Module> (*make)();
};
template <class M>
std::unique_ptr<Module> make_module() {
  return std::make_unique<M>();
}
const Case kCases[] = {{"lstm", "", make_module<LstmNet>},
                       {"encoder", "model.", make_module<EncoderNet>},
                       {"resnet", "", make_module<ResNet18>}};

class TorchModelTest : public testing::TestWithParam<Case> {
 protected:
  static std::string file(const std::string& ending) { return kFixtures + GetParam().name + ending; }
  static std::vector<double> outputs_of(Module& model) {
    model.eval();
    const NoGradGuard no_grad;
    return model(load_npz(file("_outputs.npz")).at("input")).to_vector<double>();
  }
  static void expect_near(const std::vector<double>& actual, const std::vector<double>& expected) {
    ASSERT_EQ(actual.size(), expected.size());
    for (std::size_t i = 0; i < actual.size(); ++i) {
      EXPECT_NEAR(actual[i], expected[i], 1e-5 * std::max(1.0, std::abs(expected[i]))) << "output " << i;
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Models, TorchModelTest, testing::ValuesIn(kCases),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST_P(TorchModelTest, WeightsOfPyTorchGiveItsOutputs) {
  const std::vector<double> expected = load_npz(file("_outputs.npz")).at("output").to_vector<double>();
  const auto from_pt = GetParam().make();
  const LoadReport report = load_torch(file(".pt"), *from_pt, {.prefix = GetParam().prefix});
  EXPECT_TRUE(report.missing_keys.empty() && report.unexpected_keys.empty());
  expect_near(outputs_of(*from_pt), expected);
  const auto from_safetensors = GetParam().make();
  load_safetensors(file(".safetensors"), *from_safetensors);
  EXPECT_EQ(outputs_of(*from_safetensors), outputs_of(*from_pt));
}

TEST_P(TorchModelTest, PyTorchComputesTheSameFromWeightsOfThisLibrary) {
  const std::string python =
      std::filesystem::exists("/usr/bin/python3") ? "/usr/bin/python3" : "/usr/local/bin/python3";
  const tests::TemporaryFolder folder;
  manual_seed(5);
  const auto model = GetParam().make();
  const NoGradGuard no_grad;
  for (const auto& [name, tensor] : model->state_dict()) {
    if (is_floating_point(tensor.dtype())) {  // running variances stay positive
      Tensor(tensor).copy_(tensor * 0.75 + 0.125);
    }
  }
  save_safetensors(folder / "model.safetensors", *model);
  const tests::ProgramResult result = tests::run_program(
      {python, kFixtures + "read.py", folder / "model.safetensors", file("_outputs.npz"), GetParam().name},
      {.environment = {{"PYTHONDONTWRITEBYTECODE", "1"}}});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const std::string last = result.out.substr(result.out.rfind('\n', result.out.size() - 2) + 1);
  if (last == "no torch\n") {
    GTEST_SKIP() << "PyTorch is not installed: its outputs were not compared";
  }
  std::istringstream words(last);
  std::string word;
  words >> word;
  ASSERT_EQ(word, "logits");
  std::vector<double> outputs;
  for (double value = 0.0; words >> value;) {
    outputs.push_back(value);
  }
  expect_near(outputs_of(*model), outputs);
}

TEST(TorchTest, ReadsEveryKindOfValue) {
  for (const std::string name : {"values.pt", "values_4.pt"}) {
    const auto [tensors, values] = load_torch(kFixtures + name);
    const std::map<std::string, TorchValue> expected = {{"none", std::monostate()},
                                                        {"yes", true},
                                                        {"no", false},
                                                        {"integers.0", std::int64_t{0}},
                                                        {"integers.1", std::int64_t{255}},
                                                        {"integers.2", std::int64_t{256}},
                                                        {"integers.3", std::int64_t{65536}},
                                                        {"integers.4", std::int64_t{-1}},
                                                        {"integers.5", std::int64_t{INT32_MIN}},
                                                        {"integers.6", std::int64_t{1} << 40},
                                                        {"integers.7", std::int64_t{INT64_MIN}},
                                                        {"floats.0", 0.1},
                                                        {"floats.1", -1e300},
                                                        {"text", std::string("caf\xc3\xa9")},
                                                        {"nested.list.0.a", std::int64_t{1}},
                                                        {"nested.list.1.0", std::string("b")},
                                                        {"nested.7", std::string("seven")},
                                                        {"nested.True", 1.0},
                                                        {"nested.size.0", std::int64_t{4}},
                                                        {"nested.size.1", std::int64_t{6}}};
    EXPECT_EQ(values, expected);

    EXPECT_EQ(tensors.size(), 17U);
    EXPECT_EQ(tensors.begin()->first, "float16");
    const auto floats = [&read = tensors](const char* key) { return read.at(key).to_vector<float>(); };
    const auto integers = [&read = tensors](const char* key) { return read.at(key).to_vector<std::int64_t>(); };
    EXPECT_THAT(floats("float16"), ElementsAre(1.5F, -0x1p-24F, 65504.0F, INFINITY));
    EXPECT_THAT(floats("bfloat16"), ElementsAre(1.5F, -3.0F, 0x1p100F));
    EXPECT_EQ(tensors.at("float64").dtype(), kFloat64);
    EXPECT_EQ(tensors.at("float64").shape(), Shape({2, 1}));
    EXPECT_THAT(tensors.at("float64").to_vector<double>(), ElementsAre(0.1, 1e300));
    EXPECT_THAT(integers("int8"), ElementsAre(INT8_MIN, -1, INT8_MAX));
    EXPECT_THAT(integers("int16"), ElementsAre(INT16_MIN, -1, INT16_MAX));
    EXPECT_THAT(integers("int32"), ElementsAre(INT32_MIN, -1, INT32_MAX));
    EXPECT_THAT(integers("int64"), ElementsAre(INT64_MIN, -1, INT64_MAX));
    EXPECT_THAT(integers("uint8"), ElementsAre(0, 255));
    EXPECT_EQ(tensors.at("int16").dtype(), kInt64);
    EXPECT_EQ(tensors.at("int32").dtype(), kInt32);
    EXPECT_EQ(tensors.at("uint8").dtype(), kUInt8);
    EXPECT_THAT(tensors.at("bool").to_vector<bool>(), ElementsAre(true, false));
    EXPECT_EQ(tensors.at("scalar").shape(), Shape());
    EXPECT_EQ(tensors.at("scalar").item(), 3.25);
    EXPECT_EQ(tensors.at("no_elements").shape(), Shape({0, 3}));
    EXPECT_THAT(floats("parameter"), ElementsAre(7.0F));
    EXPECT_FALSE(tensors.at("parameter").requires_grad());
  }
}

TEST(TorchTest, ReadsViews) {
  for (const std::string name : {"values.pt", "values_4.pt"}) {
    const StateDict tensors = load_torch(kFixtures + name).tensors;
    const Tensor whole = arange(24).to(kFloat32);
    const auto expect_equal = [](const Tensor& actual, const Tensor& expected) {
      EXPECT_EQ(actual.shape(), expected.shape());
      EXPECT_EQ(actual.to_vector<float>(), expected.to_vector<float>());
    };
    expect_equal(tensors.at("transposed"), whole.reshape({2, 3, 4}).permute({2, 0, 1}));
    EXPECT_EQ(tensors.at("part").shape(), Shape({2, 3}));
    EXPECT_THAT(tensors.at("part").to_vector<float>(), ElementsAre(7, 9, 11, 13, 15, 17));
    expect_equal(tensors.at("reversed_channels"), arange(12).to(kFloat32).reshape({1, 2, 2, 3}));
    expect_equal(tensors.at("tied_a"), tensors.at("tied_b"));
    EXPECT_TRUE(is_same(tensors.at("tied_a"), tensors.at("tied_b")));
  }
}

TEST(TorchTest, APrefixSelectsAPart) {
  const std::string path = kFixtures + "encoder.pt";
  const TorchFile whole = load_torch(path);
  EXPECT_EQ(whole.values.at("epoch"), TorchValue(std::int64_t{3}));
  EXPECT_EQ(whole.values.at("optimizer.param_groups.0.lr"), TorchValue(0.01));
  EXPECT_EQ(whole.tensors.at("optimizer.state.0.step").item(), 3.0);
  const TorchFile part = load_torch(path, {.prefix = "model.encoder."});
  EXPECT_TRUE(part.values.empty());
  EXPECT_EQ(part.tensors.size(), 26U);
  EXPECT_EQ(part.tensors.at("norm.bias").to_vector<float>(),
            whole.tensors.at("model.encoder.norm.bias").to_vector<float>());
  const std::string where = "load_torch: '" + path + "': ";
  EXPECT_EQ(error_of<ValueError>([&] { load_torch(path, {.prefix = "net."}); }),
            where + "expected names that begin with 'net.' but the file has 'model', 'optimizer', 'epoch'");
  EncoderNet model;
  const std::vector<float> before = model.encoder.layers[0].linear1.weight.to_vector<float>();
  const std::string text = error_of<ValueError>([&] { load_torch(path, model); });
  EXPECT_THAT(text, testing::StartsWith(where + "EncoderNet: load_state_dict: the state does not fit"));
  EXPECT_THAT(text, testing::EndsWith("\n{.prefix = \"model.\"} loads one part of the file"));
  EXPECT_EQ(model.encoder.layers[0].linear1.weight.to_vector<float>(), before);
}

TEST(TorchTest, KeysAreMapped) {
  Sequential head({{"fc", Linear(32, 10)}});
  const LoadReport report = load_torch(
      kFixtures + "resnet.pt", head,
      {.strict = false, .rename = [](const std::string& key) { return key.starts_with("fc.") ? key : std::string(); }});
  EXPECT_TRUE(report.missing_keys.empty() && report.unexpected_keys.empty());
  EXPECT_EQ(head.state_dict().at("fc.bias").to_vector<float>(),
            load_torch(kFixtures + "resnet.pt").tensors.at("fc.bias").to_vector<float>());
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
