// Properties of every schedule: stepping agrees with the closed form, a newly made schedule starts over, states load in
// any order, and a step that throws changes nothing.
#include <gtest/gtest.h>

#include <limits>

#include "tests/optim/schedule_cases.hpp"
#include "tests/support/raises.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::make_optimizer;
using tests::param_of;
using tests::rates_of;
using tests::schedule_makers;

constexpr std::int64_t kEpochs = 39;

std::vector<std::vector<double>> forty_epochs(Optimizer& optimizer, LRScheduler& schedule) {
  std::vector<std::vector<double>> all = {rates_of(optimizer)};
  for (std::int64_t epoch = 1; epoch <= kEpochs; ++epoch) {
    schedule.step();
    all.push_back(rates_of(optimizer));
  }
  return all;
}

TEST(ScheduleFormsTest, SteppingGoesWhereTheClosedFormDoes) {
  for (const auto& [name, make] : schedule_makers()) {
    const auto stepped = make_optimizer("SGD");
    const auto all = forty_epochs(*stepped, *make(*stepped));
    const auto optimizer = make_optimizer("SGD");
    const auto schedule = make(*optimizer);
    for (const std::int64_t epoch : {39, 0, 7, 20, 30, 12, 1, 5}) {
      schedule->set_epoch(epoch);
      EXPECT_EQ(rates_of(*optimizer), all[static_cast<std::size_t>(epoch)]) << name << " epoch " << epoch;
    }
    schedule->set_epoch(6);
    for (std::size_t epoch = 6; epoch <= kEpochs; ++epoch) {
      ASSERT_EQ(rates_of(*optimizer), all[epoch]) << name << " from 6 to " << epoch;
      if (epoch < kEpochs) {
        schedule->step();
      }
    }
  }
}

TEST(ScheduleFormsTest, MadeAgainItStartsAnew) {
  for (const auto& [name, make] : schedule_makers()) {
    const auto optimizer = make_optimizer("SGD");
    const auto first = make(*optimizer);
    const auto all = forty_epochs(*optimizer, *first);
    const auto second = make(*optimizer);  // the first one still exists
    EXPECT_EQ(forty_epochs(*optimizer, *second), all) << name;
  }
}

TEST(ScheduleFormsTest, OneMadeAtTheEndOfAnotherStartsFromTheInitialRate) {
  SGD optimizer({param_of({0.0})}, {.lr = 0.5});
  CosineAnnealingLR cosine(optimizer, 10);
  for (int epoch = 0; epoch < 10; ++epoch) {
    cosine.step();
  }
  EXPECT_EQ(optimizer.lr(), 0.0);
  CosineAnnealingLR again(optimizer, 10);
  EXPECT_EQ(optimizer.lr(), 0.5);
  for (int epoch = 0; epoch < 10; ++epoch) {
    again.step();
  }
  EXPECT_EQ(optimizer.lr(), 0.0);
  again.step();
  EXPECT_NEAR(optimizer.lr(), 0.25 * (1.0 - std::cos(std::acos(-1.0) / 10.0)), 1e-15);  // rises from 0
  const ExponentialLR exponential(optimizer, 0.5);
  EXPECT_EQ(optimizer.lr(), 0.5);
  optimizer.set_lr(0.125);
  const StepLR steps(optimizer, 3);
  EXPECT_EQ(optimizer.lr(), 0.5);
  optimizer.set_initial_lr(0.25, 0);
  optimizer.set_lr(0.125);
  const LinearLR linear(optimizer, {.start_factor = 0.5});
  EXPECT_EQ(optimizer.lr(), 0.125);
}

TEST(ScheduleFormsTest, SchedulesMadeTogetherMultiply) {
  SGD optimizer({param_of({0.0})}, {.lr = 0.5});
  ConstantLR constant(optimizer, {.factor = 0.25, .total_iters = 2});
  ExponentialLR exponential(optimizer, 0.5);
  LinearLR linear(optimizer, {.start_factor = 0.5, .total_iters = 2});
  const std::vector<double> factors = {0.25 * 0.5, 0.25 * 0.5 * 0.75, 0.25, 0.125, 0.0625};
  for (std::size_t epoch = 0; epoch < factors.size(); ++epoch) {
    EXPECT_NEAR(optimizer.lr(), 0.5 * factors[epoch], 1e-16) << epoch;
    constant.step();
    exponential.step();
    linear.step();
  }
}

TEST(ScheduleFormsTest, AConstantFactorForNoEpochIsNone) {
  SGD optimizer({param_of({0.0})}, {.lr = 0.5});
  ConstantLR schedule(optimizer, {.factor = 0.25, .total_iters = 0});
  EXPECT_EQ(optimizer.lr(), 0.5);
  schedule.step();
  EXPECT_EQ(optimizer.lr(), 0.5);
}

// The optimizer's state is loaded before or after the schedule's, and before or after the schedule is made.
TEST(ScheduleFormsTest, StatesLoadInAnyOrder) {
  for (const auto& [name, make] : schedule_makers()) {
    const auto whole = make_optimizer("SGD");
    const auto whole_schedule = make(*whole);
    for (int epoch = 0; epoch < 8; ++epoch) {
      whole_schedule->step();
    }
    const StateDict of_optimizer = whole->state_dict();
    const StateDict of_schedule = whole_schedule->state_dict();
    std::vector<std::vector<double>> expected;
    for (int epoch = 0; epoch < 10; ++epoch) {
      whole_schedule->step();
      expected.push_back(rates_of(*whole));
    }
    for (const int order : {0, 1, 2}) {
      const auto optimizer = make_optimizer("SGD");
      if (order == 0) {
        optimizer->load_state_dict(of_optimizer);
      }
      const auto schedule = make(*optimizer);
      if (order == 1) {
        optimizer->load_state_dict(of_optimizer);
      }
      schedule->load_state_dict(of_schedule);
      if (order == 2) {
        optimizer->load_state_dict(of_optimizer);
      }
      EXPECT_EQ(optimizer->initial_lr(1), whole->initial_lr(1)) << name << " order " << order;
      for (const std::vector<double>& rates : expected) {
        schedule->step();
        ASSERT_EQ(rates_of(*optimizer), rates) << name << " order " << order;
      }
    }
  }
}

TEST(ScheduleFormsTest, AStepThatThrowsChangesNothing) {
  const auto optimizer = make_optimizer("SGD");
  const auto fails_at = [](std::int64_t bad, double value) {
    return [=](std::int64_t epoch) { return epoch == bad ? value : 0.5; };
  };
  for (const double bad : {-1.0, std::numeric_limits<double>::infinity(), std::nan("")}) {
    // Setting the rate of the second group fails, and that of the second part.
    LambdaLR lambda(*optimizer, {[](std::int64_t) { return 0.5; }, fails_at(2, bad)});
    ChainedScheduler chained({ExponentialLR(*optimizer, 0.5), LambdaLR(*optimizer, fails_at(2, bad)),
                              CyclicLR(*optimizer, 0.1, 0.2, {.step_size_up = 2})});
    for (LRScheduler* schedule : {static_cast<LRScheduler*>(&lambda), static_cast<LRScheduler*>(&chained)}) {
      schedule->step();
      const std::vector<double> rates = rates_of(*optimizer);
      const StateDict state = schedule->state_dict();
      EXPECT_THROW(schedule->step(), ValueError);
      EXPECT_THROW(schedule->set_epoch(2), ValueError);
      EXPECT_EQ(rates_of(*optimizer), rates) << bad;
      for (const auto& [key, value] : schedule->state_dict()) {
        EXPECT_EQ(value.to_vector<double>(), state.at(key).to_vector<double>()) << key;
      }
    }
  }
  // A momentum out of range: that of the second group throws after the first group's was set.
  CyclicLR cyclic(*optimizer, 0.1, 0.2,
                  {.step_size_up = 2,
                   .scale_fn = [](double epoch) { return epoch == 1.0 ? 100.0 : 0.0; },
                   .scale_mode = ScaleMode::iterations,
                   .base_momentum = {0.8, 0.1},
                   .max_momentum = {0.8, 0.2}});
  const std::vector<double> rates = rates_of(*optimizer);
  EXPECT_THROW(cyclic.step(), ValueError);
  EXPECT_EQ(rates_of(*optimizer), rates);
}

TEST(ScheduleFormsTest, StatesOutOfRange) {
  SGD optimizer({param_of({0.0})}, {.lr = 0.5});
  StepLR schedule(optimizer, 1, 0.5);
  schedule.step();
  for (const char* key : {"last_epoch", "base_lrs", "last_lr"}) {
    StateDict state;
    for (const auto& [name, value] : schedule.state_dict()) {
      state[name] = value.clone();
    }
    state[key].fill_(-1.0);
    const std::string text = error_of<ValueError>([&] { schedule.load_state_dict(state); });
    EXPECT_EQ(text, std::string("StepLR: load_state_dict: the state does not fit; nothing was loaded\n"
                                "  out of range: ") +
                        key + ": -1");
    EXPECT_EQ(optimizer.lr(), 0.25);
    EXPECT_EQ(schedule.epoch(), 1);
  }
}

TEST(ScheduleFormsTest, NumbersNearTheLargest) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  SGD optimizer({param_of({0.0})}, {.lr = 0.5});
  CosineAnnealingLR cosine(optimizer, kMax);
  cosine.step();
  cosine.step();
  EXPECT_EQ(optimizer.lr(), 0.5);
  CosineAnnealingWarmRestarts restarts(optimizer, 100, {.t_mult = kMax / 2});
  restarts.set_epoch(150);
  EXPECT_EQ(optimizer.lr(), 0.5);
  EXPECT_THROW(OneCycleLR(optimizer, 1.0, {.epochs = kMax, .steps_per_epoch = 2, .cycle_momentum = false}), ValueError);
  CyclicLR cyclic(optimizer, 0.1, 0.2, {.step_size_up = kMax, .cycle_momentum = false});
  cyclic.step();
  EXPECT_NEAR(optimizer.lr(), 0.1, 1e-15);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
