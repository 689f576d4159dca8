// Hooks on modules: functions that see, and may change, what goes into a module, what comes out, and the gradients.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

class Module;

// A hook that is added while hooks run counts from the next call on; one that is removed meanwhile is not called.

/// Called before forward with its argument; returns what forward shall be given instead, or an undefined Tensor.
using ForwardPreHook = std::function<Tensor(Module& module, const Tensor& x)>;
/// Called after forward with its argument and result; returns what the caller shall get instead, or an undefined
/// Tensor.
using ForwardHook = std::function<Tensor(Module& module, const Tensor& x, const Tensor& y)>;
/// Called in a backward once the gradient with respect to the module's argument is complete, with it and that with
/// respect to the module's result (outside of any graph); returns what shall go on instead of `gx`, or an undefined
/// Tensor. When the argument requires no gradient, `gx` is undefined and the hook is called when gy is complete; what
/// it returns is then not used. Not called once the module is gone. It must not change gx or gy in place (others hold
/// them): a GraphError says so.
using ModuleBackwardHook = std::function<Tensor(Module& module, const Tensor& gx, const Tensor& gy)>;

namespace detail {
struct ModuleHooks;
}

/// Takes a hook off again. Does nothing once it is off, or its module is gone.
class ModuleHookHandle {
 public:
  ModuleHookHandle() = default;
  /// Made by Module::register_forward_hook() and its kin.
  ModuleHookHandle(std::weak_ptr<detail::ModuleHooks> hooks, std::uint64_t id);
  void remove();  ///< does nothing the second time

 private:
  std::weak_ptr<detail::ModuleHooks> hooks_;
  std::uint64_t id_ = 0;
};

namespace detail {

/// A module's hooks: null while there are none. They are the module's own, so a copy starts without.
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
  /// Makes them, if there are none yet.
  ModuleHooks& make(Module* module);
  /// Tells the hooks, if there are any, where their module is.
  void belongs_to(Module* module) noexcept;

 private:
  std::shared_ptr<ModuleHooks> hooks_;
};

}  // namespace detail

}  // namespace normgrad
