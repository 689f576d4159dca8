// One schedule of every kind, alone and combined, for an optimizer with two groups.
#pragma once

#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/optim/optim_support.hpp"
#include "normgrad/normgrad.hpp"

namespace normgrad::tests {

/// SGD with momentum, or Adam, with two groups of one parameter each.
inline std::unique_ptr<Optimizer> make_optimizer(const std::string& type) {
  if (type == "Adam") {
    return std::make_unique<Adam>(
        std::vector<ParamGroup<AdamOptions>>{{{param_of({0.0})}, {.lr = 0.5}}, {{param_of({0.0})}, {.lr = 0.05}}});
  }
  return std::make_unique<SGD>(std::vector<ParamGroup<SGDOptions>>{{{param_of({0.0})}, {.lr = 0.5, .momentum = 0.7}},
                                                                   {{param_of({0.0})}, {.lr = 0.05, .momentum = 0.7}}});
}

inline double as_double(std::int64_t e) { return static_cast<double>(e); }

template <class S>
std::unique_ptr<LRScheduler> owned_schedule(S schedule) {
  return std::make_unique<S>(std::move(schedule));
}

using ScheduleMaker = std::function<std::unique_ptr<LRScheduler>(Optimizer&)>;
/// By the names in the fixtures.
inline const std::map<std::string, ScheduleMaker>& schedule_makers() {
  using O = Optimizer&;
  static const std::map<std::string, ScheduleMaker> all = {
      {"lambda",
       [](O o) { return owned_schedule(LambdaLR(o, [](std::int64_t e) { return 1.0 / (1.0 + as_double(e)); })); }},
      {"lambda_per_group",
       [](O o) {
         return owned_schedule(LambdaLR(o, {[](std::int64_t e) { return std::pow(0.9, as_double(e)); },
                                            [](std::int64_t e) { return 1.0 + as_double(e); }}));
       }},
      {"multiplicative",
       [](O o) {
         return owned_schedule(MultiplicativeLR(o, [](std::int64_t e) { return 1.0 - 0.1 / as_double(e); }));
       }},
      {"step", [](O o) { return owned_schedule(StepLR(o, 3, 0.5)); }},
      {"multi_step",
       [](O o) {
         return owned_schedule(MultiStepLR(o, {7, 2, 7, 20}, 0.5));
       }},
      {"constant", [](O o) { return owned_schedule(ConstantLR(o)); }},
      {"constant_options", [](O o) { return owned_schedule(ConstantLR(o, {.factor = 0.2, .total_iters = 9})); }},
      {"linear", [](O o) { return owned_schedule(LinearLR(o)); }},
      {"linear_options",
       [](O o) { return owned_schedule(LinearLR(o, {.start_factor = 0.9, .end_factor = 0.1, .total_iters = 7})); }},
      {"linear_to_zero",
       [](O o) { return owned_schedule(LinearLR(o, {.start_factor = 0.3, .end_factor = 0.0, .total_iters = 7})); }},
      {"exponential", [](O o) { return owned_schedule(ExponentialLR(o, 0.9)); }},
      {"polynomial", [](O o) { return owned_schedule(PolynomialLR(o)); }},
      {"polynomial_options", [](O o) { return owned_schedule(PolynomialLR(o, {.total_iters = 12, .power = 2.5})); }},
      {"cosine", [](O o) { return owned_schedule(CosineAnnealingLR(o, 10)); }},
      {"cosine_options", [](O o) { return owned_schedule(CosineAnnealingLR(o, 7, 0.01)); }},
      {"warm_restarts", [](O o) { return owned_schedule(CosineAnnealingWarmRestarts(o, 5)); }},
      {"warm_restarts_options",
       [](O o) { return owned_schedule(CosineAnnealingWarmRestarts(o, 3, {.t_mult = 2, .eta_min = 0.01})); }},
      {"one_cycle", [](O o) { return owned_schedule(OneCycleLR(o, 1.0, {.total_steps = 40})); }},
      {"one_cycle_per_group",
       [](O o) {
         return owned_schedule(OneCycleLR(o, {1.0, 0.2},
                                          {.epochs = 8,
                                           .steps_per_epoch = 5,
                                           .pct_start = 0.4,
                                           .anneal_strategy = AnnealStrategy::linear,
                                           .base_momentum = {0.5, 0.6},
                                           .max_momentum = {0.8, 0.9},
                                           .div_factor = 10.0,
                                           .final_div_factor = 100.0}));
       }},
      {"one_cycle_three_phase",
       [](O o) { return owned_schedule(OneCycleLR(o, 1.0, {.total_steps = 40, .three_phase = true})); }},
      {"one_cycle_rate_only",
       [](O o) { return owned_schedule(OneCycleLR(o, 1.0, {.total_steps = 40, .cycle_momentum = false})); }},
      {"cyclic", [](O o) { return owned_schedule(CyclicLR(o, 0.1, 1.0, {.step_size_up = 4})); }},
      {"cyclic_triangular2",
       [](O o) {
         return owned_schedule(CyclicLR(o, {0.1, 0.2}, {1.0, 2.0},
                                        {.step_size_up = 3,
                                         .step_size_down = 6,
                                         .mode = CyclicMode::triangular2,
                                         .base_momentum = 0.5,
                                         .max_momentum = 0.8}));
       }},
      {"cyclic_exp_range",
       [](O o) {
         return owned_schedule(
             CyclicLR(o, 0.1, 1.0, {.step_size_up = 4, .mode = CyclicMode::exp_range, .gamma = 0.95}));
       }},
      {"cyclic_own_scale",
       [](O o) {
         return owned_schedule(CyclicLR(o, 0.1, 1.0,
                                        {.step_size_up = 4,
                                         .scale_fn = [](double x) { return 1.0 / (1.0 + x); },
                                         .scale_mode = ScaleMode::iterations,
                                         .cycle_momentum = false}));
       }},
      {"sequential_warm_up",
       [](O o) {
         return owned_schedule(
             SequentialLR(o, {LinearLR(o, {.start_factor = 0.1, .total_iters = 5}), CosineAnnealingLR(o, 25)}, {5}));
       }},
      {"sequential_three",
       [](O o) {
         return owned_schedule(SequentialLR(
             o, {ConstantLR(o, {.factor = 0.1, .total_iters = 3}), ExponentialLR(o, 0.9), StepLR(o, 4, 0.5)}, {4, 17}));
       }},
      {"sequential_restarts",
       [](O o) {
         return owned_schedule(
             SequentialLR(o,
                          {PolynomialLR(o, {.total_iters = 6}), CosineAnnealingWarmRestarts(o, 4, {.t_mult = 2}),
                           MultiplicativeLR(o, [](std::int64_t) { return 0.9; }),
                           LambdaLR(o, [](std::int64_t e) { return std::pow(0.5, as_double(e)); })},
                          {6, 20, 30}));
       }},
      {"sequential_one_cycle",
       [](O o) {
         return owned_schedule(SequentialLR(
             o, {ConstantLR(o, {.factor = 0.5, .total_iters = 10}), OneCycleLR(o, 1.0, {.total_steps = 36})}, {5}));
       }},
      {"chained",
       [](O o) {
         return owned_schedule(
             ChainedScheduler({ConstantLR(o, {.factor = 0.1, .total_iters = 2}), ExponentialLR(o, 0.9)}));
       }},
      {"chained_warm_up",
       [](O o) {
         return owned_schedule(ChainedScheduler({LinearLR(o, {.start_factor = 0.1, .total_iters = 4}),
                                                 CosineAnnealingLR(o, 30, 0.001), MultiStepLR(o, {10, 20}, 0.5)}));
       }},
      {"chained_polynomial",
       [](O o) {
         return owned_schedule(ChainedScheduler({PolynomialLR(o, {.total_iters = 30, .power = 0.9}), StepLR(o, 7, 0.8),
                                                 MultiplicativeLR(o, [](std::int64_t) { return 0.99; })}));
       }},
  };
  return all;
}

/// Learning rates and momenta of both groups.
inline std::vector<double> rates_of(const Optimizer& optimizer) {
  const std::string momentum = optimizer.has_option("beta1") ? "beta1" : "momentum";
  return {optimizer.lr(0), optimizer.lr(1), optimizer.option(momentum, 0), optimizer.option(momentum, 1)};
}

}  // namespace normgrad::tests
