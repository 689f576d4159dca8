#include "normgrad/layers/norm/ada_ln.hpp"

#include <vector>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(AdaLN, norm, modulation)
NORMGRAD_DEFINE_MEMBERS(AdaLNZero, norm, modulation)

namespace {

LayerNorm norm_to_modulate(std::int64_t features, const AdaLNOptions& options) {
  return LayerNorm(features, {.eps = options.eps, .elementwise_affine = false, .dtype = options.dtype});
}

std::string sizes_text(const LayerNorm& norm, const Linear& modulation) {
  return detail::concat(norm.normalized_shape()[0], ", ", modulation.in_features(), ", eps=", norm.eps());
}

/// The parts of modulation(silu(condition)), in shapes that broadcast to x.
std::vector<Tensor> modulation_parts(const char* type, const Tensor& x, const Tensor& condition, std::int64_t features,
                                     Linear& modulation) {
  require<ShapeError>(
      x.dim() >= 2 && x.size(-1) == features && condition.shape() == Shape({x.size(0), modulation.in_features()}), type,
      ": expected x [N, *, ", features, "] and a condition [N, ", modulation.in_features(), "] but got ", x.shape(),
      " and ", condition.shape());
  std::vector<std::int64_t> per_sample(static_cast<std::size_t>(x.dim()), 1);
  per_sample.front() = x.size(0);
  per_sample.back() = features;
  std::vector<Tensor> parts = modulation(silu(condition)).split(features, 1);
  for (Tensor& part : parts) {
    part = part.reshape(per_sample);
  }
  return parts;
}

}  // namespace

AdaLN::AdaLN(std::int64_t features, std::int64_t condition_features, const AdaLNOptions& options)
    : norm(norm_to_modulate(features, options)),
      modulation(condition_features, 2 * features, {.dtype = options.dtype, .generator = options.generator}) {}

std::string AdaLN::extra_repr() const { return sizes_text(norm, modulation); }

Tensor AdaLN::forward(const Tensor& x, const Tensor& condition) {
  const std::vector<Tensor> parts = modulation_parts("AdaLN", x, condition, norm.normalized_shape()[0], modulation);
  return norm(x) * (parts[1] + 1.0) + parts[0];
}

AdaLNZero::AdaLNZero(std::int64_t features, std::int64_t condition_features, const AdaLNOptions& options)
    : norm(norm_to_modulate(features, options)),
      modulation(condition_features, 3 * features, {.dtype = options.dtype, .generator = options.generator}) {
  const NoGradGuard no_grad;
  modulation.weight.fill_(0.0);
  modulation.bias.fill_(0.0);
}

std::string AdaLNZero::extra_repr() const { return sizes_text(norm, modulation); }

AdaLNZeroResult AdaLNZero::forward(const Tensor& x, const Tensor& condition) {
  const std::vector<Tensor> parts = modulation_parts("AdaLNZero", x, condition, norm.normalized_shape()[0], modulation);
  return {norm(x) * (parts[1] + 1.0) + parts[0], parts[2]};
}

}  // namespace normgrad
