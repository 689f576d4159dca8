// The operations that a function of tensors performs, recorded while it runs.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad::detail {

using TensorFunction = std::function<std::vector<Tensor>(const std::vector<Tensor>& inputs)>;

/// An operand: a traced value, a constant, or neither if it is omitted.
struct TraceOperand {
  int value = -1;  ///< an input of the function, or the result of an operation
  Tensor tensor;   ///< the value itself
  bool omitted() const noexcept { return !tensor.defined(); }
  bool is_constant() const noexcept { return value < 0 && tensor.defined(); }
};

struct TraceNumbers {
  std::string name;
  std::vector<double> numbers;
};
struct TraceTensor {
  std::string name;
  TraceOperand operand;
};

/// An operation that depends on the function's inputs.
struct TraceOp {
  std::string name;
  std::string place;  ///< path of the module that ran it
  std::vector<TraceOperand> inputs;
  std::vector<TraceNumbers> numbers;  ///< its arguments besides the inputs
  std::vector<TraceTensor> tensors;
  int output = -1;
  int earlier = -1;  ///< the same tensor as the result of an operation within this one; -1: none
  Tensor y;
};

struct Trace {
  std::vector<TraceOp> ops;
  std::vector<TraceOperand> inputs;
  std::vector<TraceOperand> outputs;

  /// Returns the operation that computes a value, or null for an input.
  const TraceOp* source(int value) const {
    const auto first = static_cast<int>(inputs.size());
    return value < first ? nullptr : &ops[static_cast<std::size_t>(value - first)];
  }
};

/// Runs `f` without recording gradients. Operations whose operands are all constant are not traced: their results are
/// constants. Throws ValueError, naming the operation, if it uses a tensor that was changed in place.
Trace trace(const TensorFunction& f, const std::vector<Tensor>& inputs);

}  // namespace normgrad::detail
