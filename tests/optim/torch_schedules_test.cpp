// Every schedule, alone and combined, against results of PyTorch; see tests/fixtures/optim/generate.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "tests/optim/schedule_cases.hpp"
#include "tests/support/source_tree.hpp"
#include "normgrad/normgrad.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using nlohmann::json;
using tests::make_optimizer;
using tests::rates_of;
using tests::schedule_makers;

const json& golden() {
  static const json file = json::parse(std::ifstream(tests::source_dir() / "tests/fixtures/optim/schedules.json"));
  return file;
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
    const auto schedule = schedule_makers().at(name)(*optimizer);
    for (std::size_t epoch = 0; epoch < c["rates"].size(); ++epoch) {
      if (epoch > 0) {
        schedule->step();
      }
      expect_rates(*optimizer, c["rates"][epoch], name + " epoch " + std::to_string(epoch));
      EXPECT_EQ(schedule->last_lr(), (std::vector{optimizer->lr(0), optimizer->lr(1)})) << name;
      EXPECT_EQ(schedule->epoch(), static_cast<std::int64_t>(epoch)) << name;
    }
  }
  EXPECT_EQ(seen, schedule_makers().size());
}

// A run interrupted after some epochs and restarted: with the schedule's state alone, and with the optimizer's state
// loaded before or after the schedule is made.
TEST(TorchSchedulesTest, StatesGoOn) {
  for (const json& c : golden()["cases"]) {
    const std::string name = c["name"];
    if (name.starts_with("plateau")) {
      continue;
    }
    for (const int stop : {0, 1, 5, 6, 18, 33}) {
      for (const int order : {0, 1, 2}) {
        const auto first_optimizer = make_optimizer(c["optimizer_type"]);
        const auto first = schedule_makers().at(name)(*first_optimizer);
        for (int epoch = 0; epoch < stop; ++epoch) {
          first->step();
        }
        const auto optimizer = make_optimizer(c["optimizer_type"]);
        if (order == 1) {
          optimizer->load_state_dict(first_optimizer->state_dict());
        }
        const auto schedule = schedule_makers().at(name)(*optimizer);
        if (order == 2) {
          optimizer->load_state_dict(first_optimizer->state_dict());
        }
        schedule->load_state_dict(first->state_dict());
        EXPECT_EQ(rates_of(*optimizer), rates_of(*first_optimizer)) << name << " " << stop << " " << order;
        // A schedule made on decayed rates has those as its base until its state is loaded. Parts of a sequence that
        // set the optimizer's momentum when made do so again.
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
    const auto schedule = schedule_makers().at(name)(*optimizer);
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

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
