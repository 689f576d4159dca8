#include "normgrad/layers/sequential.hpp"

#include <algorithm>

namespace normgrad {

Sequential::Sequential(std::initializer_list<NamedModule> modules) {
  for (const NamedModule& module : modules) {
    push_back(module);
  }
}

Sequential& Sequential::push_back(AnyModule module) {
  return push_back(NamedModule(std::to_string(entries_.size()), std::move(module)));
}

Sequential& Sequential::push_back(NamedModule module) {
  const std::string& name = module.name;
  require<ValueError>(static_cast<bool>(module.module), "Sequential: expected a module named '", name,
                      "' but got an empty holder");
  require<ValueError>(!name.empty() && name.find('.') == std::string::npos,
                      "Sequential: expected a name without dots but got '", name, "'");
  require<ValueError>(std::none_of(entries_.begin(), entries_.end(), [&](const auto& e) { return e.name == name; }),
                      "Sequential: there is a module named '", name, "' already");
  entries_.push_back(std::move(module));
  return *this;
}

Module& Sequential::operator[](std::int64_t i) const {
  require<IndexError>(i >= -size() && i < size(), "Sequential: expected an index in [", -size(), ", ", size(),
                      ") but got ", i);
  return *entries_[static_cast<std::size_t>(i < 0 ? i + size() : i)].module;
}

void Sequential::members(MemberVisitor& visit) {
  for (NamedModule& entry : entries_) {
    visit(entry.name, entry.module);
  }
}

Tensor Sequential::forward(const Tensor& x) {
  Tensor y = x;
  for (const NamedModule& entry : entries_) {
    y = entry.module(y);
  }
  return y;
}

}  // namespace normgrad
