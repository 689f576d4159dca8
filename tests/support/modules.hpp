// How a module is printed.
#pragma once

#include <string>

#include "normgrad/layers/module/module.hpp"

namespace normgrad::tests {

inline std::string printed(const Module& module) { return module.type_name() + "(" + module.extra_repr() + ")"; }

}  // namespace normgrad::tests
