#include "normgrad/layers/sequential.hpp"

#include <algorithm>
#include <array>
#include <typeinfo>

#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/group_norm.hpp"
#include "normgrad/layers/norm/instance_norm.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"
#include "normgrad/layers/norm/rms_norm.hpp"
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

// Whether `norm` is one of the library's own norms, which can apply a ReLU that follows. As above, derived classes,
// hooks and watchers stand against it.
bool may_fuse(const Module& norm, const Module& then) {
  if (typeid(then) != typeid(ReLU) || then.has_hooks() || norm.has_hooks() || detail::is_watched()) {
    return false;
  }
  static const std::array<const std::type_info*, 9> kNorms{
      &typeid(BatchNorm2d),    &typeid(BatchNorm1d),    &typeid(BatchNorm3d),    &typeid(GroupNorm), &typeid(LayerNorm),
      &typeid(InstanceNorm2d), &typeid(InstanceNorm1d), &typeid(InstanceNorm3d), &typeid(RMSNorm)};
  const std::type_info& type = typeid(norm);
  return std::any_of(kNorms.begin(), kNorms.end(), [&](const std::type_info* known) { return type == *known; });
}

// A ReLU between a norm and a pooling is either fused with the norm, which saves trips through memory, or done after
// pooling, which leaves less to compute: the latter is faster where there are no trips through memory.
bool stays_in_caches(const Tensor& x) {
  constexpr std::int64_t kLarge = std::int64_t{1} << 20;
  return x.numel() < kLarge;
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
    Module& module = *entries_[i].module;
    Module* const next = i + 1 < entries_.size() ? &*entries_[i + 1].module : nullptr;
    const bool pooled = i + 2 < entries_.size() && next != nullptr && may_swap(*next, *entries_[i + 2].module);
    if (next != nullptr && may_fuse(module, *next) && !(pooled && stays_in_caches(y))) {
      y = static_cast<NormLayer&>(module).call_with_relu(y);
      ++i;
    } else if (next != nullptr && may_swap(module, *next)) {
      y = module((*next)(y));
      ++i;
    } else {
      y = module(y);
    }
  }
  return y;
}

}  // namespace normgrad
