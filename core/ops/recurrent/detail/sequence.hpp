// One layer and direction of a recurrent network over a whole sequence. Internal.
#pragma once

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

/// Runs the kernel; T > 0. The ordinary backward is a kernel too; higher orders use sequence_formula(). Differentiable
/// to any order in all operands.
SequenceResult recurrent_sequence(RecurrentKind kind, bool reverse, const SequenceOperands& in);

/// The same, step by step in tensor operations.
SequenceResult sequence_formula(RecurrentKind kind, bool reverse, const SequenceOperands& in);

}  // namespace normgrad::detail
