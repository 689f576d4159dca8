// Members of layers that differ only in their number of axes. Internal.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "normgrad/layers/module/module.hpp"

namespace normgrad::detail {

/// "MaxPool2d" of "MaxPool" and 2.
inline std::string name_over_axes(const char* stem, std::size_t axes) { return stem + std::to_string(axes) + "d"; }

}  // namespace normgrad::detail

/// NORMGRAD_DEFINE_MEMBERS for a class template over the number of axes: `stem` is the name without it, such as
/// "MaxPool" for MaxPool1d, MaxPool2d and MaxPool3d.
#define NORMGRAD_DEFINE_MEMBERS_OVER_AXES(Type, stem, ...)                                                           \
  template <std::size_t axes>                                                                                        \
  std::string Type<axes>::type_name() const {                                                                        \
    return detail::name_over_axes(stem, axes);                                                                       \
  }                                                                                                                  \
  template <std::size_t axes>                                                                                        \
  std::unique_ptr<Module> Type<axes>::clone() const {                                                                \
    return detail::clone_of<decltype(detail::copyable(__VA_ARGS__))::value>(*this, type_name().c_str());             \
  }                                                                                                                  \
  template <std::size_t axes>                                                                                        \
  bool Type<axes>::assign_from(const Module& other) {                                                                \
    return detail::assign_to<decltype(detail::copyable(__VA_ARGS__))::value>(*this, other);                          \
  }                                                                                                                  \
  template <std::size_t axes>                                                                                        \
  void Type<axes>::members(MemberVisitor& visit) {                                                                   \
    detail::visit_members<typename Type<axes>::NormgradBase>(*this, visit, #__VA_ARGS__ __VA_OPT__(, ) __VA_ARGS__); \
  }                                                                                                                  \
  template <std::size_t axes>                                                                                        \
  std::size_t Type<axes>::normgrad_size() const {                                                                    \
    return sizeof(Type<axes>);                                                                                       \
  }
/// Compiles the members for 1 to 3 axes.
#define NORMGRAD_INSTANTIATE_OVER_AXES(Type) \
  template class Type<1>;                    \
  template class Type<2>;                    \
  template class Type<3>;
