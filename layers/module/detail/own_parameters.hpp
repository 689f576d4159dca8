// The parameters of a module itself, with their names. Internal to the library.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "normgrad/layers/module/module.hpp"

namespace normgrad::detail {

using OwnParameterList = std::vector<std::pair<std::string, Parameter*>>;

/// Without those of its children; also those that are parametrized.
inline OwnParameterList own_parameters(Module& module) {
  class Collector : public MemberVisitor {
   public:
    void parameter(const std::string& name, Parameter& parameter) override { list.emplace_back(name, &parameter); }
    void parametrized(const std::string& name, Parameter& parameter) override { list.emplace_back(name, &parameter); }
    void buffer(const std::string&, StateBuffer&) override {}
    void child(const std::string&, Module&) override {}
    OwnParameterList list;
  } own;
  module.members(own);
  return std::move(own.list);
}

}  // namespace normgrad::detail
