#include "lab/compare_norms/summary.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "lab/compare_norms/results.hpp"

namespace compare_norms {
namespace NORMGRAD_TEST_FILE {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

Run run_with(std::uint64_t seed, std::vector<double> accuracies) {
  Run run;
  run.seed = seed;
  run.complete = true;
  for (std::size_t i = 0; i < accuracies.size(); ++i) {
    const auto step = static_cast<std::int64_t>(10 * (i + 1));
    run.measurements.push_back({.step = step,
                                .epoch = 0.1,
                                .train_loss = 1.0,
                                .test_loss = 1.0,
                                .test_accuracy = accuracies[i],
                                .seconds = 0.5 * static_cast<double>(step)});
  }
  run.steps = run.measurements.back().step;
  run.seconds = run.measurements.back().seconds;
  return run;
}

Cell cell_with(const std::string& norm, const std::vector<double>& finals, double lr = 0.1) {
  Cell cell;
  cell.plan.model = "mlp";
  cell.plan.norm = norm;
  cell.plan.activation = "sigmoid";
  cell.plan.optimizer = "sgd";
  cell.plan.lr = lr;
  for (std::size_t i = 0; i < finals.size(); ++i) {
    cell.runs.push_back(run_with(i + 1, {0.5 * finals[i], finals[i]}));
  }
  return cell;
}

Sweep sweep_with(std::vector<Cell> cells, std::vector<double> lrs = {}) {
  Sweep sweep;
  sweep.options.lrs = std::move(lrs);
  sweep.test_images = 10'000;
  sweep.num_classes = 10;
  sweep.cells = std::move(cells);
  return sweep;
}

TEST(SummaryTest, MediansOverTheSeeds) {
  const Sweep sweep = sweep_with({cell_with("none", {0.80, 0.86, 0.75})});
  const Summary s = summarize(sweep, sweep.cells[0]);
  EXPECT_EQ(s.runs, 3);
  EXPECT_DOUBLE_EQ(s.final_accuracy->value, 0.80);
  EXPECT_DOUBLE_EQ(s.final_accuracy->low, 0.75);
  EXPECT_DOUBLE_EQ(s.final_accuracy->high, 0.86);
  EXPECT_EQ(s.steps_to[0]->value, 20.0);  // 70 %: all three at the second measurement
  EXPECT_EQ(s.steps_to[1]->value, 20.0);  // 80 %: two of three
  EXPECT_TRUE(std::isinf(s.steps_to[1]->high));
  EXPECT_FALSE(s.steps_to[2]);  // 85 %: one of three
  EXPECT_EQ(*s.seconds_to[1], 10.0);
  EXPECT_DOUBLE_EQ(s.mean_step_ms, 500.0);
  EXPECT_TRUE(s.verdict.empty());
}

TEST(TablesTest, NameTheDataOfEachModel) {
  Cell text = cell_with("none", {0.859});
  text.plan.model = "gpt";
  Sweep sweep = sweep_with({cell_with("none", {0.862}), text});
  sweep.data = "fashion-mnist";
  sweep.text = "stories";
  std::ostringstream out;
  print_tables(sweep, out);
  EXPECT_THAT(out.str(), AllOf(HasSubstr("mlp on fashion-mnist: "), HasSubstr("gpt on stories: ")));
}

// The median of three runs is at chance if two of them are.
TEST(ChartsTest, RunsThatDivergedStayInTheMedian) {
  Cell cell = cell_with("none", {0.8, 0.1, 0.1});
  for (const std::size_t i : {1U, 2U}) {
    compare_norms::Run& run = cell.runs[i];
    run.diverged = true;
    run.complete = false;
    run.measurements = {{.step = 3 + static_cast<std::int64_t>(i),
                         .epoch = 0.1,
                         .train_loss = std::nan(""),
                         .test_loss = std::nan(""),
                         .test_accuracy = 0.1,
                         .seconds = 2.0}};
  }
  Sweep sweep = sweep_with({cell});
  std::vector<lab::Chart> charts = curve_charts(sweep);
  ASSERT_EQ(charts.size(), 2);
  EXPECT_THAT(charts[0].series.at(0).x, ElementsAre(10.0, 20.0));
  EXPECT_THAT(charts[0].series.at(0).other_x, ElementsAre(5.0, 10.0));
  EXPECT_THAT(charts[0].series.at(0).y, ElementsAre(10.0, 10.0));
  EXPECT_THAT(charts[0].series.at(0).high, ElementsAre(40.0, 80.0));
  EXPECT_THAT(charts[0].note, HasSubstr("Diverged runs keep the accuracy"));
  EXPECT_THAT(charts[1].series.at(0).y, ElementsAre(1.0, 1.0)) << "the loss of the one that went on";

  sweep.cells[0].runs.erase(sweep.cells[0].runs.begin());
  charts = curve_charts(sweep);
  ASSERT_EQ(charts.size(), 1) << "no loss is left";
  EXPECT_THAT(charts[0].series.at(0).x, ElementsAre(4.0, 5.0));
  EXPECT_THAT(charts[0].series.at(0).y, ElementsAre(10.0, 10.0));

  const Cell all_well = cell_with("none", {0.8, 0.7, 0.6});
  charts = curve_charts(sweep_with({all_well}));
  EXPECT_THAT(charts[0].series.at(0).y, ElementsAre(35.0, 70.0));
  EXPECT_EQ(charts[0].note, "");
}

TEST(SummaryTest, DifferencesAreTakenSeedBySeed) {
  // Seeds differ by far more than the norms, yet every seed shows the same difference.
  const Cell none = cell_with("none", {0.60, 0.70, 0.80, 0.65, 0.75, 0.85});
  const Cell batch = cell_with("batch", {0.61, 0.712, 0.811, 0.661, 0.759, 0.862});
  const auto d = compare_cells(batch, none, 1'000'000);
  ASSERT_TRUE(d);
  EXPECT_NEAR(d->points.value, 1.1, 1e-9);
  EXPECT_GT(d->points.low, 0.8);
  EXPECT_EQ(d->positive, 6);
  EXPECT_TRUE(d->beyond_noise);
  EXPECT_THAT(in_words(*d, "none"), HasSubstr("1.1 points better than none (95 % interval 1.0 to 1.2, 6 seeds)"));
}

TEST(SummaryTest, SaysWhenADifferenceIsWithinNoise) {
  const Cell none = cell_with("none", {0.80, 0.81, 0.82, 0.80, 0.79, 0.81});
  const Cell mixed = cell_with("batch", {0.82, 0.80, 0.84, 0.78, 0.80, 0.80});
  const auto d = compare_cells(mixed, none, 10'000);
  EXPECT_FALSE(d->beyond_noise);
  EXPECT_THAT(in_words(*d, "none"), StartsWith("no difference from none beyond noise: "));
}

TEST(SummaryTest, FewSeedsMustAlsoExceedTheNoiseOfTheImages) {
  const Cell none = cell_with("none", {0.800, 0.810, 0.820});
  const Cell little = cell_with("batch", {0.805, 0.815, 0.826});
  EXPECT_FALSE(compare_cells(little, none, 10'000)->beyond_noise);  // 0.5 points; the number of images explains 1.1
  const Cell much = cell_with("batch", {0.85, 0.86, 0.88});
  const auto d = compare_cells(much, none, 10'000);
  EXPECT_TRUE(d->beyond_noise);
  EXPECT_THAT(in_words(*d, "none"), HasSubstr("so few seeds agree by chance one time in 4"));
}

TEST(SummaryTest, OneSeedIsJudgedByTheNoiseOfTheImages) {
  const Cell none = cell_with("none", {0.80});
  const auto near = compare_cells(cell_with("batch", {0.805}), none, 10'000);
  EXPECT_NEAR(near->image_noise, 1.96 * std::sqrt(2.0) * 0.4, 0.02);
  EXPECT_FALSE(near->beyond_noise);
  EXPECT_THAT(in_words(*near, "none"), HasSubstr("the choice of test examples alone explains 1.1 points"));
  EXPECT_EQ(
      in_words(*compare_cells(none, none, 10'000), "none"),
      "no difference from none beyond noise: 0.0 points, and the choice of test examples alone explains 1.1 points");
  const auto far = compare_cells(cell_with("batch", {0.70}), none, 10'000);
  EXPECT_TRUE(far->beyond_noise);
  EXPECT_THAT(in_words(*far, "none"), StartsWith("10.0 points worse than none with one seed"));
}

TEST(SummaryTest, OnlySeedsThatBothHaveAreCompared) {
  Cell none = cell_with("none", {0.80, 0.81});
  Cell batch = cell_with("batch", {0.85, 0.86});
  batch.runs[1].seed = 7;
  EXPECT_EQ(compare_cells(batch, none, 100)->seeds, 1);
  batch.runs[0].complete = false;  // interrupted
  EXPECT_FALSE(compare_cells(batch, none, 100));
}

TEST(SummaryTest, NamesTheBestAndItsEquals) {
  const Sweep sweep = sweep_with({cell_with("none", {0.60}), cell_with("batch", {0.859}), cell_with("group", {0.862})});
  const std::vector<Setting> settings = settings_of(sweep);
  ASSERT_EQ(settings.size(), 1U);
  EXPECT_EQ(settings[0].name, "mlp");
  const std::vector<std::string> lines = conclusions(sweep, settings[0]);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0], "group is highest, 86.2 %, with 1 seed; indistinguishable from it: batch");
  EXPECT_THAT(lines[1], HasSubstr("batch: 25.9 points better than none"));
  EXPECT_THAT(lines[1], HasSubstr("gets to 85 % in 20 steps, none never does"));
}

TEST(SummaryTest, OneNormAloneIsNotTheHighest) {
  const Sweep sweep = sweep_with({cell_with("batch", {0.859})});
  EXPECT_THAT(conclusions(sweep, settings_of(sweep)[0]),
              testing::ElementsAre("batch: 85.9 %, with 1 seed; there is no other norm to compare it with"));
  Cell unfinished = cell_with("group", {0.862});
  unfinished.runs[0].complete = false;
  const Sweep stopped = sweep_with({cell_with("batch", {0.859}), unfinished});
  EXPECT_THAT(conclusions(stopped, settings_of(stopped)[0])[0], HasSubstr("no other norm to compare it with"));
}

TEST(SummaryTest, HighestLearningRateThatTrains) {
  Cell diverged = cell_with("batch", {0.9}, 10.0);
  diverged.runs[0].diverged = true;
  const Sweep sweep = sweep_with(
      {cell_with("none", {0.85}, 0.1), cell_with("batch", {0.86}, 0.1), cell_with("layer", {0.2}, 0.1),
       cell_with("none", {0.10}, 1.0), cell_with("batch", {0.80}, 1.0), cell_with("layer", {0.1}, 1.0), diverged},
      {0.1, 1.0, 10.0});
  const std::vector<HighestRate> rates = highest_rates(sweep);
  ASSERT_EQ(rates.size(), 3U);
  EXPECT_EQ(rates[0].lr, 0.1);
  EXPECT_EQ(rates[1].lr, 1.0);
  EXPECT_FALSE(rates[1].is_last);
  EXPECT_FALSE(rates[2].lr);
  EXPECT_TRUE(highest_rates(sweep_with({cell_with("none", {0.8})})).empty());
  EXPECT_EQ(settings_of(sweep).size(), 3U);
  EXPECT_EQ(settings_of(sweep)[1].name, "mlp, lr 1");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace compare_norms
