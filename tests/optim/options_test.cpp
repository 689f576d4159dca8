// Options of the optimizers: their ranges, and access by name. Also gradients accumulated over several backwards.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/optim/optim_support.hpp"
#include "tests/support/raises.hpp"
#include "normgrad/normgrad.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::param_of;
using tests::tensor_of;

TEST(OptionsTest, OutOfRangeIsRefused) {
  const double nan = std::nan("");
  const std::vector<Tensor> p = {param_of({1.0})};
  EXPECT_EQ(error_of<ValueError>([&] { NAdam(p, {.lr = -1.0}); }), "NAdam: expected lr >= 0 but got -1");
  EXPECT_EQ(error_of<ValueError>([&] { NAdam(p, {.momentum_decay = -1.0}); }),
            "NAdam: expected momentum_decay >= 0 but got -1");
  EXPECT_EQ(error_of<ValueError>([&] {
              RAdam(p, {.betas = {0.9, 1.0}});
            }),
            "RAdam: expected betas in [0, 1) but got 0.9 and 1");
  EXPECT_EQ(error_of<ValueError>([&] { RAdam(p, {.lr = nan}); }), "RAdam: expected lr >= 0 but got nan");
  EXPECT_EQ(error_of<ValueError>([&] { RMSprop(p, {.alpha = 1.5}); }), "RMSprop: expected alpha in [0, 1] but got 1.5");
  EXPECT_EQ(error_of<ValueError>([&] { RMSprop(p, {.momentum = -0.5}); }),
            "RMSprop: expected momentum >= 0 but got -0.5");
  EXPECT_EQ(error_of<ValueError>([&] { Adagrad(p, {.lr_decay = -1.0}); }),
            "Adagrad: expected lr_decay >= 0 but got -1");
  EXPECT_EQ(error_of<ValueError>([&] { Adagrad(p, {.initial_accumulator_value = -1.0}); }),
            "Adagrad: expected initial_accumulator_value >= 0 but got -1");
  EXPECT_EQ(error_of<ValueError>([&] { Adadelta(p, {.rho = -0.1}); }), "Adadelta: expected rho in [0, 1] but got -0.1");
  EXPECT_EQ(error_of<ValueError>([&] { Adamax(p, {.eps = -1.0}); }), "Adamax: expected eps >= 0 but got -1");
  EXPECT_EQ(error_of<ValueError>([&] { Lion(p, {.weight_decay = -1.0}); }),
            "Lion: expected weight_decay >= 0 but got -1");
}

TEST(OptionsTest, ByName) {
  SGD optimizer({{{param_of({1.0})}, {.lr = 0.5}}, {{param_of({1.0})}, {.lr = 0.25, .momentum = 0.9}}});
  EXPECT_EQ(optimizer.option("momentum", 1), 0.9);
  EXPECT_EQ(optimizer.option("nesterov"), 0.0);
  optimizer.set_option("nesterov", 1.0, 1);
  EXPECT_TRUE(optimizer.options(1).nesterov);
  EXPECT_TRUE(optimizer.has_option("dampening"));
  EXPECT_FALSE(optimizer.has_option("beta1"));
  EXPECT_EQ(error_of<ValueError>([&] { optimizer.set_option("momentum", -1.0, 1); }),
            "SGD: expected momentum >= 0 but got -1");
  EXPECT_EQ(optimizer.option("momentum", 1), 0.9);
  EXPECT_EQ(
      error_of<ValueError>([&] { optimizer.option("beta1"); }),
      "SGD: expected one of the options lr, momentum, dampening, weight_decay, nesterov, maximize but got 'beta1'");
  EXPECT_THROW(optimizer.option("lr", 2), IndexError);
}

TEST(OptionsTest, SchedulesStartFromTheInitialRate) {
  SGD optimizer({param_of({1.0})}, {.lr = 0.5});
  EXPECT_EQ(optimizer.initial_lr(), 0.5);
  optimizer.set_lr(0.25);
  EXPECT_EQ(optimizer.initial_lr(), 0.25);
  optimizer.set_initial_lr(0.75, 0);
  EXPECT_EQ(optimizer.initial_lr(), 0.75);
  EXPECT_EQ(optimizer.lr(), 0.25);
  EXPECT_THROW(optimizer.set_initial_lr(-1.0, 0), ValueError);
}

TEST(OptionsTest, AFirstSumOfAdagrad) {
  const Tensor param = param_of({1.0, 1.0});
  Adagrad optimizer({param}, {.lr = 1.0, .initial_accumulator_value = 16.0, .eps = 0.0});
  Tensor(param).set_grad(tensor_of({3.0, 0.0}));
  optimizer.step();
  EXPECT_EQ(param.to_vector<double>(), (std::vector{1.0 - 3.0 / 5.0, 1.0}));
  EXPECT_EQ(optimizer.state_dict().at("state.0.sum").to_vector<double>(), (std::vector{25.0, 16.0}));
}

TEST(OptionsTest, NAdamsProductOfMomentaIsPartOfItsState) {
  const Tensor param = param_of({1.0});
  NAdam optimizer({param});
  Tensor(param).set_grad(tensor_of({3.0}));
  optimizer.step();
  StateDict state = optimizer.state_dict();
  EXPECT_DOUBLE_EQ(state.at("state.0.mu_product").item(), 0.9 * (1.0 - 0.5 * std::pow(0.96, 4e-3)));
  state.erase("state.0.mu_product");
  EXPECT_EQ(error_of<ValueError>([&] { optimizer.load_state_dict(state); }),
            "NAdam: load_state_dict: the state does not fit; nothing was loaded\n  missing: state.0.mu_product");
}

// Four backwards of a quarter of the batch each, and one step: equals the step of the whole batch.
TEST(GradientAccumulationTest, PartsAddUpToTheWhole) {
  for (const DType dtype : {kFloat64, kFloat32}) {
    std::vector<Tensor> ends;
    for (const std::int64_t parts : {1, 4}) {
      manual_seed(3);
      Linear model(5, 3, {.dtype = dtype});
      const Tensor x = randn({16, 5}, {.dtype = dtype});
      const Tensor target = randn({16, 3}, {.dtype = dtype});
      AdamW optimizer(model.parameters(), {.lr = 0.1, .weight_decay = 0.1});
      for (int step = 0; step < 5; ++step) {
        optimizer.zero_grad();
        for (std::int64_t part = 0; part < parts; ++part) {
          const std::int64_t n = 16 / parts;
          const Tensor loss = mse_loss(model(x.narrow(0, part * n, n)), target.narrow(0, part * n, n));
          (loss / static_cast<double>(parts)).backward();
        }
        optimizer.step();
      }
      ends.push_back(model.weight.detach());
    }
    EXPECT_LT(max(abs(ends[0] - ends[1])).item(), dtype == kFloat64 ? 1e-13 : 1e-5);
    EXPECT_GT(max(abs(ends[0])).item(), 0.1);
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
