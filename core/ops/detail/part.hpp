// Results that share memory with an operand. Internal.
#pragma once

#include <cstdint>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad::detail {

/// y, the recorded result of an operation that shares the memory of x from element `first` on. If x requires gradients
/// but y does not, because the operation was not recorded, y may be changed in place only under NoGradGuard, as x
/// itself.
inline Tensor part_of(const Tensor& x, Tensor y, std::int64_t first = 0) {
  if ((x.requires_grad() && !is_grad_enabled()) || x.part_kind() == PartKind::shared_unrecorded) {
    y.set_part_kind(PartKind::shared_unrecorded);
  } else {
    y.set_part_of(x, first);
  }
  return y;
}

}  // namespace normgrad::detail
