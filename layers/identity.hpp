// Identity.
#pragma once

#include "normgrad/layers/module.hpp"

namespace normgrad {

/// Gives back its input: stands where a model may have a layer or none.
class Identity : public Module {
 public:
  NORMGRAD_MEMBERS(Identity)
  Tensor forward(const Tensor& x) override { return x; }
};

}  // namespace normgrad
