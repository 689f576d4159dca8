#include "normgrad/layers/sequential.hpp"

#include <algorithm>
#include <typeinfo>

#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/pooling.hpp"

namespace normgrad {

namespace {

// Whether `second` after `first` gives the same, values and gradients, as `first` after `second`: ReLU and max pooling
// do where no window reaches into padding, and pooling first leaves ReLU a quarter of the work. Watchers see the layers
// in their order. A derived class may do anything, so the types have to be these very ones.
bool may_swap(const Module& first, const Module& second) {
  if (typeid(first) != typeid(ReLU) || first.has_hooks() || second.has_hooks() || detail::is_watched() ||
      (typeid(second) != typeid(MaxPool1d) && typeid(second) != typeid(MaxPool2d))) {
    return false;
  }
  const MaxPoolOptions& options = static_cast<const detail::PoolLayer<MaxPoolOptions>&>(second).options();
  return options.padding == PerAxis(0);
}

}  // namespace

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
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (i + 1 < entries_.size() && may_swap(*entries_[i].module, *entries_[i + 1].module)) {
      y = entries_[i].module(entries_[i + 1].module(y));
      ++i;
    } else {
      y = entries_[i].module(y);
    }
  }
  return y;
}

}  // namespace normgrad
