// Every schedule, alone and combined, against what PyTorch computed; see tests/fixtures/optim/generate.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "tests/optim/optim_support.hpp"
#include "tests/support/source_tree.hpp"
#include "normgrad/normgrad.hpp"

namespace normgrad {
namespace {

using nlohmann::json;
using testing_support::param_of;

const json& golden() {
  static const json file = json::parse(std::ifstream(tests::source_dir() / "tests/fixtures/optim/schedules.json"));
  return file;
}

std::unique_ptr<Optimizer> make_optimizer(const std::string& type) {
  if (type == "Adam") {
    return std::make_unique<Adam>(
        std::vector<ParamGroup<AdamOptions>>{{{param_of({0.0})}, {.lr = 0.5}}, {{param_of({0.0})}, {.lr = 0.05}}});
  }
  return std::make_unique<SGD>(std::vector<ParamGroup<SGDOptions>>{{{param_of({0.0})}, {.lr = 0.5, .momentum = 0.7}},
                                                                   {{param_of({0.0})}, {.lr = 0.05, .momentum = 0.7}}});
}

double number(std::int64_t e) { return static_cast<double>(e); }

template <class S>
std::unique_ptr<LRScheduler> own(S schedule) {
  return std::make_unique<S>(std::move(schedule));
}

using Maker = std::function<std::unique_ptr<LRScheduler>(Optimizer&)>;
const std::map<std::string, Maker>& makers() {
  using O = Optimizer&;
  static const std::map<std::string, Maker> all = {
      {"lambda", [](O o) { return own(LambdaLR(o, [](std::int64_t e) { return 1.0 / (1.0 + number(e)); })); }},
      {"lambda_per_group",
       [](O o) {
         return own(LambdaLR(o, {[](std::int64_t e) { return std::pow(0.9, number(e)); },
                                 [](std::int64_t e) { return 1.0 + number(e); }}));
       }},
      {"multiplicative",
       [](O o) { return own(MultiplicativeLR(o, [](std::int64_t e) { return 1.0 - 0.1 / number(e); })); }},
      {"step", [](O o) { return own(StepLR(o, 3, 0.5)); }},
      {"multi_step",
       [](O o) {
         return own(MultiStepLR(o, {7, 2, 7, 20}, 0.5));
       }},
      {"constant", [](O o) { return own(ConstantLR(o)); }},
      {"constant_options", [](O o) { return own(ConstantLR(o, {.factor = 0.2, .total_iters = 9})); }},
      {"linear", [](O o) { return own(LinearLR(o)); }},
      {"linear_options",
       [](O o) { return own(LinearLR(o, {.start_factor = 0.9, .end_factor = 0.1, .total_iters = 7})); }},
      {"linear_to_zero",
       [](O o) { return own(LinearLR(o, {.start_factor = 0.3, .end_factor = 0.0, .total_iters = 7})); }},
      {"exponential", [](O o) { return own(ExponentialLR(o, 0.9)); }},
      {"polynomial", [](O o) { return own(PolynomialLR(o)); }},
      {"polynomial_options", [](O o) { return own(PolynomialLR(o, {.total_iters = 12, .power = 2.5})); }},
      {"cosine", [](O o) { return own(CosineAnnealingLR(o, 10)); }},
      {"cosine_options", [](O o) { return own(CosineAnnealingLR(o, 7, 0.01)); }},
      {"warm_restarts", [](O o) { return own(CosineAnnealingWarmRestarts(o, 5)); }},
      {"warm_restarts_options",
       [](O o) { return own(CosineAnnealingWarmRestarts(o, 3, {.t_mult = 2, .eta_min = 0.01})); }},
      {"one_cycle", [](O o) { return own(OneCycleLR(o, 1.0, {.total_steps = 40})); }},
      {"one_cycle_per_group",
       [](O o) {
         return own(OneCycleLR(o, {1.0, 0.2},
                               {.epochs = 8,
                                .steps_per_epoch = 5,
                                .pct_start = 0.4,
                                .anneal_strategy = AnnealStrategy::linear,
                                .base_momentum = {0.5, 0.6},
                                .max_momentum = {0.8, 0.9},
                                .div_factor = 10.0,
                                .final_div_factor = 100.0}));
       }},
      {"one_cycle_three_phase", [](O o) { return own(OneCycleLR(o, 1.0, {.total_steps = 40, .three_phase = true})); }},
      {"one_cycle_rate_only",
       [](O o) { return own(OneCycleLR(o, 1.0, {.total_steps = 40, .cycle_momentum = false})); }},
      {"cyclic", [](O o) { return own(CyclicLR(o, 0.1, 1.0, {.step_size_up = 4})); }},
      {"cyclic_triangular2",
       [](O o) {
         return own(CyclicLR(o, {0.1, 0.2}, {1.0, 2.0},
                             {.step_size_up = 3,
                              .step_size_down = 6,
                              .mode = CyclicMode::triangular2,
                              .base_momentum = 0.5,
                              .max_momentum = 0.8}));
       }},
      {"cyclic_exp_range",
       [](O o) {
         return own(CyclicLR(o, 0.1, 1.0, {.step_size_up = 4, .mode = CyclicMode::exp_range, .gamma = 0.95}));
       }},
      {"cyclic_own_scale",
       [](O o) {
         return own(CyclicLR(o, 0.1, 1.0,
                             {.step_size_up = 4,
                              .scale_fn = [](double x) { return 1.0 / (1.0 + x); },
                              .scale_mode = ScaleMode::iterations,
                              .cycle_momentum = false}));
       }},
      {"sequential_warm_up",
       [](O o) {
         return own(
             SequentialLR(o, {LinearLR(o, {.start_factor = 0.1, .total_iters = 5}), CosineAnnealingLR(o, 25)}, {5}));
       }},
      {"sequential_three",
       [](O o) {
         return own(SequentialLR(
             o, {ConstantLR(o, {.factor = 0.1, .total_iters = 3}), ExponentialLR(o, 0.9), StepLR(o, 4, 0.5)}, {4, 17}));
       }},
      {"sequential_restarts",
       [](O o) {
         return own(SequentialLR(o,
                                 {PolynomialLR(o, {.total_iters = 6}), CosineAnnealingWarmRestarts(o, 4, {.t_mult = 2}),
                                  MultiplicativeLR(o, [](std::int64_t) { return 0.9; }),
                                  LambdaLR(o, [](std::int64_t e) { return std::pow(0.5, number(e)); })},
                                 {6, 20, 30}));
       }},
      {"sequential_one_cycle",
       [](O o) {
         return own(SequentialLR(
             o, {ConstantLR(o, {.factor = 0.5, .total_iters = 10}), OneCycleLR(o, 1.0, {.total_steps = 36})}, {5}));
       }},
      {"chained",
       [](O o) {
         return own(ChainedScheduler({ConstantLR(o, {.factor = 0.1, .total_iters = 2}), ExponentialLR(o, 0.9)}));
       }},
      {"chained_warm_up",
       [](O o) {
         return own(ChainedScheduler({LinearLR(o, {.start_factor = 0.1, .total_iters = 4}),
                                      CosineAnnealingLR(o, 30, 0.001), MultiStepLR(o, {10, 20}, 0.5)}));
       }},
      {"chained_polynomial",
       [](O o) {
         return own(ChainedScheduler({PolynomialLR(o, {.total_iters = 30, .power = 0.9}), StepLR(o, 7, 0.8),
                                      MultiplicativeLR(o, [](std::int64_t) { return 0.99; })}));
       }},
  };
  return all;
}

// Rates and momenta of both groups.
std::vector<double> rates_of(const Optimizer& optimizer) {
  const std::string momentum = optimizer.has_option("beta1") ? "beta1" : "momentum";
  return {optimizer.lr(0), optimizer.lr(1), optimizer.option(momentum, 0), optimizer.option(momentum, 1)};
}

void expect_rates(const Optimizer& optimizer, const json& expected, const std::string& where) {
  const std::vector<double> rates = rates_of(optimizer);
  for (std::size_t i = 0; i < rates.size(); ++i) {
    const double value = std::max(0.0, expected[i].get<double>());  // PyTorch's linear OneCycleLR ends below 0
    ASSERT_NEAR(rates[i], value, 1e-14 + 1e-12 * std::fabs(value)) << where << " number " << i;
  }
}

TEST(TorchSchedulesTest, FortyEpochs) {
  std::size_t seen = 0;
  for (const json& c : golden()["cases"]) {
    const std::string name = c["name"];
    if (name.starts_with("plateau")) {
      continue;
    }
    ++seen;
    const auto optimizer = make_optimizer(c["optimizer_type"]);
    const auto schedule = makers().at(name)(*optimizer);
    for (std::size_t epoch = 0; epoch < c["rates"].size(); ++epoch) {
      if (epoch > 0) {
        schedule->step();
      }
      expect_rates(*optimizer, c["rates"][epoch], name + " epoch " + std::to_string(epoch));
      EXPECT_EQ(schedule->last_lr(), (std::vector{optimizer->lr(0), optimizer->lr(1)})) << name;
      EXPECT_EQ(schedule->epoch(), static_cast<std::int64_t>(epoch)) << name;
    }
  }
  EXPECT_EQ(seen, makers().size());
}

// A run that is stopped after some epochs and started anew: with the schedule's state alone, and with the optimizer's
// state loaded before the schedule is made, or after.
TEST(TorchSchedulesTest, StatesGoOn) {
  for (const json& c : golden()["cases"]) {
    const std::string name = c["name"];
    if (name.starts_with("plateau")) {
      continue;
    }
    for (const int stop : {0, 1, 5, 6, 18, 33}) {
      for (const int order : {0, 1, 2}) {
        const auto first_optimizer = make_optimizer(c["optimizer_type"]);
        const auto first = makers().at(name)(*first_optimizer);
        for (int epoch = 0; epoch < stop; ++epoch) {
          first->step();
        }
        const auto optimizer = make_optimizer(c["optimizer_type"]);
        if (order == 1) {
          optimizer->load_state_dict(first_optimizer->state_dict());
        }
        const auto schedule = makers().at(name)(*optimizer);
        if (order == 2) {
          optimizer->load_state_dict(first_optimizer->state_dict());
        }
        schedule->load_state_dict(first->state_dict());
        EXPECT_EQ(rates_of(*optimizer), rates_of(*first_optimizer)) << name << " " << stop << " " << order;
        // A schedule that is made on decayed rates has those as its base until it is loaded; parts of a sequence that
        // set the optimizer's momentum when they are made do so again.
        for (std::size_t epoch = static_cast<std::size_t>(stop) + 1; epoch < c["rates"].size(); ++epoch) {
          schedule->step();
          first->step();
          ASSERT_EQ(rates_of(*optimizer), rates_of(*first_optimizer))
              << name << " stopped at " << stop << " order " << order << " epoch " << epoch;
        }
      }
    }
  }
}

TEST(TorchSchedulesTest, SetEpochGoesWhereStepsDo) {
  for (const json& c : golden()["cases"]) {
    const std::string name = c["name"];
    if (name.starts_with("plateau")) {
      continue;
    }
    const auto optimizer = make_optimizer(c["optimizer_type"]);
    const auto schedule = makers().at(name)(*optimizer);
    for (const std::size_t epoch : {31U, 4U, 0U, 12U}) {
      schedule->set_epoch(static_cast<std::int64_t>(epoch));
      EXPECT_EQ(schedule->epoch(), static_cast<std::int64_t>(epoch));
      for (std::size_t g = 0; g < 2; ++g) {
        const double value = c["rates"][epoch][g];
        EXPECT_NEAR(optimizer->lr(g), value, 1e-14 + 1e-12 * value) << name << " epoch " << epoch;
      }
    }
  }
}

const std::map<std::string, ReduceLROnPlateauOptions>& plateaus() {
  static const std::map<std::string, ReduceLROnPlateauOptions> all = {
      {"plateau", {.factor = 0.5, .patience = 2}},
      {"plateau_cooldown", {.factor = 0.1, .patience = 1, .cooldown = 3, .min_lr = {0.001, 0.02}}},
      {"plateau_max_abs",
       {.mode = PlateauMode::max,
        .factor = 0.5,
        .patience = 0,
        .threshold = 0.05,
        .threshold_mode = ThresholdMode::abs}},
      {"plateau_max_rel", {.mode = PlateauMode::max, .factor = 0.5, .patience = 3, .threshold = 0.05, .eps = 0.01}},
      {"plateau_min_abs", {.factor = 0.5, .patience = 1, .threshold = 0.01, .threshold_mode = ThresholdMode::abs}},
  };
  return all;
}

TEST(TorchSchedulesTest, ReduceOnPlateau) {
  std::size_t seen = 0;
  for (const json& c : golden()["cases"]) {
    const std::string name = c["name"];
    if (!name.starts_with("plateau")) {
      continue;
    }
    ++seen;
    const auto optimizer = make_optimizer("SGD");
    ReduceLROnPlateau schedule(*optimizer, plateaus().at(name));
    const auto resumed_optimizer = make_optimizer("SGD");
    ReduceLROnPlateau resumed(*resumed_optimizer, plateaus().at(name));
    const json& metrics = golden()["metrics"];
    for (std::size_t i = 0; i < metrics.size(); ++i) {
      const double metric = metrics[i].is_null() ? std::numeric_limits<double>::quiet_NaN() : metrics[i].get<double>();
      resumed.load_state_dict(schedule.state_dict());
      schedule.step(metric);
      resumed.step(metric);
      expect_rates(*optimizer, c["rates"][i + 1], name + " epoch " + std::to_string(i + 1));
      EXPECT_EQ(schedule.last_lr(), (std::vector{optimizer->lr(0), optimizer->lr(1)}));
      EXPECT_EQ(resumed.last_lr(), schedule.last_lr());
      EXPECT_EQ(resumed.epoch(), static_cast<std::int64_t>(i + 1));
    }
  }
  EXPECT_EQ(seen, plateaus().size());
}

}  // namespace
}  // namespace normgrad
