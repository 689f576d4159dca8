#include "normgrad/layers/sequential.hpp"

#include <algorithm>
#include <typeinfo>

#include "normgrad/core/ops/activation_kind.hpp"
#include "normgrad/core/ops/norm_pool.hpp"
#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/conv.hpp"
#include "normgrad/layers/linear.hpp"
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

template <class... Layers>
bool is_one_of(const Module& module) {
  const std::type_info& type = typeid(module);
  return (... || (type == typeid(Layers)));
}

bool is_norm_with_relu(const Module& m) {
  return is_one_of<BatchNorm2d, BatchNorm1d, BatchNorm3d, GroupNorm, LayerNorm, InstanceNorm2d, InstanceNorm1d,
                   InstanceNorm3d, RMSNorm>(m);
}

// ReLU of the result of `layer`, where that is one of the library's own that can apply it on the way; undefined: no.
// As above, derived classes, hooks and watchers stand against it.
//
// With a pooling after it ReLU would rather be done last, with less to compute, unless that costs a norm's whole array
// another trip through memory.
Tensor with_relu(Module& layer, const Module& next, const Module* after, const Tensor& x) {
  constexpr std::int64_t kLarge = std::int64_t{1} << 20;
  if (typeid(next) != typeid(ReLU) || next.has_hooks() || layer.has_hooks() || detail::is_watched()) {
    return {};
  }
  const bool pooled = after != nullptr && may_swap(next, *after);
  if (is_norm_with_relu(layer)) {
    return pooled && x.numel() < kLarge ? Tensor() : static_cast<NormLayer&>(layer).call_with_relu(x);
  }
  if (is_one_of<Conv2d, Conv1d, Conv3d>(layer)) {
    return pooled ? Tensor() : static_cast<detail::ForwardConvLayer&>(layer).call_with_relu(x);
  }
  return {};
}

// max_pool2d of the ReLU of the result of `layer`, where that is a norm which makes it without an array between the
// three, under the same conditions; undefined: no.
Tensor with_relu_and_pool(Module& layer, const Module& next, const Module* after, const Tensor& x) {
  if (after == nullptr || typeid(*after) != typeid(MaxPool2d) || !may_swap(next, *after) || layer.has_hooks() ||
      !is_one_of<BatchNorm2d, GroupNorm, InstanceNorm2d>(layer) ||
      (!layer.is_training() && typeid(layer) != typeid(GroupNorm))) {
    return {};
  }
  const auto& pool = static_cast<const MaxPool2d&>(*after);
  const MaxPoolOptions& options = pool.options();
  const auto window = pool.kernel_size().resolve("Sequential", "kernel_size", 2, 1, 1);
  if (options.dilation != PerAxis(1) || options.stride.value_or(pool.kernel_size()) != pool.kernel_size() ||
      !detail::pools_on_the_way(x, window[1], window[2])) {
    return {};
  }
  return static_cast<NormLayer&>(layer).call_with_relu_and_pool(x, window[1], window[2]);
}

// The activation that `linear` can apply to its input on the way, if `first` is one; null where somebody may want to
// see what is between the two.
const detail::ActivationKind* leads_into(const Module& first, const Module& linear, const Tensor& x) {
  if (typeid(linear) != typeid(Linear) || first.has_hooks() || linear.has_hooks() || detail::is_watched() ||
      !is_floating_point(x.dtype())) {
    return nullptr;
  }
  const std::type_info& type = typeid(first);
  return type == typeid(Sigmoid) ? &detail::kSigmoid
         : type == typeid(Tanh)  ? &detail::kTanh
         : type == typeid(ReLU)  ? &detail::kReLU
                                 : nullptr;
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

bool Sequential::assign_from(const Module& other) {
  const auto* source = dynamic_cast<const Sequential*>(&other);
  if (source != nullptr) {
    *this = *source;
  }
  return source != nullptr;
}

void Sequential::members(MemberVisitor& visit) {
  for (NamedModule& entry : entries_) {
    visit(entry.name, entry.module);
  }
}

Tensor Sequential::forward(const Tensor& x) {
  Tensor y = x;
  const auto entry = [&](std::size_t i) { return i < entries_.size() ? &*entries_[i].module : nullptr; };
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    Module& module = *entry(i);
    Module* const next = entry(i + 1);
    if (next == nullptr) {
      y = module(y);
    } else if (may_swap(module, *next)) {
      y = module((*next)(y));
      ++i;
    } else if (Tensor pooled = with_relu_and_pool(module, *next, entry(i + 2), y); pooled.defined()) {
      y = std::move(pooled);
      i += 2;
    } else if (Tensor both = with_relu(module, *next, entry(i + 2), y); both.defined()) {
      y = std::move(both);
      ++i;
    } else if (const detail::ActivationKind* f = leads_into(module, *next, y); f != nullptr) {
      y = static_cast<Linear&>(*next).call_after(*f, y);
      ++i;
    } else {
      y = module(y);
    }
  }
  return y;
}

}  // namespace normgrad
