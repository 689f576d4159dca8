#include "normgrad/core/autograd/state_dict.hpp"

#include <algorithm>
#include <numeric>

namespace normgrad {

StateDict::StateDict(std::initializer_list<value_type> entries) {
  for (const auto& [name, tensor] : entries) {
    (*this)[name] = tensor;
  }
}

StateDict::Order::const_iterator StateDict::place_of(const std::string& name) const {
  return std::lower_bound(by_name_.begin(), by_name_.end(), name, [this](std::uint32_t position, const std::string& n) {
    return entries_[position].first < n;
  });
}

StateDict::const_iterator StateDict::find(const std::string& name) const {
  const auto place = place_of(name);
  return place != by_name_.end() && entries_[*place].first == name ? begin() + *place : end();
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

std::string names_nearest_to(const std::string& name, const std::deque<StateDict::value_type>& entries) {
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
  const auto place = place_of(name);
  if (place != by_name_.end() && entries_[*place].first == name) {
    return entries_[*place].second;
  }
  const auto at = by_name_.insert(place, static_cast<std::uint32_t>(entries_.size()));
  try {
    return entries_.emplace_back(name, Tensor()).second;
  } catch (...) {
    by_name_.erase(at);
    throw;
  }
}

bool StateDict::erase(const std::string& name) {
  const auto place = place_of(name);
  if (place == by_name_.end() || entries_[*place].first != name) {
    return false;
  }
  const std::uint32_t gone = *place;
  by_name_.erase(place);
  entries_.erase(entries_.begin() + gone);
  for (std::uint32_t& position : by_name_) {
    position -= position > gone ? 1 : 0;
  }
  return true;
}

}  // namespace normgrad
