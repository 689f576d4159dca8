#include "normgrad/layers/module.hpp"

#include <cstring>
#include <functional>
#include <unordered_map>

#include "normgrad/core/autograd/grad_mode.hpp"

namespace normgrad {

namespace {

Tensor copy_of(const Tensor& tensor) {
  if (!tensor.defined()) {
    return {};
  }
  Tensor copy = Tensor::empty(tensor.shape(), tensor.dtype());
  copy.copy_(tensor.detach());
  return copy;
}

Tensor outside_graph(const Tensor& tensor) { return tensor.defined() ? tensor.detach() : Tensor(); }

using TensorAction = std::function<void(const std::string& name, Tensor& tensor)>;
using ModuleAction = std::function<void(const std::string& name, Module& module)>;

// Calls the actions that are given with every parameter, buffer and module below a module, by full name.
class Walker : public MemberVisitor {
 public:
  Walker(TensorAction on_parameter, TensorAction on_buffer, ModuleAction on_module = {})
      : on_parameter_(std::move(on_parameter)), on_buffer_(std::move(on_buffer)), on_module_(std::move(on_module)) {}

  void parameter(const std::string& name, Parameter& parameter) override {
    if (on_parameter_) {
      on_parameter_(prefix_ + name, parameter);
    }
  }
  void buffer(const std::string& name, StateBuffer& buffer) override {
    if (on_buffer_) {
      on_buffer_(prefix_ + name, buffer);
    }
  }
  void child(const std::string& name, Module& child) override {
    if (on_module_) {
      on_module_(prefix_ + name, child);
    }
    const std::size_t before = prefix_.size();
    prefix_ += name + ".";
    child.members(*this);
    prefix_.resize(before);
  }

 private:
  TensorAction on_parameter_;
  TensorAction on_buffer_;
  ModuleAction on_module_;
  std::string prefix_;
};

void for_each_tensor(const Module& module, const TensorAction& on_parameter, const TensorAction& on_buffer) {
  Walker walker(on_parameter, on_buffer);
  const_cast<Module&>(module).members(walker);  // members() hands out references to be changed; the actions decide
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

Parameter::Parameter(const Tensor& value) : Tensor(outside_graph(value)) {
  if (defined()) {
    requires_grad_();
  }
}

Parameter::Parameter(const Parameter& other) : Tensor(copy_of(other)) {
  if (other.requires_grad()) {
    requires_grad_();
  }
}

Parameter& Parameter::operator=(Parameter other) noexcept {
  std::swap(static_cast<Tensor&>(*this), static_cast<Tensor&>(other));
  return *this;
}

StateBuffer::StateBuffer(const Tensor& value) : Tensor(outside_graph(value)) {}

StateBuffer::StateBuffer(const StateBuffer& other) : Tensor(copy_of(other)) {}

StateBuffer& StateBuffer::operator=(StateBuffer other) noexcept {
  std::swap(static_cast<Tensor&>(*this), static_cast<Tensor&>(other));
  return *this;
}

void MemberVisitor::operator()(const std::string& name, Parameter& member) {
  if (member.defined()) {
    parameter(name, member);
  }
}

void MemberVisitor::operator()(const std::string& name, StateBuffer& member) {
  if (member.defined()) {
    buffer(name, member);
  }
}

void MemberVisitor::operator()(const std::string& name, AnyModule& member) {
  if (member) {
    child(name, *member);
  }
}

std::string detail::next_name(const char*& names) {
  const char* end = std::strchr(names, ',');
  std::string name = end != nullptr ? std::string(names, end) : std::string(names);
  names = end != nullptr ? end + std::strspn(end, ", ") : names + name.size();
  return name;
}

Module& AnyModule::get() const {
  require<ValueError>(module_ != nullptr, "AnyModule: used before it was given a module");
  return *module_;
}

Tensor Module::forward(const Tensor& /*x*/) {
  fail<Error>(type_name(),
              ": forward(x) is not defined for this module; call the forward that it has, or write "
              "NORMGRAD_CALL_FORWARD() in the class to call it as model(a, b)");
}

// Names are looked up only now that something went wrong, so that they are right wherever the module was moved to.
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

// The names are found once, as seen from the outermost module; a module that is no member of it has its caller's path.
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
  NamedTensors found;
  for_each_tensor(*this, [&](const std::string& name, Tensor& tensor) { found.emplace_back(name, tensor); }, {});
  return found;
}

std::vector<Tensor> Module::buffers() const { return without_names(named_buffers()); }

NamedTensors Module::named_buffers() const {
  NamedTensors found;
  for_each_tensor(*this, {}, [&](const std::string& name, Tensor& tensor) { found.emplace_back(name, tensor); });
  return found;
}

NamedModules Module::named_modules() {
  NamedModules found = {{"", this}};
  Walker walker({}, {}, [&](const std::string& name, Module& module) { found.emplace_back(name, &module); });
  members(walker);
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
  NamedTensors own = named_parameters();
  std::vector<bool> chosen(own.size());
  for (const std::string& name : names) {
    bool fits = false;
    for (std::size_t i = 0; i < own.size(); ++i) {
      if (own[i].first == name || own[i].first.starts_with(name + ".")) {
        chosen[i] = fits = true;
      }
    }
    require<ValueError>(fits, type_name(),
                        ": requires_grad_: expected the name of a parameter or of a part of the model", " but got '",
                        name, "'; there are: ", joined_names(own));
  }
  std::int64_t count = 0;
  for (std::size_t i = 0; i < own.size(); ++i) {
    if (chosen[i]) {
      own[i].second.requires_grad_(on);
      ++count;
    }
  }
  return count;
}

Module& Module::get_submodule(const std::string& name) {
  const NamedModules own = named_modules();
  for (const auto& [own_name, module] : own) {
    if (own_name == name) {
      return *module;
    }
  }
  fail<ValueError>(type_name(), ": get_submodule: no module is called '", name, "'; there are: ", joined_names(own));
}

Tensor Module::get_parameter(const std::string& name) const {
  const NamedTensors own = named_parameters();
  for (const auto& [own_name, tensor] : own) {
    if (own_name == name) {
      return tensor;
    }
  }
  fail<ValueError>(type_name(), ": get_parameter: no parameter is called '", name, "'; there are: ", joined_names(own));
}

void Module::to(DType dtype) {
  require<DTypeError>(is_floating_point(dtype), type_name(), ": to: expected float32 or float64 but got ", dtype);
  const TensorAction action = [dtype](const std::string&, Tensor& tensor) { convert(tensor, dtype); };
  for_each_tensor(*this, action, action);
}

std::int64_t Module::num_parameters() const {
  std::int64_t count = 0;
  for_each_tensor(*this, [&](const std::string&, Tensor& tensor) { count += tensor.numel(); }, {});
  return count;
}

StateDict Module::state_dict() const {
  StateDict state;
  const TensorAction action = [&](const std::string& name, Tensor& tensor) { state[name] = tensor.detach(); };
  for_each_tensor(*this, action, action);
  return state;
}

LoadReport Module::load_state_dict(const StateDict& state, LoadOptions options) {
  NamedTensors own;
  const TensorAction action = [&](const std::string& name, Tensor& tensor) { own.emplace_back(name, tensor); };
  for_each_tensor(*this, action, action);

  LoadReport report;
  std::string wrong;
  StateDict known;
  for (const auto& [name, tensor] : own) {
    known[name] = tensor;
    const auto found = state.find(name);
    if (found == state.end()) {
      report.missing_keys.push_back(name);
    } else if (!found->second.defined()) {
      wrong += "\n  without a value: " + name;
    } else if (found->second.shape() != tensor.shape()) {
      wrong += detail::concat("\n  of another shape: ", name, ": expected ", tensor.shape(), " but got ",
                              found->second.shape());
    }
  }
  for (const auto& [name, tensor] : state) {
    if (!known.contains(name)) {
      report.unexpected_keys.push_back(name);
    }
  }
  const bool loose_helps = wrong.empty();
  if (options.strict) {
    for (const std::string& name : report.missing_keys) {
      wrong += "\n  missing: " + name;
    }
    for (const std::string& name : report.unexpected_keys) {
      wrong += "\n  unexpected: " + name;
    }
  }
  require<ValueError>(wrong.empty(), type_name(), ": load_state_dict: the state does not fit; nothing was loaded",
                      wrong, loose_helps ? "\n{.strict = false} loads what fits and reports the rest" : "");

  const NoGradGuard no_grad;
  for (auto& [name, tensor] : own) {
    if (const auto found = state.find(name); found != state.end()) {
      tensor.copy_(found->second);
    }
  }
  return report;
}

}  // namespace normgrad
