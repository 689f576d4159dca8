// When a layer may be fused with its neighbors.
#pragma once

#include <typeinfo>

#include "normgrad/core/autograd/watch.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad::detail {

/// Whether a module is exactly an M without hooks, and not watched. A derived class may override forward, and hooks and
/// watchers need to see each layer separately.
template <class M>
bool is_fusable_as(const Module& module) {
  return typeid(module) == typeid(M) && !module.has_hooks() && !is_watched();
}

}  // namespace normgrad::detail
