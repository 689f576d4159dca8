// Identities of whole training runs, by their numbers in docs/identities.md.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <numbers>

#include "tests/support/norm_places.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/loss/loss.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/norm/norm.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/optim/adam.hpp"
#include "normgrad/optim/sgd.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::distance;
using tests::largest;
using tests::normal;

constexpr double kNone = 1e-300;

enum class Kind { batch, layer };

// tanh(norm(u W^T)) against a target: a loss that is invariant to the scale of W.
struct Training {
  Kind kind;
  double eps;
  Tensor u = normal({12, 5}, 1);
  Tensor target = normal({12, 4}, 2);
  Tensor w;

  Training(Kind which, double with_eps, double scale)
      : kind(which), eps(with_eps), w((normal({4, 5}, 3) * scale).detach().requires_grad_()) {}

  Tensor output() const {
    const Tensor a = linear(u, w);
    return tanh(kind == Kind::batch ? batch_norm_training(a, {}, {}, eps).y : layer_norm(a, {4}, {}, {}, eps));
  }
  void backward() {
    w.set_grad({});
    mse_loss(output(), target).backward();
  }
};

// ||w'||^2 = ||w||^2 + lr^2 ||g||^2: for each row with BatchNorm, for the whole matrix with LayerNorm.
TEST(Identity, N23_WeightsGrowByTheSquareOfTheirSteps) {
  for (const Kind kind : {Kind::batch, Kind::layer}) {
    Training training(kind, kNone, 1.0);
    SGD sgd({training.w}, {.lr = 0.7});
    const Axes over = kind == Kind::batch ? Axes(1) : Axes();
    for (int t = 0; t < 10; ++t) {
      training.backward();
      const Tensor expected =
          sum(square(training.w.detach()), over) + sum(square(training.w.grad()), over) * (0.7 * 0.7);
      EXPECT_GT(largest(training.w.grad()), 1e-4);
      sgd.step();
      EXPECT_LE(distance(sum(square(training.w.detach()), over), expected), 1e-13);
    }
  }
}

// (lr, decay, w, eps) and (a^2 lr, decay / a^2, a w, a^2 eps), for learning rate, decay, weights and eps, give the same
// function.
TEST(Identity, N23_TrajectoriesOfScaledWeightsAreTheSame) {
  const double a = 4.0;
  for (const Kind kind : {Kind::batch, Kind::layer}) {
    Training small(kind, 1e-3, 1.0);
    Training large(kind, 1e-3 * a * a, a);
    SGD sgd_small({small.w}, {.lr = 0.5, .weight_decay = 0.02});
    SGD sgd_large({large.w}, {.lr = 0.5 * a * a, .weight_decay = 0.02 / (a * a)});
    const Tensor start = small.output().detach();
    for (int t = 0; t < 20; ++t) {
      small.backward();
      large.backward();
      sgd_small.step();
      sgd_large.step();
      EXPECT_LE(distance(large.output(), small.output()), 1e-12) << t;
    }
    EXPECT_GT(distance(small.output(), start), 1e-2);
  }
}

// Adam's steps do not depend on the scale of the gradient: (lr, w) and (a lr, a w).
TEST(Identity, N23_TrajectoriesOfScaledWeightsUnderAdam) {
  const double a = 4.0;
  Training small(Kind::batch, kNone, 1.0);
  Training large(Kind::batch, kNone, a);
  Adam adam_small({small.w}, {.lr = 0.02, .eps = 0.0});
  Adam adam_large({large.w}, {.lr = 0.02 * a, .eps = 0.0});
  const Tensor start = small.output().detach();
  for (int t = 0; t < 20; ++t) {
    small.backward();
    large.backward();
    adam_small.step();
    adam_large.step();
    EXPECT_LE(distance(large.output(), small.output()), 1e-10) << t;
  }
  EXPECT_GT(distance(small.output(), start), 1e-2);
}

// Yang et al. 2019, theorem 8: the growth of the squared gradient from a layer to the one below it, in a network of
// linear, BatchNorm and ReLU (or identity) with random weights of variance 1 / width.
double theory(double batch, bool with_relu) {
  if (!with_relu) {
    return (batch - 2) / (batch - 3);
  }
  const auto j = [](double c) {
    return (std::sqrt(1 - c * c) + (std::numbers::pi - std::acos(c)) * c) / std::numbers::pi;
  };
  const auto slope = [](double c) { return (std::numbers::pi - std::acos(c)) / std::numbers::pi; };
  const double c = -1 / (batch - 1);
  return (batch - 1) * (slope(c) + (batch - 1) * slope(1)) / ((batch - 3) * (batch - 1) * (1 - j(c))) - 1 / (batch - 3);
}

double measured(std::int64_t batch, bool with_relu) {
  constexpr std::int64_t kWidth = 128;
  constexpr std::size_t kDepth = 18;
  constexpr std::uint32_t kNets = 6;
  // The input of the first layers and the gradient of the last ones have not reached the limit.
  constexpr std::size_t kSkipped = 4;
  double log_growth = 0.0;
  for (std::uint32_t net = 0; net < kNets; ++net) {
    std::vector<Tensor> inputs;
    Tensor h = normal({batch, kWidth}, 1000 * net).requires_grad_();
    for (std::size_t layer = 0; layer < kDepth; ++layer) {
      const Tensor w = normal({kWidth, kWidth}, 1000 * net + 1 + static_cast<std::uint32_t>(layer)) /
                       std::sqrt(static_cast<double>(kWidth));
      const Tensor z = linear(h, w);
      inputs.push_back(z);
      const Tensor y = batch_norm_training(z, {}, {}, 1e-12).y;
      h = with_relu ? relu(y) : y;
    }
    const std::vector<Tensor> g = grad({h}, inputs, {normal(h.shape(), 1000 * net + 999)});
    const auto squared = [&](std::size_t layer) { return sum(square(g[layer])).item(); };
    log_growth += std::log(squared(kSkipped) / squared(kDepth - kSkipped));
  }
  return std::exp(log_growth / static_cast<double>(kNets * (kDepth - 2 * kSkipped)));
}

TEST(Identity, N41_MeanFieldTheorysConstants) {
  const std::array<std::array<double, 3>, 4> golden = {
      {{4, 3.08406, 2}, {8, 1.78819, 1.2}, {16, 1.58995, 1.07692}, {256, 1.47323, 1.00395}}};
  for (const auto& [batch, relu_rate, linear_rate] : golden) {
    EXPECT_NEAR(theory(batch, true), relu_rate, 5e-6);
    EXPECT_NEAR(theory(batch, false), linear_rate, 5e-6);
  }
}

TEST(Identity, N41_GradientsGrowAsMeanFieldTheorySays) {
  for (const bool with_relu : {true, false}) {
    for (const std::int64_t batch : {8, 16}) {
      const double expected = theory(static_cast<double>(batch), with_relu);
      EXPECT_NEAR(measured(batch, with_relu), expected, 0.03 * expected) << batch << (with_relu ? " relu" : " linear");
    }
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
