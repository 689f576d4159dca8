// Identity.
#pragma once

#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// Returns its input. A placeholder for an optional layer.
class Identity : public Module {
 public:
  NORMGRAD_MEMBERS(Identity)
  Tensor forward(const Tensor& x) override { return x; }
};

}  // namespace normgrad
