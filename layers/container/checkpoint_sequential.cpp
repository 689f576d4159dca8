#include "normgrad/layers/container/checkpoint_sequential.hpp"

namespace normgrad {

Tensor checkpoint_sequential(Sequential& model, std::int64_t segments, const Tensor& x, RecomputeOptions options) {
  require<ValueError>(segments >= 1 && segments <= model.size(), "checkpoint_sequential: expected 1 to ", model.size(),
                      " segments, as there are modules, but got ", segments);
  const std::int64_t length = model.size() / segments;
  Tensor y = x;
  for (std::int64_t s = 0; s + 1 < segments; ++s) {
    const auto segment = [&model, begin = s * length, end = (s + 1) * length](const Tensor& input) {
      return model.forward_range(input, begin, end);
    };
    y = checkpoint(segment, y, options);
  }
  return model.forward_range(y, (segments - 1) * length, model.size());
}

}  // namespace normgrad
