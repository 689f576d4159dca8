#include "normgrad/layers/module/parametrize.hpp"

#include <atomic>
#include <functional>
#include <mutex>
#include <typeinfo>
#include <utility>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/layers/module/any_module.hpp"
#include "normgrad/layers/module/detail/eval_mode.hpp"
#include "normgrad/layers/module/detail/own_parameters.hpp"
#include "normgrad/layers/module/detail/parametrized.hpp"

namespace normgrad {

namespace detail {

/// The state of a call of the module, and the value shared by the calls under a CachedParametrizationsGuard.
struct ParametrizedCall {
  std::recursive_mutex mutex;  // a module may call itself
  int depth = 0;
  Tensor between;  // the value that the parameter holds after the call

  Tensor cached;
  std::uint64_t guard = 0;               // number of the guard that `cached` belongs to
  std::vector<std::uint64_t> originals;  // their versions
};

}  // namespace detail

namespace {

using detail::ParametrizedCall;

std::atomic<std::uint64_t> guards_made = 0;
thread_local int guards_alive = 0;
thread_local std::uint64_t current_guard = 0;
thread_local std::vector<std::weak_ptr<ParametrizedCall>> cached_calls;

std::size_t checked_index(const char* what, std::int64_t i, std::int64_t size) {
  require<IndexError>(i >= 0 && i < size, "ParametrizationList: expected a number of ", what, " in [0, ", size,
                      ") but got ", i);
  return static_cast<std::size_t>(i);
}

std::vector<std::uint64_t> versions_of(const std::vector<Parameter>& tensors) {
  std::vector<std::uint64_t> versions;
  for (const Parameter& tensor : tensors) {
    versions.push_back(tensor.version());
  }
  return versions;
}

}  // namespace

Tensor Parametrization::combine(const std::vector<Tensor>& originals) { return forward(originals.at(0)); }

std::vector<Tensor> Parametrization::right_inverse(const Tensor& /*value*/) { return {}; }

ParametrizationList::ParametrizationList(std::vector<Parameter> originals, bool unsafe)
    : originals_(std::move(originals)), unsafe_(unsafe), call_(std::make_shared<ParametrizedCall>()) {}

ParametrizationList::ParametrizationList(const ParametrizationList& other)
    : Module(other),
      originals_(other.originals_),
      parametrizations_(other.parametrizations_),
      unsafe_(other.unsafe_),
      call_(std::make_shared<ParametrizedCall>()) {}

ParametrizationList::~ParametrizationList() = default;

std::unique_ptr<Module> ParametrizationList::clone() const { return std::make_unique<ParametrizationList>(*this); }

void ParametrizationList::members(MemberVisitor& visit) {
  for (std::size_t i = 0; i < originals_.size(); ++i) {
    visit(originals_.size() == 1 ? "original" : "original" + std::to_string(i), originals_[i]);
  }
  for (std::size_t i = 0; i < parametrizations_.size(); ++i) {
    visit(std::to_string(i), parametrizations_[i]);
  }
}

Module& ParametrizationList::operator[](std::int64_t i) const {
  return *parametrizations_[checked_index("a parametrization", i, size())];
}

Parameter& ParametrizationList::original(std::int64_t i) {
  return originals_[checked_index("an original", i, num_originals())];
}

Tensor ParametrizationList::value() {
  const std::lock_guard turn(call_->mutex);
  return detail::Parametrized::cached_or_computed(*this);
}

CachedParametrizationsGuard::CachedParametrizationsGuard() {
  if (guards_alive++ == 0) {
    current_guard = ++guards_made;
  }
}

CachedParametrizationsGuard::~CachedParametrizationsGuard() {
  if (--guards_alive > 0) {
    return;
  }
  for (const std::weak_ptr<ParametrizedCall>& weak : cached_calls) {
    if (const std::shared_ptr<ParametrizedCall> call = weak.lock()) {
      const std::lock_guard turn(call->mutex);
      call->cached = call->guard == current_guard ? Tensor() : call->cached;
    }
  }
  cached_calls.clear();
}

namespace detail {

Tensor Parametrized::compute(ParametrizationList& list) {
  return list.with_path([&list] {
    Tensor value;
    std::vector<Tensor> arguments(list.originals_.begin(), list.originals_.end());
    for (const AnyModule& holder : list.parametrizations_) {
      auto* parametrization = holder.as<Parametrization>();
      value = parametrization != nullptr ? parametrization->call(arguments) : holder(arguments[0]);
      arguments = {value};
    }
    return value;
  });
}

Tensor Parametrized::cached_or_computed(ParametrizationList& list) {
  if (guards_alive == 0) {
    return compute(list);
  }
  ParametrizedCall& call = *list.call_;
  std::vector<std::uint64_t> versions = versions_of(list.originals_);
  bool learns = false;
  for (const Parameter& original : list.originals_) {
    learns = learns || original.requires_grad();
  }
  const bool has_graph = !call.cached.defined() || call.cached.requires_grad() || !learns || !is_grad_enabled();
  if (!call.cached.defined() || call.guard != current_guard || call.originals != versions || !has_graph) {
    call.cached = compute(list);
    call.guard = current_guard;
    call.originals = std::move(versions);
    cached_calls.push_back(list.call_);
  }
  return call.cached;
}

std::shared_ptr<ParametrizationList> Parametrized::copy_of(const Parameter& parameter) {
  return parameter.is_parametrized() ? std::make_shared<ParametrizationList>(list_of(parameter)) : nullptr;
}

Tensor Parametrized::value_of(const Parameter& parameter) {
  ParametrizationList& list = list_of(parameter);
  const std::lock_guard turn(list.call_->mutex);
  const NoGradGuard no_grad;
  const EvalModeGuard eval(list);
  return compute(list).detach();
}

void Parametrized::begin(Parameter& parameter) {
  ParametrizedCall& call = *list_of(parameter).call_;
  std::unique_lock turn(call.mutex);
  if (call.depth == 0) {
    Tensor value = cached_or_computed(list_of(parameter));
    call.between = value.detach();
    static_cast<Tensor&>(parameter) = std::move(value);
  }
  ++call.depth;
  turn.release();
}

void Parametrized::end(Parameter& parameter) noexcept {
  ParametrizedCall& call = *list_of(parameter).call_;
  if (--call.depth == 0) {
    static_cast<Tensor&>(parameter) = std::move(call.between);
  }
  call.mutex.unlock();
}

void Parametrized::look_for(Module& module) {
  for (const auto& [name, parameter] : own_parameters(module)) {
    if (parameter->is_parametrized() && !module.computes_.load()) {
      module.computes_.store(true);
    }
  }
}

void Parametrized::refresh(Module& root) {
  for (const auto& [path, module] : root.named_modules()) {
    if (!module->computes_.load()) {
      continue;
    }
    for (const auto& [name, parameter] : own_parameters(*module)) {
      if (parameter->is_parametrized()) {
        try {
          static_cast<Tensor&>(*parameter) = value_of(*parameter);
        } catch (const Error&) {  // reported by the next call
        }
      }
    }
  }
}

struct BegunCall {
  BegunCall() = default;
  BegunCall(const BegunCall&) = delete;
  BegunCall& operator=(const BegunCall&) = delete;
  ~BegunCall() {
    for (std::size_t i = parameters.size(); i-- > 0;) {
      Parametrized::end(*parameters[i]);
    }
  }
  std::vector<Parameter*> parameters;
};

BegunCall* begin_call(Module& module) {
  auto begun = std::make_unique<BegunCall>();
  const OwnParameterList own = own_parameters(module);
  begun->parameters.reserve(own.size());
  for (const auto& [name, parameter] : own) {
    if (parameter->is_parametrized()) {
      Parametrized::begin(*parameter);
      begun->parameters.push_back(parameter);
    }
  }
  return begun.release();
}

void end_call(BegunCall* call) noexcept { delete call; }

}  // namespace detail

}  // namespace normgrad
