// Module hooks: functions that observe, and may replace, a module's input, its output and their gradients.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

class Module;

// A hook registered while hooks run is first called in the next call. A hook removed while hooks run is not called.

/// Called before forward with its argument. Returns the argument to use instead, or an undefined Tensor to keep it.
using ForwardPreHook = std::function<Tensor(Module& module, const Tensor& x)>;
/// Called after forward with its argument and result. Returns the result to use instead, or an undefined Tensor to keep
/// it.
using ForwardHook = std::function<Tensor(Module& module, const Tensor& x, const Tensor& y)>;
/// Called in the backward pass once the gradient with respect to the module's argument is complete, with that gradient
/// and the one with respect to the module's result, both outside any graph. Returns the gradient to propagate instead
/// of `gx`, or an undefined Tensor to keep it. If the argument requires no gradient, `gx` is undefined, the hook is
/// called when gy is complete, and its result is ignored. The hook is not called if the module no longer exists. It
/// must not change gx or gy in place, because they may be shared: doing so throws GraphError.
using ModuleBackwardHook = std::function<Tensor(Module& module, const Tensor& gx, const Tensor& gy)>;

namespace detail {
struct ModuleHooks;
}

/// Removes a hook. Does nothing if the hook has been removed or its module no longer exists.
class ModuleHookHandle {
 public:
  ModuleHookHandle() = default;
  /// Returned by Module::register_forward_hook() and the other register functions.
  ModuleHookHandle(std::weak_ptr<detail::ModuleHooks> hooks, std::uint64_t id);
  void remove();  ///< removes the hook; a second call does nothing

 private:
  std::weak_ptr<detail::ModuleHooks> hooks_;
  std::uint64_t id_ = 0;
};

namespace detail {

/// A module's hooks; null if there are none. Copies of a module have no hooks.
class ModuleHookSlot {
 public:
  ModuleHookSlot() = default;
  ModuleHookSlot(const ModuleHookSlot& /*other*/) noexcept {}
  ModuleHookSlot(ModuleHookSlot&& other) noexcept = default;
  // NOLINTNEXTLINE(bugprone-unhandled-self-assignment,cert-oop54-cpp): nothing is taken over
  ModuleHookSlot& operator=(const ModuleHookSlot& /*other*/) noexcept { return *this; }
  ModuleHookSlot& operator=(ModuleHookSlot&& other) noexcept = default;
  ~ModuleHookSlot() = default;

  explicit operator bool() const noexcept { return hooks_ != nullptr; }
  const std::shared_ptr<ModuleHooks>& get() const noexcept { return hooks_; }
  /// Creates the hook list if there is none.
  ModuleHooks& make(Module* module);
  /// Updates the hooks' pointer to their module, if there are any.
  void belongs_to(Module* module) noexcept;

 private:
  std::shared_ptr<ModuleHooks> hooks_;
};

}  // namespace detail

}  // namespace normgrad
