#include "normgrad/layers/module/module.hpp"

#include <cstdint>
#include <unordered_map>
#include <unordered_set>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/base/log.hpp"
#include "normgrad/core/ops/detail/epilogue.hpp"
#include "normgrad/layers/module/any_module.hpp"
#include "normgrad/layers/module/detail/member_walk.hpp"
#include "normgrad/layers/module/detail/parametrized.hpp"

namespace normgrad {

namespace {

using detail::MemberWalk;
using detail::TensorAction;

// The outermost module in its first call on this thread.
thread_local Module* first_caller = nullptr;

void for_each_tensor(const Module& module, const TensorAction& on_parameter, const TensorAction& on_buffer) {
  MemberWalk(on_parameter, on_buffer).run(module);
}

// All parameters; a tied one appears under each of its names.
NamedTensors all_parameters(const Module& module) {
  NamedTensors found;
  for_each_tensor(module, [&](const std::string& name, Tensor& tensor) { found.emplace_back(name, tensor); }, {});
  return found;
}

class Children : public MemberVisitor {
 public:
  void parameter(const std::string&, Parameter&) override {}
  void buffer(const std::string&, StateBuffer&) override {}
  void child(const std::string& name, Module& child) override { list.emplace_back(name, &child); }
  NamedModules list;
};

std::vector<Tensor> without_names(const NamedTensors& named) {
  std::vector<Tensor> tensors;
  tensors.reserve(named.size());
  for (const auto& [name, tensor] : named) {
    tensors.push_back(tensor);
  }
  return tensors;
}

template <class Named>
std::string joined_names(const Named& named) {
  std::string text;
  for (const auto& [name, thing] : named) {
    text += (text.empty() ? "'" : ", '") + name + "'";
  }
  return text.empty() ? "none" : text;
}

void convert(Tensor& tensor, DType dtype) {
  if (!is_floating_point(tensor.dtype()) || tensor.dtype() == dtype) {
    return;
  }
  const Tensor grad = tensor.grad();
  tensor.set_data(tensor.detach().to(dtype));
  if (grad.defined()) {
    tensor.set_grad(grad.detach().to(dtype));
  }
}

}  // namespace

Module::Module(const Module& other) : training_(other.training_), computes_(other.computes_.load()) {
  MemberWalk({}, {}).run(other);
}

// Derived classes assign their members after this, so `other` has tied its weights by then.
Module& Module::operator=(const Module& other) {
  MemberWalk({}, {}).run(other);
  if (other.computes_.load()) {
    detail::Parametrized::adopt(*this, other);
  }
  return *this;
}

std::string Module::extra_repr() const { return {}; }

Tensor Module::forward(const Tensor& x) { return forward_fused(x, {}); }

Epilogue Module::as_epilogue() const { return {}; }

Epilogue Module::fusable(const Epilogue& /*offered*/, const Tensor& /*x*/) const { return {}; }

Tensor Module::call_after(FusedActivation /*activation*/, const Tensor& /*x*/) { return {}; }

Tensor Module::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  if (!epilogue.is_empty()) {
    return detail::apply_epilogue(epilogue, forward(x));
  }
  // Called by forward(): the class overrides neither.
  require<Error>(!normgrad_calls_forward(), type_name(),
                 ": forward(x) is not defined for this module, whose forward takes other arguments: call it as "
                 "model(a, b) through its own type, and pass the arguments to tools, as in summary(model, a, b)");
  fail<Error>(type_name(),
              ": forward(x) is not defined for this module; call its own forward, or write "
              "NORMGRAD_CALL_FORWARD() in the class to call it as model(a, b)");
}

// Ties weights and marks all members. A module that is first called inside this call and is not marked is not a member.
bool Module::first_call() {
  if (first_caller != nullptr) {
    check_is_member_of(*first_caller);
  }
  for (const auto& [name, module] : named_modules()) {
    detail::Parametrized::look_for(*module);
    module->called_.store(true, std::memory_order_release);
  }
  if (first_caller != nullptr) {
    return false;
  }
  first_caller = this;
  return true;
}

void Module::leave(bool watched, bool first) noexcept {
  if (watched) {
    detail::module_places().pop_back();
  }
  if (first) {
    first_caller = nullptr;
  }
}

// A forward in evaluation mode changes no tensors and no options of a module, only its atomic notes.
Module& Module::evaluated() const {
  require<ValueError>(!training_, type_name(),
                      ": expected a const module in evaluation mode but it is in training mode, in which a call may "
                      "change it; call eval() first, or pass the module by a reference to non-const");
  return const_cast<Module&>(*this);
}

Tensor Module::call_activated(const Tensor& x, Tensor (*activation)(const Tensor&), bool is_relu) {
  require<ValueError>(activation != nullptr, type_name(), ": expected a function to apply to the result but got null");
  const Epilogue taken = is_relu ? fusable({.activation = FusedActivation::relu}, x) : Epilogue();
  return taken.activation == FusedActivation::relu ? call_fused(x, taken) : activation((*this)(x));
}

// A module within the bytes of another one is a member of it. One elsewhere may deliberately not be a member, such as a
// part shared by two models.
void Module::check_is_member_of(Module& root) {
  bool learns = false;
  for (const Tensor& parameter : parameters()) {
    learns = learns || parameter.requires_grad();
  }
  if (!learns) {
    return;
  }
  const auto begin = [](const Module& module) {
    return reinterpret_cast<std::uintptr_t>(dynamic_cast<const void*>(&module));
  };
  const Module* owner = nullptr;
  for (const auto& [name, module] : root.named_modules()) {
    if (module != this && begin(*this) >= begin(*module) && begin(*this) < begin(*module) + module->normgrad_size()) {
      owner = module;  // the innermost one comes last
    }
  }
  if (owner != nullptr) {
    root.called_.store(false, std::memory_order_release);  // so that the next call reports it again
    fail<ValueError>(owner->type_name(), ": expected all layers in NORMGRAD_MEMBERS but the member ", *this,
                     " is not listed: it would not be trained, saved or converted; list it, or hold it in a "
                     "std::shared_ptr if it is not part of the model");
  }
  if (is_grad_enabled()) {
    log(LogLevel::warn, root.type_name(), ": calls a module that is not one of its members: ", *this,
        "; parameters() and state_dict() do not include its parameters. List it in NORMGRAD_MEMBERS unless this is "
        "intended");
  }
}

// Names are looked up only after an error, so they are correct even if the module was moved.
void Module::add_to_path(Error& error) {
  if (error.module_type().empty()) {
    error.pass_module(this, type_name(), {});
    return;
  }
  for (const auto& [name, module] : named_modules()) {
    if (module == error.passed_module()) {
      error.pass_module(this, type_name(), name);
      return;
    }
  }
}

// Names are computed once, relative to the outermost module. A module that is not a member of it gets its caller's
// path.
void Module::enter() {
  thread_local std::unordered_map<const Module*, std::string> names;
  auto& places = detail::module_places();
  if (places.empty()) {
    names.clear();
    for (const auto& [name, module] : named_modules()) {
      names.emplace(module, name);
    }
  }
  const auto found = names.find(this);
  std::string path = found != names.end() ? found->second : places.empty() ? "" : places.back().path;
  places.push_back({type_name(), std::move(path), this});
}

ParameterList Module::parameters() const { return named_parameters(); }

NamedTensors Module::named_parameters() const {
  NamedTensors found = all_parameters(*this);
  std::unordered_set<const void*> seen;
  std::erase_if(found, [&](const auto& named) { return !seen.insert(detail::identity_of(named.second)).second; });
  return found;
}

TensorList Module::buffers() const { return without_names(named_buffers()); }

NamedTensors Module::named_buffers() const {
  NamedTensors found;
  for_each_tensor(*this, {}, [&](const std::string& name, Tensor& tensor) { found.emplace_back(name, tensor); });
  return found;
}

NamedModules Module::named_modules() {
  NamedModules found = {{"", this}};
  MemberWalk({}, {}, [&](const std::string& name, Module& module) { found.emplace_back(name, &module); }).run(*this);
  return found;
}

NamedModules Module::named_children() {
  Children children;
  members(children);
  return std::move(children.list);
}

void Module::train(bool on) {
  for (const auto& [name, module] : named_modules()) {
    module->training_ = on;
  }
}

void Module::zero_grad() {
  for (Tensor& parameter : parameters()) {
    if (parameter.requires_grad()) {
      parameter.set_grad({});
    }
  }
}

void Module::requires_grad_(bool on) {
  for (Tensor& parameter : parameters()) {
    parameter.requires_grad_(on);
  }
}

std::int64_t Module::requires_grad_(const std::vector<std::string>& names, bool on) {
  NamedTensors own = all_parameters(*this);
  std::vector<bool> chosen(own.size());
  for (const std::string& name : names) {
    bool fits = false;
    for (std::size_t i = 0; i < own.size(); ++i) {
      if (own[i].first == name || own[i].first.starts_with(name + ".")) {
        chosen[i] = fits = true;
      }
    }
    require<ValueError>(fits, type_name(), ": requires_grad_: expected the name of a parameter or module", " but got '",
                        name, "'; there are: ", joined_names(own));
  }
  std::unordered_set<const void*> switched;
  for (std::size_t i = 0; i < own.size(); ++i) {
    if (chosen[i]) {
      own[i].second.requires_grad_(on);
      switched.insert(detail::identity_of(own[i].second));
    }
  }
  return static_cast<std::int64_t>(switched.size());
}

Module& Module::get_submodule(const std::string& name) {
  const NamedModules own = named_modules();
  for (const auto& [own_name, module] : own) {
    if (own_name == name) {
      return *module;
    }
  }
  fail<ValueError>(type_name(), ": get_submodule: there is no module named '", name,
                   "'; there are: ", joined_names(own));
}

Tensor Module::get_parameter(const std::string& name) const {
  const NamedTensors own = all_parameters(*this);
  for (const auto& [own_name, tensor] : own) {
    if (own_name == name) {
      return tensor;
    }
  }
  fail<ValueError>(type_name(), ": get_parameter: there is no parameter named '", name,
                   "'; there are: ", joined_names(own));
}

void Module::to(DType dtype) {
  require<DTypeError>(is_floating_point(dtype), type_name(), ": to: expected float32 or float64 but got ", dtype);
  const TensorAction action = [dtype](const std::string&, Tensor& tensor) { convert(tensor, dtype); };
  for_each_tensor(*this, action, action);
  detail::Parametrized::refresh(*this);
}

std::int64_t Module::num_parameters() const {
  std::int64_t count = 0;
  for (const Tensor& parameter : parameters()) {
    count += parameter.numel();
  }
  return count;
}

StateDict Module::state_dict() const {
  StateDict state;
  detail::StateWalk([&](const std::string& name, Tensor& tensor) { state[name] = tensor.detach(); }).run(*this);
  return state;
}

}  // namespace normgrad
