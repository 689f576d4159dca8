// One layer and direction of a recurrent network over a whole sequence. Internal.
#pragma once

#include <functional>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/ops/recurrent/recurrent_kind.hpp"

namespace normgrad::detail {

/// gates_x: [T, N, gates], the input's part of the gates with its bias; h0: [N, output]; c0: [N, hidden], lstm only;
/// w_hh: [gates, output]; b_hh: [gates] or undefined; w_hr: [output, hidden] or undefined. Shapes are not checked.
struct SequenceOperands {
  Tensor gates_x;
  Tensor h0;
  Tensor c0;
  Tensor w_hh;
  Tensor b_hh;
  Tensor w_hr;
};

struct SequenceResult {
  Tensor output;  ///< [T, N, output], in the order of the input
  Tensor h_n;     ///< [N, output]: h of the last computed step
  Tensor c_n;     ///< [N, hidden]; lstm only
};

/// h and c after a step. c: lstm only.
struct CellState {
  Tensor h;
  Tensor c;
};

/// One step in tensor operations, from the gates' parts [N, gates] that come from the input and from h, with their
/// biases. h of an lstm is not projected; `norm_c`, if any, is applied to its cell before the tanh.
CellState cell_formula(RecurrentKind kind, const Tensor& gates_x, const Tensor& gates_h, const CellState& before,
                       const std::function<Tensor(const Tensor&)>& norm_c = {});

/// Runs the kernel; T > 0. The ordinary backward is a kernel too; higher orders use sequence_formula(). Differentiable
/// to any order in all operands.
SequenceResult recurrent_sequence(RecurrentKind kind, bool reverse, const SequenceOperands& in);

/// The same, step by step in tensor operations.
SequenceResult sequence_formula(RecurrentKind kind, bool reverse, const SequenceOperands& in);

}  // namespace normgrad::detail
