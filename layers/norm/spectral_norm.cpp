#include "normgrad/layers/norm/spectral_norm.hpp"

#include <cmath>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/matmul/products.hpp"
#include "normgrad/core/ops/reduction/distance.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/norm/detail/weight_axes.hpp"
#include "normgrad/layers/norm/running_stats.hpp"

namespace normgrad {

namespace {

constexpr std::int64_t kFirstIterations = 15;  // as in PyTorch

}  // namespace

SpectralNorm::SpectralNorm(const Tensor& weight, const SpectralNormOptions& options)
    : n_power_iterations_(options.n_power_iterations),
      eps_(options.eps),
      dim_(detail::checked_weight_axis("SpectralNorm", weight, options.dim.value_or(0))) {
  require<ValueError>(n_power_iterations_ > 0, "SpectralNorm: expected n_power_iterations > 0 but got ",
                      n_power_iterations_);
  require<ValueError>(eps_ > 0.0 && std::isfinite(eps_), "SpectralNorm: expected eps > 0 but got ", eps_);
  if (weight.dim() == 1) {
    return;
  }
  const NoGradGuard no_grad;
  const Tensor matrix = as_matrix(weight.detach());
  const auto start = [&](std::int64_t size) {
    const Tensor random = randn({size}, {.dtype = weight.dtype()}, options.generator);
    return StateBuffer(normalize(random, 2.0, 0, eps_));
  };
  u = start(matrix.size(0));
  v = start(matrix.size(1));
  iterate(matrix, kFirstIterations);
}

std::string SpectralNorm::type_name() const { return "SpectralNorm"; }

std::unique_ptr<Module> SpectralNorm::clone() const { return detail::clone_of<true>(*this, "SpectralNorm"); }

bool SpectralNorm::assign_from(const Module& other) { return detail::assign_to<true>(*this, other); }

std::size_t SpectralNorm::normgrad_size() const { return sizeof(SpectralNorm); }

void SpectralNorm::members(MemberVisitor& visit) {
  visit("_u", u);
  visit("_v", v);
}

std::string SpectralNorm::extra_repr() const {
  return detail::concat("n_power_iterations=", n_power_iterations_, ", eps=", eps_, ", dim=", dim_);
}

Tensor SpectralNorm::as_matrix(const Tensor& weight) const {
  if (dim_ == 0) {
    return flatten(weight, 1);
  }
  std::vector<std::int64_t> order = detail::axes_but(weight, dim_);
  order.insert(order.begin(), dim_);
  return flatten(permute(weight, order), 1);
}

void SpectralNorm::iterate(const Tensor& matrix, std::int64_t times) {
  const NoGradGuard no_grad;
  const Tensor transposed = transpose(matrix, 0, 1);
  for (std::int64_t i = 0; i < times; ++i) {
    u.copy_(normalize(mv(matrix, v), 2.0, 0, eps_));
    v.copy_(normalize(mv(transposed, u), 2.0, 0, eps_));
  }
}

Tensor SpectralNorm::forward(const Tensor& weight) {
  if (weight.dim() == 1) {
    return normalize(weight, 2.0, 0, eps_);
  }
  const Tensor matrix = as_matrix(weight);
  require<ShapeError>(u.defined() && u.numel() == matrix.size(0) && v.numel() == matrix.size(1),
                      "SpectralNorm: expected a weight like the one that it was made for but got ", weight.shape());
  if (is_training() && !FreezeStatisticsGuard::is_active()) {
    iterate(matrix.detach(), n_power_iterations_);
  }
  // Copies: the next call changes u and v, while a backward may still need these.
  return weight / dot(u.detach().clone(), mv(matrix, v.detach().clone()));
}

void detail::add_spectral_norm(Module& module, const std::string& name, SpectralNormOptions options) {
  const WeightPlace place = find_weight("spectral_norm", module, name);
  options.dim = options.dim.value_or(place.output_axis);
  register_parametrization(module, name, SpectralNorm(place.weight, options));
}

}  // namespace normgrad
