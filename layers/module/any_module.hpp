// AnyModule: a member that holds a module of any type.
#pragma once

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

#include "normgrad/layers/module/module.hpp"

namespace normgrad {

namespace detail {

/// How to copy and assign a module by its type; null if clone() and assign_from() suffice.
struct ModuleValue {
  std::unique_ptr<Module> (*copy)(const Module& module);
  void (*assign)(Module& module, const Module& other);
};

template <class M>
inline constexpr ModuleValue kModuleValue = {
    [](const Module& module) -> std::unique_ptr<Module> { return std::make_unique<M>(static_cast<const M&>(module)); },
    [](Module& module, const Module& other) { static_cast<M&>(module) = static_cast<const M&>(other); }};

/// For a derived class without its own NORMGRAD_MEMBERS, whose clone() is its base's.
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

/// Holds a module of any type. Copies copy the module; assignments of the same type copy into the existing one. Empty
/// if default-constructed or moved from.
class AnyModule {
 public:
  AnyModule() = default;
  /// Takes ownership of the module, or copies or moves it.
  AnyModule(std::unique_ptr<Module> module) noexcept : module_(std::move(module)) {}  // NOLINT: meant to convert
  template <class M>
  requires std::derived_from<std::remove_cvref_t<M>, Module> AnyModule(M&& module)  // NOLINT: meant to convert
      : module_(std::make_unique<std::remove_cvref_t<M>>(std::forward<M>(module))),
        value_(detail::module_value<std::remove_cvref_t<M>>()) {}
  /// Throws Error if the copy would lose the module's type.
  AnyModule(const AnyModule& other);
  AnyModule(AnyModule&&) noexcept = default;
  AnyModule& operator=(const AnyModule& other);
  AnyModule& operator=(AnyModule&& other);  // NOLINT(performance-noexcept-move-constructor): may copy
  ~AnyModule() = default;

  explicit operator bool() const noexcept { return module_ != nullptr; }
  /// Returns the module. Throws ValueError if there is none.
  Module& get() const;
  Module& operator*() const { return get(); }
  Module* operator->() const { return &get(); }
  Tensor operator()(const Tensor& x) const { return get()(x); }
  /// Returns the module as an M; null if it has another type.
  template <class M>
  M* as() const {
    return dynamic_cast<M*>(module_.get());
  }

 private:
  bool assign_in_place(const AnyModule& other);

  std::unique_ptr<Module> module_;
  const detail::ModuleValue* value_ = nullptr;
};

}  // namespace normgrad
