// LSTM, GRU, RNN and their cells.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "tests/support/raises.hpp"
#include "tests/support/sequence_cases.hpp"
#include "tests/support/simd_levels.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/io/safetensors.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/norm/registry.hpp"
#include "normgrad/layers/recurrent/cells.hpp"
#include "normgrad/layers/recurrent/recurrent.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::expect_as_torch;
using tests::random_tensor;

using Tensors = std::vector<Tensor>;

class RecurrentLevelTest : public tests::SimdLevelTest {};

TEST_P(RecurrentLevelTest, LayersAreTorchs) {
  LSTM lstm(3, 4, {.num_layers = 2, .bidirectional = true, .dtype = kFloat64});
  expect_as_torch("lstm", lstm, [&](const Tensors& in) {
    const LSTMResult r = lstm(in[0]);
    return Tensors{r.output, r.h_n, r.c_n};
  });
  LSTM projected(3, 4, {.num_layers = 2, .batch_first = true, .proj_size = 2, .dtype = kFloat64});
  expect_as_torch("lstm_proj", projected, [&](const Tensors& in) {
    const LSTMResult r = projected(in[0], {in[1], in[2]});
    return Tensors{r.output, r.h_n, r.c_n};
  });
  const auto as_list = [](const RecurrentResult& r) { return Tensors{r.output, r.h_n}; };
  GRU gru(3, 4, {.num_layers = 2, .bidirectional = true, .dtype = kFloat64});
  expect_as_torch("gru", gru, [&](const Tensors& in) { return as_list(gru(in[0], in[1])); });
  RNN rnn(3, 4, {.batch_first = true, .bidirectional = true, .dtype = kFloat64});
  expect_as_torch("rnn_tanh", rnn, [&](const Tensors& in) { return as_list(rnn(in[0])); });
  RNN relu_rnn(3, 4, {.bias = false, .nonlinearity = RnnNonlinearity::relu, .dtype = kFloat64});
  expect_as_torch("rnn_relu", relu_rnn, [&](const Tensors& in) { return as_list(relu_rnn(in[0], in[1])); });
}

TEST_P(RecurrentLevelTest, CellsAreTorchs) {
  LSTMCell lstm(3, 4, {.dtype = kFloat64});
  expect_as_torch("lstm_cell", lstm, [&](const Tensors& in) {
    const LSTMState s = lstm(in[0], {in[1], in[2]});
    return Tensors{s.h, s.c};
  });
  GRUCell gru(3, 4, {.dtype = kFloat64});
  expect_as_torch("gru_cell", gru, [&](const Tensors& in) { return Tensors{gru(in[0], in[1])}; });
  RNNCell rnn(3, 4, {.dtype = kFloat64});
  expect_as_torch("rnn_cell", rnn, [&](const Tensors& in) { return Tensors{rnn(in[0], in[1])}; });
}

INSTANTIATE_TEST_SUITE_P(Levels, RecurrentLevelTest, tests::simd_levels(), tests::name_of_level);

// Calls f with a layer of each kind.
template <class F>
void for_each_kind(const RecurrentOptions& options, const F& f) {
  LSTM lstm(5, 7, options);
  f(lstm);
  GRU gru(5, 7, options);
  f(gru);
  RNN rnn(5, 7, options);
  f(rnn);
}

TEST(RecurrentTest, KernelAndFormulaAgree) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    for_each_kind({.num_layers = 2, .bidirectional = true, .dtype = dtype}, [&](auto& layer) {
      const Tensor x = random_tensor({6, 3, 5}, dtype, 1).requires_grad_();
      const auto r = layer(x);
      std::vector<Tensor> inputs = {x};
      for (const Tensor& p : layer.parameters()) {
        inputs.push_back(p);
      }
      const std::vector<Tensor> gy = {random_tensor(r.output.shape(), dtype, 2),
                                      random_tensor(r.h_n.shape(), dtype, 3)};
      const std::vector<Tensor> kernel = grad({r.output, r.h_n}, inputs, gy, {.retain_graph = true});
      const std::vector<Tensor> formula = grad({r.output, r.h_n}, inputs, gy, {.create_graph = true});
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        const auto a = kernel[i].to_vector<double>();
        const auto b = formula[i].to_vector<double>();
        for (std::size_t j = 0; j < a.size(); ++j) {
          // tol: some hundred products of numbers near 1
          ASSERT_NEAR(a[j], b[j], (dtype == kFloat32 ? 2e-5 : 1e-13) * (1.0 + std::abs(b[j])))
              << layer.type_name() << " input " << i;
        }
      }
    });
  }
}

TEST(RecurrentTest, StepsOfACellAreALayer) {
  LSTM layer(3, 4, {.dtype = kFloat64});
  LSTMCell cell(3, 4, {.dtype = kFloat64});
  cell.weight_ih = layer.weights[0].weight_ih;
  cell.weight_hh = layer.weights[0].weight_hh;
  cell.bias_ih = layer.weights[0].bias_ih;
  cell.bias_hh = layer.weights[0].bias_hh;
  const Tensor x = random_tensor({5, 2, 3}, kFloat64, 1);
  const LSTMResult whole = layer(x);
  LSTMState state;
  for (std::int64_t t = 0; t < 5; ++t) {
    state = cell(x[t], state);
    EXPECT_EQ(state.h.to_vector<double>(), whole.output[t].to_vector<double>());
  }
  EXPECT_EQ(state.c.to_vector<double>(), whole.c_n[0].to_vector<double>());
  EXPECT_EQ(cell(x[0][1]).h.to_vector<double>(), whole.output[0][1].to_vector<double>());
  // In parts, handing the state on.
  const LSTMResult first = layer(narrow(x, 0, 0, 2));
  const LSTMResult rest = layer(narrow(x, 0, 2, 3), {first.h_n, first.c_n});
  EXPECT_EQ(rest.h_n.to_vector<double>(), whole.h_n.to_vector<double>());
}

TEST(RecurrentTest, BatchFirstUnbatchedAndSequential) {
  for_each_kind({.bidirectional = true}, [](auto& layer) {
    const Tensor x = random_tensor({6, 3, 5}, kFloat32, 1);
    const auto r = layer(x);
    const auto single = layer(x.select(1, 2));
    EXPECT_EQ(single.output.shape(), Shape({6, 14}));
    EXPECT_EQ(single.h_n.shape(), Shape({2, 7}));
    const auto a = single.output.template to_vector<float>();
    const auto b = r.output.select(1, 2).template to_vector<float>();
    for (std::size_t i = 0; i < a.size(); ++i) {
      ASSERT_NEAR(a[i], b[i], 1e-6);
    }
    EXPECT_EQ(Sequential(layer, Linear(14, 2))(x).shape(), Shape({6, 3, 2}));
    EXPECT_EQ(Sequential(layer)(x).template to_vector<float>(), r.output.template to_vector<float>());
    EXPECT_EQ(layer(zeros({2, 0, 5})).output.shape(), Shape({2, 0, 14}));
  });
}

TEST(RecurrentTest, DropoutBetweenLayersInTrainingOnly) {
  GRU layer(3, 4, {.num_layers = 2, .dropout = 0.5});
  const Tensor x = random_tensor({5, 2, 3}, kFloat32, 1);
  manual_seed(2);
  const auto first = layer(x).output.to_vector<float>();
  EXPECT_NE(layer(x).output.to_vector<float>(), first);
  manual_seed(2);
  EXPECT_EQ(layer(x).output.to_vector<float>(), first);
  layer.eval();
  EXPECT_EQ(layer(x).output.to_vector<float>(), layer(x).output.to_vector<float>());
  GRU one(3, 4, {.dropout = 0.5});  // no layer but the last
  EXPECT_EQ(one(x).output.to_vector<float>(), one(x).output.to_vector<float>());
}

TEST(RecurrentTest, ResultsDoNotDependOnTheNumberOfThreads) {
  const int before = get_num_threads();
  LSTM layer(16, 96);
  const Tensor x = random_tensor({4, 130, 16}, kFloat32, 1).requires_grad_();
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 3}) {
    set_num_threads(threads);
    layer.zero_grad();
    const LSTMResult r = layer(x);
    backward({r.output, r.c_n}, {random_tensor(r.output.shape(), kFloat32, 2), ones_like(r.c_n)});
    results.push_back(r.output.to_vector<float>());
    for (const Tensor& p : layer.parameters()) {
      results.push_back(p.grad().to_vector<float>());
    }
  }
  set_num_threads(before);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(results[i], results[i + 5]) << i;
  }
}

TEST(RecurrentTest, KeysCopiesFilesAndText) {
  LSTM layer(2, 3, {.num_layers = 2, .bidirectional = true, .proj_size = 1});
  std::vector<std::string> keys;
  for (const auto& [key, value] : layer.state_dict()) {
    keys.push_back(key);
  }
  std::vector<std::string> wanted;
  for (const std::string suffix : {"_l0", "_l0_reverse", "_l1", "_l1_reverse"}) {
    for (const std::string name : {"weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"}) {
      wanted.push_back(name + suffix);
    }
  }
  EXPECT_EQ(keys, wanted);
  const Tensor x = random_tensor({4, 2, 2}, kFloat32, 1);
  const auto values = layer(x).output.to_vector<float>();
  EXPECT_EQ((*layer.clone())(x).to_vector<float>(), values);
  const tests::TemporaryFolder folder;
  save_safetensors(folder.path() / "lstm.safetensors", layer.state_dict());
  LSTM other(2, 3, {.num_layers = 2, .bidirectional = true, .proj_size = 1});
  EXPECT_NE(other(x).output.to_vector<float>(), values);
  const LSTM copy(other);
  other.load_state_dict(load_safetensors(folder.path() / "lstm.safetensors").tensors);
  EXPECT_EQ(other(x).output.to_vector<float>(), values);
  const Tensor held = other.weights[0].weight_ih;
  other = copy;
  EXPECT_EQ(held.to_vector<float>(), copy.weights[0].weight_ih.to_vector<float>());
  EXPECT_EQ(layer.extra_repr(), "2, 3, num_layers=2, bidirectional=true, proj_size=1");
  EXPECT_EQ(to_string(GRU(2, 1, {.bias = false})), "GRU(2, 1, bias=false)  [3x2, 3x1]  9 parameters");
  EXPECT_EQ(to_string(RNNCell(2, 1, {.nonlinearity = RnnNonlinearity::relu})),
            "RNNCell(2, 1, nonlinearity=relu)  [1x2, 1x1, 1, 1]  5 parameters");
}

// Ba, Kiros and Hinton 2016, equations 20 to 22, element by element.
TEST(RecurrentTest, NormsInsideACell) {
  LSTMCell cell(3, 4, {.norm = "layer", .dtype = kFloat64});
  std::uint32_t seed = 1;
  for (const auto& [name, parameter] : cell.named_parameters()) {
    const NoGradGuard no_grad;
    Tensor(parameter).copy_(random_tensor(parameter.shape(), kFloat64, seed++));
  }
  const auto values = [&](const std::string& name) { return cell.get_parameter(name).to_vector<double>(); };
  const auto normalized = [&](const std::vector<double>& v, const std::string& norm) {
    double mean = 0.0, var = 0.0;
    for (const double a : v) mean += a / static_cast<double>(v.size());
    for (const double a : v) var += (a - mean) * (a - mean) / static_cast<double>(v.size());
    std::vector<double> y;
    for (std::size_t i = 0; i < v.size(); ++i) {
      y.push_back((v[i] - mean) / std::sqrt(var + 1e-5) * values(norm + ".weight")[i] + values(norm + ".bias")[i]);
    }
    return y;
  };
  const auto product = [&](const std::string& weight, const std::vector<double>& v) {
    const auto w = values(weight);
    std::vector<double> y(16, 0.0);
    for (std::size_t i = 0; i < 16; ++i) {
      for (std::size_t j = 0; j < v.size(); ++j) {
        y[i] += w[i * v.size() + j] * v[j];
      }
    }
    return y;
  };
  const Tensor x = random_tensor({3}, kFloat64, 50);
  const Tensor h = random_tensor({4}, kFloat64, 51);
  const Tensor c = random_tensor({4}, kFloat64, 52);
  const auto from_x = normalized(product("weight_ih", x.to_vector<double>()), "norm_ih");
  const auto from_h = normalized(product("weight_hh", h.to_vector<double>()), "norm_hh");
  const auto gate = [&](std::size_t i) { return from_x[i] + values("bias_ih")[i] + from_h[i] + values("bias_hh")[i]; };
  const auto sigmoid_of = [](double v) { return 1.0 / (1.0 + std::exp(-v)); };
  std::vector<double> new_c;
  for (std::size_t i = 0; i < 4; ++i) {
    new_c.push_back(sigmoid_of(gate(4 + i)) * c.to_vector<double>()[i] + sigmoid_of(gate(i)) * std::tanh(gate(8 + i)));
  }
  const auto squashed = normalized(new_c, "norm_c");
  const LSTMState s = cell(x, {h, c});
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(s.c.to_vector<double>()[i], new_c[i], 1e-13);
    EXPECT_NEAR(s.h.to_vector<double>()[i], sigmoid_of(gate(12 + i)) * std::tanh(squashed[i]), 1e-13);
  }
  for (const std::string& norm : norm_names()) {
    if (is_norm_applicable(norm, {.num_features = 40})) {
      GRUCell gru(3, 40, {.norm = norm});
      EXPECT_EQ(gru(random_tensor({2, 3}, kFloat32, 1)).shape(), Shape({2, 40})) << norm;
    }
  }
  EXPECT_EQ(GRUCell(3, 4).state_dict().size(), 4U);
}

TEST(RecurrentTest, Errors) {
  const auto value_error = [](const auto& f) { return error_of<ValueError>(f); };
  EXPECT_EQ(value_error([] { LSTM(0, 3); }), "LSTM: expected input_size > 0 but got 0");
  EXPECT_EQ(value_error([] { GRU(3, 0); }), "GRU: expected hidden_size > 0 but got 0");
  EXPECT_EQ(value_error([] { RNN(3, 3, {.num_layers = 0}); }), "RNN: expected num_layers > 0 but got 0");
  EXPECT_EQ(value_error([] { LSTM(3, 3, {.dropout = 2.0}); }), "LSTM: expected dropout in [0, 1] but got 2");
  EXPECT_EQ(value_error([] { LSTM(3, 3, {.proj_size = 3}); }), "LSTM: expected proj_size in [0, 3) but got 3");
  EXPECT_EQ(value_error([] { GRU(3, 3, {.proj_size = 2}); }),
            "GRU: expected proj_size = 0, because only LSTM supports it, but got 2");
  EXPECT_EQ(value_error([] { GRUCell(3, -1); }), "GRUCell: expected hidden_size > 0 but got -1");
  LSTM layer(3, 4);
  const auto shape_error = [&](const Tensor& x, const LSTMState& s = {}) {
    return error_of<ShapeError>([&] { layer(x, s); });
  };
  EXPECT_EQ(shape_error(zeros({5, 2, 4})), "LSTM: expected an input [L, N, 3] or [L, 3] but got [5, 2, 4]");
  EXPECT_EQ(shape_error(zeros({0, 2, 3})), "LSTM: expected a sequence of at least one step but got [0, 2, 3]");
  EXPECT_EQ(shape_error(zeros({5, 2, 3}), {zeros({1, 3, 4}), {}}),
            "LSTM: expected an initial h [1, 2, 4] but got [1, 3, 4]");
  EXPECT_EQ(shape_error(zeros({5, 2, 3}), {zeros({1, 2, 4}), zeros({1, 2, 3})}),
            "LSTM: expected an initial c [1, 2, 4] but got [1, 2, 3]");
  EXPECT_EQ(error_of<DTypeError>([&] {
              layer(zeros({5, 2, 3}), {zeros({1, 2, 4}, {.dtype = kFloat64}), {}});
            }),
            "LSTM: expected an initial h of dtype float32 but got float64");
  EXPECT_EQ(error_of<DTypeError>([&] {
              layer(zeros({5, 2, 3}, {.dtype = kFloat64}));
            }),
            "LSTM: linear: expected operands of the same dtype but got float64 and float32; convert one of "
            "them with to()");
  GRUCell cell(3, 4);
  EXPECT_EQ(error_of<ShapeError>([&] {
              cell(zeros({2, 5}));
            }),
            "GRUCell: expected an input [N, 3] or [3] but got "
            "[2, 5]");
  EXPECT_EQ(error_of<ShapeError>([&] {
              cell(zeros({2, 3}), zeros({1, 4}));
            }),
            "GRUCell: expected a state h [2, 4] but got [1, 4]");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
