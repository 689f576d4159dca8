#include "normgrad/optim/muon.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/optim/detail/layer_norms.hpp"
#include "normgrad/optim/detail/option_checks.hpp"

namespace normgrad {

namespace {

void check_matrices(const std::vector<Tensor>& params) {
  for (std::size_t i = 0; i < params.size(); ++i) {
    require<ValueError>(!params[i].defined() || params[i].dim() == 2, "Muon: expected matrices [n, m] but parameter ",
                        i, " is ", params[i].defined() ? params[i].shape() : Shape(),
                        "; give it to another optimizer, such as AdamW");
  }
}

/// Moves the singular values of a matrix towards 1.
Tensor orthogonalized(const Tensor& u, const MuonOptions& o) {
  const bool is_tall = u.size(0) > u.size(1);
  const auto [a, b, c] = o.ns_coefficients;
  Tensor x = (is_tall ? u.t() : u) / std::max(detail::layer_norm_of(u), o.eps);
  for (std::int64_t i = 0; i < o.ns_steps; ++i) {
    const Tensor gram = x.matmul(x.t());
    x = x * a + (gram * b + gram.matmul(gram) * c).matmul(x);
  }
  return is_tall ? x.t() : x;
}

}  // namespace

Muon::Muon(ParameterList params, MuonOptions options) {
  check_matrices(params);
  add_param_group({std::move(params), options});
}

Muon::Muon(std::vector<ParamGroup<MuonOptions>> groups) {
  for (const auto& group : groups) {
    check_matrices(group.params);
  }
  add_param_groups(std::move(groups));
}

std::vector<Optimizer::Option> Muon::options_of(std::size_t group) {
  MuonOptions& o = options(group);
  return {{"lr", &o.lr},
          {"weight_decay", &o.weight_decay},
          {"momentum", &o.momentum},
          {"nesterov", &o.nesterov},
          {"ns_coefficient1", &o.ns_coefficients[0]},
          {"ns_coefficient2", &o.ns_coefficients[1]},
          {"ns_coefficient3", &o.ns_coefficients[2]},
          {"eps", &o.eps},
          {"ns_steps", &o.ns_steps},
          {"match_rms_adamw", &o.match_rms_adamw},
          {"maximize", &o.maximize}};
}

void Muon::check_options(std::size_t group) const {
  const MuonOptions& o = options(group);
  detail::check_at_least_zero("Muon", "lr", o.lr);
  detail::check_at_least_zero("Muon", "weight_decay", o.weight_decay);
  detail::check_below_one("Muon", "momentum", o.momentum);
  detail::check_at_least_zero("Muon", "eps", o.eps);
  detail::check_count("Muon", "ns_steps", o.ns_steps);
  for (const double coefficient : o.ns_coefficients) {
    detail::check_finite("Muon", "ns_coefficients", coefficient);
  }
  if (group < num_groups()) {  // before a step
    check_matrices(params(group));
  }
}

std::span<const char* const> Muon::slot_names() const {
  static constexpr std::array kNames = {"momentum_buffer"};
  return kNames;
}

Optimizer::SlotStarts Muon::slots_in_use(std::size_t /*group*/) const { return {0.0, std::nullopt, std::nullopt}; }

void Muon::update(std::size_t group, Tensor& param, const Tensor& grad, ParamState& state) {
  const MuonOptions& o = options(group);
  Tensor& mean = state.slots[0];
  const double new_weight = o.maximize ? o.momentum - 1.0 : 1.0 - o.momentum;
  mean.mul_(o.momentum).add_(grad, new_weight);
  const Tensor direction = orthogonalized(o.nesterov ? mean * o.momentum + grad * new_weight : mean, o);
  const auto rows = static_cast<double>(param.size(0));
  const auto columns = static_cast<double>(param.size(1));
  const double scale =
      o.match_rms_adamw ? 0.2 * std::sqrt(std::max(rows, columns)) : std::sqrt(std::max(1.0, rows / columns));
  param.mul_(1.0 - o.lr * o.weight_decay).sub_(direction, o.lr * scale);
}

}  // namespace normgrad
