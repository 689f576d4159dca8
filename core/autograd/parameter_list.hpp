// ParameterList: parameters with their names.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// A vector of tensors that also knows each parameter's name in its model. Returned by Module::parameters() and
/// accepted by optimizers. Converts from a vector without names and from named parameters.
class ParameterList : public TensorList {
 public:
  ParameterList() = default;
  ParameterList(std::initializer_list<Tensor> tensors) : TensorList(tensors) {}  ///< without names
  /// Constructs without names.
  ParameterList(std::vector<Tensor> tensors)  // NOLINT(google-explicit-constructor)
      : TensorList(std::move(tensors)) {}
  /// Constructs with names, such as those of Module::named_parameters().
  ParameterList(std::vector<std::pair<std::string, Tensor>> named)  // NOLINT(google-explicit-constructor)
      : named_(std::move(named)) {
    reserve(named_.size());
    for (const auto& [name, tensor] : named_) {
      push_back(tensor);
    }
  }

  /// Returns the name of parameter i, or "" if it has none. Names belong to the tensors and stay correct when elements
  /// are erased, added or reordered.
  std::string name(std::size_t i) const {
    const Tensor& tensor = at(i);
    for (std::size_t k = 0; k < named_.size(); ++k) {
      const auto& [name, named] = named_[(i + k) % named_.size()];
      if (is_same(named, tensor)) {
        return name;
      }
    }
    return {};
  }

 private:
  std::vector<std::pair<std::string, Tensor>> named_;
};

}  // namespace normgrad
