// A graph in ONNX's terms: nodes, initializers, inputs and outputs.
// https://github.com/onnx/onnx/blob/main/docs/IR.md
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad::detail {

using OnnxAttribute =
    std::variant<std::int64_t, double, std::string, std::vector<std::int64_t>, std::vector<std::string>>;
using OnnxAttributes = std::vector<std::pair<std::string, OnnxAttribute>>;
using OnnxNames = std::vector<std::string>;

/// An input or output. A dimension of -1 is the batch, of any size.
struct OnnxValue {
  std::string name;
  DType dtype;
  std::vector<std::int64_t> dims;
};

class OnnxGraph {
 public:
  /// The number of an element type in ONNX.
  static std::int64_t type_of(DType dtype);

  std::vector<OnnxValue> inputs;
  std::vector<OnnxValue> outputs;

  /// Adds a node and returns the name of its first result; "" as an input omits it. `place` begins the names.
  std::string add(const std::string& type, const OnnxNames& in, const OnnxAttributes& attributes = {},
                  const std::string& place = {});
  /// Adds a node of several results.
  OnnxNames add_many(const std::string& type, const OnnxNames& in, std::size_t results,
                     const OnnxAttributes& attributes = {}, const std::string& place = {});
  /// Adds an initializer, under this name if no other has it.
  std::string initializer(const std::string& name, const Tensor& tensor);
  /// Returns an initializer with these numbers, [n]; equal ones are one.
  std::string integers(const std::vector<std::int64_t>& numbers);
  /// Returns an initializer without axes.
  std::string number(double value, DType dtype);

  /// Gives a node's result another name.
  void rename(const std::string& from, const std::string& to);
  /// Removes the nodes and initializers that no output depends on.
  void remove_unused();

  /// The bytes of a model of that opset.
  std::string model(const std::string& name, std::int64_t opset) const;

 private:
  struct Node {
    std::string type;
    std::string name;
    OnnxNames in;
    OnnxNames out;
    OnnxAttributes attributes;
  };
  std::string unique(const std::string& name);

  std::vector<Node> nodes_;
  std::vector<std::pair<std::string, Tensor>> initializers_;
  std::map<std::vector<std::int64_t>, std::string> integers_;
  std::map<std::string, int> used_;
};

}  // namespace normgrad::detail
