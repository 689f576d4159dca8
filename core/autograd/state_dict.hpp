// StateDict: named tensors in insertion order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// The state of a model or an optimizer: tensors by their full names, such as "features.norm1.running_mean". Iterates
/// in insertion order.
class StateDict {
 public:
  using value_type = std::pair<std::string, Tensor>;
  using const_iterator = std::deque<value_type>::const_iterator;

  StateDict() = default;
  StateDict(std::initializer_list<value_type> entries);  ///< the last entry of a name wins

  std::size_t size() const noexcept { return entries_.size(); }       ///< number of entries
  bool empty() const noexcept { return entries_.empty(); }            ///< whether there are no entries
  const_iterator begin() const noexcept { return entries_.begin(); }  ///< the first entry
  const_iterator end() const noexcept { return entries_.end(); }      ///< past the last entry

  bool contains(const std::string& name) const { return find(name) != end(); }  ///< whether there is such a name
  const_iterator find(const std::string& name) const;                           ///< end() if there is none
  /// Returns the entry of that name. Throws ValueError, naming the key and the most similar ones, if there is none.
  const Tensor& at(const std::string& name) const;
  /// Returns the entry of that name; appends a new undefined one if there is none. References to entries stay valid
  /// when others are appended: state["new name"] = state["name"].
  Tensor& operator[](const std::string& name) &;
  /// Of a temporary: `model.state_dict()["bias"] = y` is copy_() into the entry, which shares the memory of the model.
  /// Throws ValueError, as at(), if there is none.
  Tensor operator[](const std::string& name) && { return at(name); }
  /// Removes the entry of that name. Returns whether there was one.
  bool erase(const std::string& name);

 private:
  using Order = std::vector<std::uint32_t>;
  Order::const_iterator place_of(const std::string& name) const;  // in by_name_, also of a name that is not there

  std::deque<value_type> entries_;
  Order by_name_;  // positions of the entries in the order of their names
};

}  // namespace normgrad
