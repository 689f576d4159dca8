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
// parameters, buffers, children, state dicts, copies and printing all come from members().
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

class Module;

/// A tensor that is learned. Copying makes new memory of the same values; undefined when a layer has none (bias off).
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
  explicit StateBuffer(const Tensor& value);
  StateBuffer(const StateBuffer& other);
  StateBuffer(StateBuffer&&) noexcept = default;
  StateBuffer& operator=(StateBuffer other) noexcept;
  ~StateBuffer() = default;
};

/// What members() is called with: is told each member by name.
class MemberVisitor {
 public:
  virtual ~MemberVisitor() = default;
  virtual void parameter(const std::string& name, Parameter& parameter) = 0;
  virtual void buffer(const std::string& name, StateBuffer& buffer) = 0;
  virtual void child(const std::string& name, Module& child) = 0;

  /// Tells one member, by its type; vectors of members get names "name.0", "name.1", ...
  void operator()(const std::string& name, Parameter& member) { parameter(name, member); }
  void operator()(const std::string& name, StateBuffer& member) { buffer(name, member); }
  void operator()(const std::string& name, Module& member) { child(name, member); }
  template <class T>
  void operator()(const std::string& name, std::vector<T>& members) {
    for (std::size_t i = 0; i < members.size(); ++i) {
      (*this)(name + "." + std::to_string(i), members[i]);
    }
  }
  template <class T>
  void operator()(const std::string& name, std::unique_ptr<T>& member) {
    if (member) {
      (*this)(name, *member);
    }
  }
  template <class T>
  void operator()(const std::string& name, std::shared_ptr<T>& member) {
    if (member) {
      (*this)(name, *member);
    }
  }
};

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;
/// Parameters and buffers by their full names, "features.norm1.running_mean".
using StateDict = std::map<std::string, Tensor>;

struct LoadOptions {
  bool strict = true;  ///< missing and unexpected keys are errors
};
/// What load_state_dict(state, {.strict = false}) passed over.
struct LoadReport {
  std::vector<std::string> missing_keys;
  std::vector<std::string> unexpected_keys;
};

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

  /// Computes the result. Models with other arguments give a forward of their own.
  virtual Tensor forward(const Tensor& x);
  /// forward(x); an error on the way is told with the path of the module that it comes from.
  Tensor operator()(const Tensor& x);

  /// All parameters, of children too, in the order of members(). The tensors are handles to the module's own.
  std::vector<Tensor> parameters();
  NamedTensors named_parameters();
  std::vector<Tensor> buffers();
  NamedTensors named_buffers();
  /// This module ("") and all below it with their full names.
  std::vector<std::pair<std::string, Module*>> named_modules();
  std::vector<std::pair<std::string, Module*>> named_children();

  /// Sets the mode of this module and all below it; touches neither requires_grad nor anything else.
  void train(bool on = true);
  void eval() { train(false); }
  bool is_training() const noexcept { return training_; }

  void zero_grad();
  /// Switches requires_grad of all parameters.
  void requires_grad_(bool on = true);
  /// Converts floating point parameters and buffers, keeping the handles that optimizers have.
  void to(DType dtype);
  std::int64_t num_parameters();

  /// Handles to all parameters and buffers by full name, under PyTorch's keys.
  StateDict state_dict();
  /// Copies values in. Nothing is changed unless all fits: throws ValueError that lists missing, unexpected and
  /// mis-shaped keys by name. dtypes are converted.
  LoadReport load_state_dict(const StateDict& state, LoadOptions options = {});

 protected:
  Module() = default;
  Module(const Module&) = default;
  Module(Module&&) noexcept = default;
  Module& operator=(const Module&) = default;
  Module& operator=(Module&&) noexcept = default;

 private:
  bool training_ = true;
};

/// The module tree with options, shapes and parameter counts.
std::ostream& operator<<(std::ostream& out, Module& module);
std::string to_string(Module& module);

/// Written once in a module: its name, its members (may be none), and how it is copied.
#define NORMGRAD_MEMBERS(Type, ...)                                                                    \
  std::string type_name() const override { return #Type; }                                             \
  std::unique_ptr<::normgrad::Module> clone() const override { return std::make_unique<Type>(*this); } \
  void members([[maybe_unused]] ::normgrad::MemberVisitor& visit) override { NORMGRAD_FOR_EACH_MEMBER(__VA_ARGS__) }

// clang-format off
#define NORMGRAD_PARENS ()
#define NORMGRAD_EXPAND(...) NORMGRAD_EXPAND3(NORMGRAD_EXPAND3(NORMGRAD_EXPAND3(__VA_ARGS__)))
#define NORMGRAD_EXPAND3(...) NORMGRAD_EXPAND2(NORMGRAD_EXPAND2(NORMGRAD_EXPAND2(__VA_ARGS__)))
#define NORMGRAD_EXPAND2(...) NORMGRAD_EXPAND1(NORMGRAD_EXPAND1(NORMGRAD_EXPAND1(__VA_ARGS__)))
#define NORMGRAD_EXPAND1(...) __VA_ARGS__
#define NORMGRAD_FOR_EACH_MEMBER(...) __VA_OPT__(NORMGRAD_EXPAND(NORMGRAD_VISIT_MEMBER(__VA_ARGS__)))
#define NORMGRAD_VISIT_MEMBER(member, ...) visit(#member, member); __VA_OPT__(NORMGRAD_VISIT_AGAIN NORMGRAD_PARENS (__VA_ARGS__))
#define NORMGRAD_VISIT_AGAIN() NORMGRAD_VISIT_MEMBER
// clang-format on

}  // namespace normgrad
