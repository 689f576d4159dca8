// Recurrent layers as ONNX's LSTM, GRU and RNN.
#include <algorithm>

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/io/detail/elements.hpp"
#include "normgrad/io/detail/onnx_export.hpp"

namespace normgrad::detail {

namespace {

using Integers = std::vector<std::int64_t>;

bool is_zero(const Tensor& tensor) {
  const std::vector<double> values = tensor.to_vector<double>();
  return std::all_of(values.begin(), values.end(), [](double value) { return value == 0.0; });
}

// The operands are the input's part of the gates [T, N, gates], h0, c0, weight_hh, bias_hh and weight_hr.
std::string recurrent(const OnnxOp& op) {
  if (op.has_input(5)) {
    op.fail("ONNX has no LSTM with a projection (proj_size)");
  }
  const bool is_lstm = op.name() == "lstm";
  const bool is_gru = op.name() == "gru";
  const std::int64_t hidden = op.integer("hidden");
  const std::int64_t gates = op.input(3).size(0);
  // PyTorch's gates are i, f, g, o, and r, z, n; ONNX's are i, o, f, c, and z, r, h.
  const Integers order = is_lstm ? Integers{0, 3, 1, 2} : is_gru ? Integers{1, 0, 2} : Integers{0};
  Integers rows;
  for (const std::int64_t gate : order) {
    for (std::int64_t i = 0; i < hidden; ++i) {
      rows.push_back(gate * hidden + i);
    }
  }
  const auto ordered = [&](const std::string& x) {
    return order.size() == 1 ? x : op.add("Gather", {x, op.axes(rows)}, {{"axis", std::int64_t{0}}});
  };
  const auto with_direction = [&](const std::string& x) { return op.add("Unsqueeze", {x, op.axes({0})}); };

  // The gates are a linear function of x, which ONNX's operator contains.
  std::string x = op.in(0);
  std::string weight_ih;
  std::string bias_ih = op.constant("bias_ih", zeros({gates}, {.dtype = op.dtype()}));
  const TraceOp* linear = op.operand(0).value < 0 ? nullptr : op.graph().source(op.operand(0).value);
  if (linear != nullptr && linear->name == "linear" && linear->inputs[0].tensor.dim() == 3) {
    const OnnxOp source(op.graph(), *linear, *op.graph().second_source(op.operand(0).value));
    x = source.in(0);
    weight_ih = source.in(1);
    bias_ih = source.has_input(2) ? source.in(2) : bias_ih;
  } else {
    weight_ih = op.constant("weight_ih", eye(gates, {.dtype = op.dtype()}));
  }
  const std::string bias_hh =
      op.has_input(4) ? op.in(4) : op.constant("bias_hh", zeros({gates}, {.dtype = op.dtype()}));
  const std::string bias = op.add("Concat", {ordered(bias_ih), ordered(bias_hh)}, {{"axis", std::int64_t{0}}});
  const auto state = [&](std::size_t i) {
    const bool omitted = !op.has_input(i) || (op.operand(i).is_constant() && is_zero(op.input(i)));
    return omitted ? std::string() : with_direction(op.in(i));
  };
  OnnxAttributes attributes{{"hidden_size", hidden},
                            {"direction", std::string(op.integer("reverse") != 0 ? "reverse" : "forward")}};
  if (is_gru) {
    attributes.emplace_back("linear_before_reset", std::int64_t{1});
  } else if (!is_lstm) {
    constexpr std::int64_t kRelu = 3;  // RecurrentKind::relu
    attributes.emplace_back("activations", std::vector<std::string>{op.integer("kind") == kRelu ? "Relu" : "Tanh"});
  }
  OnnxNames in{x,       with_direction(ordered(weight_ih)), with_direction(ordered(op.in(3))), with_direction(bias), "",
               state(1)};
  if (is_lstm) {
    in.push_back(state(2));
  }
  const OnnxNames y = op.add_many(is_lstm ? "LSTM" : is_gru ? "GRU" : "RNN", in, is_lstm ? 3 : 2, attributes);
  const auto flat = [&](const std::string& part) { return op.add("Reshape", {part, op.axes({-1})}); };
  if (!is_lstm) {
    return flat(y[0]);
  }
  // The traced result is the output and after it c_n, as one array.
  const OnnxSizes x_sizes = op.input_sizes(0);
  const auto elements = [&](bool all_steps) {
    const std::int64_t steps = all_steps ? x_sizes[0].first : 1;
    return OnnxSize{steps * x_sizes[1].first * hidden,
                    (all_steps ? x_sizes[0].second : 1) * x_sizes[1].second * hidden};
  };
  const std::string output = flat(y[0]);
  const std::string cells = flat(y[2]);
  op.graph().parts[op.traced().output] = {{output, elements(true)}, {cells, elements(false)}};
  return op.add("Concat", {output, cells}, {{"axis", std::int64_t{0}}});
}

}  // namespace

void add_sequence_converters(OnnxConverters& to) {
  to["lstm"] = recurrent;
  to["gru"] = recurrent;
  to["rnn"] = recurrent;
}

}  // namespace normgrad::detail
