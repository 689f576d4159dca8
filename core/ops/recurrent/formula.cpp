#include <algorithm>

#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/recurrent/detail/sequence.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad::detail {

namespace {

struct CellState {
  Tensor h;
  Tensor c;
};

Tensor gate_of(const Tensor& gates, std::int64_t i, std::int64_t hidden) {
  return narrow(gates, -1, i * hidden, hidden);
}

CellState formula_of_cell(RecurrentKind kind, const Tensor& x, const CellState& s, const SequenceOperands& in) {
  const Tensor from_h = linear(s.h, in.w_hh, in.b_hh);
  if (kind == RecurrentKind::tanh || kind == RecurrentKind::relu) {
    return {kind == RecurrentKind::tanh ? tanh(x + from_h) : relu(x + from_h), {}};
  }
  if (kind == RecurrentKind::gru) {
    const std::int64_t hidden = s.h.size(-1);
    const Tensor r = sigmoid(gate_of(x, 0, hidden) + gate_of(from_h, 0, hidden));
    const Tensor z = sigmoid(gate_of(x, 1, hidden) + gate_of(from_h, 1, hidden));
    const Tensor n = tanh(gate_of(x, 2, hidden) + r * gate_of(from_h, 2, hidden));
    return {n + z * (s.h - n), {}};
  }
  const std::int64_t hidden = s.c.size(-1);
  const Tensor gates = x + from_h;
  const Tensor c =
      sigmoid(gate_of(gates, 1, hidden)) * s.c + sigmoid(gate_of(gates, 0, hidden)) * tanh(gate_of(gates, 2, hidden));
  const Tensor h = sigmoid(gate_of(gates, 3, hidden)) * tanh(c);
  return {in.w_hr.defined() ? linear(h, in.w_hr) : h, c};
}

}  // namespace

SequenceResult sequence_formula(RecurrentKind kind, bool reverse, const SequenceOperands& in) {
  const std::int64_t steps = in.gates_x.size(0);
  CellState s{in.h0, in.c0};
  std::vector<Tensor> outputs;
  for (std::int64_t i = 0; i < steps; ++i) {
    s = formula_of_cell(kind, select(in.gates_x, 0, reverse ? steps - 1 - i : i), s, in);
    outputs.push_back(s.h);
  }
  if (reverse) {
    std::reverse(outputs.begin(), outputs.end());
  }
  return {stack(outputs, 0), s.h, s.c};
}

}  // namespace normgrad::detail
