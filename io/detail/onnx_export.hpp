// Turns a trace into an ONNX graph: what the converters of single operations use.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/state_dict.hpp"
#include "normgrad/io/detail/onnx_graph.hpp"
#include "normgrad/io/detail/onnx_trace.hpp"

namespace normgrad::detail {

/// A size or number in two traces, whose batches have different sizes.
struct OnnxSize {
  std::int64_t first = 0;
  std::int64_t second = 0;
  bool is_fixed() const noexcept { return first == second; }
  friend bool operator==(const OnnxSize&, const OnnxSize&) = default;
};
using OnnxSizes = std::vector<OnnxSize>;

/// Two traces of one function. The second has other values and, for a dynamic batch, another batch size.
struct OnnxTraces {
  Trace first;
  Trace second;
  std::int64_t first_batch = 1;
  std::int64_t second_batch = 1;
  std::int64_t batch_axis = 0;
};

class OnnxExport;

/// An operation that is being converted. Errors name it, its module and its result.
class OnnxOp {
 public:
  OnnxOp(OnnxExport& graph, const TraceOp& first, const TraceOp& second)
      : graph_(graph), first_(first), second_(second) {}

  const std::string& name() const noexcept { return first_.name; }
  const TraceOp& traced() const noexcept { return first_; }
  DType dtype() const { return first_.y.dtype(); }
  std::size_t rank() const { return first_.y.shape().rank(); }
  OnnxSizes sizes() const { return sizes_of(first_.y, second_.y); }

  std::size_t num_inputs() const noexcept { return first_.inputs.size(); }
  bool has_input(std::size_t i) const { return i < first_.inputs.size() && !first_.inputs[i].omitted(); }
  const Tensor& input(std::size_t i) const { return first_.inputs[i].tensor; }
  const TraceOperand& operand(std::size_t i) const { return first_.inputs[i]; }
  OnnxSizes input_sizes(std::size_t i) const { return sizes_of(first_.inputs[i].tensor, second_.inputs[i].tensor); }
  /// The name of an input; "" if it is omitted.
  std::string in(std::size_t i) const;
  /// The same for a tensor among the arguments.
  std::string argument(const char* name) const;
  const Tensor& tensor(const char* argument) const;

  bool has(const char* argument) const;
  /// A number, which must not depend on the batch size.
  double number(const char* argument) const;
  std::int64_t integer(const char* argument) const { return static_cast<std::int64_t>(number(argument)); }
  OnnxSizes integers(const char* argument) const;
  /// The last `count` integers, which must not depend on the batch size.
  std::vector<std::int64_t> fixed(const char* argument, std::size_t count) const;

  /// Adds a node and returns the name of its result.
  std::string add(const std::string& type, const OnnxNames& in, const OnnxAttributes& attributes = {}) const;
  OnnxNames add_many(const std::string& type, const OnnxNames& in, std::size_t results,
                     const OnnxAttributes& attributes = {}) const;
  /// A number without axes, of the dtype of the result.
  std::string constant(double value) const;
  /// An initializer of these values.
  std::string constant(const std::string& name, const Tensor& tensor) const;
  std::string axes(const std::vector<std::int64_t>& numbers) const;
  /// x in another shape.
  std::string reshape(const std::string& x, const OnnxSizes& shape) const;
  /// Integers [n], computed from the batch size where they depend on it.
  std::string shape(const OnnxSizes& sizes) const;

  OnnxExport& graph() const noexcept { return graph_; }

  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    normgrad::fail<ValueError>(where(), parts...);
  }

 private:
  static OnnxSizes sizes_of(const Tensor& first, const Tensor& second);
  std::string where() const;

  OnnxExport& graph_;
  const TraceOp& first_;
  const TraceOp& second_;
};

/// Returns the name of the result.
using OnnxConverter = std::string (*)(const OnnxOp& op);
using OnnxConverters = std::unordered_map<std::string, OnnxConverter>;

/// The converters by the name of the operation. The order of the calls does not matter.
void add_elementwise_converters(OnnxConverters& to);
void add_shape_converters(OnnxConverters& to);
void add_network_converters(OnnxConverters& to);
void add_norm_converters(OnnxConverters& to);
void add_sequence_converters(OnnxConverters& to);
/// Windows, which many operations take: an operation with an argument "start" is one.
std::string convert_window(const OnnxOp& op);

class OnnxExport {
 public:
  /// `names` are used for constants.
  OnnxExport(const OnnxTraces& traces, const StateDict& names);

  /// Converts everything that the outputs depend on.
  OnnxGraph run(const std::vector<std::string>& input_names, const std::vector<std::string>& output_names);

  // For converters.
  OnnxGraph& graph() noexcept { return graph_; }
  std::string operand(const std::string& where, const TraceOperand& first, const TraceOperand& second);
  std::string shape(const std::string& where, const OnnxSizes& sizes);
  /// The operation that computes a value, or null for an input.
  const TraceOp* source(int value) const { return traces_.first.source(value); }
  const TraceOp* second_source(int value) const { return traces_.second.source(value); }
  std::string name_of(int value) const { return names_[static_cast<std::size_t>(value)]; }
  /// How many times the batch size it is; 0 if it is no multiple.
  std::int64_t batches(const OnnxSize& size) const;

  /// The parts, one after the other, of a result that is a flat array, with their sizes.
  struct Part {
    std::string name;
    OnnxSize size;
  };
  std::unordered_map<int, std::vector<Part>> parts;

 private:
  void check_traces() const;
  static void check_constant(const std::string& where, const Shape& shape, bool is_constant);
  std::string constant(const std::string& where, const Tensor& first, const Tensor& second);
  const std::string& batch();
  std::vector<bool> needed() const;

  const OnnxTraces& traces_;
  OnnxGraph graph_;
  OnnxConverters converters_;
  std::unordered_map<const void*, std::pair<std::string, std::int64_t>> constant_names_;  // and elements, by memory
  std::unordered_map<const void*, std::string> constants_;  // initializers by the identity of the tensor
  std::vector<std::string> names_;                          // by value
  std::string batch_;
};

}  // namespace normgrad::detail
