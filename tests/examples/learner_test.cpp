// The models of compare_norms that predict no classes, schedules, and the panels that it shows by itself.
#include "lab/compare_norms/learner.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "lab/compare_norms/metric.hpp"
#include "lab/compare_norms/panels.hpp"
#include "lab/compare_norms/run_store.hpp"
#include "lab/compare_norms/summary.hpp"
#include "lab/files.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/run_program.hpp"
#include "tests/support/temporary_folder.hpp"

namespace compare_norms {
namespace NORMGRAD_TEST_FILE {

using namespace normgrad;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

Plan plan_of(const std::string& model, const std::string& norm, std::int64_t steps) {
  return {.model = model,
          .norm = norm,
          .activation = "relu",
          .optimizer = "adam",
          .steps = steps,
          .batch_size = 16,
          .lr = 1e-3,
          .eval_every = steps};
}

Run run_of(const Plan& plan, std::uint64_t seed, const Data& data) {
  return train(plan, seed, data,
               {.on_step = [](std::int64_t) {},
                .on_measurement = [](const Measurement&) {},
                .should_stop = [] { return false; }});
}

const Data& digits() {
  static const Data data = open_data("digits", 256);
  return data;
}

TEST(LearnerTest, ModelsOfImagesTakeAnyImagesAndMostNorms) {
  Generator generator(1);
  for (const std::string norm : {"none", "batch", "group", "pixel", "bin"}) {
    for (const Shape& image : {Shape{1, 28, 28}, Shape{3, 17, 13}}) {
      Sequential unet = make_model({.model = "unet", .norm = norm, .image_shape = image});
      const Tensor x = randn({2, image[0], image[1], image[2]}, {}, &generator);
      EXPECT_EQ(unet(x).shape(), x.shape()) << norm;
      Sequential dcgan = make_model({.model = "dcgan", .norm = norm, .image_shape = image});
      EXPECT_EQ(dcgan(randn({2, 32}, {}, &generator)).shape(), x.shape()) << norm;
    }
  }
  EXPECT_EQ(why_not_applicable("unet", "instance"), "");
  EXPECT_EQ(why_not_applicable("dcgan", "lrn"), "");
  EXPECT_THROW(make_model({.model = "dcgan", .image_shape = {1, 7, 28}}), ShapeError);
  EXPECT_THROW(make_model({.model = "unet", .image_shape = {1, 3, 28}}), ShapeError);
}

TEST(LearnerTest, EveryNormOfAModelOfImagesStartsFromTheSameWeights) {
  for (const std::string model : {"unet", "dcgan"}) {
    std::vector<std::vector<float>> first;
    for (const std::string norm : {"none", "batch", "rms"}) {
      manual_seed(7);
      std::vector<std::vector<float>> weights;
      Sequential net = make_model({.model = model, .norm = norm, .image_shape = {1, 28, 28}});
      for (const auto& [name, tensor] : net.named_parameters()) {
        if (name.find("norm") == std::string::npos) {
          weights.push_back(tensor.to_vector<float>());
        }
      }
      first = first.empty() ? weights : first;
      EXPECT_EQ(weights, first) << model << ' ' << norm;
    }
  }
}

// The noise alone, of 50/255, has 20 log10(255/50) = 14.15 dB.
TEST(LearnerTest, TheDenoiserLearnsAndRepeats) {
  const auto run = run_of(plan_of("unet", "batch", 80), 1, digits());
  ASSERT_TRUE(run.complete);
  const Measurement& last = run.measurements.back();
  EXPECT_GT(last.test_accuracy, 14.15 + 3.0);
  EXPECT_LT(last.test_accuracy, 40.0);
  EXPECT_GT(last.test_deviation, 0.0);
  EXPECT_LT(last.test_deviation, 1.0);
  const auto after_five = [&](std::uint64_t seed) {
    return run_of(plan_of("unet", "batch", 5), seed, digits()).measurements.back().test_accuracy;
  };
  const double first = after_five(1);
  EXPECT_EQ(after_five(1), first);
  EXPECT_NE(after_five(2), first);
}

TEST(LearnerTest, TheGeneratorComesNearerToTheImages) {
  const auto first = run_of(plan_of("dcgan", "batch", 1), 1, digits());
  const auto last = run_of(plan_of("dcgan", "batch", 120), 1, digits());
  ASSERT_TRUE(first.complete && last.complete);
  // Stored with a minus: higher is better.
  EXPECT_LT(first.measurements.back().test_accuracy, 0.0);
  EXPECT_GT(last.measurements.back().test_accuracy, 0.5 * first.measurements.back().test_accuracy);
}

// A diverged model of images has no more to show than a gray image.
TEST(LearnerTest, DivergedRunsHaveAResultAndCanBeStored) {
  for (const std::string model : {"unet", "dcgan"}) {
    Plan plan = plan_of(model, "none", 20);
    plan.optimizer = "sgd";
    plan.lr = 1e38;
    const auto run = run_of(plan, 1, digits());
    ASSERT_TRUE(run.diverged) << model;
    ASSERT_FALSE(run.measurements.empty()) << model;
    EXPECT_TRUE(std::isfinite(run.measurements.back().test_accuracy)) << model;
    EXPECT_TRUE(std::isfinite(run.measurements.back().test_deviation)) << model;
    ASSERT_TRUE(run_from_json(to_json(run))) << model;
  }
}

TEST(LearnerTest, ARunWhoseLastStepIsTooLargeDiverges) {
  Plan plan = plan_of("mlp", "none", 1);
  plan.optimizer = "sgd";
  plan.lr = 1e300;
  const auto run = run_of(plan, 1, digits());
  EXPECT_TRUE(std::isfinite(run.measurements.at(0).train_loss));
  EXPECT_TRUE(run.diverged);
  EXPECT_FALSE(run.complete);
}

TEST(LearnerTest, RunsCanBeStoredWhateverTheyMeasured) {
  compare_norms::Run run;
  run.measurements = {{.step = 1,
                       .epoch = 0.1,
                       .train_loss = std::nan(""),
                       .test_loss = HUGE_VAL,
                       .test_accuracy = std::nan(""),
                       .seconds = 1.0,
                       .test_deviation = -HUGE_VAL}};
  const auto read = run_from_json(to_json(run));
  ASSERT_TRUE(read);
  EXPECT_TRUE(std::isnan(read->measurements.at(0).test_accuracy));
  EXPECT_EQ(read->measurements.at(0).test_deviation, -HUGE_VAL);
  EXPECT_EQ(read->measurements.at(0).test_loss, HUGE_VAL);
}

TEST(LearnerTest, TheKernelDistanceIsThatOfItsDefinition) {
  const Tensor x = from_vector(std::vector<double>{0.0, 1.0, 3.0}, {3, 1});
  const Tensor y = from_vector(std::vector<double>{0.5, 2.0}, {2, 1});
  // Squared distances within x, each pair twice and zeros: 0 0 0 1 1 4 4 9 9, the median 1.
  const auto mean_of = [](const std::vector<double>& squares) {
    double sum = 0.0;
    for (const double s : squares) {
      for (const double factor : {0.25, 1.0, 4.0}) {
        sum += std::exp(-s / (2.0 * factor)) / 3.0;
      }
    }
    return sum / static_cast<double>(squares.size());
  };
  const double expected = mean_of({1.0, 9.0, 4.0}) + mean_of({2.25}) - 2.0 * mean_of({0.25, 4.0, 0.25, 1.0, 6.25, 1.0});
  EXPECT_NEAR(kernel_distance(x, y), expected, 1e-12);
  // Unbiased: sets of one distribution have distances around 0, of both signs; others are far.
  Generator generator(3);
  int negative = 0;
  for (int i = 0; i < 20; ++i) {
    const Tensor a = randn({40, 5}, {}, &generator);
    const Tensor b = randn({40, 5}, {}, &generator);
    const double same = kernel_distance(a, b);
    EXPECT_LT(std::abs(same), 0.1);
    EXPECT_GT(kernel_distance(a, b + 2.0), 0.3);
    negative += same < 0.0 ? 1 : 0;
  }
  EXPECT_GT(negative, 2);
  EXPECT_LT(negative, 18);
}

TEST(ScheduleTest, RisesAndFalls) {
  Plan plan = plan_of("mlp", "none", 100);
  plan.lr = 2.0;
  EXPECT_EQ(lr_of(plan, 1), 2.0);
  EXPECT_EQ(lr_of(plan, 100), 2.0);
  plan.schedule = "cosine";
  EXPECT_DOUBLE_EQ(lr_of(plan, 1), 2.0);
  EXPECT_NEAR(lr_of(plan, 51), 1.0, 1e-12);
  EXPECT_LT(lr_of(plan, 100), 0.001);
  plan.warmup = 20;
  EXPECT_DOUBLE_EQ(lr_of(plan, 5), 0.5);
  EXPECT_DOUBLE_EQ(lr_of(plan, 20), 2.0);
  EXPECT_LT(lr_of(plan, 21), 2.0);
}

// PyTorch's schedule counts steps from 0, and its rise ends at pct_start * total_steps - 1.
TEST(ScheduleTest, OneCycleIsTheLibrarys) {
  Plan plan = plan_of("mlp", "none", 100);
  plan.lr = 0.5;
  plan.schedule = "onecycle";
  const auto rates = [](double start) {
    SGD optimizer({zeros({1}).requires_grad_()}, {.lr = 0.5});
    OneCycleLR schedule(optimizer, 0.5, {.total_steps = 100, .pct_start = start, .cycle_momentum = false});
    std::vector<double> all;
    for (int i = 0; i < 100; ++i) {
      all.push_back(optimizer.lr());
      optimizer.step();
      if (i < 99) {
        schedule.step();
      }
    }
    return all;
  };
  const std::vector<double> by_share = rates(0.3);
  const std::vector<double> by_warmup = rates(0.1);
  for (std::int64_t step = 1; step <= 100; ++step) {
    plan.warmup = 0;
    EXPECT_NEAR(lr_of(plan, step), by_share[static_cast<std::size_t>(step - 1)], 1e-12) << step;
    plan.warmup = 10;
    EXPECT_NEAR(lr_of(plan, step), by_warmup[static_cast<std::size_t>(step - 1)], 1e-12) << step;
  }
}

TEST(MetricTest, SaysNumbersInItsUnits) {
  EXPECT_EQ(shown(metric_of("mlp"), 0.9731), "97.3 %");
  EXPECT_EQ(shown(metric_of("gpt"), 0.5), "50.0 %");
  EXPECT_EQ(shown(metric_of("unet"), 21.414), "21.41 dB");
  EXPECT_EQ(shown(metric_of("dcgan"), -0.03124), "0.0312");
  EXPECT_EQ(shown_difference(metric_of("mlp"), -0.0104), "1.0 point");
  EXPECT_EQ(shown_difference(metric_of("mlp"), 0.032), "3.2 points");
  EXPECT_EQ(shown_difference(metric_of("unet"), 1.0), "1.00 dB");
}

Cell cell_of(const std::string& model, const std::string& norm, const std::vector<double>& values, double deviation) {
  Cell cell{.plan = plan_of(model, norm, 10)};
  for (std::size_t i = 0; i < values.size(); ++i) {
    Run run;
    run.seed = i + 1;
    run.complete = true;
    run.measurements.push_back({.step = 10, .test_accuracy = values[i], .test_deviation = deviation});
    cell.runs.push_back(run);
  }
  return cell;
}

TEST(MetricTest, VerdictsInItsUnits) {
  Sweep sweep;
  sweep.cells = {cell_of("unet", "none", {20.0}, 0.1), cell_of("unet", "batch", {21.5}, 0.1),
                 cell_of("unet", "layer", {21.4}, 0.1)};
  std::vector<std::string> lines = conclusions(sweep, settings_of(sweep)[0]);
  EXPECT_EQ(lines[0], "batch is highest, 21.50 dB, with 1 seed; indistinguishable from it: layer");
  EXPECT_THAT(lines[1], HasSubstr("batch: 1.50 dB better than none with one seed"));
  EXPECT_TRUE(targets_of(sweep).empty());
  sweep.cells = {cell_of("dcgan", "none", {-0.3, -0.32}, 0.01), cell_of("dcgan", "batch", {-0.1, -0.11}, 0.01)};
  lines = conclusions(sweep, settings_of(sweep)[0]);
  EXPECT_EQ(lines[0], "batch is lowest, 0.1050, with 2 seeds; every other one is higher by more than noise");
  EXPECT_THAT(lines[1], HasSubstr("batch: 0.2050 better than none (95 % interval 0.2000 to 0.2100, 2 seeds)"));
  sweep.cells = {cell_of("dcgan", "none", {-0.3}, 0.1), cell_of("dcgan", "batch", {-0.29}, 0.1)};
  EXPECT_THAT(conclusions(sweep, settings_of(sweep)[0])[1], HasSubstr("no difference from none beyond noise"));
}

// Larger batches than there are images are one setting.
TEST(PlansTest, EachSettingOnce) {
  Options options;
  options.models = {"mlp"};
  options.norms = {"none", "batch"};
  options.batch_sizes = {20, 100, 200};
  std::vector<std::pair<std::string, std::int64_t>> found;
  for (const Plan& plan : make_plans(options, 50)) {
    found.emplace_back(plan.norm, plan.batch_size);
  }
  EXPECT_THAT(found, ElementsAre(testing::Pair("none", 20), testing::Pair("batch", 20), testing::Pair("none", 50),
                                 testing::Pair("batch", 50)));
}

TEST(PanelsTest, EachHasItsNormsAndItsTraining) {
  const char* arguments[] = {"compare_norms"};
  const Options options = *parse_options(1, arguments);
  EXPECT_TRUE(options.panels);
  const std::vector<Plan> plans = make_plans(options, 60'000);
  std::size_t expected = 0;
  for (const Panel& panel : panels()) {
    expected += panel.norms.size() * std::max<std::size_t>(1, panel.placements.size());
    for (const std::string& norm : panel.norms) {
      EXPECT_EQ(why_not_applicable(panel.model, norm), "") << panel.model << ' ' << norm;
    }
  }
  EXPECT_EQ(plans.size(), expected);
  for (const Plan& plan : plans) {
    EXPECT_EQ(plan.steps, panel_of(plan.model)->steps);
    EXPECT_EQ(plan.lr, panel_of(plan.model)->lr);
    EXPECT_EQ(plan.placement.empty(), plan.model != "vit");
  }
  const char* chosen[] = {"compare_norms", "--norms", "none,batch", "--lr", "0.2", "--steps", "7"};
  const Options given = *parse_options(7, chosen);
  EXPECT_THAT(given.norms, ElementsAre("none", "batch"));
  for (const Plan& plan : make_plans(given, 60'000)) {
    EXPECT_EQ(plan.steps, 7);
    EXPECT_EQ(plan.lr, 0.2);
  }
  const char* model[] = {"compare_norms", "--model", "mlp"};
  EXPECT_FALSE(parse_options(3, model)->panels);
}

TEST(LearnerProgramTest, TablesSummaryAndResume) {
  const tests::TemporaryFolder folder;
  const std::vector<std::string> command = {NORMGRAD_BINARY_DIR "/examples/compare_norms",
                                            "--data",
                                            "digits",
                                            "--models",
                                            "unet,dcgan",
                                            "--norms",
                                            "none,batch,lrn",
                                            "--steps",
                                            "4",
                                            "--eval-every",
                                            "2",
                                            "--batch-size",
                                            "8",
                                            "--schedule",
                                            "cosine",
                                            "--seeds",
                                            "2",
                                            "--train-limit",
                                            "64",
                                            "--out",
                                            (folder / "a").string()};
  const tests::ProgramResult result = tests::run_program(command);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("PSNR, dB"), HasSubstr("kernel distance"), HasSubstr("cosine schedule"),
                                HasSubstr("is highest"), HasSubstr("is lowest"), Not(HasSubstr("steps to accuracy"))));
  const auto json = nlohmann::json::parse(lab::read_whole(folder / "a/summary.json").value());
  EXPECT_EQ(json["results"][0]["metric"], "PSNR");
  EXPECT_EQ(json["results"][3]["metric"], "kernel distance");
  EXPECT_EQ(json["settings"]["models"]["unet"]["schedule"], "cosine");
  EXPECT_FALSE(json["results"][0].contains("steps_to"));
  const std::string table = lab::read_whole(folder / "a/summary.md").value();
  EXPECT_THAT(table, AllOf(HasSubstr("PSNR / kernel distance"), Not(HasSubstr("steps to 70"))));
  const std::string results = lab::read_whole(folder / "a/results.csv").value();
  const tests::ProgramResult again = tests::run_program(command);
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr("12 of 12 runs were done before"));
  EXPECT_EQ(lab::read_whole(folder / "a/results.csv").value(), results);
  const tests::ProgramResult refused = tests::run_program({command[0], "--models", "unet", "--probes"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("--probes: expected a model that predicts classes, whose accuracy is probed, but "
                                     "got unet"));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace compare_norms
