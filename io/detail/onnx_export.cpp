#include "normgrad/io/detail/onnx_export.hpp"

#include <algorithm>
#include <unordered_set>

#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/io/detail/elements.hpp"
#include "normgrad/layers/module/detail/member_walk.hpp"

#include <cstring>

namespace normgrad::detail {

namespace {

bool equal_bytes(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         (a.numel() == 0 || std::memcmp(element_bytes(a), element_bytes(b),
                                        static_cast<std::size_t>(a.numel()) * dtype_size(a.dtype())) == 0);
}

std::string described(const TraceOp& op) {
  return concat("'", op.name, "'", op.place.empty() ? "" : concat(" in '", op.place, "'"), ", whose result is ",
                op.y.dtype(), " ", op.y.shape());
}

const TraceNumbers* find_numbers(const TraceOp& op, const char* argument) {
  const auto found =
      std::find_if(op.numbers.begin(), op.numbers.end(), [&](const auto& entry) { return entry.name == argument; });
  return found == op.numbers.end() ? nullptr : &*found;
}

const TraceOperand* find_tensor(const TraceOp& op, const char* argument) {
  const auto found =
      std::find_if(op.tensors.begin(), op.tensors.end(), [&](const auto& entry) { return entry.name == argument; });
  return found == op.tensors.end() ? nullptr : &found->operand;
}

}  // namespace

// --- OnnxOp

OnnxSizes OnnxOp::sizes_of(const Tensor& first, const Tensor& second) {
  OnnxSizes sizes;
  for (std::size_t i = 0; i < first.shape().rank(); ++i) {
    sizes.push_back({first.shape()[i], second.shape()[i]});
  }
  return sizes;
}

std::string OnnxOp::where() const { return concat("write_onnx: ", described(first_), ": "); }

std::string OnnxOp::in(std::size_t i) const {
  return has_input(i) ? graph_.operand(where(), first_.inputs[i], second_.inputs[i]) : std::string();
}

std::string OnnxOp::argument(const char* name) const {
  return graph_.operand(where(), *find_tensor(first_, name), *find_tensor(second_, name));
}

const Tensor& OnnxOp::tensor(const char* argument) const { return find_tensor(first_, argument)->tensor; }

bool OnnxOp::has(const char* argument) const {
  return find_numbers(first_, argument) != nullptr || find_tensor(first_, argument) != nullptr;
}

double OnnxOp::number(const char* argument) const {
  const double first = find_numbers(first_, argument)->numbers.at(0);
  const double second = find_numbers(second_, argument)->numbers.at(0);
  if (first != second) {
    fail("its argument ", argument, " is ", first, " in one run and ", second,
         " in another: it depends on the batch size or on values, and is no constant");
  }
  return first;
}

OnnxSizes OnnxOp::integers(const char* argument) const {
  const std::vector<double>& first = find_numbers(first_, argument)->numbers;
  const std::vector<double>& second = find_numbers(second_, argument)->numbers;
  OnnxSizes sizes;
  for (std::size_t i = 0; i < first.size(); ++i) {
    sizes.push_back({static_cast<std::int64_t>(first[i]), static_cast<std::int64_t>(second[i])});
  }
  return sizes;
}

std::vector<std::int64_t> OnnxOp::fixed(const char* argument, std::size_t count) const {
  const OnnxSizes sizes = integers(argument);
  std::vector<std::int64_t> result;
  for (std::size_t i = sizes.size() - std::min(count, sizes.size()); i < sizes.size(); ++i) {
    if (!sizes[i].is_fixed()) {
      fail("its argument ", argument, " depends on the batch size");
    }
    result.push_back(sizes[i].first);
  }
  return result;
}

std::string OnnxOp::add(const std::string& type, const OnnxNames& in, const OnnxAttributes& attributes) const {
  return graph_.graph().add(type, in, attributes, first_.place);
}

OnnxNames OnnxOp::add_many(const std::string& type, const OnnxNames& in, std::size_t results,
                           const OnnxAttributes& attributes) const {
  return graph_.graph().add_many(type, in, results, attributes, first_.place);
}

std::string OnnxOp::constant(double value) const { return graph_.graph().number(value, dtype()); }
std::string OnnxOp::constant(const std::string& name, const Tensor& tensor) const {
  return graph_.graph().initializer(first_.place.empty() ? name : first_.place + "." + name, tensor);
}
std::string OnnxOp::axes(const std::vector<std::int64_t>& numbers) const { return graph_.graph().integers(numbers); }

std::string OnnxOp::reshape(const std::string& x, const OnnxSizes& shape) const {
  const auto dynamic = std::count_if(shape.begin(), shape.end(), [](const auto& size) { return !size.is_fixed(); });
  const bool has_empty = std::any_of(shape.begin(), shape.end(), [](const auto& size) { return size.first == 0; });
  if (dynamic != 1 || has_empty) {
    return add("Reshape", {x, this->shape(shape)}, {{"allowzero", std::int64_t{has_empty ? 1 : 0}}});
  }
  std::vector<std::int64_t> known;
  for (const OnnxSize& size : shape) {
    known.push_back(size.is_fixed() ? size.first : -1);
  }
  return add("Reshape", {x, axes(known)});
}

std::string OnnxOp::shape(const OnnxSizes& sizes) const { return graph_.shape(where(), sizes); }

// --- OnnxExport

OnnxExport::OnnxExport(const OnnxTraces& traces, const StateDict& names) : traces_(traces) {
  for (const auto& [name, tensor] : names) {
    if (tensor.numel() > 0) {
      constant_names_.emplace(tensor.buffer().data(), std::pair(name, tensor.numel()));
    }
  }
  add_elementwise_converters(converters_);
  add_shape_converters(converters_);
  add_network_converters(converters_);
  add_norm_converters(converters_);
  add_sequence_converters(converters_);
}

// The second trace differs from the first in sizes and values only.
void OnnxExport::check_traces() const {
  const auto same_operand = [](const TraceOperand& a, const TraceOperand& b) {
    return a.value == b.value && a.omitted() == b.omitted() &&
           (a.omitted() || a.tensor.shape().rank() == b.tensor.shape().rank());
  };
  const std::vector<TraceOp>& first = traces_.first.ops;
  const std::vector<TraceOp>& second = traces_.second.ops;
  for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    bool same =
        i < first.size() && i < second.size() && first[i].name == second[i].name &&
        first[i].y.shape().rank() == second[i].y.shape().rank() && first[i].inputs.size() == second[i].inputs.size() &&
        first[i].tensors.size() == second[i].tensors.size() && first[i].numbers.size() == second[i].numbers.size();
    for (std::size_t k = 0; same && k < first[i].inputs.size(); ++k) {
      same = same_operand(first[i].inputs[k], second[i].inputs[k]);
    }
    for (std::size_t k = 0; same && k < first[i].tensors.size(); ++k) {
      same = same_operand(first[i].tensors[k].operand, second[i].tensors[k].operand);
    }
    require<ValueError>(same, "write_onnx: the model performs other operations for another input: operation ", i,
                        " is ", i < first.size() ? described(first[i]) : "none", " for the example, and ",
                        i < second.size() ? described(second[i]) : "none",
                        " for an input with other values and twice the batch");
  }
}

std::int64_t OnnxExport::batches(const OnnxSize& size) const {
  const std::int64_t times = size.first / traces_.first_batch;
  return !size.is_fixed() && times * traces_.first_batch == size.first && times * traces_.second_batch == size.second
             ? times
             : 0;
}

const std::string& OnnxExport::batch() {
  if (batch_.empty()) {
    const std::string shape = graph_.add("Shape", {graph_.inputs[0].name}, {}, "batch_size");
    batch_ =
        graph_.add("Gather", {shape, graph_.integers({traces_.batch_axis})}, {{"axis", std::int64_t{0}}}, "batch_size");
  }
  return batch_;
}

std::string OnnxExport::shape(const std::string& where, const OnnxSizes& sizes) {
  std::vector<std::int64_t> fixed;
  for (const OnnxSize& size : sizes) {
    fixed.push_back(size.first);
  }
  if (std::all_of(sizes.begin(), sizes.end(), [](const auto& size) { return size.is_fixed(); })) {
    return graph_.integers(fixed);
  }
  OnnxNames together;
  for (const OnnxSize& size : sizes) {
    const std::int64_t times = batches(size);
    require<ValueError>(
        size.is_fixed() || times != 0, where, "a size is ", size.first, " for a batch of ", traces_.first_batch,
        " and ", size.second, " for one of ", traces_.second_batch,
        ", which is no multiple of the batch size; {.dynamic_batch = false} writes a model for one size");
    together.push_back(size.is_fixed() ? graph_.integers({size.first})
                       : times == 1    ? batch()
                                       : graph_.add("Mul", {batch(), graph_.integers({times})}, {}, "batch_size"));
  }
  return together.size() == 1 ? together[0] : graph_.add("Concat", together, {{"axis", std::int64_t{0}}}, "batch_size");
}

std::string OnnxExport::operand(const std::string& where, const TraceOperand& first, const TraceOperand& second) {
  return first.value >= 0 ? name_of(first.value) : constant(where, first.tensor, second.tensor);
}

void OnnxExport::check_constant(const std::string& where, const Shape& shape, bool is_constant) {
  require<ValueError>(
      is_constant, where, "an operand ", shape,
      " depends on the example's values, but no operation that is recorded computes it. Values that are "
      "read (item()), orders (sort, topk) and random numbers are not recorded");
}

std::string OnnxExport::constant(const std::string& where, const Tensor& first, const Tensor& second) {
  std::string& known = constants_[identity_of(first)];
  if (!known.empty()) {
    return known;
  }
  const bool is_parameter = first.numel() > 0 && first.buffer().data() == second.buffer().data();
  const auto named = constant_names_.find(first.numel() > 0 ? first.buffer().data() : nullptr);
  const bool has_name = named != constant_names_.end() && named->second.second == first.numel();  // not a part
  const std::string name = has_name ? named->second.first : "constant";
  if (first.shape() == second.shape()) {
    if (!is_parameter) {
      check_constant(where, first.shape(), equal_bytes(first, second));
    }
    return known = graph_.initializer(name, first);
  }
  // Made for the batch: equal along the axes that are as long as it, as zeros({N, C}) is.
  Tensor one = first;
  OnnxSizes sizes;
  for (std::size_t axis = 0; axis < first.shape().rank(); ++axis) {
    sizes.push_back({first.shape()[axis], second.shape()[axis]});
    if (!sizes.back().is_fixed()) {
      one = narrow(one, static_cast<std::int64_t>(axis), 0, 1);
    }
  }
  check_constant(
      where, first.shape(),
      equal_bytes(expand_to(one, first.shape()), first) && equal_bytes(expand_to(one, second.shape()), second));
  return known = graph_.add("Expand", {graph_.initializer(name, one), shape(where, sizes)});
}

// An operation that ONNX lacks, but that consists of others that were traced, is replaced by them.
std::vector<bool> OnnxExport::needed() const {
  const Trace& trace = traces_.first;
  std::vector<bool> needed(trace.inputs.size() + trace.ops.size(), false);
  const auto need = [&](const TraceOperand& operand) {
    if (operand.value >= 0) {
      needed[static_cast<std::size_t>(operand.value)] = true;
    }
  };
  std::for_each(trace.outputs.begin(), trace.outputs.end(), need);
  for (auto op = trace.ops.rbegin(); op != trace.ops.rend(); ++op) {
    if (!needed[static_cast<std::size_t>(op->output)]) {
      continue;
    }
    if (op->earlier >= 0 && !converters_.contains(op->name)) {
      needed[static_cast<std::size_t>(op->earlier)] = true;
      continue;
    }
    std::for_each(op->inputs.begin(), op->inputs.end(), need);
    for (const TraceTensor& tensor : op->tensors) {
      need(tensor.operand);
    }
  }
  return needed;
}

OnnxGraph OnnxExport::run(const std::vector<std::string>& input_names, const std::vector<std::string>& output_names) {
  check_traces();
  const Trace& trace = traces_.first;
  const auto value_info = [&](const std::string& name, const TraceOperand& first, const TraceOperand& second) {
    OnnxValue value{name, first.tensor.dtype(), {}};
    for (std::size_t i = 0; i < first.tensor.shape().rank(); ++i) {
      const OnnxSize size{first.tensor.shape()[i], second.tensor.shape()[i]};
      value.dims.push_back(size.is_fixed() ? size.first : -1);
    }
    return value;
  };
  for (std::size_t i = 0; i < trace.inputs.size(); ++i) {
    graph_.inputs.push_back(value_info(input_names[i], trace.inputs[i], traces_.second.inputs[i]));
    names_.push_back(input_names[i]);
  }
  const std::vector<bool> needed = this->needed();
  for (std::size_t i = 0; i < trace.ops.size(); ++i) {
    const TraceOp& op = trace.ops[i];
    std::string& name = names_.emplace_back();
    if (!needed[static_cast<std::size_t>(op.output)]) {
      continue;
    }
    const OnnxOp converted(*this, op, traces_.second.ops[i]);
    const auto converter = converters_.find(op.name);
    if (converted.has("start")) {
      name = convert_window(converted);
    } else if (converter != converters_.end()) {
      name = converter->second(converted);
    } else if (op.earlier >= 0) {
      name = name_of(op.earlier);
    } else {
      converted.fail("ONNX has no such operation, or normgrad does not write it");
    }
  }
  std::unordered_set<std::string> taken(input_names.begin(), input_names.end());
  for (std::size_t i = 0; i < trace.outputs.size(); ++i) {
    const TraceOperand& output = trace.outputs[i];
    require<ValueError>(output.value >= 0, "write_onnx: output ", i, ", ", output.tensor.dtype(), " ",
                        output.tensor.shape(),
                        ", does not depend on the inputs through operations that are recorded; orders (sort, topk) and "
                        "functions in place are not");
    std::string name = name_of(output.value);
    if (taken.contains(name)) {
      name = graph_.add("Identity", {name});
    }
    graph_.rename(name, output_names[i]);
    std::replace(names_.begin(), names_.end(), name, output_names[i]);
    taken.insert(output_names[i]);
    graph_.outputs.push_back(value_info(output_names[i], output, traces_.second.outputs[i]));
  }
  graph_.remove_unused();
  return std::move(graph_);
}

}  // namespace normgrad::detail
