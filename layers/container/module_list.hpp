// ModuleList and ModuleDict: modules by position and by name, for models that choose what to call in their forward.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad {

namespace detail {

/// Returns the module as an M. Throws ValueError, naming the container and the entry, if it has another type.
template <class M>
M& module_as(Module& module, const char* container, const std::string& entry) {
  M* typed = dynamic_cast<M*>(&module);
  require<ValueError>(typed != nullptr, container, ": module ", entry, " is a ", module.type_name(),
                      ", not of the requested type");
  return *typed;
}

template <class M>
concept ListEntry = SequentialEntry<M> && !std::same_as<std::remove_cvref_t<M>, NamedModule>;

}  // namespace detail

/// Modules in a list, named "0", "1", ... It has no forward of its own: for (Module& layer : layers) x = layer(x). For
/// parameters in a list use a std::vector<Parameter> as a member; it has the names of PyTorch's ParameterList.
///
///   ModuleList layers(Linear(8, 8), ReLU());
///   layers.push_back(Linear(8, 2));
class ModuleList final : public Module {
 public:
  /// Visits the modules in order.
  class Iterator {
   public:
    using value_type = Module;
    using difference_type = std::ptrdiff_t;
    Iterator() = default;
    /// Starts at an entry.
    explicit Iterator(const AnyModule* at) : at_(at) {}
    Module& operator*() const { return **at_; }
    Module* operator->() const { return &**at_; }
    /// Moves to the next entry.
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    Iterator operator++(int) { return Iterator(at_++); }
    bool operator==(const Iterator&) const = default;

   private:
    const AnyModule* at_ = nullptr;
  };

  ModuleList() = default;
  /// Takes modules, std::unique_ptr<Module> or AnyModule. A single ModuleList is copied, not nested.
  template <class... Ms>
  requires(sizeof...(Ms) > 0 && (detail::ListEntry<Ms> && ...) &&
           !(sizeof...(Ms) == 1 &&
             (std::same_as<std::remove_cvref_t<Ms>, ModuleList> && ...))) explicit ModuleList(Ms&&... modules) {
    entries_.reserve(sizeof...(Ms));
    (push_back(std::forward<Ms>(modules)), ...);
  }

  /// Appends a module. Throws ValueError for an empty holder.
  ModuleList& push_back(AnyModule module);
  /// Inserts a module before position i, which may be the size; a negative i counts from the end. Throws IndexError if
  /// i is out of range, and ValueError for an empty holder.
  ModuleList& insert(std::int64_t i, AnyModule module);
  /// Appends copies of the modules of another list.
  ModuleList& extend(const ModuleList& other);

  std::int64_t size() const noexcept { return static_cast<std::int64_t>(entries_.size()); }  ///< number of modules
  bool empty() const noexcept { return entries_.empty(); }             ///< whether it has no modules
  Iterator begin() const { return Iterator(entries_.data()); }         ///< the first module
  Iterator end() const { return Iterator(entries_.data() + size()); }  ///< behind the last module
  /// Returns module i; a negative index counts from the end. Throws IndexError if i is out of range.
  Module& operator[](std::int64_t i) const;
  /// Returns module i as an M. Throws IndexError if i is out of range, and ValueError if the module has another type.
  template <class M>
  M& at(std::int64_t i) const {
    return detail::module_as<M>((*this)[i], "ModuleList", std::to_string(i));
  }

  std::string type_name() const override { return "ModuleList"; }
  std::unique_ptr<Module> clone() const override;
  bool assign_from(const Module& other) override;
  void members(MemberVisitor& visit) override;

 private:
  std::vector<AnyModule> entries_;
};

/// Modules by name, in the order in which they were added. It has no forward of its own.
///
///   ModuleDict heads({{"classes", Linear(8, 3)}, {"boxes", Linear(8, 4)}});
///   heads["boxes"](x)
class ModuleDict final : public Module {
 public:
  ModuleDict() = default;
  /// Adds the modules in order; see insert().
  ModuleDict(std::initializer_list<NamedModule> modules);

  /// Adds a module. Throws ValueError for an empty holder and for a name that is empty, contains a dot, or is already
  /// in use.
  ModuleDict& insert(std::string name, AnyModule module);
  /// Adds the modules, copied, or replaces those of the same name. Throws as insert() does, before it changes anything.
  ModuleDict& update(const std::vector<NamedModule>& modules);
  /// Removes a module and returns it. Throws ValueError, listing the names, if there is none of that name.
  AnyModule pop(const std::string& name);

  std::int64_t size() const noexcept { return static_cast<std::int64_t>(entries_.size()); }  ///< number of modules
  bool empty() const noexcept { return entries_.empty(); }  ///< whether it has no modules
  bool contains(const std::string& name) const noexcept;    ///< whether there is a module of that name
  std::vector<std::string> keys() const;                    ///< the names, in order
  /// Returns the module of that name. Throws ValueError, listing the names, if there is none.
  Module& operator[](const std::string& name) const;
  /// Returns the module of that name as an M. Throws ValueError if there is none or if it has another type.
  template <class M>
  M& at(const std::string& name) const {
    return detail::module_as<M>((*this)[name], "ModuleDict", "'" + name + "'");
  }

  std::string type_name() const override { return "ModuleDict"; }
  std::unique_ptr<Module> clone() const override;
  bool assign_from(const Module& other) override;
  void members(MemberVisitor& visit) override;

 private:
  std::size_t find(const std::string& name) const noexcept;  // size() if there is none
  std::size_t found(const std::string& name) const;

  std::vector<NamedModule> entries_;
};

}  // namespace normgrad
