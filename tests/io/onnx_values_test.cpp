// ONNX files compute what the models compute: checked by ONNX Runtime (npm's onnxruntime-node, found through NODE_PATH)
// and by the checker of python3-onnx, where these are installed.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>

#include <nlohmann/json.hpp>

#include "tests/support/run_program.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/values.hpp"
#include "normgrad/normgrad.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using Function = std::function<Tensor(const Tensor&)>;

const std::string kScripts = NORMGRAD_SOURCE_DIR "/tests/fixtures/onnx/";

struct Case {
  std::string name;
  std::shared_ptr<Module> model;  // null: a function
  Function function;
  Tensor x;
  OnnxOptions options = {};

  Tensor operator()(const Tensor& input) const { return model != nullptr ? (*model)(input) : function(input); }
};

Tensor input(const Shape& shape, std::uint32_t seed = 1) { return tests::random_tensor(shape, kFloat32, seed); }

// Another value for each parameter and running statistic, so that none can be left out unnoticed.
template <class M>
std::shared_ptr<Module> filled(M&& module) {
  auto model = std::make_shared<std::remove_cvref_t<M>>(std::forward<M>(module));
  std::uint32_t seed = 10;
  const NoGradGuard no_grad;
  for (const auto& [name, tensor] : model->state_dict()) {
    if (is_floating_point(tensor.dtype())) {
      const Tensor noise = tests::random_tensor(tensor.shape(), tensor.dtype(), seed++) * 0.2;
      Tensor(tensor).copy_(name.ends_with("var") ? exp(noise) : tensor + noise);
    }
  }
  model->eval();
  return model;
}

struct Lstm : Module {
  LSTM lstm{5, 6, {.num_layers = 2, .batch_first = true, .bidirectional = true}};
  Linear head{12, 3};
  NORMGRAD_MEMBERS(Lstm, lstm, head)
  Tensor forward(const Tensor& x) override { return head(lstm(x).output.select(1, -1)); }
};

struct States : Module {  // the states of a forward and of a reversed layer, and a given first state
  LSTM lstm{4, 3, {.bidirectional = true}};
  NORMGRAD_MEMBERS(States, lstm)
  Tensor forward(const Tensor& x) override {
    const Tensor h = ones({2, x.size(1), 3}) * 0.5;
    const LSTMResult r = lstm(x, {h, h * 2.0});
    return cat({r.output.mean(0), r.h_n[0], r.c_n[1]}, 1);
  }
};

struct WeightFromOthers : Module {
  Parameter direction{input({4, 3}, 3)};
  Parameter length{input({4, 1}, 4)};
  NORMGRAD_MEMBERS(WeightFromOthers, direction, length)
  Tensor forward(const Tensor& x) override {
    return linear(x, length * direction / direction.square().sum(1, true).sqrt());
  }
};

struct WithMask : Module {  // its mask is not part of the state
  Linear fc{4, 4};
  StateBuffer mask{triu(full({4, 4}, -2.0), 1), {.persistent = false}};
  NORMGRAD_MEMBERS(WithMask, fc, mask)
  Tensor forward(const Tensor& x) override { return softmax(fc(x) + mask, -1); }
};

struct Words : Module {
  Embedding words{11, 8};
  TransformerEncoder encoder{
      TransformerEncoderLayer(8, 2, {.dim_feedforward = 12, .batch_first = true, .norm_first = true, .norm = "rms"}), 2,
      LayerNorm(8)};
  NORMGRAD_MEMBERS(Words, words, encoder)
  Tensor forward(const Tensor& x) override { return encoder(words(x), {.is_causal = true}); }
};

std::vector<Case> networks() {
  std::vector<Case> cases;
  const auto add = [&](const char* name, std::shared_ptr<Module> model, Tensor x, OnnxOptions options = {}) {
    cases.push_back({name, std::move(model), {}, std::move(x), std::move(options)});
  };
  const auto cnn = [](const char* norm) {
    return Sequential({{"conv1", Conv2d(1, 8, 3, {.padding = 1})},
                       {"norm1", AnyModule(make_norm(norm, {.num_features = 8, .spatial_dims = 2}))},
                       {"act1", ReLU()},
                       {"pool1", MaxPool2d(2)},
                       {"conv2", Conv2d(8, 16, 3, {.stride = 2, .padding = 1, .groups = 2, .bias = false})},
                       {"norm2", AnyModule(make_norm(norm, {.num_features = 16, .spatial_dims = 2}))},
                       {"act2", GELU()},
                       {"pool2", AvgPool2d(2)},
                       {"flatten", Flatten()},
                       {"fc1", Linear(64, 12)},
                       {"drop", Dropout(0.5)},
                       {"fc2", Linear(12, 10)}});
  };
  add("cnn_batch", filled(cnn("batch")), input({2, 1, 16, 16}));
  add("cnn_layer", filled(cnn("layer")), input({2, 1, 16, 16}));
  add("cnn_instance", filled(cnn("instance")), input({2, 1, 16, 16}));
  add("cnn_group", filled(cnn("group:4")), input({2, 1, 16, 16}));
  add("cnn_rms", filled(cnn("rms")), input({2, 1, 16, 16}));
  add("buffer_not_in_the_state", filled(WithMask()), input({2, 4, 4}));
  add("lstm", filled(Lstm()), input({2, 7, 5}));
  add("lstm_states", filled(States()), input({5, 2, 4}), {.batch_axis = 1});
  add("gru", filled(GRU(4, 5, {.num_layers = 2, .bidirectional = true})), input({6, 2, 4}), {.batch_axis = 1});
  add("rnn_relu", filled(RNN(4, 5, {.batch_first = true, .nonlinearity = RnnNonlinearity::relu})), input({2, 6, 4}));
  add("rnn_tanh", filled(RNN(4, 5, {.bias = false, .batch_first = true})), input({2, 6, 4}));
  add("encoder",
      filled(TransformerEncoder(TransformerEncoderLayer(16, 4, {.dim_feedforward = 24, .batch_first = true}), 2)),
      input({2, 6, 16}));
  add("encoder_length_first",
      filled(TransformerEncoder(TransformerEncoderLayer(16, 4, {.dim_feedforward = 24}), 1, LayerNorm(16))),
      input({6, 2, 16}), {.batch_axis = 1});
  Tensor words = Tensor::empty({2, 6}, kInt64);
  for (std::int64_t i = 0; i < words.numel(); ++i) {
    words.mutable_data<std::int64_t>()[i] = i * 7 % 11;
  }
  add("words", filled(Words()), words);
  add("weight_from_others", filled(WeightFromOthers()), input({2, 3}));
  add("transposed",
      filled(Sequential(ConvTranspose2d(3, 4, 3, {.stride = 2, .padding = 1, .output_padding = 1}),
                        LocalResponseNorm(3, {.alpha = 0.5, .k = 2.0}), LocalResponseNorm(2),
                        Conv2d(4, 2, 3, {.padding = "same", .dilation = 2}))),
      input({2, 3, 5, 6}));
  add("features",
      filled(Sequential(Linear(6, 8), BatchNorm1d(8), Tanh(), Linear(8, 8, {.bias = false}), LayerNorm(8), Softplus())),
      input({3, 6}));
  add("one_size", filled(Sequential(Flatten(0), Linear(12, 2))), input({3, 4}), {.dynamic_batch = false});
  add("no_statistics",
      filled(Sequential(BatchNorm2d(3, {.track_running_stats = false}), InstanceNorm2d(3), LayerNorm({4, 5}))),
      input({2, 3, 4, 5}));
  return cases;
}

std::vector<Case> operations() {
  std::vector<Case> cases;
  const auto add = [&](const char* name, const Function& f, const Tensor& x = input({2, 3, 4})) {
    cases.push_back({name, nullptr, f, x});
  };
  const Tensor matrix = input({4, 4}, 2);
  const Tensor row = input({4}, 3);
  const Tensor mask = gt(input({3, 4}, 4), 0.0);
  add("arithmetic", [=](const Tensor& x) { return (2.0 - x * row) / (x.square() + 1.5) - x + 0.25 / (x.abs() + 1.0); });
  add("extremes",
      [=](const Tensor& x) { return maximum(x, row) + minimum(x, row) + clamp(x, -0.5, 1.0) + clamp(x, {}, 0.1); });
  add("powers",
      [](const Tensor& x) { return pow(x.abs() + 0.5, 1.7) + sqrt(x.abs()) + rsqrt(x.abs() + 1.0) + pow(x, 3.0); });
  add("exponentials", [](const Tensor& x) { return exp(x) + log(x.abs() + 0.1) + log1p(x.abs()) + expm1(x) + erf(x); });
  add("trigonometric", [](const Tensor& x) { return sin(x) + cos(x) + tan(x * 0.1) + atan(x) + sinh(x) + asinh(x); });
  add("activations", [](const Tensor& x) {
    return cat({relu(x), sigmoid(x), tanh(x), silu(x), gelu(x), elu(x, 0.7), selu(x)}, 1);
  });
  add("more_activations", [](const Tensor& x) {
    return cat({leaky_relu(x, 0.2), softplus(x, 2.0), logsigmoid(x), hardtanh(x), hardswish(x), mish(x), softsign(x)},
               1);
  });
  add("softmax", [](const Tensor& x) { return softmax(x, 1) + log_softmax(x, -1); });
  add("where", [=](const Tensor& x) { return where(mask, x, x * 2.0) + masked_fill(x, mask, 0.5); });
  add("sums", [](const Tensor& x) { return x.sum(1) + x.mean(1) + x.max(1) + x.min(1) + x.prod(1) + x.var(1); });
  add("kept_sums",
      [](const Tensor& x) { return x - x.mean(-1, true) / std(x, -1, true, true) + logsumexp(x, 2, true); });
  add("norms_of_vectors", [](const Tensor& x) { return norm(x, 2.0, 2) + norm(x, 1.0, 2); });
  add("moves", [](const Tensor& x) {
    return cat(
        {x.transpose(1, 2).reshape({x.size(0), -1}), flip(x, {1, 2}).flatten(1), x.permute({0, 2, 1}).flatten(1)}, 1);
  });
  add("windows", [](const Tensor& x) {
    return cat({narrow(x, 2, 1, 2), slice(x, 2, 0, 4, 2), pad(x, {1, 0}, 0.5), unsqueeze(x.select(2, -1), 2)}, 2);
  });
  add("windows_of_the_batch", [](const Tensor& x) { return roll(x, {1}, {1}) + cat({x, x * 2.0}, 0).mean(0); });
  add("repeated", [](const Tensor& x) {
    return repeat_interleave(x, 2, 1) + tile(x, {1, 2, 1}) + x.mean(1, true).expand({-1, 6, 4});
  });
  add("batch_folded", [=](const Tensor& x) {
    return matmul(x.reshape({-1, 4}), matrix).reshape({x.size(0), 3, 4}) + matmul(x, matrix);
  });
  add("index", [](const Tensor& x) {
    const Tensor i = arange(4).to(kInt64) - 2;
    return index_select(x, 2, i) + gather(x, 2, ones({x.size(0), 3, 4}).to(kInt64));
  });
  add("comparisons", [=](const Tensor& x) {
    const Tensor inside = logical_and(gt(x, -0.5), le(x, row));
    const Tensor rare = logical_or(~inside, ge(x, 2.0)) ^ lt(x, 0.0);
    return where(inside, x, -1.0) + to(rare, kFloat32) + to(eq(sign(x), 1.0), kFloat32) - to(ne(x, row), kFloat32);
  });
  add("rounding", [](const Tensor& x) { return floor(x) + ceil(x * 2.0) + round(x * 1.3) + trunc(x * 3.1) + frac(x); });
  add("arguments", [](const Tensor& x) { return argmax(x, 1) + argmin(x, 1); });
  add("best_class", [](const Tensor& x) { return argmax(x, 2); });
  add("cumsum", [](const Tensor& x) { return cumsum(x, 1); });
  add("split", [](const Tensor& x) {
    const auto parts = split(x, 2, 2);
    return parts[0] * parts[1];
  });
  add("attention", [](const Tensor& x) {
    return scaled_dot_product_attention(x, x * 0.5, x + 1.0, {.attn_mask = input({3, 3}, 7)});
  });
  add("masked_attention", [](const Tensor& x) {
    const Tensor allowed = le(arange(3).unsqueeze(0), arange(3).unsqueeze(1) + 1);
    return scaled_dot_product_attention(x, x, x, {.attn_mask = allowed, .scale = 0.3});
  });
  add(
      "grouped_attention",
      [](const Tensor& x) {
        const Tensor few = x.narrow(1, 0, 2);
        return scaled_dot_product_attention(x, few, few * 2.0, {.is_causal = true, .enable_gqa = true});
      },
      input({2, 4, 3, 4}));
  const Tensor images = input({2, 3, 9, 7});
  add(
      "max_pools",
      [](const Tensor& x) {
        return cat(
            {max_pool2d(x, 3, {.stride = 2, .padding = 1}).flatten(1), max_pool2d(x, 2, {.ceil_mode = true}).flatten(1),
             max_pool2d(x, {2, 3}, {.stride = 1, .dilation = 2}).flatten(1), adaptive_max_pool2d(x, {3, 1}).flatten(1)},
            1);
      },
      images);
  add(
      "avg_pools",
      [](const Tensor& x) {
        return cat(
            {avg_pool2d(x, 3, {.stride = 2, .padding = 1}).flatten(1),
             avg_pool2d(x, 3, {.padding = 1, .count_include_pad = false}).flatten(1),
             avg_pool2d(x, 2, {.ceil_mode = true}).flatten(1), avg_pool2d(x, 3, {.divisor_override = 4}).flatten(1),
             adaptive_avg_pool2d(x, {3, 7}).flatten(1), lp_pool2d(abs(x), 2.0, 3).flatten(1)},
            1);
      },
      images);
  add(
      "convolutions",
      [](const Tensor& x) {
        return cat({conv1d(x.flatten(2), input({4, 3, 5}, 8), {}, {.stride = 3}).flatten(1),
                    conv3d(x.unsqueeze(4), input({2, 3, 3, 3, 1}, 9), input({2}, 5)).flatten(1)},
                   1);
      },
      images);
  return cases;
}

class OnnxValuesTest : public testing::Test {
 protected:
  /// Writes the model of each case, and the inputs for batches of the example's and of another size.
  void write(const std::vector<Case>& cases) {
    for (const Case& c : cases) {
      const std::filesystem::path file = folder_ / (c.name + ".onnx");
      if (c.model != nullptr) {
        write_onnx(file, *c.model, c.x, c.options);
      } else {
        write_onnx(
            file, [&](const std::vector<Tensor>& in) { return std::vector<Tensor>{c(in[0])}; }, {c.x}, c.options);
      }
      files_.push_back(file);
      std::vector<Tensor> inputs{c.x};
      if (c.options.dynamic_batch) {
        inputs.push_back(cat({c.x, flip(c.x, {}), narrow(c.x, c.options.batch_axis, 1, 1)}, c.options.batch_axis));
      }
      const NoGradGuard no_grad;
      for (const Tensor& x : inputs) {
        const std::string name = c.name + " " + to_string(x.shape());
        expected_[name] = c(x);
        nlohmann::json tensor{{"name", "input"}, {"type", dtype_name(x.dtype())}};
        tensor["dims"] = std::vector<std::int64_t>(x.shape().begin(), x.shape().end());
        tensor["data"] = x.to_vector<double>();
        runs_.push_back({{"name", name}, {"model", file.string()}, {"inputs", nlohmann::json::array({tensor})}});
      }
    }
  }

  void expect_checked() {
    std::vector<std::string> command{"/usr/bin/env", "python3", kScripts + "check.py"};
    if (std::filesystem::exists("/usr/bin/python3")) {
      command = {"/usr/bin/python3", kScripts + "check.py"};
    }
    command.insert(command.end(), files_.begin(), files_.end());
    const tests::ProgramResult result = tests::run_program(command);
    ASSERT_EQ(result.exit_code, 0) << result.err;
    if (result.out == "no onnx\n") {
      GTEST_SKIP() << "python3-onnx is not installed: its checker did not run";
    }
    EXPECT_EQ(result.out, std::to_string(files_.size()) + "\n");
  }

  void expect_computed() {
    const std::filesystem::path list = folder_ / "cases.json";
    std::ofstream(list) << runs_.dump();
    const tests::ProgramResult result = tests::run_program({"/usr/bin/env", "node", kScripts + "run.js", list});
    if (result.exit_code == 127 || result.out == "no onnxruntime\n") {
      GTEST_SKIP() << "npm's onnxruntime-node is not in NODE_PATH: the models did not run";
    }
    ASSERT_EQ(result.exit_code, 0) << result.err;
    const nlohmann::json results = nlohmann::json::parse(result.out);
    ASSERT_EQ(results.size(), expected_.size());
    for (const auto& [name, y] : expected_) {
      const nlohmann::json& actual = results.at(name);
      if (actual.contains("error")) {
        ADD_FAILURE() << name << ": " << actual.at("error").get<std::string>();
        continue;
      }
      EXPECT_EQ(Shape(actual.at("dims").get<std::vector<std::int64_t>>()), y.shape()) << name;
      const std::vector<double> wanted = y.to_vector<double>();
      const auto data = actual.at("data").get<std::vector<double>>();
      ASSERT_EQ(data.size(), wanted.size()) << name;
      double largest = 0.0;
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        largest = std::max(largest, std::abs(data[i] - wanted[i]) / std::max(1.0, std::abs(wanted[i])));
      }
      EXPECT_LT(largest, 1e-5) << name;
    }
  }

  const tests::TemporaryFolder folder_;
  std::vector<std::string> files_;
  std::map<std::string, Tensor> expected_;
  nlohmann::json runs_ = nlohmann::json::array();
};

TEST_F(OnnxValuesTest, TheCheckerAcceptsNetworks) {
  write(networks());
  expect_checked();
}

TEST_F(OnnxValuesTest, TheCheckerAcceptsOperations) {
  write(operations());
  expect_checked();
}

TEST_F(OnnxValuesTest, OnnxRuntimeComputesTheSameNetworks) {
  write(networks());
  expect_computed();
}

TEST_F(OnnxValuesTest, OnnxRuntimeComputesTheSameOperations) {
  write(operations());
  expect_computed();
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
