#include "normgrad/core/autograd/state_dict.hpp"

#include <algorithm>
#include <numeric>

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

namespace {

// Number of letters to insert, delete or replace.
std::size_t edits_between(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

std::string names_nearest_to(const std::string& name, const std::vector<StateDict::value_type>& entries) {
  constexpr std::size_t kMax = 3;
  std::vector<std::pair<std::size_t, std::string>> names;
  for (const auto& [key, tensor] : entries) {
    names.emplace_back(edits_between(name, key), key);
  }
  const std::size_t count = std::min(kMax, names.size());
  std::partial_sort(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(count), names.end());
  std::string text = count == 0 ? "it is empty" : "the names nearest to it are ";
  for (std::size_t i = 0; i < count; ++i) {
    text += (i == 0 ? "'" : ", '") + names[i].second + "'";
  }
  return text;
}

}  // namespace

const Tensor& StateDict::at(const std::string& name) const {
  const auto found = find(name);
  if (found == end()) {
    fail<ValueError>("StateDict: there is no entry '", name, "'; ", names_nearest_to(name, entries_));
  }
  return found->second;
}

Tensor& StateDict::operator[](const std::string& name) & {
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
