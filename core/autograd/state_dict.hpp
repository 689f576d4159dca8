// StateDict: named tensors in a fixed order.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// What a model or an optimizer is at one moment: tensors by their full names, such as
/// "features.norm1.running_mean". Iterates in insertion order.
class StateDict {
 public:
  using value_type = std::pair<std::string, Tensor>;
  using const_iterator = std::vector<value_type>::const_iterator;

  StateDict() = default;
  StateDict(std::initializer_list<value_type> entries);  ///< of one name the last counts

  std::size_t size() const noexcept { return entries_.size(); }       ///< number of entries
  bool empty() const noexcept { return entries_.empty(); }            ///< whether there are none
  const_iterator begin() const noexcept { return entries_.begin(); }  ///< the first entry
  const_iterator end() const noexcept { return entries_.end(); }      ///< past the last entry

  bool contains(const std::string& name) const { return positions_.contains(name); }  ///< whether there is such a key
  const_iterator find(const std::string& name) const;                                 ///< end() when there is none such
  /// Throws ValueError, naming the key and those most like it, when there is none such.
  const Tensor& at(const std::string& name) const;
  /// The entry of that name; a new undefined one at the end when there is none.
  Tensor& operator[](const std::string& name);
  /// Whether there was such an entry.
  bool erase(const std::string& name);

 private:
  std::vector<value_type> entries_;
  std::unordered_map<std::string, std::size_t> positions_;
};

}  // namespace normgrad
