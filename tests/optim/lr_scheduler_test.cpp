// Errors of the schedules, and schedules that share an optimizer. Their values are tested in torch_schedules_test.cpp.
#include "normgrad/optim/schedules/lr_scheduler.hpp"

#include <gtest/gtest.h>

#include <memory>

#include "tests/optim/optim_support.hpp"
#include "tests/support/raises.hpp"
#include "normgrad/normgrad.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::param_of;
using tests::tensor_of;

TEST(LRSchedulerTest, EveryGroupFromItsOwnRate) {
  SGD optimizer({{{param_of({0.0})}, {.lr = 1.0}}, {{param_of({0.0})}, {.lr = 8.0}}});
  StepLR schedule(optimizer, 1, 0.25);
  schedule.step();
  EXPECT_EQ(optimizer.lr(0), 0.25);
  EXPECT_EQ(optimizer.lr(1), 2.0);
  schedule.set_epoch(2);
  EXPECT_EQ(optimizer.lr(1), 0.5);
  EXPECT_EQ(error_of<ValueError>([&] { schedule.set_epoch(-1); }), "StepLR: expected epoch >= 0 but got -1");
}

TEST(LRSchedulerTest, ArgumentsOutOfRange) {
  SGD o({param_of({0.0})}, {.lr = 0.5, .momentum = 0.5});
  Adagrad no_momentum({param_of({0.0})});
  EXPECT_EQ(error_of<ValueError>([&] { StepLR(o, 0); }), "StepLR: expected step_size > 0 but got 0");
  EXPECT_EQ(error_of<ValueError>([&] { StepLR(o, 1, -1.0); }), "StepLR: expected gamma >= 0 but got -1");
  EXPECT_EQ(error_of<ValueError>([&] { MultiStepLR(o, {1}, -1.0); }), "MultiStepLR: expected gamma >= 0 but got -1");
  EXPECT_EQ(error_of<ValueError>([&] { ExponentialLR(o, -1.0); }), "ExponentialLR: expected gamma >= 0 but got -1");
  EXPECT_EQ(error_of<ValueError>([&] { LambdaLR(o, std::vector<LRLambda>{}); }),
            "LambdaLR: expected a function for each of 1 groups but got 0");
  EXPECT_EQ(error_of<ValueError>([&] { LambdaLR(o, LRLambda()); }),
            "LambdaLR: expected functions but got an empty one");
  EXPECT_EQ(error_of<ValueError>([&] { LambdaLR(o, [](std::int64_t) { return -1.0; }); }),
            "LambdaLR: expected a learning rate >= 0 in epoch 0 but got -0.5");
  EXPECT_EQ(error_of<ValueError>([&] { ConstantLR(o, {.factor = 0.0}); }),
            "ConstantLR: expected factor in (0, 1] but got 0");
  EXPECT_EQ(error_of<ValueError>([&] { LinearLR(o, {.start_factor = 0.0}); }),
            "LinearLR: expected start_factor in (0, 1] but got 0");
  EXPECT_EQ(error_of<ValueError>([&] { LinearLR(o, {.end_factor = 1.5}); }),
            "LinearLR: expected end_factor in [0, 1] but got 1.5");
  EXPECT_EQ(error_of<ValueError>([&] { LinearLR(o, {.total_iters = 0}); }),
            "LinearLR: expected total_iters > 0 but got 0");
  EXPECT_EQ(error_of<ValueError>([&] { PolynomialLR(o, {.total_iters = 0}); }),
            "PolynomialLR: expected total_iters > 0 but got 0");
  EXPECT_EQ(error_of<ValueError>([&] { CosineAnnealingLR(o, 0); }), "CosineAnnealingLR: expected t_max > 0 but got 0");
  EXPECT_EQ(error_of<ValueError>([&] { CosineAnnealingWarmRestarts(o, 5, {.t_mult = 0}); }),
            "CosineAnnealingWarmRestarts: expected t_mult >= 1 but got 0");
  EXPECT_EQ(error_of<ValueError>([&] { OneCycleLR(o, 1.0, {.epochs = 3}); }),
            "OneCycleLR: expected total_steps > 0, or epochs and steps_per_epoch > 0, but got 0, 3 and 0");
  EXPECT_EQ(error_of<ValueError>([&] {
              OneCycleLR(o, {1.0, 2.0}, {.total_steps = 9});
            }),
            "OneCycleLR: expected one max_lr, or one for each of 1 groups, but got 2");
  EXPECT_EQ(error_of<ValueError>([&] { OneCycleLR(o, 1.0, {.total_steps = 9, .pct_start = 1.5}); }),
            "OneCycleLR: expected pct_start in [0, 1] but got 1.5");
  EXPECT_EQ(error_of<ValueError>([&] { OneCycleLR(no_momentum, 1.0, {.total_steps = 9}); }),
            "OneCycleLR: expected an optimizer with momentum but got Adagrad; set cycle_momentum = false");
  EXPECT_EQ(error_of<ValueError>([&] { CyclicLR(o, 0.1, 1.0, {.step_size_up = 0}); }),
            "CyclicLR: expected step_size_up and step_size_down > 0 but got 0 and 0");
  EXPECT_EQ(error_of<ValueError>([&] { CyclicLR(o, 0.1, 1.0, {.max_momentum = 1.0}); }),
            "CyclicLR: expected base_momentum and max_momentum in [0, 1) but got 0.8 and 1");
  EXPECT_EQ(error_of<ValueError>([&] { ReduceLROnPlateau(o, {.factor = 1.0}); }),
            "ReduceLROnPlateau: expected factor in [0, 1) but got 1");
  EXPECT_EQ(o.lr(), 0.5);
  EXPECT_EQ(o.options().momentum, 0.5);
  o.set_lr(0.25);
  EXPECT_EQ(o.initial_lr(), 0.25);  // none of them has set it
}

TEST(LRSchedulerTest, CombinedOnesCheckTheirParts) {
  SGD o({param_of({0.0})}, {.lr = 0.5});
  SGD other({param_of({0.0})}, {.lr = 0.5});
  EXPECT_EQ(error_of<ValueError>([&] { SequentialLR(o, {}, {}); }), "SequentialLR: expected schedules but got none");
  EXPECT_EQ(error_of<ValueError>([&] {
              SequentialLR(o, {StepLR(o, 1), StepLR(other, 1)}, {3});
            }),
            "SequentialLR: expected schedules of one optimizer but schedule 1 belongs to another");
  EXPECT_EQ(error_of<ValueError>([&] {
              SequentialLR(o, {StepLR(o, 1), StepLR(o, 1)}, {});
            }),
            "SequentialLR: expected one milestone fewer than schedules but got 0 and 2");
  EXPECT_EQ(error_of<ValueError>([&] {
              SequentialLR(o, {StepLR(o, 1), StepLR(o, 1), StepLR(o, 1)}, {3, 3});
            }),
            "SequentialLR: expected ascending milestones >= 1 but got 3 after 3");
  EXPECT_EQ(error_of<ValueError>([&] {
              ChainedScheduler({StepLR(o, 1), StepLR(other, 1)});
            }),
            "ChainedScheduler: expected schedules of one optimizer but schedule 1 belongs to another");
}

TEST(LRSchedulerTest, OneCycleEnds) {
  SGD optimizer({param_of({0.0})}, {.lr = 0.5});
  OneCycleLR schedule(optimizer, 1.0, {.total_steps = 3});
  for (int i = 0; i < 3; ++i) {
    schedule.step();
  }
  const double lr = optimizer.lr();
  EXPECT_EQ(error_of<ValueError>([&] { schedule.step(); }),
            "OneCycleLR: expected at most total_steps = 3 steps but got one more");
  EXPECT_EQ(optimizer.lr(), lr);
  EXPECT_EQ(schedule.epoch(), 3);
}

// A phase of length 0: PyTorch divides by zero here.
TEST(LRSchedulerTest, OneCycleWithoutARise) {
  SGD optimizer({param_of({0.0})}, {.lr = 0.5});
  OneCycleLR schedule(optimizer, 1.0, {.total_steps = 10, .pct_start = 0.1});
  EXPECT_EQ(optimizer.lr(), 1.0);
  EXPECT_EQ(optimizer.options().momentum, 0.85);
}

TEST(LRSchedulerTest, CombinedOnesInsideOfOthers) {
  SGD o({param_of({0.0})}, {.lr = 1.0});
  // 0.1 for two epochs, then 1 / 2 more in each epoch, halved once more in epoch 6 of the sequence.
  SequentialLR schedule(
      o,
      {ConstantLR(o, {.factor = 0.1, .total_iters = 10}), ChainedScheduler({ExponentialLR(o, 0.5), StepLR(o, 4, 0.5)})},
      {2});
  const std::vector<double> expected = {0.1, 0.1, 1.0, 0.5, 0.25, 0.125, 0.03125};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_DOUBLE_EQ(o.lr(), expected[i]) << i;
    schedule.step();
  }
  schedule.set_epoch(5);
  EXPECT_DOUBLE_EQ(o.lr(), 0.125);
  EXPECT_TRUE(schedule.state_dict().contains("1.0.last_epoch"));
}

TEST(LRSchedulerTest, StatesThatDoNotFit) {
  SGD optimizer({param_of({0.0})}, {.lr = 0.5});
  StepLR schedule(optimizer, 1, 0.5);
  StateDict state = schedule.state_dict();
  schedule.step();
  state.erase("last_epoch");
  state["base_lrs"] = tensor_of({1.0, 2.0});
  state["more"] = tensor_of({1.0});
  EXPECT_EQ(error_of<ValueError>([&] { schedule.load_state_dict(state); }),
            "StepLR: load_state_dict: the state does not fit; nothing was loaded\n"
            "  missing: last_epoch\n"
            "  of another shape: base_lrs: expected [1] but got [2]\n"
            "  unexpected: more");
  EXPECT_EQ(optimizer.lr(), 0.25);
  EXPECT_EQ(schedule.epoch(), 1);
}

TEST(LRSchedulerTest, APartCanBeLookedAt) {
  SGD o({param_of({0.0})}, {.lr = 1.0});
  const auto exponential = std::make_shared<ExponentialLR>(o, 0.5);
  ChainedScheduler schedule({exponential, StepLR(o, 2, 0.5)});
  schedule.step();
  EXPECT_EQ(exponential->epoch(), 1);
  EXPECT_EQ(schedule.schedules().size(), 2U);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
