#include <algorithm>

#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/recurrent/detail/sequence.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad::detail {

namespace {

Tensor gate_of(const Tensor& gates, std::int64_t i, std::int64_t hidden) {
  return narrow(gates, -1, i * hidden, hidden);
}

}  // namespace

CellState cell_formula(RecurrentKind kind, const Tensor& gates_x, const Tensor& gates_h, const CellState& before,
                       const std::function<Tensor(const Tensor&)>& norm_c) {
  if (kind == RecurrentKind::tanh || kind == RecurrentKind::relu) {
    return {kind == RecurrentKind::tanh ? tanh(gates_x + gates_h) : relu(gates_x + gates_h), {}};
  }
  if (kind == RecurrentKind::gru) {
    const std::int64_t hidden = before.h.size(-1);
    const Tensor r = sigmoid(gate_of(gates_x, 0, hidden) + gate_of(gates_h, 0, hidden));
    const Tensor z = sigmoid(gate_of(gates_x, 1, hidden) + gate_of(gates_h, 1, hidden));
    const Tensor n = tanh(gate_of(gates_x, 2, hidden) + r * gate_of(gates_h, 2, hidden));
    return {n + z * (before.h - n), {}};
  }
  const std::int64_t hidden = before.c.size(-1);
  const Tensor gates = gates_x + gates_h;
  const Tensor c = sigmoid(gate_of(gates, 1, hidden)) * before.c +
                   sigmoid(gate_of(gates, 0, hidden)) * tanh(gate_of(gates, 2, hidden));
  return {sigmoid(gate_of(gates, 3, hidden)) * tanh(norm_c ? norm_c(c) : c), c};
}

SequenceResult sequence_formula(RecurrentKind kind, bool reverse, const SequenceOperands& in) {
  const std::int64_t steps = in.gates_x.size(0);
  CellState s{in.h0, in.c0};
  std::vector<Tensor> outputs;
  for (std::int64_t i = 0; i < steps; ++i) {
    s = cell_formula(kind, select(in.gates_x, 0, reverse ? steps - 1 - i : i), linear(s.h, in.w_hh, in.b_hh), s);
    s.h = in.w_hr.defined() ? linear(s.h, in.w_hr) : s.h;
    outputs.push_back(s.h);
  }
  if (reverse) {
    std::reverse(outputs.begin(), outputs.end());
  }
  return {stack(outputs, 0), s.h, s.c};
}

}  // namespace normgrad::detail
