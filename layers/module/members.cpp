#include "normgrad/layers/module/members.hpp"

#include <cstring>
#include <typeinfo>

#include "normgrad/layers/module/any_module.hpp"
#include "normgrad/layers/module/detail/parametrized.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad {

void MemberVisitor::operator()(const std::string& name, Parameter& member) {
  if (member.is_parametrized()) {
    parametrized(name, member);
  } else if (member.defined()) {
    parameter(name, member);
  }
}

void MemberVisitor::operator()(const std::string& name, StateBuffer& member) {
  if (member.defined()) {
    buffer(name, member);
  }
}

void MemberVisitor::operator()(const std::string& name, AnyModule& member) {
  if (member) {
    held(name, member);
  }
}

void MemberVisitor::parametrized(const std::string& name, Parameter& parameter) {
  // As in PyTorch, where the elements of a list belong to a module of their own: "scales.parametrizations.0".
  const std::size_t last = name.rfind('.') + 1;  // 0 without a dot
  child(name.substr(0, last) + "parametrizations." + name.substr(last), detail::Parametrized::list_of(parameter));
}

void MemberVisitor::held(const std::string& name, AnyModule& holder) { child(name, *holder); }

namespace detail {

bool ToldMembers::is_new(const std::string& name, const void* member) {
  for (const auto& [told_name, told] : told_) {
    if (told == member) {
      return false;
    }
    require<ValueError>(told_name != name, "NORMGRAD_MEMBERS: a class and its base class both have a member named '",
                        name, "'; give one of them another name");
  }
  told_.emplace_back(name, member);
  return true;
}

void ToldMembers::parameter(const std::string& name, Parameter& parameter) {
  if (is_new(name, &parameter)) {
    visit_.parameter(name, parameter);
  }
}

void ToldMembers::buffer(const std::string& name, StateBuffer& buffer) {
  if (is_new(name, &buffer)) {
    visit_.buffer(name, buffer);
  }
}

void ToldMembers::child(const std::string& name, Module& child) {
  if (is_new(name, &child)) {
    visit_.child(name, child);
  }
}

void ToldMembers::parametrized(const std::string& name, Parameter& parameter) {
  if (is_new(name, &parameter)) {
    visit_.parametrized(name, parameter);
  }
}

void ToldMembers::held(const std::string& name, AnyModule& holder) {
  if (is_new(name, &*holder)) {
    visit_.held(name, holder);
  }
}

std::string next_name(const char*& names) {
  const char* end = std::strchr(names, ',');
  std::string name = end != nullptr ? std::string(names, end) : std::string(names);
  names = end != nullptr ? end + std::strspn(end, ", ") : names + name.size();
  return name;
}

void refuse_to_copy(const Module& module, bool can_be_copied, const char* type) {
  if (can_be_copied) {
    fail<Error>(module.type_name(), ": clone: expected a class with its own NORMGRAD_MEMBERS but got one derived from ",
                type, " without it, whose copy would be a ", type,
                "; write NORMGRAD_MEMBERS(Class, members...) in it, with the members that it adds");
  }
  fail<Error>(type,
              ": clone: expected members that can be copied; hold modules in an AnyModule instead of a "
              "std::unique_ptr");
}

}  // namespace detail

AnyModule::AnyModule(const AnyModule& other) : value_(other.value_) {
  if (other.module_ == nullptr) {
    return;
  }
  module_ = value_ != nullptr ? value_->copy(*other.module_) : other.module_->clone();
  const Module& copy = *module_;
  const Module& original = *other.module_;
  require<Error>(typeid(copy) == typeid(original), original.type_name(),
                 ": clone: expected a copy of the same class but clone() returned another one");
}

bool AnyModule::assign_in_place(const AnyModule& other) {
  if (module_ == nullptr || other.module_ == nullptr) {
    return false;
  }
  Module& own = *module_;
  const Module& source = *other.module_;
  if (&own == &source) {
    return true;
  }
  if (value_ != nullptr) {
    if (typeid(own) != typeid(source)) {
      return false;
    }
    value_->assign(own, source);
    return true;
  }
  return own.assign_from(source);
}

AnyModule& AnyModule::operator=(const AnyModule& other) {
  if (!assign_in_place(other)) {
    AnyModule copy(other);
    module_.swap(copy.module_);
    value_ = copy.value_;
  }
  return *this;
}

AnyModule& AnyModule::operator=(AnyModule&& other) {
  if (!assign_in_place(other)) {
    module_ = std::move(other.module_);
    value_ = other.value_;
  }
  return *this;
}

Module& AnyModule::get() const {
  require<ValueError>(module_ != nullptr, "AnyModule: used before it was given a module");
  return *module_;
}

}  // namespace normgrad
