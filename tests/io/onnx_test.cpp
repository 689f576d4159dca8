// The structure of ONNX files, and what write_onnx() refuses.
#include <filesystem>

#include "normgrad/io/onnx.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/files.hpp"
#include "tests/support/onnx_file.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/values.hpp"
#include "normgrad/normgrad.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;
using tests::OnnxFile;

class OnnxTest : public testing::Test {
 protected:
  using Function = std::function<Tensor(const Tensor&)>;

  OnnxFile written(Module& model, const Tensor& x, const OnnxOptions& options = {}) {
    write_onnx(path_, model, x, options);
    return OnnxFile(tests::file_text(path_));
  }
  void write(const Function& f, const Tensor& x, const OnnxOptions& options = {}) {
    write_onnx(
        path_, [&](const std::vector<Tensor>& in) { return std::vector<Tensor>{f(in[0])}; }, {x}, options);
  }
  std::string error(const Function& f, const Tensor& x = tests::random_tensor({2, 3}, kFloat32, 1)) {
    const std::string text = error_of<ValueError>([&] { write(f, x); });
    EXPECT_FALSE(std::filesystem::exists(path_));
    return text;
  }
  const tests::TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_ / "net.onnx";
};

TEST_F(OnnxTest, WritesASequential) {
  Sequential net({{"conv", Conv2d(1, 4, 3, {.padding = 1})},
                  {"norm", BatchNorm2d(4)},
                  {"act", ReLU()},
                  {"pool", MaxPool2d(2)},
                  {"flatten", Flatten()},
                  {"fc", Linear(16, 3)}});
  const OnnxFile file = written(net, ones({5, 1, 4, 4}));
  EXPECT_EQ(file.opset, 17);
  EXPECT_THAT(file.types, ElementsAre("Conv", "BatchNormalization", "Relu", "MaxPool", "Reshape", "Gemm"));
  EXPECT_THAT(file.values.at("input"), ElementsAre("batch", "1", "4", "4"));
  EXPECT_THAT(file.values.at("output"), ElementsAre("batch", "3"));
  for (const char* name : {"conv.weight", "conv.bias", "norm.weight", "norm.bias", "fc.weight", "fc.bias"}) {
    const auto& [dims, bytes] = file.initializers.at(name);
    const Tensor parameter = net.state_dict().at(name);
    EXPECT_EQ(Shape(dims), parameter.shape()) << name;
    EXPECT_EQ(bytes, std::string(reinterpret_cast<const char*>(parameter.data<float>()),
                                 static_cast<std::size_t>(parameter.numel()) * sizeof(float)))
        << name;
  }
  EXPECT_THAT(file.initializers.at("norm.running_mean").first, ElementsAre(4));
  EXPECT_TRUE(net.is_training() && net.at<BatchNorm2d>(1).is_training());
  EXPECT_EQ(net.state_dict().at("norm.num_batches_tracked").item(), 0.0);
}

TEST_F(OnnxTest, ABatchOfOneSizeIsWrittenOnRequest) {
  Sequential net({{"fc", Linear(3, 2)}, {"act", Softmax(1)}});
  const OnnxFile file =
      written(net, ones({5, 3}), {.dynamic_batch = false, .input_names = {"x"}, .output_names = {"p"}});
  EXPECT_THAT(file.types, ElementsAre("Gemm", "Softmax"));
  EXPECT_THAT(file.values.at("x"), ElementsAre("5", "3"));
  EXPECT_THAT(file.values.at("p"), ElementsAre("5", "2"));
}

TEST_F(OnnxTest, UsesTheOperatorsThatOnnxHas) {
  Sequential norms(LayerNorm({4, 4}), InstanceNorm2d(3), GroupNorm(3, 3), LocalResponseNorm(3));
  const OnnxFile file = written(norms, ones({2, 3, 4, 4}));
  EXPECT_THAT(file.types, testing::IsSupersetOf({"LayerNormalization", "InstanceNormalization", "ReduceMean", "LRN"}));
  LSTM lstm(4, 3, {.batch_first = true});
  EXPECT_THAT(written(lstm, ones({2, 5, 4})).types, testing::IsSupersetOf({"Transpose", "LSTM"}));
  EXPECT_EQ(OnnxFile(tests::file_text(path_)).initializers.count("weight_ih_l0"), 1U);
}

TEST_F(OnnxTest, UnusedOperationsAreLeftOut) {
  write(
      [](const Tensor& x) {
        const Tensor unused = median(x);
        return x + 1.0;
      },
      ones({2, 3}));
  EXPECT_THAT(OnnxFile(tests::file_text(path_)).types, ElementsAre("Add"));
}

struct FirstRow : Module {
  Parameter weight{tensor({{1.0, 2, 3}, {4, 5, 6}})};
  NORMGRAD_MEMBERS(FirstRow, weight)
  Tensor forward(const Tensor& x) override { return x * weight[0]; }
};

TEST_F(OnnxTest, APartOfAParameterDoesNotTakeItsName) {
  FirstRow model;
  const OnnxFile file = written(model, ones({2, 3}));
  EXPECT_THAT(file.types, ElementsAre("Mul"));
  EXPECT_EQ(file.initializers.count("weight"), 0U);
  EXPECT_THAT(file.initializers.at("constant").first, ElementsAre(3));
}

TEST_F(OnnxTest, SeveralInputsAndOutputs) {
  write_onnx(path_,
             [](const std::vector<Tensor>& in) {
               return std::vector<Tensor>{in[0] + in[1], in[0] * in[1]};
             },
             {ones({2, 3}), ones({2, 3})});
  const OnnxFile file(tests::file_text(path_));
  EXPECT_THAT(file.types, testing::UnorderedElementsAre("Add", "Mul"));
  for (const char* name : {"input_0", "input_1", "output_0", "output_1"}) {
    EXPECT_THAT(file.values.at(name), ElementsAre("batch", "3")) << name;
  }
}

TEST_F(OnnxTest, NamesWhatOnnxLacks) {
  EXPECT_EQ(
      error([](const Tensor& x) { return median(x, 1).values; }),
      "write_onnx: 'gather', whose result is float32 [2, 1]: an operand [2, 1] depends on the example's values, but no "
      "operation that is recorded computes it. Values that are read (item()), orders (sort, topk) and random "
      "numbers are not recorded");
  EXPECT_EQ(
      error([](const Tensor& x) { return atan2(x, x); }),
      "write_onnx: 'atan2', whose result is float32 [2, 3]: ONNX has no such operation, or normgrad does not write it");
  Sequential net({{"head", Sequential({{"pool", AdaptiveAvgPool1d(2)}})}});
  EXPECT_EQ(
      error_of<ValueError>([&] {
        write_onnx(path_, net, ones({2, 1, 3}));
      }),
      "write_onnx: 'adaptive_avg_pool1d' in 'head.pool', whose result is float32 [2, 1, 2]: ONNX has windows of one "
      "size only: 2 results of 3 elements are of different ones");
}

TEST_F(OnnxTest, RefusesWhatATraceDoesNotShow) {
  EXPECT_THAT(error([](const Tensor& x) {
                return x * randn({1, 3});
              }),
              HasSubstr("write_onnx: 'mul', whose result is float32 [2, 3]: an operand [1, 3] depends on the example's "
                        "values"));
  EXPECT_THAT(error([](const Tensor& x) { return x + x.sum().item(); }),
              HasSubstr("'add', whose result is float32 [2, 3]: its argument number is "));
  EXPECT_THAT(error([](const Tensor& x) { return x[0][0].item() > x[-1][-1].item() ? relu(x) : tanh(x); }),
              HasSubstr("write_onnx: the model performs other operations for another input: operation "));
  EXPECT_EQ(error([](const Tensor& x) { return argsort(x, 1); }),
            "write_onnx: output 0, int64 [2, 3], does not depend on the inputs through operations that are recorded; "
            "orders (sort, topk) and functions in place are not");
  EXPECT_EQ(error([](const Tensor& x) {
              Tensor y = relu(x);
              y.add_(ones({x.size(0), 3}));
              return y * 2.0;
            }),
            "write_onnx: 'mul' uses a tensor that was changed in place, which is not traced");
  EXPECT_EQ(
      error([](const Tensor& x) { return x / static_cast<double>(x.size(0)); }),
      "write_onnx: 'div', whose result is float32 [2, 3]: its argument number is 2 in one run and 4 in another: it "
      "depends on the batch size or on values, and is no constant");
  EXPECT_EQ(
      error([](const Tensor& x) {
        return pad(x, {0, 0, 0, x.size(0) * x.size(0)});
      }),
      "write_onnx: 'pad', whose result is float32 [6, 3]: a size is 4 for a batch of 2 and 16 for one of 4, which is "
      "no multiple of the batch size; {.dynamic_batch = false} writes a model for one size");
}

TEST_F(OnnxTest, RefusesWrongArguments) {
  Linear net(3, 2);
  EXPECT_EQ(
      error_of<ShapeError>([&] { write_onnx(path_, net, ones({3}), {.batch_axis = 1}); }),
      "write_onnx: expected an input with a batch along axis 1 but got [3]; {.dynamic_batch = false} writes a model "
      "for the sizes of the example");
  EXPECT_EQ(error_of<ValueError>([&] {
              write_onnx(path_, net, ones({1, 3}), {.input_names = {"a", "b"}});
            }),
            "write_onnx: expected 1 names of inputs but got 2");
  EXPECT_EQ(error_of<ValueError>([&] { write_onnx(path_, net, Tensor()); }),
            "write_onnx: expected example inputs but one is undefined");
  EXPECT_THAT(error_of<IoError>([&] {
                write_onnx(folder_ / "none" / "x.onnx", net, ones({1, 3}));
              }),
              testing::StartsWith("write_onnx: '"));
  net.train();
  EXPECT_THROW(write_onnx(path_, net, ones({1, 4})), ShapeError);
  EXPECT_TRUE(net.is_training());
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
