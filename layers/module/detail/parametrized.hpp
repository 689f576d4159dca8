// The parts of parametrize.cpp that modules and parameters use. Internal to the library.
#pragma once

#include <memory>
#include <string>

#include "normgrad/layers/module/parametrize.hpp"

namespace normgrad::detail {

struct Parametrized {
  /// A parameter, and the module that it belongs to.
  struct Place {
    Module* module = nullptr;
    Parameter* parameter = nullptr;
  };
  /// Finds a parameter of the module or of one below it. Throws ValueError, listing the names, if there is none.
  static Place find(const char* where, Module& module, const std::string& name);
  static ParametrizationList& list_of(const Parameter& parameter) { return *parameter.parametrizations_; }
  /// A copy for another parameter; null for null.
  static std::shared_ptr<ParametrizationList> copy_of(const Parameter& parameter);
  /// The value at present, without a gradient, leaving the state of parametrizations as it is.
  static Tensor value_of(const Parameter& parameter);
  /// Assigns to a parameter that is parametrized.
  static void assign(Parameter& to, const Parameter& from);

  /// Notes whether a parameter of the module itself is parametrized.
  static void look_for(Module& module);
  /// Parametrizes the parameters of `to` as those of `from`, whose values are assigned afterwards.
  static void adopt(Module& to, const Module& from);
  /// Computes all parametrized parameters below the module, so that members hold the value of their originals. Leaves
  /// those that cannot be computed; the next call of their module reports why.
  static void refresh(Module& root);

  /// Begins a call of a module: the parameter holds its value until the end. Calls of several threads take turns.
  static void begin(Parameter& parameter);
  static void end(Parameter& parameter) noexcept;

  static void add(Module& module, const std::string& name, AnyModule parametrization, bool unsafe);
  static void remove(Module& module, const std::string& name, bool leave_parametrized);
  static Tensor compute(ParametrizationList& list);
  static Tensor cached_or_computed(ParametrizationList& list);
};

}  // namespace normgrad::detail
