// Visits everything below a module by full name. Internal to the library.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "normgrad/layers/module/module.hpp"

namespace normgrad::detail {

using TensorAction = std::function<void(const std::string& name, Tensor& tensor)>;
using ModuleAction = std::function<void(const std::string& name, Module& module)>;

/// Calls the given actions with every parameter, buffer and module below a module. Ties weights first.
class MemberWalk : public MemberVisitor {
 public:
  MemberWalk(TensorAction on_parameter, TensorAction on_buffer, ModuleAction on_module = {})
      : on_parameter_(std::move(on_parameter)), on_buffer_(std::move(on_buffer)), on_module_(std::move(on_module)) {}

  /// members() gives mutable references even for a const module; the actions decide what they change.
  void run(const Module& module) {
    Module& root = const_cast<Module&>(module);
    tie_below(root);
    root.members(*this);
  }

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
  // Innermost first: a module may tie a parameter that one of its children has already tied.
  static void tie_below(Module& module) {
    class Ties : public MemberVisitor {
     public:
      void parameter(const std::string&, Parameter&) override {}
      void buffer(const std::string&, StateBuffer&) override {}
      void child(const std::string&, Module& child) override { tie_below(child); }
    } ties;
    module.members(ties);
    module.tie_weights(WeightTies());
  }

  TensorAction on_parameter_;
  TensorAction on_buffer_;
  ModuleAction on_module_;
  std::string prefix_;
};

/// Calls the action with every parameter and buffer below a module that its state_dict() contains.
class StateWalk : public MemberWalk {
 public:
  explicit StateWalk(const TensorAction& action) : MemberWalk(action, action) {}
  void buffer(const std::string& name, StateBuffer& buffer) override {
    if (buffer.is_persistent()) {
      MemberWalk::buffer(name, buffer);
    }
  }
};

/// Identifies a tensor: equal for all handles to it.
inline const void* identity_of(const Tensor& tensor) { return &tensor.shape(); }

}  // namespace normgrad::detail
