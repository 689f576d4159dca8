#include "normgrad/core/autograd/state_dict.hpp"

namespace normgrad {

StateDict::StateDict(std::initializer_list<value_type> entries) {
  for (const auto& [name, tensor] : entries) {
    (*this)[name] = tensor;
  }
}

StateDict::const_iterator StateDict::find(const std::string& name) const {
  const auto found = positions_.find(name);
  return found == positions_.end() ? end() : begin() + static_cast<std::ptrdiff_t>(found->second);
}

const Tensor& StateDict::at(const std::string& name) const {
  const auto found = find(name);
  require<ValueError>(found != end(), "StateDict: there is no entry '", name, "'");
  return found->second;
}

Tensor& StateDict::operator[](const std::string& name) {
  const auto [found, is_new] = positions_.try_emplace(name, entries_.size());
  if (is_new) {
    entries_.emplace_back(name, Tensor());
  }
  return entries_[found->second].second;
}

bool StateDict::erase(const std::string& name) {
  const auto found = positions_.find(name);
  if (found == positions_.end()) {
    return false;
  }
  const std::size_t gone = found->second;
  entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(gone));
  positions_.erase(found);
  for (auto& [key, position] : positions_) {
    position -= position > gone ? 1 : 0;
  }
  return true;
}

}  // namespace normgrad
