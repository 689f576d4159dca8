#include "normgrad/optim/sgd.hpp"

#include <gtest/gtest.h>

#include "tests/optim/optim_support.hpp"
#include "tests/support/raises.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::kGradients;
using tests::kStart;
using tests::param_of;
using tests::tensor_of;

struct Trajectory {
  const char* name;
  SGDOptions options;
  std::vector<double> end;  // after the four steps of kGradients in torch.optim.SGD, float64
};

class SgdTrajectoryTest : public testing::TestWithParam<Trajectory> {};

TEST_P(SgdTrajectoryTest, EndsWherePyTorchDoes) {
  for (const DType dtype : {kFloat64, kFloat32}) {
    const Tensor param = param_of(kStart, dtype);
    SGD optimizer({param}, GetParam().options);
    for (const std::vector<double>& gradient : kGradients) {
      Tensor(param).set_grad(tensor_of(gradient, dtype));
      optimizer.step();
    }
    const std::vector<double> values = param.to_vector<double>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      // Four steps on values of about 1: a dozen roundings.
      EXPECT_NEAR(values[i], GetParam().end[i], dtype == kFloat64 ? 1e-15 * 6 : 1e-7 * 6) << dtype << " " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Options, SgdTrajectoryTest,
    testing::Values(
        Trajectory{"Plain", {.lr = 0.1}, {0.425, -1.14, 1.91}},
        Trajectory{
            "WeightDecay", {.lr = 0.1, .weight_decay = 0.01}, {0.4231129280305, -1.13512732507125, 1.902391572112}},
        Trajectory{"Momentum", {.lr = 0.1, .momentum = 0.9}, {0.33202999999999994, -1.04667, 1.6048099999999998}},
        Trajectory{"Dampening",
                   {.lr = 0.1, .momentum = 0.9, .dampening = 0.3, .weight_decay = 0.01},
                   {0.3479730480124615, -1.0266162455644388, 1.595964191666416}},
        Trajectory{"Nesterov",
                   {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true},
                   {0.26839435814432905, -0.9428447919521622, 1.5328083969099948}},
        Trajectory{"Maximize",
                   {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.02, .maximize = true},
                   {0.658439436968, -1.42983781846, 2.356696799952}}),
    [](const auto& test) { return test.param.name; });

TEST(SgdTest, TwoStepsByHand) {
  // g = 1 then 2 at lr 0.5, momentum 0.5, dampening 0.25: b = 1, p = 10 - 0.5; b = 0.5 + 0.75 * 2 = 2, p = 9.5 - 1.
  const Tensor param = param_of({10.0});
  SGD optimizer({param}, {.lr = 0.5, .momentum = 0.5, .dampening = 0.25});
  Tensor(param).set_grad(tensor_of({1.0}));
  optimizer.step();
  EXPECT_EQ(param.item(), 9.5);
  Tensor(param).set_grad(tensor_of({2.0}));
  optimizer.step();
  EXPECT_EQ(param.item(), 8.5);
}

TEST(SgdTest, GroupsHaveOptionsOfTheirOwn) {
  const Tensor a = param_of({1.0});
  const Tensor b = param_of({1.0});
  const Tensor c = param_of({1.0});
  SGD optimizer({{{a, b}, {.lr = 0.5}}, {{c}, {.lr = 0.25, .weight_decay = 1.0}}});
  for (const Tensor& param : {a, b, c}) {
    Tensor(param).set_grad(tensor_of({1.0}));
  }
  optimizer.step();
  EXPECT_EQ(a.item(), 0.5);
  EXPECT_EQ(b.item(), 0.5);
  EXPECT_EQ(c.item(), 0.5);  // 1 - 0.25 * (1 + 1 * 1)
  EXPECT_EQ(optimizer.num_groups(), 2U);
  EXPECT_EQ(optimizer.lr(1), 0.25);
  optimizer.set_lr(2.0, 1);
  EXPECT_EQ(optimizer.lr(0), 0.5);
  EXPECT_EQ(optimizer.options(1).lr, 2.0);
  optimizer.set_lr(3.0);
  EXPECT_EQ(optimizer.lr(0), 3.0);
  EXPECT_THROW(optimizer.lr(2), IndexError);
}

TEST(SgdTest, OneGroupInBraces) {
  const Tensor a = param_of({1.0});
  SGD optimizer({{{a}, {.lr = 0.125}}});
  EXPECT_EQ(optimizer.lr(), 0.125);
}

TEST(SgdTest, ParametersWithoutGradientStay) {
  const Tensor with = param_of({1.0});
  const Tensor without = param_of({1.0});
  const Tensor frozen = tensor_of({1.0});
  SGD optimizer({with, without, frozen}, {.lr = 0.5, .weight_decay = 1.0});
  Tensor(with).set_grad(tensor_of({0.0}));
  const std::uint64_t version = without.version();
  const std::uint64_t before = with.version();
  optimizer.step();
  EXPECT_EQ(with.item(), 0.5);
  EXPECT_GT(with.version(), before);
  EXPECT_EQ(without.item(), 1.0);
  EXPECT_EQ(without.version(), version);
  EXPECT_EQ(frozen.item(), 1.0);
  EXPECT_TRUE(with.is_leaf());
  optimizer.zero_grad();
  EXPECT_FALSE(with.grad().defined());
}

TEST(SgdTest, RefusesWhatCannotBe) {
  const Tensor param = param_of({1.0});
  EXPECT_EQ(error_of<ValueError>([&] { SGD({param}, {.lr = -1.0}); }), "SGD: expected lr >= 0 but got -1");
  EXPECT_EQ(error_of<ValueError>([&] { SGD({param}, {.momentum = -0.5}); }),
            "SGD: expected momentum >= 0 but got -0.5");
  EXPECT_EQ(error_of<ValueError>([&] { SGD({param}, {.weight_decay = -0.5}); }),
            "SGD: expected weight_decay >= 0 but got -0.5");
  EXPECT_EQ(error_of<ValueError>([&] { SGD({param}, {.nesterov = true}); }),
            "SGD: expected momentum > 0 and dampening = 0 for nesterov but got momentum 0 and dampening 0");
  EXPECT_EQ(error_of<ValueError>([&] { SGD(std::vector<Tensor>{}); }),
            "SGD: expected parameters but got an empty list; is every layer of the model listed in NORMGRAD_MEMBERS?");
  EXPECT_EQ(error_of<ValueError>([&] {
              SGD({param, param});
            }),
            "SGD: expected distinct parameters but parameter 1 of shape [1] was added before");
  EXPECT_EQ(error_of<ValueError>([&] { SGD({Tensor()}); }),
            "SGD: expected defined parameters but parameter 0 is undefined");
  EXPECT_EQ(error_of<ValueError>([&] { SGD({Tensor::empty({2}, kInt64)}); }),
            "SGD: expected float32 or float64 parameters but parameter 0 is int64");
  SGD optimizer({param});
  EXPECT_EQ(error_of<ValueError>([&] {
              optimizer.add_param_group({{param}, {}});
            }),
            "SGD: expected distinct parameters but parameter 0 of shape [1] was added before");
  EXPECT_EQ(optimizer.num_groups(), 1U);
  optimizer.options().nesterov = true;
  EXPECT_THROW(optimizer.step(), ValueError);
}

TEST(SgdTest, StateGoesOnElsewhere) {
  const SGDOptions options = {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true};
  const Tensor param = param_of(kStart);
  SGD first({param}, options);
  for (std::size_t i = 0; i < 2; ++i) {
    Tensor(param).set_grad(tensor_of(kGradients[i]));
    first.step();
  }
  const Tensor continued = param_of(param.to_vector<double>());
  SGD second({continued}, {.lr = 7.0});
  second.load_state_dict(first.state_dict());
  for (std::size_t i = 2; i < 4; ++i) {
    for (auto [tensor, optimizer] : {std::pair{param, &first}, std::pair{continued, &second}}) {
      tensor.set_grad(tensor_of(kGradients[i]));
      optimizer->step();
    }
  }
  EXPECT_EQ(continued.to_vector<double>(), param.to_vector<double>());

  StateDict wrong = first.state_dict();
  wrong.erase("state.0.step");
  wrong["state.0.momentum_buffer"] = tensor_of({1.0});
  wrong["state.1.step"] = tensor_of({1.0});
  EXPECT_EQ(error_of<ValueError>([&] { second.load_state_dict(wrong); }),
            "SGD: load_state_dict: the state does not fit; nothing was loaded\n"
            "  missing: state.0.step\n"
            "  of another shape: state.0.momentum_buffer: expected [3] but got [1]\n"
            "  unexpected: state.1.step");
}

// Long enough for several blocks, with a remainder shorter than a register: all elements are treated alike.
TEST(SgdTest, LongParametersOnAnyNumberOfThreads) {
  constexpr std::int64_t kSize = (std::int64_t{1} << 17) + 13;
  Generator generator(3);
  std::vector<double> start(kSize);
  std::vector<double> gradient(kSize);
  for (std::size_t i = 0; i < start.size(); ++i) {
    start[i] = generator.normal();
    gradient[i] = generator.normal();
  }
  std::vector<std::vector<double>> ends;
  const int threads = get_num_threads();
  for (const int n : {1, 2, 3}) {
    set_num_threads(n);
    const Tensor param = param_of(start);
    SGD optimizer({param}, {.lr = 0.1, .momentum = 0.5, .nesterov = true});
    for (int step = 0; step < 2; ++step) {
      Tensor(param).set_grad(tensor_of(gradient));
      optimizer.step();
    }
    ends.push_back(param.to_vector<double>());
  }
  set_num_threads(threads);
  EXPECT_EQ(ends[0], ends[1]);
  EXPECT_EQ(ends[0], ends[2]);
  for (std::size_t i = 0; i < start.size(); ++i) {
    // Steps of g + 0.5 g and then of 1.5 g for the buffer: g + 0.75 g.
    ASSERT_NEAR(ends[0][i], start[i] - 0.1 * (1.5 + 1.75) * gradient[i], 1e-14);
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
