// How modules enumerate their members: the implementation of NORMGRAD_MEMBERS.
#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "normgrad/layers/module/parameter.hpp"

namespace normgrad {

class AnyModule;
class Module;

/// The argument of members(): receives each member with its name.
class MemberVisitor {
 public:
  virtual ~MemberVisitor() = default;
  virtual void parameter(const std::string& name, Parameter& parameter) = 0;  ///< called for each parameter
  virtual void buffer(const std::string& name, StateBuffer& buffer) = 0;      ///< called for each buffer
  virtual void child(const std::string& name, Module& child) = 0;             ///< called for each module
  /// Called for each parameter that is computed from others (see parametrize.hpp). By default visits these: the child
  /// "parametrizations.<name>".
  virtual void parametrized(const std::string& name, Parameter& parameter);
  /// Called for each module in an AnyModule, whose type may change. By default visits the child.
  virtual void held(const std::string& name, AnyModule& holder);

  /// Dispatches a member by its type. Elements of vectors are named "name.0", "name.1", ...; empty members are skipped.
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

namespace detail {

template <class T>
struct IsMember : std::bool_constant<std::derived_from<T, Module> || std::same_as<T, Parameter> ||
                                     std::same_as<T, StateBuffer> || std::same_as<T, AnyModule>> {};
template <class T>
struct IsMember<std::vector<T>> : IsMember<T> {};
template <class T>
struct IsMember<std::optional<T>> : IsMember<T> {};
template <class T>
struct IsMember<std::unique_ptr<T>> : IsMember<T> {};

/// Whether T can be copied. std::is_copy_constructible does not examine the elements of a vector.
template <class T>
struct IsCopyable : std::is_copy_constructible<T> {};
template <class T>
struct IsCopyable<std::vector<T>> : IsCopyable<T> {};
template <class T>
struct IsCopyable<std::optional<T>> : IsCopyable<T> {};

template <class... Members>
std::bool_constant<(... && IsCopyable<Members>::value)> copyable(const Members&...);

/// Forwards members and remembers them, so that a derived class does not repeat the members of its base.
class ToldMembers : public MemberVisitor {
 public:
  /// Forwards to `visit`.
  explicit ToldMembers(MemberVisitor& visit) : visit_(visit) {}
  void parameter(const std::string& name, Parameter& parameter) override;
  void buffer(const std::string& name, StateBuffer& buffer) override;
  void child(const std::string& name, Module& child) override;
  void parametrized(const std::string& name, Parameter& parameter) override;
  void held(const std::string& name, AnyModule& holder) override;

 private:
  /// Throws ValueError if another member has the same name.
  bool is_new(const std::string& name, const void* member);

  MemberVisitor& visit_;
  std::vector<std::pair<std::string, const void*>> told_;
};

/// Removes and returns the first name of a list such as "fc1, norm1, fc2".
std::string next_name(const char*& names);

template <class Member>
void visit_member(MemberVisitor& visit, const std::string& name, Member& member) {
  static_assert(IsMember<Member>::value,
                "NORMGRAD_MEMBERS names members that are a Parameter, a StateBuffer, a module, an AnyModule, or a "
                "std::vector or std::optional of these. Make a plain Tensor a Parameter when it is learned, a "
                "StateBuffer when it is saved but not learned, and do not name what is neither.");
  if constexpr (IsMember<Member>::value) {
    visit(name, member);
  }
}

/// Visits the members of the base class if it has its own NORMGRAD_MEMBERS, then these.
template <class Base, class Self, class... Members>
void visit_members([[maybe_unused]] Self& self, MemberVisitor& visit, [[maybe_unused]] const char* names,
                   Members&... members) {
  if constexpr (std::is_same_v<decltype(&Base::members), void (Module::*)(MemberVisitor&)>) {
    (visit_member(visit, next_name(names), members), ...);
  } else {
    ToldMembers told(visit);
    self.Base::members(told);
    (visit_member(told, next_name(names), members), ...);
  }
}

}  // namespace detail

}  // namespace normgrad
