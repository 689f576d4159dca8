#include "normgrad/optim/adam.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/optim/optim_support.hpp"
#include "tests/support/raises.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::kGradients;
using tests::kStart;
using tests::param_of;
using tests::tensor_of;

template <class O, class Options>
void expect_end(const Options& options, const std::vector<double>& end) {
  for (const DType dtype : {kFloat64, kFloat32}) {
    const Tensor param = param_of(kStart, dtype);
    O optimizer({param}, options);
    for (const std::vector<double>& gradient : kGradients) {
      Tensor(param).set_grad(tensor_of(gradient, dtype));
      optimizer.step();
    }
    const std::vector<double> values = param.to_vector<double>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      EXPECT_NEAR(values[i], end[i], dtype == kFloat64 ? 1e-14 : 1e-6) << dtype << " " << i;
    }
  }
}

// The results of torch.optim.Adam and AdamW, float64, after the four steps of kGradients.
TEST(AdamTest, EndsWherePyTorchDoes) {
  expect_end<Adam>(AdamOptions{}, {0.4977143945135815, -1.2482255976431293, 1.9977086208212225});
  expect_end<Adam>(AdamOptions{.lr = 0.1, .betas = {0.8, 0.95}, .eps = 1e-3, .weight_decay = 0.1},
                   {0.2466128424667151, -1.026848501708777, 1.752794755852228});
  expect_end<Adam>(AdamOptions{.lr = 0.1, .weight_decay = 0.1, .amsgrad = true},
                   {0.242812174929937, -1.0194642604830888, 1.7383387285915715});
  expect_end<Adam>(AdamOptions{.lr = 0.1, .maximize = true},
                   {0.7285605486418496, -1.427440235687079, 2.2291379178777504});
}

TEST(AdamWTest, EndsWherePyTorchDoes) {
  expect_end<AdamW>(AdamWOptions{}, {0.49769443375551004, -1.2481756334822447, 1.9976286731483166});
  expect_end<AdamW>(AdamWOptions{.lr = 0.1, .betas = {0.8, 0.95}, .eps = 1e-3, .weight_decay = 0.1},
                    {0.2592017477982597, -1.0349610356042083, 1.7126013013342587});
  expect_end<AdamW>(AdamWOptions{.lr = 0.1, .weight_decay = 0.1, .amsgrad = true},
                    {0.25560033564194196, -1.0267816972733677, 1.6971270537071665});
  expect_end<AdamW>(AdamWOptions{.lr = 0.1, .maximize = true},
                    {0.7261744385455884, -1.4220971574117274, 2.2206390337570294});
}

struct Naive {
  double p;
  double m = 0.0;
  double v = 0.0;
  double largest = 0.0;

  void step(double g, int t, const AdamOptions& o, double decoupled_decay) {
    p -= o.lr * decoupled_decay * p;
    g = (o.maximize ? -g : g) + o.weight_decay * p;
    m = o.betas[0] * m + (1.0 - o.betas[0]) * g;
    v = o.betas[1] * v + (1.0 - o.betas[1]) * g * g;
    largest = std::max(largest, v);
    const double m_hat = m / (1.0 - std::pow(o.betas[0], t));
    const double v_hat = (o.amsgrad ? largest : v) / (1.0 - std::pow(o.betas[1], t));
    p -= o.lr * m_hat / (std::sqrt(v_hat) + o.eps);
  }
};

// 100 steps on 67 numbers (whole registers and a remainder), with gradients of very different magnitudes.
template <class O, class Options>
void expect_naive(const Options& options, double decay_in_gradient, double decoupled_decay) {
  for (const DType dtype : {kFloat64, kFloat32}) {
    Generator generator(11);
    std::vector<double> start(67);
    std::generate(start.begin(), start.end(), [&] { return generator.normal(); });
    const Tensor param = param_of(start, dtype);
    std::vector<Naive> naive;
    for (const double value : param.to_vector<double>()) {
      naive.push_back({value});
    }
    const AdamOptions o = {.lr = options.lr,
                           .betas = options.betas,
                           .eps = options.eps,
                           .weight_decay = decay_in_gradient,
                           .amsgrad = options.amsgrad,
                           .maximize = options.maximize};
    O optimizer({param}, options);
    for (int t = 1; t <= 100; ++t) {
      std::vector<double> gradient(start.size());
      std::generate(gradient.begin(), gradient.end(),
                    [&] { return generator.normal() * std::pow(10.0, 4.0 * generator.uniform() - 2.0); });
      Tensor(param).set_grad(tensor_of(gradient, dtype));
      optimizer.step();
      const std::vector<double> seen = param.grad().to_vector<double>();
      for (std::size_t i = 0; i < naive.size(); ++i) {
        naive[i].step(seen[i], t, o, decoupled_decay);
      }
    }
    const std::vector<double> values = param.to_vector<double>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      // A hundred steps with a few roundings each, of values of about 1.
      ASSERT_NEAR(values[i], naive[i].p, dtype == kFloat64 ? 1e-13 : 5e-5) << dtype << " " << i;
    }
  }
}

TEST(AdamTest, HundredStepsAsANaiveLoop) {
  expect_naive<Adam>(AdamOptions{.lr = 0.01, .weight_decay = 0.1}, 0.1, 0.0);
  expect_naive<Adam>(AdamOptions{.lr = 0.01, .betas = {0.7, 0.9}, .eps = 0.1, .amsgrad = true}, 0.0, 0.0);
  expect_naive<AdamW>(AdamWOptions{.lr = 0.01, .weight_decay = 0.1, .maximize = true}, 0.0, 0.1);
  expect_naive<AdamW>(AdamWOptions{.lr = 0.01, .weight_decay = 0.1, .amsgrad = true}, 0.0, 0.1);
}

TEST(AdamTest, EachParameterCountsItsOwnSteps) {
  const Tensor early = param_of({1.0});
  const Tensor late = param_of({1.0});
  Adam optimizer({early, late}, {.lr = 0.1});
  Tensor(early).set_grad(tensor_of({0.5}));
  optimizer.step();
  EXPECT_EQ(late.item(), 1.0);
  Tensor(late).set_grad(tensor_of({-3.0}));
  optimizer.step();
  EXPECT_NEAR(late.item(), 1.1, 1e-9);  // the first step has length lr
}

TEST(AdamTest, GroupsAndErrors) {
  const Tensor a = param_of({1.0});
  const Tensor b = param_of({1.0});
  Adam optimizer({{{a}, {.lr = 0.5}}, {{b}, {.lr = 0.25}}});
  for (const Tensor& param : {a, b}) {
    Tensor(param).set_grad(tensor_of({7.0}));
  }
  optimizer.step();
  EXPECT_NEAR(a.item(), 0.5, 1e-8);
  EXPECT_NEAR(b.item(), 0.75, 1e-8);
  EXPECT_EQ(error_of<ValueError>([&] { Adam({a}, {.lr = -0.5}); }), "Adam: expected lr >= 0 but got -0.5");
  EXPECT_EQ(error_of<ValueError>([&] {
              Adam({a}, {.betas = {0.9, 1.0}});
            }),
            "Adam: expected betas in [0, 1) but got 0.9 and 1");
  EXPECT_EQ(error_of<ValueError>([&] { AdamW({a}, {.eps = -1.0}); }), "AdamW: expected eps >= 0 but got -1");
  EXPECT_EQ(error_of<ValueError>([&] { AdamW({a}, {.weight_decay = -1.0}); }),
            "AdamW: expected weight_decay >= 0 but got -1");
}

TEST(AdamTest, StateGoesOnElsewhere) {
  const Tensor param = param_of(kStart);
  Adam first({param}, {.lr = 0.1, .amsgrad = true});
  for (std::size_t i = 0; i < 3; ++i) {
    Tensor(param).set_grad(tensor_of(kGradients[i]));
    first.step();
  }
  const StateDict state = first.state_dict();
  EXPECT_EQ(state.at("state.0.step").item(), 3.0);
  EXPECT_EQ(state.at("group.0.beta2").item(), 0.999);
  const Tensor continued = param_of(param.to_vector<double>());
  Adam second({continued});
  second.load_state_dict(state);
  EXPECT_TRUE(second.options().amsgrad);
  for (auto [tensor, optimizer] : {std::pair{param, &first}, std::pair{continued, &second}}) {
    tensor.set_grad(tensor_of(kGradients[3]));
    optimizer->step();
  }
  EXPECT_EQ(continued.to_vector<double>(), param.to_vector<double>());
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
