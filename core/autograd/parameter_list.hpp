// ParameterList: parameters that know their names.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// What Module::parameters() returns and optimizers take: a vector of handles that also knows what each parameter is
/// called in its model. A vector without names converts to one, and so do named parameters.
class ParameterList : public std::vector<Tensor> {
 public:
  ParameterList() = default;
  ParameterList(std::initializer_list<Tensor> tensors) : std::vector<Tensor>(tensors) {}  ///< without names
  /// Without names.
  ParameterList(std::vector<Tensor> tensors)  // NOLINT(google-explicit-constructor)
      : std::vector<Tensor>(std::move(tensors)) {}
  /// With names, such as those of Module::named_parameters().
  ParameterList(std::vector<std::pair<std::string, Tensor>> named)  // NOLINT(google-explicit-constructor)
      : named_(std::move(named)) {
    reserve(named_.size());
    for (const auto& [name, tensor] : named_) {
      push_back(tensor);
    }
  }

  /// The name of parameter i, "" where there is none. Names belong to the tensors: they stay right when elements are
  /// erased, added or reordered.
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
