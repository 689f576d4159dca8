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
// Modules are values: a copy has parameters and buffers of its own, and an assignment copies into those that are there.
// There is no registry to keep in step: names, parameters, buffers, children, state dicts, copies and printing all come
// from members(). Members may be parameters, buffers, modules, AnyModule (a module whose type is chosen at run time),
// and vectors and optionals of these. A model derived from a model has the members of both.
#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/parameter_list.hpp"
#include "normgrad/core/autograd/state_dict.hpp"
#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/autograd/watch.hpp"
#include "normgrad/layers/members.hpp"
#include "normgrad/layers/module_hooks.hpp"

namespace normgrad {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;   ///< by full name
using NamedModules = std::vector<std::pair<std::string, Module*>>;  ///< by full name

/// Options of load_state_dict().
struct LoadOptions {
  bool strict = true;  ///< missing and unexpected keys are errors
  /// Only keys that begin with it are looked at, without it: "backbone." takes one part of a larger model's state. Left
  /// out, a "module." (DataParallel) or "_orig_mod." (torch.compile) that all keys begin with is taken off.
  std::string prefix = {};
  /// The model's key for a key of the state (without prefix); "" passes the entry over.
  std::function<std::string(const std::string& key)> rename = {};
};
/// What load_state_dict(state, {.strict = false}) passed over.
struct LoadReport {
  std::vector<std::string> missing_keys;     ///< the model has them, the state has not
  std::vector<std::string> unexpected_keys;  ///< the state has them, the model has not
};

namespace detail {

/// A mode of a module: copies take it over, while assignment, which is of values, leaves it as it is.
template <class T>
class Mode {
 public:
  Mode(T value) : value_(value) {}  // NOLINT(google-explicit-constructor): as the value itself
  Mode(const Mode&) = default;
  Mode& operator=(const Mode& /*other*/) noexcept { return *this; }  // NOLINT: nothing is taken over
  ~Mode() = default;
  const T& operator*() const noexcept { return value_; }
  void set(T value) { value_ = value; }

 private:
  T value_;
};

}  // namespace detail

/// Base of all layers and models: see the head of this file.
class Module {
 public:
  /// The class closest to a derived one that says what its members are; each NORMGRAD_MEMBERS finds its base's there.
  using NormgradSelf = Module;
  virtual ~Module() = default;

  /// The name in printing and error messages, such as "BatchNorm2d".
  virtual std::string type_name() const = 0;  // abstract? write NORMGRAD_MEMBERS(Class, members...) in the class
  /// What stands in the parentheses when the module is printed, such as "784, 100, bias=true".
  virtual std::string extra_repr() const { return {}; }
  /// Tells the visitor every parameter, buffer and child; written by NORMGRAD_MEMBERS.
  virtual void members(MemberVisitor& /*visit*/) {}
  /// A copy with parameters and buffers of its own; written by NORMGRAD_MEMBERS. Throws Error for a class that was
  /// derived without a NORMGRAD_MEMBERS of its own, which would lose its type, and for one that cannot be copied.
  virtual std::unique_ptr<Module> clone() const = 0;
  /// *this = other, where both are of this class and it can be assigned; else false, and nothing is changed. Written by
  /// NORMGRAD_MEMBERS.
  virtual bool assign_from(const Module& /*other*/) { return false; }
  /// Ties parameters that are one and the same; written by NORMGRAD_TIE, or by hand where it depends:
  ///
  ///   void tie_weights(const WeightTies& tie) override { if (tied) tie(out.weight, tok.weight); }
  ///
  /// Called before a module's members are listed, it is called for the first time, or copied.
  virtual void tie_weights(const WeightTies& /*tie*/) {}

  /// Computes the result. Models with other arguments give a forward of their own, and NORMGRAD_CALL_FORWARD().
  virtual Tensor forward(const Tensor& x);
  /// forward(x); an error on the way is told with the path of the module that it comes from.
  Tensor operator()(const Tensor& x) {
    return with_path([&] { return hooks_ ? forward_with_hooks(x) : forward(x); });
  }

  /// All parameters, of children too, in the order of members(), tied ones once. The tensors are handles to the
  /// module's own; the list knows their names.
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
  // arguments refuses to run with them. One that was removed is not called any more, not even in the round that runs.

  bool has_hooks() const noexcept;
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
  /// graph. Tied parameters are there under each of their names. To keep the values of this moment, clone() them or
  /// copy the module.
  StateDict state_dict() const;
  /// Copies values in. Nothing is changed unless all fits: throws ValueError that lists missing, unexpected and
  /// mis-shaped keys by name, and tied parameters that are given different values. dtypes are converted, requires_grad
  /// and the handles of optimizers stay. Without `strict` missing and unexpected keys are reported only.
  ///
  /// As in PyTorch, a state without num_batches_tracked is not missing anything, and [1] fits a tensor without axes. Of
  /// tied parameters one name is enough.
  LoadReport load_state_dict(const StateDict& state, LoadOptions options = {});
  /// load_state_dict() in two steps: checks everything, with its errors, and changes nothing; what it returns copies
  /// the values in and does not throw. The module must live until then.
  std::function<void()> prepare_state_dict(const StateDict& state, LoadOptions options = {});

 protected:
  Module() = default;
  Module(const Module& other);
  Module(Module&& other) noexcept : training_(other.training_), hooks_(std::move(other.hooks_)) {
    hooks_.belongs_to(this);
  }
  /// Mode and hooks stay as they are.
  Module& operator=(const Module& other);
  /// So that `net = Net()` copies into the tensors of `net`, too: classes derived from this one have no move assignment
  /// then, and the copy assignment stands in.
  Module& operator=(Module&& other) = delete;

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
  // Looks at the members in a module's first call, and tells watchers which module runs.
  class Running {
   public:
    explicit Running(Module& module) : watched_(detail::is_watched()) {
      if (!module.called_.load(std::memory_order_acquire)) [[unlikely]] {
        first_ = module.first_call();
      }
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
      if (watched_ || first_) [[unlikely]] {
        leave(watched_, first_);
      }
    }

   private:
    bool watched_;
    bool first_ = false;
  };

  bool first_call();
  static void leave(bool watched, bool first) noexcept;
  void check_is_member_of(Module& root);
  void enter();
  void add_to_path(Error& error);
  Tensor forward_with_hooks(const Tensor& x);

  virtual std::size_t normgrad_size() const { return 0; }  // of the class that NORMGRAD_MEMBERS stands in
  virtual bool normgrad_calls_forward() const { return false; }

  bool training_ = true;
  std::atomic<bool> called_ = false;
  detail::ModuleHookSlot hooks_;
};

/// The module tree with options, shapes and parameter counts:
///
///   Net(
///     (fc1): Linear(in_features=784, out_features=10, bias=true)  [10x784, 10]  7,850 parameters
///   )  total 7,850 parameters
std::ostream& operator<<(std::ostream& out, const Module& module);
std::string to_string(const Module& module);

namespace detail {

/// How to copy and assign a module by its type; null where clone() and assign_from() do.
struct ModuleValue {
  std::unique_ptr<Module> (*copy)(const Module& module);
  void (*assign)(Module& module, const Module& other);
};

template <class M>
inline constexpr ModuleValue kModuleValue = {
    [](const Module& module) -> std::unique_ptr<Module> { return std::make_unique<M>(static_cast<const M&>(module)); },
    [](Module& module, const Module& other) { static_cast<M&>(module) = static_cast<const M&>(other); }};

/// For a class that was derived without a NORMGRAD_MEMBERS of its own, whose clone() is that of its base.
template <class M>
constexpr const ModuleValue* module_value() {
  if constexpr (requires { typename M::NormgradSelf; }) {
    if constexpr (!std::is_same_v<typename M::NormgradSelf, M> && !std::is_same_v<typename M::NormgradSelf, Module> &&
                  std::is_copy_constructible_v<M> && std::is_copy_assignable_v<M>) {
      return &kModuleValue<M>;
    }
  }
  return nullptr;
}

}  // namespace detail

/// Holds a module of any type; copies copy the module, and assignments of the same type copy into the one that is
/// there. Empty when made without one or moved from.
class AnyModule {
 public:
  AnyModule() = default;
  /// Takes the module, or moves or copies it in.
  AnyModule(std::unique_ptr<Module> module) noexcept : module_(std::move(module)) {}  // NOLINT: meant to convert
  template <class M>
  requires std::derived_from<std::remove_cvref_t<M>, Module> AnyModule(M&& module)  // NOLINT: meant to convert
      : module_(std::make_unique<std::remove_cvref_t<M>>(std::forward<M>(module))),
        value_(detail::module_value<std::remove_cvref_t<M>>()) {}
  /// Throws Error where a copy would lose the module's type.
  AnyModule(const AnyModule& other);
  AnyModule(AnyModule&&) noexcept = default;
  AnyModule& operator=(const AnyModule& other);
  AnyModule& operator=(AnyModule&& other);  // NOLINT(performance-noexcept-move-constructor): may copy
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
  bool assign_in_place(const AnyModule& other);

  std::unique_ptr<Module> module_;
  const detail::ModuleValue* value_ = nullptr;
};

namespace detail {

[[noreturn]] void refuse_to_copy(const Module& module, bool can_be_copied, const char* type);

template <bool kCopyable, class M>
std::unique_ptr<Module> clone_of(const M& module, const char* type) {
  if constexpr (kCopyable && std::is_copy_constructible_v<M>) {
    if (typeid(module) == typeid(M)) {
      return std::make_unique<M>(module);
    }
  }
  refuse_to_copy(module, kCopyable && std::is_copy_constructible_v<M>, type);
}

template <bool kCopyable, class M>
bool assign_to(M& module, const Module& other) {
  if constexpr (kCopyable && std::is_copy_assignable_v<M>) {
    if (typeid(module) == typeid(M) && typeid(other) == typeid(M)) {
      module = static_cast<const M&>(other);
      return true;
    }
  }
  return false;
}

}  // namespace detail

/// Written once in a module: its name and its members (may be none), from which copies, too, are made. Members that a
/// base class names in its own are its members as well.
#define NORMGRAD_MEMBERS(Type, ...)                                                                                   \
  using NormgradBase = typename Type::NormgradSelf; /* that of the base: the next line comes after this one */        \
  using NormgradSelf = Type;                                                                                          \
  using NormgradBase::forward;                                                                                        \
  std::string type_name() const override { return #Type; }                                                            \
  std::unique_ptr<::normgrad::Module> clone() const override {                                                        \
    return ::normgrad::detail::clone_of<decltype(::normgrad::detail::copyable(__VA_ARGS__))::value>(*this, #Type);    \
  }                                                                                                                   \
  bool assign_from(const ::normgrad::Module& normgrad_other) override {                                               \
    return ::normgrad::detail::assign_to<decltype(::normgrad::detail::copyable(__VA_ARGS__))::value>(*this,           \
                                                                                                     normgrad_other); \
  }                                                                                                                   \
  void members(::normgrad::MemberVisitor& visit) override {                                                           \
    ::normgrad::detail::visit_members<NormgradBase>(*this, visit, #__VA_ARGS__ __VA_OPT__(, ) __VA_ARGS__);           \
  }                                                                                                                   \
  std::size_t normgrad_size() const override { return sizeof(NormgradSelf); }

/// Written in a model in which one parameter is another one's, as `out.weight = tok.weight` makes it in PyTorch:
/// NORMGRAD_TIE(out.weight, tok.weight). Copies of the model are tied in themselves, parameters() lists the parameter
/// once, state_dict() has both names, and the values it starts with are those of the second.
#define NORMGRAD_TIE(parameter, to)                                       \
  void tie_weights(const ::normgrad::WeightTies& normgrad_tie) override { \
    NormgradBase::tie_weights(normgrad_tie);                              \
    normgrad_tie(parameter, to);                                          \
  }

/// Written in a model whose forward() takes other arguments than one tensor, or returns something else: model(a, b) is
/// then forward(a, b), with the paths of modules in errors. (Not possible in a class inside of a function.)
#define NORMGRAD_CALL_FORWARD()                                                                             \
  bool normgrad_calls_forward() const override { return true; }                                             \
  template <class... Args>                                                                                  \
  decltype(auto) operator()(Args&&... args) {                                                               \
    this->refuse_hooks();                                                                                   \
    return this->with_path([&]() -> decltype(auto) { return this->forward(std::forward<Args>(args)...); }); \
  }

}  // namespace normgrad
