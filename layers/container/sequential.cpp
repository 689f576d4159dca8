#include "normgrad/layers/container/sequential.hpp"

#include <algorithm>

namespace normgrad {

namespace {

// Returns the epilogue that the following layers form: an activation, and max pooling after a ReLU.
Epilogue offer(const Module& next, const Module* after) {
  Epilogue epilogue = next.as_epilogue();
  if (epilogue.activation == FusedActivation::relu && after != nullptr) {
    const Epilogue pooling = after->as_epilogue();
    epilogue.window_height = pooling.window_height;
    epilogue.window_width = pooling.window_width;
    epilogue.pooling_follows = pooling.pooling_follows;
  }
  return epilogue;
}

// Replaces y by the result of `layer`, and of the following layers that were fused with it or swapped with it. Returns
// the number of layers done.
std::size_t step(Module& layer, Module* next, const Module* after, Tensor& y) {
  if (next == nullptr) {
    y = layer(y);
    return 1;
  }
  const Epilogue own = layer.as_epilogue();
  const Epilogue offered = offer(*next, after);
  if (own.activation == FusedActivation::relu && offered.activation == FusedActivation::none &&
      offered.pooling_follows) {
    y = layer((*next)(y));  // ReLU after pooling has fewer elements to compute
    return 2;
  }
  if (const Epilogue taken = layer.fusable(offered, y); taken.activation != FusedActivation::none) {
    y = layer.call_fused(y, taken);
    return taken.pools() ? 3 : 2;
  }
  if (own.activation != FusedActivation::none) {
    if (Tensor z = next->call_after(own.activation, y); z.defined()) {
      y = std::move(z);
      return 2;
    }
  }
  y = layer(y);
  return 1;
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
                      "' but got an empty AnyModule");
  require<ValueError>(!name.empty() && name.find('.') == std::string::npos,
                      "Sequential: expected a name without dots but got '", name, "'");
  require<ValueError>(std::none_of(entries_.begin(), entries_.end(), [&](const auto& e) { return e.name == name; }),
                      "Sequential: a module named '", name, "' already exists");
  entries_.push_back(std::move(module));
  return *this;
}

Module& Sequential::operator[](std::int64_t i) const {
  require<IndexError>(i >= -size() && i < size(), "Sequential: expected an index in [", -size(), ", ", size(),
                      ") but got ", i);
  return *entries_[static_cast<std::size_t>(i < 0 ? i + size() : i)].module;
}

std::unique_ptr<Module> Sequential::clone() const { return std::make_unique<Sequential>(*this); }

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

Tensor Sequential::forward(const Tensor& x) { return forward_range(x, 0, size()); }

Tensor Sequential::forward_range(const Tensor& x, std::int64_t begin, std::int64_t end) {
  require<IndexError>(begin >= 0 && begin <= end && end <= size(), "Sequential: expected a range within [0, ", size(),
                      "] but got ", begin, " to ", end);
  Tensor y = x;
  const auto last = static_cast<std::size_t>(end);
  const auto entry = [&](std::size_t i) { return i < last ? &*entries_[i].module : nullptr; };
  for (auto i = static_cast<std::size_t>(begin); i < last;) {
    i += step(*entry(i), entry(i + 1), entry(i + 2), y);
  }
  return y;
}

}  // namespace normgrad
