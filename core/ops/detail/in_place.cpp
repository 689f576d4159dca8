#include "normgrad/core/ops/detail/in_place.hpp"

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/autograd/node.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"

namespace normgrad::detail {

bool is_recorded_change(const char* name, const Tensor& target, const Tensor* source) {
  if (!is_grad_enabled()) {
    return false;
  }
  require<GraphError>(!target.requires_grad() || !target.is_leaf(), name,
                      ": the tensor is a leaf that requires gradients, and leaves cannot be changed in place while "
                      "operations are recorded; change it under NoGradGuard, or use the operation that returns a new "
                      "tensor");
  require<GraphError>(target.part_kind() != PartKind::shared_unrecorded, name,
                      ": the tensor is a part of one that requires gradients, taken under NoGradGuard; change it under "
                      "NoGradGuard too, or take it from detach()");
  const bool recorded =
      is_floating_point(target.dtype()) && (target.requires_grad() || (source != nullptr && source->requires_grad()));
  require<GraphError>(!target.is_part_of_leaf(), name,
                      ": the tensor is a part of a leaf that requires gradients, and leaves cannot be changed in place "
                      "while operations are recorded; change it under NoGradGuard, or the same part of a clone()");
  return recorded;
}

void become(Tensor& target, const Tensor& y) {
  const Tensor value = to(y, target.dtype());
  {
    const NoGradGuard written;
    target.copy_(value);
  }
  target.set_written(value.node());
}

}  // namespace normgrad::detail
