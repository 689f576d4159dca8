#include "normgrad/optim/adafactor.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/optim/detail/layer_norms.hpp"
#include "normgrad/optim/detail/option_checks.hpp"

namespace normgrad {

namespace {

double root_mean_square(const Tensor& tensor) {
  return tensor.numel() == 0 ? 0.0 : detail::layer_norm_of(tensor) / std::sqrt(static_cast<double>(tensor.numel()));
}

}  // namespace

Adafactor::Adafactor(ParameterList params, AdafactorOptions options) { add_param_group({std::move(params), options}); }

Adafactor::Adafactor(std::vector<ParamGroup<AdafactorOptions>> groups) { add_param_groups(std::move(groups)); }

std::vector<Optimizer::Option> Adafactor::options_of(std::size_t group) {
  AdafactorOptions& o = options(group);
  return {{"lr", &o.lr}, {"beta2_decay", &o.beta2_decay},   {"eps1", &o.eps[0]},      {"eps2", &o.eps[1]},
          {"d", &o.d},   {"weight_decay", &o.weight_decay}, {"maximize", &o.maximize}};
}

void Adafactor::check_options(std::size_t group) const {
  const AdafactorOptions& o = options(group);
  detail::check_at_least_zero("Adafactor", "lr", o.lr);
  require<ValueError>(o.beta2_decay <= 0.0 && std::isfinite(o.beta2_decay),
                      "Adafactor: expected beta2_decay <= 0 but got ", o.beta2_decay);
  detail::check_at_least_zero("Adafactor", "eps1", o.eps[0]);
  detail::check_at_least_zero("Adafactor", "eps2", o.eps[1]);
  require<ValueError>(o.d >= 1.0 && std::isfinite(o.d), "Adafactor: expected d >= 1 but got ", o.d);
  detail::check_at_least_zero("Adafactor", "weight_decay", o.weight_decay);
}

std::span<const char* const> Adafactor::slot_names() const {
  static constexpr std::array kNames = {"row_var", "col_var", "variance"};
  return kNames;
}

Optimizer::SlotStarts Adafactor::slots_in_use(std::size_t /*group*/) const { return {0.0, 0.0, 0.0}; }

Optimizer::SlotStarts Adafactor::slots_in_use_of(std::size_t /*group*/, const Tensor& param) const {
  return param.dim() > 1 ? SlotStarts{0.0, 0.0, std::nullopt} : SlotStarts{std::nullopt, std::nullopt, 0.0};
}

Shape Adafactor::slot_shape(std::size_t slot, const Shape& param) const {
  Shape shape = param;
  if (slot < 2 && param.dim() > 1) {
    shape[slot == 0 ? param.dim() - 1 : param.dim() - 2] = 1;
  }
  return shape;
}

void Adafactor::update(std::size_t group, Tensor& param, const Tensor& grad, ParamState& state) {
  const AdafactorOptions& o = options(group);
  const double dtype_eps = param.dtype() == kFloat64 ? std::numeric_limits<double>::epsilon()
                                                     : static_cast<double>(std::numeric_limits<float>::epsilon());
  const double eps = o.eps[0] == 0.0 ? dtype_eps : o.eps[0];
  const auto step = static_cast<double>(state.step);
  const double weight = std::pow(step, o.beta2_decay);
  const double size = std::max(o.eps[1], root_mean_square(param)) * std::min(o.lr, 1.0 / std::sqrt(step));
  param.mul_(1.0 - o.lr * o.weight_decay);
  const Tensor squares = grad.square();
  const auto average = [weight](Tensor& mean, const Tensor& now) { mean.mul_(1.0 - weight).add_(now, weight); };
  Tensor estimate;
  if (param.dim() > 1) {
    Tensor& rows = state.slots[0];
    Tensor& columns = state.slots[1];
    average(rows, squares.mean({-1}, true));
    average(columns, squares.mean({-2}, true));
    estimate = rows.matmul(columns) / rows.mean({-2}, true).clamp(eps, std::nullopt);
  } else {
    average(state.slots[2], squares);
    estimate = state.slots[2];
  }
  const Tensor direction = estimate.clamp(eps * eps, std::nullopt).rsqrt() * grad;
  const double factor = size / std::max(1.0, root_mean_square(direction) / o.d);
  param.sub_(direction, o.maximize ? -factor : factor);
}

}  // namespace normgrad
