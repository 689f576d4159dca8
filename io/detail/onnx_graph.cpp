#include "normgrad/io/detail/onnx_graph.hpp"

#include <algorithm>
#include <unordered_set>

#include "normgrad/io/detail/elements.hpp"
#include "normgrad/io/detail/protobuf.hpp"

namespace normgrad::detail {

// TensorProto.DataType
std::int64_t OnnxGraph::type_of(DType dtype) {
  switch (info_of(dtype).type) {
    case ElementType::F32:
      return 1;
    case ElementType::U8:
      return 2;
    case ElementType::I32:
      return 6;
    case ElementType::I64:
      return 7;
    case ElementType::BOOL:
      return 9;
    case ElementType::F64:
      return 11;
    default:
      fail<ValueError>("write_onnx: ONNX has no type for ", dtype);
  }
}

namespace {

ProtobufMessage tensor_proto(const std::string& name, const Tensor& tensor) {
  ProtobufMessage proto;
  for (const std::int64_t size : tensor.shape()) {
    proto.integer(1, size);
  }
  proto.integer(2, OnnxGraph::type_of(tensor.dtype()));
  proto.bytes(8, name);
  const auto bytes = static_cast<std::size_t>(tensor.numel()) * dtype_size(tensor.dtype());
  proto.bytes(
      9, bytes == 0 ? std::string_view() : std::string_view(static_cast<const char*>(element_bytes(tensor)), bytes));
  return proto;
}

ProtobufMessage attribute_proto(const std::string& name, const OnnxAttribute& value) {
  ProtobufMessage proto;
  proto.bytes(1, name);
  std::int64_t type = 0;  // AttributeProto.AttributeType
  if (const auto* real = std::get_if<double>(&value)) {
    proto.real(2, static_cast<float>(*real));
    type = 1;
  } else if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    proto.integer(3, *integer);
    type = 2;
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    proto.bytes(4, *text);
    type = 3;
  } else if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&value)) {
    for (const std::int64_t i : *integers) {
      proto.integer(8, i);
    }
    type = 7;
  } else {
    for (const std::string& part : std::get<std::vector<std::string>>(value)) {
      proto.bytes(9, part);
    }
    type = 8;
  }
  proto.integer(20, type);
  return proto;
}

ProtobufMessage value_proto(const OnnxValue& value) {
  ProtobufMessage shape;
  for (const std::int64_t size : value.dims) {
    ProtobufMessage dim;
    if (size < 0) {
      dim.bytes(2, "batch");
    } else {
      dim.integer(1, size);
    }
    shape.message(1, dim);
  }
  ProtobufMessage tensor;
  tensor.integer(1, OnnxGraph::type_of(value.dtype));
  tensor.message(2, shape);
  ProtobufMessage type;
  type.message(1, tensor);
  ProtobufMessage proto;
  proto.bytes(1, value.name);
  proto.message(2, type);
  return proto;
}

}  // namespace

std::string OnnxGraph::unique(const std::string& name) {
  const int uses = used_[name]++;
  return uses == 0 ? name : unique(name + "_" + std::to_string(uses));
}

std::string OnnxGraph::add(const std::string& type, const OnnxNames& in, const OnnxAttributes& attributes,
                           const std::string& place) {
  return add_many(type, in, 1, attributes, place)[0];
}

OnnxNames OnnxGraph::add_many(const std::string& type, const OnnxNames& in, std::size_t results,
                              const OnnxAttributes& attributes, const std::string& place) {
  Node node{type, unique(place.empty() ? type : place + "/" + type), in, {}, attributes};
  while (!node.in.empty() && node.in.back().empty()) {
    node.in.pop_back();
  }
  for (std::size_t i = 0; i < results; ++i) {
    node.out.push_back(unique(node.name + "_" + std::to_string(i)));
  }
  nodes_.push_back(node);
  return node.out;
}

std::string OnnxGraph::initializer(const std::string& name, const Tensor& tensor) {
  return initializers_.emplace_back(unique(name), tensor).first;
}

std::string OnnxGraph::integers(const std::vector<std::int64_t>& numbers) {
  std::string& name = integers_[numbers];
  if (name.empty()) {
    Tensor tensor = Tensor::empty({static_cast<std::int64_t>(numbers.size())}, kInt64);
    std::copy(numbers.begin(), numbers.end(), tensor.mutable_data<std::int64_t>());
    name = initializer("integers", tensor);
  }
  return name;
}

std::string OnnxGraph::number(double value, DType dtype) {
  return initializer("number", Tensor::empty({}, dtype).fill_(value));
}

void OnnxGraph::rename(const std::string& from, const std::string& to) {
  for (Node& node : nodes_) {
    std::replace(node.in.begin(), node.in.end(), from, to);
    std::replace(node.out.begin(), node.out.end(), from, to);
  }
}

void OnnxGraph::remove_unused() {
  std::unordered_set<std::string> used;
  for (const OnnxValue& output : outputs) {
    used.insert(output.name);
  }
  std::vector<Node> kept;
  for (auto node = nodes_.rbegin(); node != nodes_.rend(); ++node) {
    if (std::any_of(node->out.begin(), node->out.end(), [&](const auto& name) { return used.contains(name); })) {
      used.insert(node->in.begin(), node->in.end());
      kept.push_back(std::move(*node));
    }
  }
  nodes_.assign(std::make_move_iterator(kept.rbegin()), std::make_move_iterator(kept.rend()));
  std::erase_if(initializers_, [&](const auto& entry) { return !used.contains(entry.first); });
}

std::string OnnxGraph::model(const std::string& name, std::int64_t opset) const {
  ProtobufMessage graph;
  for (const Node& node : nodes_) {
    ProtobufMessage proto;
    for (const std::string& in : node.in) {
      proto.bytes(1, in);
    }
    for (const std::string& out : node.out) {
      proto.bytes(2, out);
    }
    proto.bytes(3, node.name);
    proto.bytes(4, node.type);
    for (const auto& [key, value] : node.attributes) {
      proto.message(5, attribute_proto(key, value));
    }
    graph.message(1, proto);
  }
  graph.bytes(2, name);
  for (const auto& [key, tensor] : initializers_) {
    graph.message(5, tensor_proto(key, tensor));
  }
  for (const OnnxValue& input : inputs) {
    graph.message(11, value_proto(input));
  }
  for (const OnnxValue& output : outputs) {
    graph.message(12, value_proto(output));
  }
  ProtobufMessage operators;
  operators.bytes(1, "");
  operators.integer(2, opset);
  ProtobufMessage model;
  constexpr std::int64_t kIrVersion = 8;  // the version that came with opset 15 to 18
  model.integer(1, kIrVersion);
  model.bytes(2, "normgrad");
  model.message(7, graph);
  model.message(8, operators);
  return model.written();
}

}  // namespace normgrad::detail
