#include "normgrad/layers/norm/film.hpp"

#include <vector>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(FiLM, projection)

FiLM::FiLM(std::int64_t num_features, std::int64_t condition_features, const FiLMOptions& options)
    : projection(condition_features, 2 * num_features, {.dtype = options.dtype, .generator = options.generator}),
      num_features_(num_features) {
  if (options.zero_init) {
    const NoGradGuard no_grad;
    projection.weight.fill_(0.0);
    projection.bias.fill_(0.0);
  }
}

std::string FiLM::extra_repr() const { return detail::concat(num_features_, ", ", projection.in_features()); }

Tensor FiLM::forward(const Tensor& x, const Tensor& condition) {
  require<ShapeError>(
      x.dim() >= 2 && x.size(1) == num_features_ && condition.shape() == Shape({x.size(0), projection.in_features()}),
      "FiLM: expected x [N, ", num_features_, ", *] and a condition [N, ", projection.in_features(), "] but got ",
      x.shape(), " and ", condition.shape());
  std::vector<std::int64_t> per_channel(static_cast<std::size_t>(x.dim()), 1);
  per_channel[0] = x.size(0);
  per_channel[1] = num_features_;
  const std::vector<Tensor> parts = projection(condition).chunk(2, 1);
  return x * (parts[0] + 1.0).reshape(per_channel) + parts[1].reshape(per_channel);
}

}  // namespace normgrad
