#include "normgrad/train/early_stopping.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/support/raises.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;

TEST(EarlyStoppingTest, StopsAfterAsManyEpochsWithoutImprovement) {
  EarlyStopping stopping({.patience = 2});
  EXPECT_FALSE(stopping.should_stop());
  EXPECT_TRUE(stopping.step(1.0));
  EXPECT_FALSE(stopping.step(1.0)) << "equal is no improvement";
  EXPECT_FALSE(stopping.should_stop());
  EXPECT_TRUE(stopping.step(0.5)) << "counts anew";
  EXPECT_FALSE(stopping.step(0.6));
  EXPECT_FALSE(stopping.should_stop());
  EXPECT_FALSE(stopping.step(0.7));
  EXPECT_TRUE(stopping.should_stop());
  EXPECT_EQ(stopping.best(), 0.5);
  EXPECT_EQ(stopping.best_epoch(), 3);
  EXPECT_EQ(stopping.epoch(), 5);
}

TEST(EarlyStoppingTest, HigherIsBetterByRequestAndDeltaIsExceeded) {
  EarlyStopping stopping({.mode = PlateauMode::max, .patience = 1, .min_delta = 0.25});
  EXPECT_TRUE(stopping.step(1.0));
  EXPECT_FALSE(stopping.step(1.25));
  EXPECT_TRUE(stopping.should_stop());
  EXPECT_TRUE(stopping.step(1.5));
  EXPECT_FALSE(stopping.should_stop());
}

TEST(EarlyStoppingTest, StopsAtOnceAtNaN) {
  const double nan = std::nan("");
  EarlyStopping stopping;
  stopping.step(1.0);
  EXPECT_FALSE(stopping.step(nan));
  EXPECT_TRUE(stopping.should_stop());
  EXPECT_EQ(stopping.best(), 1.0);
  EarlyStopping patient({.patience = 2, .check_finite = false});
  EXPECT_FALSE(patient.step(nan));
  EXPECT_FALSE(patient.should_stop());
  EXPECT_FALSE(patient.step(nan));
  EXPECT_TRUE(patient.should_stop());
}

TEST(EarlyStoppingTest, ItsStateGoesOn) {
  EarlyStopping a({.patience = 2});
  for (const double loss : {3.0, 2.0, 2.5}) {
    a.step(loss);
  }
  EarlyStopping b({.patience = 2});
  b.load_state_dict(a.state_dict());
  EXPECT_EQ(b.best(), 2.0);
  EXPECT_EQ(b.best_epoch(), 2);
  EXPECT_EQ(b.epoch(), 3);
  b.step(2.0);
  EXPECT_TRUE(b.should_stop());

  EarlyStopping stopped;
  stopped.step(std::numeric_limits<double>::infinity());
  EarlyStopping c;
  c.load_state_dict(stopped.state_dict());
  EXPECT_TRUE(c.should_stop());
  EXPECT_TRUE(std::isinf(c.best()));
}

TEST(EarlyStoppingTest, RefusesBadOptions) {
  EXPECT_EQ(error_of<ValueError>([] { EarlyStopping({.patience = 0}); }),
            "EarlyStopping: expected patience >= 1 but got 0");
  EXPECT_EQ(error_of<ValueError>([] { EarlyStopping({.min_delta = -1.0}); }),
            "EarlyStopping: expected a finite min_delta >= 0 but got -1");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
