// Sequential: a chain of modules.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "normgrad/layers/module/any_module.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// A child module and its name.
struct NamedModule {
  /// `child_name` must not contain dots.
  NamedModule(std::string child_name, AnyModule child) : name(std::move(child_name)), module(std::move(child)) {}
  std::string name;  ///< without dots
  AnyModule module;  ///< the child
};

template <class M>
concept SequentialEntry =
    std::derived_from<std::remove_cvref_t<M>, Module> || std::same_as<std::remove_cvref_t<M>, AnyModule> ||
    std::same_as<std::remove_cvref_t<M>, NamedModule> || std::convertible_to<M, std::unique_ptr<Module>>;

/// Passes its input through the modules in order. Without modules it returns its input.
///
///   Sequential net(Linear(784, 100), ReLU(), Linear(100, 10));                                 // "0", "1", "2"
///   Sequential net({{"fc1", Linear(784, 100)}, {"act", ReLU()}, {"fc2", Linear(100, 10)}});
class Sequential final : public Module {
 public:
  Sequential() = default;
  /// Takes modules, std::unique_ptr<Module>, AnyModule or NamedModule. A single Sequential is copied, not nested.
  template <class... Ms>
  requires(sizeof...(Ms) > 0 && (SequentialEntry<Ms> && ...) &&
           !(sizeof...(Ms) == 1 &&
             (std::same_as<std::remove_cvref_t<Ms>, Sequential> && ...))) explicit Sequential(Ms&&... modules) {
    entries_.reserve(sizeof...(Ms));
    (push_back(std::forward<Ms>(modules)), ...);
  }
  Sequential(std::initializer_list<NamedModule> modules);

  /// Appends a module named after its position. Throws ValueError for an empty holder.
  Sequential& push_back(AnyModule module);
  /// Appends a module under its name. Throws ValueError for an empty holder and for a name that is empty, contains a
  /// dot, or is already in use.
  Sequential& push_back(NamedModule module);
  Sequential& push_back(std::string name, AnyModule module) {
    return push_back(NamedModule(std::move(name), std::move(module)));
  }

  std::int64_t size() const noexcept { return static_cast<std::int64_t>(entries_.size()); }  ///< number of modules
  bool empty() const noexcept { return entries_.empty(); }  ///< whether it has no modules
  /// Returns module i; a negative index counts from the end. Throws IndexError if i is out of range.
  Module& operator[](std::int64_t i) const;
  /// Returns module i as an M. Throws IndexError if i is out of range, and ValueError if the module has another type.
  template <class M>
  M& at(std::int64_t i) const {
    Module& module = (*this)[i];
    M* typed = dynamic_cast<M*>(&module);
    require<ValueError>(typed != nullptr, "Sequential: module ", i, " is a ", module.type_name(),
                        ", not of the requested type");
    return *typed;
  }

  std::string type_name() const override { return "Sequential"; }
  std::unique_ptr<Module> clone() const override;
  bool assign_from(const Module& other) override;
  void members(MemberVisitor& visit) override;
  Tensor forward(const Tensor& x) override;
  /// Passes x through modules begin to end - 1 alone. Throws IndexError unless 0 <= begin <= end <= size().
  Tensor forward_range(const Tensor& x, std::int64_t begin, std::int64_t end);

 private:
  std::vector<NamedModule> entries_;
};

}  // namespace normgrad
