#include "normgrad/core/ops/detail/epilogue.hpp"

#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/pool/pool.hpp"

namespace normgrad::detail {

Tensor apply_epilogue(const Epilogue& epilogue, const Tensor& y) {
  Tensor z = y;
  switch (epilogue.activation) {
    case FusedActivation::none:
      break;
    case FusedActivation::relu:
      z = relu(y);
      break;
    case FusedActivation::sigmoid:
      z = sigmoid(y);
      break;
    case FusedActivation::tanh:
      z = tanh(y);
      break;
  }
  return epilogue.pools() ? max_pool2d(z, {epilogue.window_height, epilogue.window_width}) : z;
}

}  // namespace normgrad::detail
