// Module: a layer or model, that is, a function with parameters.
//
// A model is a struct whose members are its layers:
//
//   struct Net : Module {
//     Linear fc1{784, 100};
//     BatchNorm1d norm1{100};
//     Linear fc2{100, 10};
//     NORMGRAD_MEMBERS(Net, fc1, norm1, fc2)
//     Tensor forward(const Tensor& x) override { return fc2(relu(norm1(fc1(x)))); }
//   };
//
// Modules are values: a copy has parameters and buffers of its own. There is no registry to keep in step: names,
// parameters, buffers, children, state dicts, copies and printing all come from members(). Members may be parameters,
// buffers, modules, AnyModule (a module whose type is chosen at run time), and vectors and optionals of these.
#pragma once

#include <concepts>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/parameter_list.hpp"
#include "normgrad/core/autograd/state_dict.hpp"
#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/autograd/watch.hpp"
#include "normgrad/layers/module_hooks.hpp"

namespace normgrad {

class AnyModule;
class Module;

/// A tensor that is learned. Copying makes new memory of the same values, with the same requires_grad and no gradient;
/// undefined when a layer has none (bias off). For a handle that shares the memory write `Tensor w = layer.weight`.
class Parameter : public Tensor {
 public:
  Parameter() = default;
  /// Takes the values of `value` and requires gradients; shares memory with it.
  explicit Parameter(const Tensor& value);
  Parameter(const Parameter& other);
  Parameter(Parameter&&) noexcept = default;
  Parameter& operator=(Parameter other) noexcept;
  ~Parameter() = default;
};

/// A tensor that belongs to a layer's state but is not learned, such as running statistics.
class StateBuffer : public Tensor {
 public:
  StateBuffer() = default;
  explicit StateBuffer(const Tensor& value);  ///< shares memory with it
  StateBuffer(const StateBuffer& other);
  StateBuffer(StateBuffer&&) noexcept = default;
  StateBuffer& operator=(StateBuffer other) noexcept;
  ~StateBuffer() = default;
};

/// What members() is called with: is told each member by name.
class MemberVisitor {
 public:
  virtual ~MemberVisitor() = default;
  virtual void parameter(const std::string& name, Parameter& parameter) = 0;  ///< called for each parameter
  virtual void buffer(const std::string& name, StateBuffer& buffer) = 0;      ///< called for each buffer
  virtual void child(const std::string& name, Module& child) = 0;             ///< called for each module

  /// Tells one member, by its type; vectors of members get names "name.0", "name.1", ...; empty ones are passed over.
  void operator()(const std::string& name, Parameter& member);
  void operator()(const std::string& name, StateBuffer& member);
  void operator()(const std::string& name, Module& member) { child(name, member); }
  void operator()(const std::string& name, AnyModule& member);
  template <class T>
  void operator()(const std::string& name, std::vector<T>& members) {
    for (std::size_t i = 0; i < members.size(); ++i) {
      (*this)(name + "." + std::to_string(i), members[i]);
    }
  }
  template <class T>
  void operator()(const std::string& name, std::optional<T>& member) {
    if (member) {
      (*this)(name, *member);
    }
  }
  template <class T>
  void operator()(const std::string& name, std::unique_ptr<T>& member) {
    if (member) {
      (*this)(name, *member);
    }
  }
};

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;   ///< by full name
using NamedModules = std::vector<std::pair<std::string, Module*>>;  ///< by full name

/// Options of load_state_dict().
struct LoadOptions {
  bool strict = true;  ///< missing and unexpected keys are errors
};
/// What load_state_dict(state, {.strict = false}) passed over.
struct LoadReport {
  std::vector<std::string> missing_keys;     ///< the model has them, the state has not
  std::vector<std::string> unexpected_keys;  ///< the state has them, the model has not
};

/// Base of all layers and models: see the head of this file.
class Module {
 public:
  virtual ~Module() = default;

  /// The name in printing and error messages, such as "BatchNorm2d".
  virtual std::string type_name() const = 0;
  /// What stands in the parentheses when the module is printed, such as "784, 100, bias=true".
  virtual std::string extra_repr() const { return {}; }
  /// Tells the visitor every parameter, buffer and child; written by NORMGRAD_MEMBERS.
  virtual void members(MemberVisitor& /*visit*/) {}
  /// A copy with parameters and buffers of its own; written by NORMGRAD_MEMBERS.
  virtual std::unique_ptr<Module> clone() const = 0;

  /// Computes the result. Models with other arguments give a forward of their own, and NORMGRAD_CALL_FORWARD().
  virtual Tensor forward(const Tensor& x);
  /// forward(x); an error on the way is told with the path of the module that it comes from.
  Tensor operator()(const Tensor& x) {
    return with_path([&] { return hooks_ ? forward_with_hooks(x) : forward(x); });
  }

  /// All parameters, of children too, in the order of members(). The tensors are handles to the module's own; the list
  /// knows their names.
  ParameterList parameters() const;
  NamedTensors named_parameters() const;
  std::vector<Tensor> buffers() const;
  NamedTensors named_buffers() const;
  /// This module ("") and all below it with their full names.
  NamedModules named_modules();
  NamedModules named_children();
  /// The module of a full name such as "features.0" ("" is this one), or the parameter; throw ValueError, listing the
  /// names that there are, for another one.
  Module& get_submodule(const std::string& name);
  Tensor get_parameter(const std::string& name) const;

  // Hooks: see module_hooks.hpp. They belong to this module: copies have none, and moving takes them along. They are
  // called, in the order of their registration, by module(x); not by forward(x), and a module whose forward takes other
  // arguments refuses to run with them.

  bool has_hooks() const noexcept { return static_cast<bool>(hooks_); }
  /// Called before the forward, after it, and on its gradients.
  ModuleHookHandle register_forward_pre_hook(ForwardPreHook hook);
  ModuleHookHandle register_forward_hook(ForwardHook hook);
  ModuleHookHandle register_full_backward_hook(ModuleBackwardHook hook);

  /// Sets the mode of this module and all below it; touches neither requires_grad nor anything else.
  void train(bool on = true);
  void eval() { train(false); }
  bool is_training() const noexcept { return training_; }

  /// Drops the gradients of all parameters.
  void zero_grad();
  /// Switches requires_grad of all parameters.
  void requires_grad_(bool on = true);
  void requires_grad_(const void*) = delete;  // a name would count as true; names come as a list: {"stem"}
  /// Switches it for those parameters that are called one of the names, or lie below a module that is: for
  /// fine-tuning, `net.requires_grad_({"stem", "head.norm"}, false)`. Norms that are frozen so still update their
  /// running statistics when training; eval() stops that. Returns the number of parameters; throws ValueError, changing
  /// nothing, for a name that fits none.
  std::int64_t requires_grad_(const std::vector<std::string>& names, bool on);
  /// Converts floating point parameters (with their gradients) and buffers, keeping the handles that optimizers have.
  void to(DType dtype);
  std::int64_t num_parameters() const;

  /// All parameters and buffers by full name, under PyTorch's keys; they share the module's memory, outside of any
  /// graph. To keep the values of this moment, clone() them or copy the module.
  StateDict state_dict() const;
  /// Copies values in. Nothing is changed unless all fits: throws ValueError that lists missing, unexpected and
  /// mis-shaped keys by name. dtypes are converted, requires_grad and the handles of optimizers stay. Without `strict`
  /// missing and unexpected keys are reported only.
  LoadReport load_state_dict(const StateDict& state, LoadOptions options = {});

 protected:
  Module() = default;
  Module(const Module&) = default;
  Module(Module&& other) noexcept : training_(other.training_), hooks_(std::move(other.hooks_)) {
    hooks_.belongs_to(this);
  }
  Module& operator=(const Module&) = default;
  Module& operator=(Module&& other) noexcept {
    training_ = other.training_;
    hooks_ = std::move(other.hooks_);
    hooks_.belongs_to(this);
    return *this;
  }

  /// Throws Error when there are hooks: called before a forward that cannot serve them.
  void refuse_hooks() const;

  /// f(); an error that it throws goes on with this module's name in its path.
  template <class F>
  std::invoke_result_t<F> with_path(F&& f) {
    const Running running(*this);
    try {
      if constexpr (std::is_same_v<std::invoke_result_t<F>, Tensor>) {
        Tensor y = f();
        running.returns(y);
        return y;
      } else {
        return f();
      }
    } catch (Error& error) {
      add_to_path(error);
      throw;
    }
  }

 private:
  // Tells watchers which module runs.
  class Running {
   public:
    explicit Running(Module& module) : watched_(detail::is_watched()) {
      if (watched_) [[unlikely]] {
        module.enter();
      }
    }
    void returns(const Tensor& y) const {
      if (watched_) [[unlikely]] {
        detail::tell_returned(y);
      }
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running() {
      if (watched_) [[unlikely]] {
        detail::module_places().pop_back();
      }
    }

   private:
    bool watched_;
  };

  void enter();
  void add_to_path(Error& error);
  Tensor forward_with_hooks(const Tensor& x);

  bool training_ = true;
  detail::ModuleHookSlot hooks_;
};

/// The module tree with options, shapes and parameter counts:
///
///   Net(
///     (fc1): Linear(in_features=784, out_features=10, bias=true)  [10x784, 10]  7,850 parameters
///   )  total 7,850 parameters
std::ostream& operator<<(std::ostream& out, const Module& module);
std::string to_string(const Module& module);

/// Holds a module of any type; copies copy the module. Empty when made without one or moved from.
class AnyModule {
 public:
  AnyModule() = default;
  /// Takes the module, or moves or copies it in.
  AnyModule(std::unique_ptr<Module> module) noexcept : module_(std::move(module)) {}  // NOLINT: meant to convert
  template <class M>
  requires std::derived_from<std::remove_cvref_t<M>, Module> AnyModule(M&& module)  // NOLINT: meant to convert
      : module_(std::make_unique<std::remove_cvref_t<M>>(std::forward<M>(module))) {}
  AnyModule(const AnyModule& other) : module_(other.module_ ? other.module_->clone() : nullptr) {}
  AnyModule(AnyModule&&) noexcept = default;
  AnyModule& operator=(AnyModule other) noexcept {
    module_.swap(other.module_);
    return *this;
  }
  ~AnyModule() = default;

  explicit operator bool() const noexcept { return module_ != nullptr; }
  /// The module; throws ValueError when there is none.
  Module& get() const;
  Module& operator*() const { return get(); }
  Module* operator->() const { return &get(); }
  Tensor operator()(const Tensor& x) const { return get()(x); }
  /// The module as what it is; null when it is something else.
  template <class M>
  M* as() const {
    return dynamic_cast<M*>(module_.get());
  }

 private:
  std::unique_ptr<Module> module_;
};

namespace detail {

/// Takes the first name off a list "fc1, norm1, fc2".
std::string next_name(const char*& names);

template <class... Members>
void visit_members(MemberVisitor& visit, [[maybe_unused]] const char* names, Members&... members) {
  (visit(next_name(names), members), ...);
}

}  // namespace detail

/// Written once in a module: its name, its members (may be none), and how it is copied.
#define NORMGRAD_MEMBERS(Type, ...)                                                    \
  using ::normgrad::Module::forward;                                                   \
  std::string type_name() const override { return #Type; }                             \
  std::unique_ptr<::normgrad::Module> clone() const override {                         \
    return std::unique_ptr<::normgrad::Module>(new Type(*this));                       \
  }                                                                                    \
  void members(::normgrad::MemberVisitor& visit) override {                            \
    ::normgrad::detail::visit_members(visit, #__VA_ARGS__ __VA_OPT__(, ) __VA_ARGS__); \
  }

/// Written in a model whose forward() takes other arguments than one tensor, or returns something else: model(a, b) is
/// then forward(a, b), with the paths of modules in errors. (Not possible in a class inside of a function.)
#define NORMGRAD_CALL_FORWARD()                                                                             \
  template <class... Args>                                                                                  \
  decltype(auto) operator()(Args&&... args) {                                                               \
    this->refuse_hooks();                                                                                   \
    return this->with_path([&]() -> decltype(auto) { return this->forward(std::forward<Args>(args)...); }); \
  }

}  // namespace normgrad
