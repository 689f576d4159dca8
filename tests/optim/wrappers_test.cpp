// SAM and Lookahead, which wrap another optimizer, against plain loops; what Muon and Adafactor do with shapes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/optim/optim_support.hpp"
#include "tests/support/raises.hpp"
#include "normgrad/normgrad.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::HasSubstr;
using tests::error_of;
using tests::param_of;
using tests::tensor_of;

/// sum of weight[i] x[i]^4 / 4 over both parameters.
struct Quartic {
  Tensor x = param_of({1.0, -0.5});
  Tensor y = param_of({0.25});
  Optimizer::Closure closure(Optimizer& optimizer) const {
    return [this, &optimizer] {
      optimizer.zero_grad();
      Tensor loss = (tensor_of({1.0, 3.0}) * x.square().square()).sum() / 4.0 + y.square().square().sum() / 2.0;
      loss.backward();
      return loss;
    };
  }
};

double quartic_slope(std::size_t i, double value) {
  const double weight[] = {1.0, 3.0, 2.0};
  return weight[i] * value * value * value;
}

void expect_sam_steps(bool adaptive) {
  const Quartic q;
  SGD sgd({q.x, q.y}, {.lr = 0.1, .momentum = 0.9});
  SAM sam(sgd, {.rho = 0.2, .adaptive = adaptive});
  std::vector<double> p = {1.0, -0.5, 0.25};
  std::vector<double> momentum(3, 0.0);
  for (int step = 0; step < 5; ++step) {
    sam.step(q.closure(sgd));
    double squares = 0.0;
    for (std::size_t i = 0; i < 3; ++i) {
      const double g = quartic_slope(i, p[i]) * (adaptive ? std::fabs(p[i]) : 1.0);
      squares += g * g;
    }
    for (std::size_t i = 0; i < 3; ++i) {
      const double scale = adaptive ? p[i] * p[i] : 1.0;
      const double worst = p[i] + 0.2 / std::sqrt(squares) * scale * quartic_slope(i, p[i]);
      momentum[i] = 0.9 * momentum[i] + quartic_slope(i, worst);
      p[i] -= 0.1 * momentum[i];
    }
    EXPECT_NEAR(q.x.to_vector<double>()[0], p[0], 1e-14);
    EXPECT_NEAR(q.x.to_vector<double>()[1], p[1], 1e-14);
    EXPECT_NEAR(q.y.item(), p[2], 1e-14);
  }
}

TEST(SamTest, TakesTheGradientAtTheWorstPoint) {
  expect_sam_steps(false);
  expect_sam_steps(true);
}

TEST(SamTest, ReturnsTheFirstLossAndComesBackAfterAnError) {
  const Quartic q;
  SGD sgd({q.x, q.y}, {.lr = 0.1});
  SAM sam(sgd);
  int calls = 0;
  const auto closure = q.closure(sgd);
  EXPECT_THROW(sam.step([&]() -> Tensor {
    if (++calls == 2) {
      throw ValueError("no");
    }
    return closure();
  }),
               ValueError);
  EXPECT_EQ(q.x.to_vector<double>(), (std::vector<double>{1.0, -0.5}));
  EXPECT_EQ(sam.step(closure).item(), 1.0 / 4.0 + 3.0 / 64.0 + 1.0 / 512.0);
  EXPECT_EQ(error_of<ValueError>([&] { SAM(sgd, {.rho = 0.0}); }), "SAM: expected rho > 0 but got 0");
  EXPECT_EQ(error_of<ValueError>([&] { sam.step([] { return Tensor(); }); }),
            "SAM: expected a closure that returns the loss");
}

TEST(SamTest, StaysWhereAllGradientsAreZero) {
  const Tensor x = param_of({0.0});
  SGD sgd({x}, {.lr = 0.1});
  SAM sam(sgd);
  sam.step([&] {
    sgd.zero_grad();
    Tensor loss = x.square().sum();
    loss.backward();
    return loss;
  });
  EXPECT_EQ(x.item(), 0.0);
}

TEST(LookaheadTest, SlowWeightsFollowEveryKSteps) {
  const Tensor x = param_of({1.0, -2.0});
  SGD sgd({x}, {.lr = 0.5});
  Lookahead optimizer(sgd, {.k = 3, .alpha = 0.25});
  std::vector<double> fast = {1.0, -2.0};
  std::vector<double> slow = fast;
  for (int step = 1; step <= 8; ++step) {
    Tensor(x).set_grad(tensor_of({1.0, -1.0}));
    optimizer.step();
    for (std::size_t i = 0; i < 2; ++i) {
      fast[i] -= 0.5 * (i == 0 ? 1.0 : -1.0);
      if (step % 3 == 0) {
        slow[i] += 0.25 * (fast[i] - slow[i]);
        fast[i] = slow[i];
      }
    }
    EXPECT_EQ(x.to_vector<double>(), fast) << step;
  }
  optimizer.zero_grad();
  EXPECT_FALSE(x.grad().defined());
}

TEST(LookaheadTest, ANewOneGoesOnFromTheState) {
  const auto run = [](int handover) {
    const Quartic q;
    SGD sgd({{{q.x}, {.lr = 0.1}}, {{q.y}, {.lr = 0.2}}});
    auto optimizer = std::make_unique<Lookahead>(sgd, LookaheadOptions{.k = 4});
    for (int step = 0; step < 10; ++step) {
      if (step == handover) {
        const StateDict state = optimizer->state_dict();
        optimizer = std::make_unique<Lookahead>(sgd, LookaheadOptions{.k = 4});
        optimizer->load_state_dict(state);
      }
      EXPECT_GT(optimizer->step(q.closure(sgd)).item(), 0.0);
    }
    return q.x.to_vector<double>();
  };
  EXPECT_EQ(run(6), run(-1));
}

TEST(LookaheadTest, RefusesWhatDoesNotFit) {
  const Tensor x = param_of({1.0, -2.0});
  SGD sgd({x}, {.lr = 0.5});
  EXPECT_EQ(error_of<ValueError>([&] { Lookahead(sgd, {.k = 0}); }),
            "Lookahead: expected a whole k of at least 1 but got 0");
  EXPECT_EQ(error_of<ValueError>([&] { Lookahead(sgd, {.alpha = 0.0}); }),
            "Lookahead: expected alpha in (0, 1] but got 0");
  Lookahead optimizer(sgd, {.k = 3});
  StateDict state = optimizer.state_dict();
  state["steps"] = full({}, 3.0);
  EXPECT_EQ(error_of<ValueError>([&] { optimizer.load_state_dict(state); }),
            "Lookahead: expected 'steps' from 0 to 2 but got 3");
  state["steps"] = zeros({});
  state["slow.0"] = zeros({3});
  EXPECT_EQ(error_of<ValueError>([&] { optimizer.load_state_dict(state); }),
            "Lookahead: expected 'slow.0' of shape [2] but got [3]");
  state.erase("slow.0");
  EXPECT_THAT(error_of<ValueError>([&] { optimizer.load_state_dict(state); }),
              HasSubstr("Lookahead: expected a state of 1 parameters but got 1 entries"));
}

// With the coefficients of the paper the singular values come to about [0.7, 1.2].
TEST(MuonTest, StepsAreNearlyOrthogonal) {
  for (const Shape& shape : {Shape({6, 3}), Shape({3, 6}), Shape({4, 4})}) {
    Generator generator(1);
    Tensor w = zeros(shape, {.dtype = kFloat64});
    w.requires_grad_();
    Muon optimizer({w}, {.lr = 1.0, .weight_decay = 0.0});
    w.set_grad(randn(shape, {.dtype = kFloat64}, &generator));
    optimizer.step();
    const double scale = shape[0] > shape[1] ? std::sqrt(2.0) : 1.0;
    const Tensor x = w.detach() / scale;
    const Tensor gram = shape[0] > shape[1] ? x.t().matmul(x) : x.matmul(x.t());
    const std::vector<double> values = gram.to_vector<double>();
    const auto n = static_cast<std::size_t>(gram.size(0));
    for (std::size_t i = 0; i < n * n; ++i) {
      EXPECT_NEAR(values[i], i / n == i % n ? 1.0 : 0.0, 0.55) << shape << " " << i;
    }
    EXPECT_LT((w.detach() * Tensor(w.grad())).sum().item(), 0.0) << "downhill";
  }
}

TEST(MuonTest, TakesMatricesOnly) {
  const Tensor vector = param_of({1.0, 2.0});
  EXPECT_EQ(error_of<ValueError>([&] { Muon({vector}); }),
            "Muon: expected matrices [n, m] but parameter 0 is [2]; give it to another optimizer, such as AdamW");
  EXPECT_EQ(error_of<ValueError>([&] {
              Muon({zeros({2, 2}, {.requires_grad = true})}, {.momentum = 1.0});
            }),
            "Muon: expected momentum in [0, 1) but got 1");
  EXPECT_EQ(error_of<ValueError>([&] {
              Muon({zeros({2, 2}, {.requires_grad = true})}, {.ns_steps = 0});
            }),
            "Muon: expected a whole ns_steps of at least 1 but got 0");
}

TEST(AdafactorTest, KeepsRowsAndColumnsOfMatrices) {
  const Tensor matrix = zeros({4, 3, 5}, {.requires_grad = true});
  const Tensor vector = zeros({7}, {.requires_grad = true});
  const Tensor number = zeros({}, {.requires_grad = true});
  Adafactor optimizer({matrix, vector, number});
  for (const Tensor& param : {matrix, vector, number}) {
    Tensor(param).set_grad(ones(param.shape()));
  }
  optimizer.step();
  const StateDict state = optimizer.state_dict();
  EXPECT_EQ(state.at("state.0.row_var").shape(), Shape({4, 3, 1}));
  EXPECT_EQ(state.at("state.0.col_var").shape(), Shape({4, 1, 5}));
  EXPECT_FALSE(state.contains("state.0.variance"));
  EXPECT_EQ(state.at("state.1.variance").shape(), Shape({7}));
  EXPECT_EQ(state.at("state.2.variance").shape(), Shape());
  EXPECT_FALSE(state.contains("state.1.row_var"));
  EXPECT_EQ(error_of<ValueError>([&] { Adafactor({vector}, {.beta2_decay = 0.5}); }),
            "Adafactor: expected beta2_decay <= 0 but got 0.5");
  EXPECT_EQ(error_of<ValueError>([&] { Adafactor({vector}, {.d = 0.5}); }), "Adafactor: expected d >= 1 but got 0.5");
}

// The first step has the weight 1, so that the mean squares are the squares.
TEST(AdafactorTest, SmallGradientsAreBoundedByEps) {
  const auto step_of = [](const Shape& shape, double gradient) {
    Tensor p = ones(shape, {.dtype = kFloat64, .requires_grad = true});
    Adafactor optimizer({p}, {.lr = 0.5, .eps = {1e-3, 1e-3}, .d = 10.0});
    p.set_grad(full(shape, gradient, {.dtype = kFloat64}));
    optimizer.step();
    return 1.0 - p.to_vector<double>()[0];
  };
  EXPECT_NEAR(step_of({3}, 1e-5), 0.5 * 1e-5 / 1e-3, 1e-12);     // the root of the mean square is at least eps
  EXPECT_NEAR(step_of({2, 2}, 1e-5), 0.5 * 1e-5 / 1e-3, 1e-12);  // also for matrices
  EXPECT_NEAR(step_of({2, 2}, 1e-2), 0.5 * 1e-2 / std::sqrt(1e-5), 1e-12);  // the mean of the rows is at least eps
}

TEST(RpropTest, RefusesOptionsOutOfRange) {
  const Tensor p = param_of({1.0});
  EXPECT_EQ(error_of<ValueError>([&] {
              Rprop({p}, {.etas = {1.0, 1.2}});
            }),
            "Rprop: expected etas in (0, 1) and above 1 but got 1 and 1.2");
  EXPECT_EQ(error_of<ValueError>([&] {
              Rprop({p}, {.step_sizes = {2.0, 1.0}});
            }),
            "Rprop: expected step_sizes with 0 <= smallest <= largest but got 2 and 1");
}

// A layer whose weight or gradient is 0 has the rate lr.
TEST(LayerwiseTest, ZeroNormsHaveARatioOfOne) {
  const Tensor p = param_of({0.0, 0.0});
  Tensor(p).set_grad(tensor_of({3.0, -4.0}));
  LARS lars({p}, {.lr = 0.5});
  lars.step();
  EXPECT_EQ(p.to_vector<double>(), (std::vector<double>{-1.5, 2.0}));
  const Tensor q = param_of({0.0, 0.0});
  Tensor(q).set_grad(tensor_of({3.0, -4.0}));
  LAMB lamb({q}, {.lr = 0.5, .eps = 0.0});
  lamb.step();
  EXPECT_NEAR(q.to_vector<double>()[0], -0.5, 1e-14);
  EXPECT_NEAR(q.to_vector<double>()[1], 0.5, 1e-14);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
