#include "normgrad/optim/sparse_adam.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <utility>

#include "normgrad/core/base/even_blocks.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/optim/adam.hpp"
#include "normgrad/optim/detail/option_checks.hpp"
#include "normgrad/optim/detail/step.hpp"

namespace normgrad {

namespace {

// NaN counts as a gradient.
template <class T>
bool has_gradient(const T* row, std::int64_t width) {
  bool any = false;
  for (std::int64_t i = 0; i < width; ++i) {
    any |= row[i] != T{0};
  }
  return any;
}

}  // namespace

SparseAdam::SparseAdam(ParameterList params, SparseAdamOptions options) {
  add_param_group({std::move(params), options});
}

SparseAdam::SparseAdam(std::vector<ParamGroup<SparseAdamOptions>> groups) { add_param_groups(std::move(groups)); }

std::vector<Optimizer::Option> SparseAdam::options_of(std::size_t group) {
  SparseAdamOptions& o = options(group);
  return {{"lr", &o.lr}, {"beta1", &o.betas[0]}, {"beta2", &o.betas[1]}, {"eps", &o.eps}, {"maximize", &o.maximize}};
}

void SparseAdam::check_options(std::size_t group) const {
  const SparseAdamOptions& o = options(group);
  detail::check_at_least_zero("SparseAdam", "lr", o.lr);
  detail::check_betas("SparseAdam", o.betas);
  // As in PyTorch: the elements of a row without a gradient of their own would be divided by zero.
  require<ValueError>(o.eps > 0.0, "SparseAdam: expected eps > 0 but got ", o.eps);
  detail::check_finite("SparseAdam", "eps", o.eps);
}

std::span<const char* const> SparseAdam::slot_names() const {
  static constexpr std::array kNames = {"exp_avg", "exp_avg_sq"};
  return kNames;
}

Optimizer::SlotStarts SparseAdam::slots_in_use(std::size_t /*group*/) const { return {0.0, 0.0, std::nullopt}; }

void SparseAdam::update(std::size_t group, Tensor& param, const Tensor& grad, ParamState& state) {
  constexpr std::int64_t kBlock = std::int64_t{1} << 14;  // elements
  const SparseAdamOptions& o = options(group);
  // Adam adds eps to the corrected root: sqrt(v) / c + eps / c = (sqrt(v) + eps) / c.
  const double correction = std::sqrt(1.0 - std::pow(o.betas[1], static_cast<double>(state.step)));
  const AdamOptions adam = {.lr = o.lr, .betas = o.betas, .eps = o.eps / correction, .maximize = o.maximize};
  const std::int64_t rows = param.dim() == 0 ? 1 : param.size(0);
  const std::int64_t width = rows == 0 ? 0 : param.numel() / rows;
  if (width == 0) {
    return;
  }
  dispatch_float("SparseAdam", param.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::StepArrays<T> arrays = {
        .p = nullptr, .gradient = grad.data<T>(), .slots = {}, .step = state.step, .scalar = 0.0, .is_new = {}};
    for (std::size_t i = 0; i < 2; ++i) {
      arrays.slots[i] = state.slots[i].mutable_data<T>();
    }
    arrays.p = param.mutable_data<T>();
    const auto run = NORMGRAD_SIMD_SELECT(optimizer_step<T, AdamOptions>);
    parallel_for(rows, even_blocks(rows, std::max<std::int64_t>(1, kBlock / width)),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = begin; row < end; ++row) {
                     if (has_gradient(arrays.gradient + row * width, width)) {
                       run(arrays, adam, row * width, (row + 1) * width);
                     }
                   }
                 });
  });
}

}  // namespace normgrad
