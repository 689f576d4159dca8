// Improvement in ReduceLROnPlateau: negative metrics, in both modes and with both thresholds, and NaN. Positive metrics
// are tested in torch_schedules_test.cpp.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/optim/optim_support.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/normgrad.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::kInf;
using tests::param_of;

/// The number of halvings caused by the metrics.
int plateau_reductions(const std::vector<double>& metrics, ReduceLROnPlateauOptions options) {
  options.factor = 0.5;
  options.eps = 0.0;
  SGD optimizer({param_of({0.0})}, {.lr = 1.0});
  ReduceLROnPlateau schedule(optimizer, options);
  for (const double metric : metrics) {
    schedule.step(metric);
  }
  return static_cast<int>(std::lround(-std::log2(optimizer.lr())));
}

std::vector<double> line(double start, double slope, int count) {
  std::vector<double> metrics;
  for (int i = 0; i < count; ++i) {
    metrics.push_back(start + slope * i);
  }
  return metrics;
}

TEST(PlateauTest, NegativeMetricsThatDoNotImproveReduce) {
  const ReduceLROnPlateauOptions options = {.patience = 3};
  EXPECT_EQ(plateau_reductions(line(-1.0, 5e-5, 13), options), 3);   // slowly getting worse
  EXPECT_EQ(plateau_reductions(line(-1.0, 0.0, 13), options), 3);    // constant
  EXPECT_EQ(plateau_reductions(line(-1.0, -5e-6, 13), options), 3);  // total improvement below the threshold
  EXPECT_EQ(plateau_reductions(line(-1.0, -2e-4, 13), options), 0);
  EXPECT_EQ(plateau_reductions(line(1.0, -2e-4, 13), options), 0);
  EXPECT_EQ(plateau_reductions(line(1.0, 0.0, 13), options), 3);
}

TEST(PlateauTest, BothModesAreEachOthersMirrorImage) {
  const std::vector<std::vector<double>> series = {
      line(-1.0, 5e-5, 20),  line(-1.0, -1e-3, 20), line(-0.01, 1e-3, 20),
      line(0.01, -1e-3, 20), line(1.0, -5e-5, 20),  {-1.0, -1.05, -1.2, -1.1, -1.25, -1.3, 0.2, -1.31, -2.0, -2.05}};
  for (const std::vector<double>& metrics : series) {
    std::vector<double> mirrored;
    for (const double metric : metrics) {
      mirrored.push_back(-metric);
    }
    for (const ThresholdMode mode : {ThresholdMode::rel, ThresholdMode::abs}) {
      for (const double threshold : {0.0, 1e-4, 0.1}) {
        ReduceLROnPlateauOptions options = {.patience = 1, .threshold = threshold, .threshold_mode = mode};
        const int lower = plateau_reductions(metrics, options);
        options.mode = PlateauMode::max;
        EXPECT_EQ(plateau_reductions(mirrored, options), lower) << metrics[0] << " " << metrics[1] << " " << threshold;
      }
    }
  }
}

TEST(PlateauTest, TheMarginIsAPartOfTheMagnitude) {
  for (const auto& [mode, better, not_better] :
       {std::tuple{PlateauMode::min, -2.21, -2.19}, std::tuple{PlateauMode::max, -1.79, -1.81}}) {
    SGD optimizer({param_of({0.0})});
    ReduceLROnPlateau schedule(optimizer, {.mode = mode, .threshold = 0.1});
    schedule.step(-2.0);
    schedule.step(not_better);
    EXPECT_EQ(schedule.best(), -2.0);
    EXPECT_EQ(schedule.num_bad_epochs(), 1);
    schedule.step(better);
    EXPECT_EQ(schedule.best(), better);
    EXPECT_EQ(schedule.num_bad_epochs(), 0);
  }
}

TEST(PlateauTest, NaNIsNotBetter) {
  const double nan = std::nan("");
  for (const PlateauMode mode : {PlateauMode::min, PlateauMode::max}) {
    SGD optimizer({param_of({0.0})}, {.lr = 1.0});
    ReduceLROnPlateau schedule(optimizer, {.mode = mode, .factor = 0.5, .patience = 1});
    schedule.step(nan);
    schedule.step(nan);
    EXPECT_EQ(optimizer.lr(), 0.5);
    schedule.step(-3.0);
    EXPECT_EQ(schedule.best(), -3.0);
    schedule.step(nan);
    EXPECT_EQ(schedule.num_bad_epochs(), 1);
    EXPECT_EQ(schedule.best(), -3.0);
    schedule.step(mode == PlateauMode::min ? -kInf : kInf);
    EXPECT_EQ(schedule.num_bad_epochs(), 0);
    schedule.step(schedule.best());
    EXPECT_EQ(schedule.num_bad_epochs(), 1);
  }
}

TEST(PlateauTest, StatesAndThresholdsOutOfRange) {
  SGD optimizer({param_of({0.0})}, {.lr = 1.0});
  EXPECT_EQ(error_of<ValueError>([&] { ReduceLROnPlateau(optimizer, {.threshold = std::nan("")}); }),
            "ReduceLROnPlateau: expected a finite threshold and eps but got nan and 1e-08");
  ReduceLROnPlateau schedule(optimizer);
  StateDict state = schedule.state_dict();
  state["best"] = full({}, std::nan(""), {.dtype = kFloat64});
  EXPECT_EQ(
      error_of<ValueError>([&] { schedule.load_state_dict(state); }),
      "ReduceLROnPlateau: load_state_dict: the state does not fit; nothing was loaded\n  out of range: best: nan");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
