// Second groups, second halves and second parameters, which tests of the first do not cover.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "tests/optim/optim_support.hpp"
#include "normgrad/optim/clip.hpp"
#include "normgrad/optim/schedules/combined.hpp"
#include "normgrad/optim/schedules/cycle.hpp"
#include "normgrad/optim/schedules/schedules.hpp"
#include "normgrad/optim/sgd.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::param_of;
using tests::tensor_of;

SGD two_groups(SGDOptions first, SGDOptions second) {
  std::vector<ParamGroup<SGDOptions>> groups;
  groups.push_back({std::vector<Tensor>{param_of({1.0})}, first});
  groups.push_back({std::vector<Tensor>{param_of({2.0})}, second});
  return SGD(std::move(groups));
}

TEST(OptimEdgesTest, ZeroGradReachesAllGroups) {
  SGD sgd = two_groups({}, {});
  for (std::size_t g = 0; g < 2; ++g) {
    Tensor param = sgd.params(g)[0];
    param.set_grad(tensor_of({1.0}, param.dtype()));
  }
  sgd.zero_grad();
  EXPECT_FALSE(sgd.params(0)[0].grad().defined());
  EXPECT_FALSE(sgd.params(1)[0].grad().defined());
}

// At its maximum the second group would have no momentum, which Nesterov's method requires.
TEST(OptimEdgesTest, ARefusedMomentumLeavesTheOtherGroupsAsTheyWere) {
  SGD sgd = two_groups({.momentum = 0.5}, {.momentum = 0.5, .nesterov = true});
  OneCycleLR schedule(sgd, 1.0, {.total_steps = 10, .base_momentum = {0.25, 0.0}, .max_momentum = {0.75, 0.75}});
  schedule.step();
  const double before = sgd.option("momentum", 0);
  EXPECT_THROW(schedule.step(), ValueError);
  EXPECT_EQ(sgd.option("momentum", 0), before);
  EXPECT_EQ(schedule.epoch(), 1);
}

TEST(OptimEdgesTest, CosineAnnealingGoesUpAndDownAgain) {
  for (const std::int64_t t_max : {1, 4, 5}) {
    SGD sgd({param_of({1.0})}, {.lr = 2.0});
    CosineAnnealingLR schedule(sgd, t_max, 0.5);
    for (std::int64_t epoch = 1; epoch <= 5 * t_max; ++epoch) {
      schedule.step();
      const double phase = static_cast<double>(epoch) / static_cast<double>(t_max);
      EXPECT_NEAR(sgd.lr(0), 0.5 + 0.75 * (1.0 + std::cos(std::numbers::pi * phase)), 1e-12) << t_max << " " << epoch;
    }
  }
}

// In a chain the rate continues from the current one. At the minimum of the cosine, that includes the factor of the
// other schedule.
TEST(OptimEdgesTest, AChainedCosineGoesUpFromItsLowestPoint) {
  SGD sgd({param_of({1.0})}, {.lr = 2.0});
  ChainedScheduler chain({CosineAnnealingLR(sgd, 4, 0.5), ExponentialLR(sgd, 0.9)});
  for (int epoch = 1; epoch <= 4; ++epoch) {
    chain.step();
  }
  EXPECT_NEAR(sgd.lr(0), 0.5 * 0.9, 1e-12);
  chain.step();
  EXPECT_NEAR(sgd.lr(0), (0.45 + 1.5 * (1.0 - std::sqrt(0.5)) / 2.0) * 0.9, 1e-12);  // as in PyTorch
}

TEST(OptimEdgesTest, NaNIsTheLargestGradientWhereverItLies) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const std::size_t place : {0U, 1U, 2U}) {
    std::vector<Tensor> params = {param_of({0.0}), param_of({0.0}), param_of({0.0})};
    for (std::size_t i = 0; i < params.size(); ++i) {
      params[i].set_grad(tensor_of({i == place ? std::nan("") : 1.0}, params[i].dtype()));
    }
    EXPECT_TRUE(std::isnan(clip_grad_norm_(params, 1.0, {.norm_type = infinity}))) << place;
    EXPECT_TRUE(std::isnan(clip_grad_norm_(params, 1.0))) << place;
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
