#include "normgrad/optim/lr_scheduler.hpp"

#include <gtest/gtest.h>

#include "tests/optim/optim_support.hpp"
#include "normgrad/optim/sgd.hpp"

namespace normgrad {
namespace {

using testing_support::param_of;

void expect_rates(LRScheduler& schedule, const Optimizer& optimizer, const std::vector<double>& rates) {
  for (std::size_t i = 0; i < rates.size(); ++i) {
    EXPECT_NEAR(optimizer.lr(), rates[i], 1e-15) << i;
    EXPECT_EQ(schedule.last_lr()[0], optimizer.lr());
    EXPECT_EQ(schedule.epoch(), static_cast<std::int64_t>(i));
    schedule.step();
  }
}

TEST(StepLRTest, AsInPyTorch) {
  SGD optimizer({param_of({0.0})}, {.lr = 0.5});
  StepLR schedule(optimizer, 3, 0.5);
  expect_rates(schedule, optimizer, {0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125, 0.125});
  EXPECT_THROW(StepLR(optimizer, 0), ValueError);
}

TEST(CosineAnnealingLRTest, AsInPyTorch) {
  SGD optimizer({param_of({0.0})}, {.lr = 0.5});
  CosineAnnealingLR schedule(optimizer, 5, 0.01);
  expect_rates(
      schedule, optimizer,
      {0.5, 0.45320916362186214, 0.33070916362186215, 0.1792908363781379, 0.0567908363781379, 0.01, 0.05679083637813787,
       0.17929083637813795, 0.33070916362186226, 0.45320916362186237, 0.5, 0.4532091636218625, 0.3307091636218623});
  EXPECT_THROW(CosineAnnealingLR(optimizer, 0), ValueError);
}

TEST(LRSchedulerTest, EveryGroupFromItsOwnRate) {
  SGD optimizer({{{param_of({0.0})}, {.lr = 1.0}}, {{param_of({0.0})}, {.lr = 8.0}}});
  StepLR schedule(optimizer, 1, 0.25);
  schedule.step();
  EXPECT_EQ(optimizer.lr(0), 0.25);
  EXPECT_EQ(optimizer.lr(1), 2.0);
  schedule.set_epoch(2);
  EXPECT_EQ(optimizer.lr(1), 0.5);
  EXPECT_THROW(schedule.set_epoch(-1), ValueError);
}

}  // namespace
}  // namespace normgrad
