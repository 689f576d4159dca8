// Exact identities of a linear layer a = W u followed by a norm, by their numbers in docs/identities.md. u: [N, in], W:
// [out, in], a: [N, out]. The sets of BatchNorm are the columns of a; those of LayerNorm and RMSNorm are its rows.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "tests/support/norm_places.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/norm/norm.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::distance;
using tests::largest;
using tests::normal;

constexpr double kEps = 1e-2;

Tensor data() { return (normal({9, 5}, 1) + 0.5).detach(); }
Tensor weights() { return normal({4, 5}, 2); }
Tensor upstream() { return normal({9, 4}, 3); }

struct NormKind {
  const char* name;
  bool by_column;  // BatchNorm
  bool centers;
  std::function<Tensor(const Tensor& a, double eps)> norm;
};
const NormKind kBatch = {"batch", true, true,
                         [](const Tensor& a, double eps) { return batch_norm_training(a, {}, {}, eps).y; }};
const NormKind kLayer = {"layer", false, true,
                         [](const Tensor& a, double eps) { return layer_norm(a, {a.size(1)}, {}, {}, eps); }};
const NormKind kRms = {"rms", false, false,
                       [](const Tensor& a, double eps) { return rms_norm(a, {a.size(1)}, {}, eps); }};

/// The quantities of the identities, for one norm.
struct Network {
  Tensor a, xhat, s, gw, gu;
  Tensor g = upstream();
  Axes set = 0;

  Network(const NormKind& kind, const Tensor& u, const Tensor& w, double eps) : set(kind.by_column ? 0 : 1) {
    Tensor leaf_u = u.detach().clone().requires_grad_();
    Tensor leaf_w = w.detach().clone().requires_grad_();
    const Tensor y = kind.norm(linear(leaf_u, leaf_w), eps);
    const std::vector<Tensor> gradients = grad({y}, {leaf_u, leaf_w}, {g});
    gu = gradients[0];
    gw = gradients[1];
    a = linear(u, w);
    xhat = y.detach();
    s = (mean(square(kind.centers ? a - mean(a, set, true) : a), set, true) + eps).sqrt();
  }
};

TEST(Identity, N19_ABiasBeforeANormHasNoGradient) {
  const auto gradient_of_bias = [](const NormKind& kind, const Shape& shape) {
    Tensor bias = normal(shape, 4).requires_grad_();
    return largest(grad({kind.norm(linear(data(), weights()) + bias, kEps)}, {bias}, {upstream()})[0]);
  };
  EXPECT_LE(gradient_of_bias(kBatch, {4}), 1e-13);
  EXPECT_LE(gradient_of_bias(kLayer, {9, 1}), 1e-13);
  EXPECT_LE(gradient_of_bias(kLayer, {1}), 1e-13);
  EXPECT_GT(gradient_of_bias(kLayer, {4}), 1e-2);
  EXPECT_GT(gradient_of_bias(kRms, {1}), 1e-2);
}

TEST(Identity, N20_BatchNormPullsNoRowOfWeightsAlongItself) {
  for (const double eps : {1e-300, kEps, 1.0}) {
    const Network net(kBatch, data(), weights(), eps);
    const Tensor along = sum(weights() * net.gw, {1});
    const Tensor expected = (sum(net.g * net.xhat, {0}, true) * eps / square(net.s)).reshape({4});
    EXPECT_LE(distance(along, expected), 1e-12) << eps;
    EXPECT_EQ(largest(along) > 1e-3, eps > 1e-3);
  }
}

TEST(Identity, N21_LayerNormAndTheWholeMatrix) {
  for (const NormKind& kind : {kLayer, kRms}) {
    for (const double eps : {1e-300, kEps, 1.0}) {
      SCOPED_TRACE(testing::Message() << kind.name << " " << eps);
      const Network net(kind, data(), weights(), eps);
      const Tensor expected = sum(sum(net.g * net.xhat, {1}, true) * eps / square(net.s));
      EXPECT_NEAR(sum(weights() * net.gw).item(), expected.item(), 1e-12);
      // W + 1 v^T is equivalent for LayerNorm, so the gradients of each input sum to 0.
      const double columns = largest(sum(net.gw, {0}));
      if (kind.centers) {
        EXPECT_LE(columns, 1e-12);
      } else {
        EXPECT_GT(columns, 1e-2);
      }
    }
  }
}

TEST(Identity, N22_LargerWeightsHaveSmallerGradients) {
  const double a = 3.0;
  for (const NormKind& kind : {kBatch, kLayer, kRms}) {
    SCOPED_TRACE(kind.name);
    const Network net(kind, data(), weights(), kEps);
    const Network larger(kind, data(), weights() * a, kEps * a * a);
    EXPECT_LE(distance(larger.gw, net.gw / a), 1e-12);
    EXPECT_LE(distance(larger.gu, net.gu), 1e-12);
    const Network same_eps(kind, data(), weights() * a, kEps);
    EXPECT_GT(distance(same_eps.gw, net.gw / a), 1e-5);
  }
}

// Detached statistics give g / s, whose sum is not 0.
TEST(Identity, N24_DetachedStatistics) {
  Tensor x = data().requires_grad_();
  const Tensor g = normal({9, 5}, 3);
  const Tensor mu = mean(x, {0}, true).detach();
  const Tensor s = (var(x, {0}, false, true) + kEps).sqrt().detach();
  const Tensor detached = grad({(x - mu) / s}, {x}, {g})[0];
  EXPECT_LE(distance(detached, g / s), 1e-14);
  EXPECT_LE(distance(sum(detached, {0}, true), sum(g, {0}, true) / s), 1e-13);
  EXPECT_GT(largest(sum(detached, {0})), 1e-1);
  const Tensor whole = grad({batch_norm_training(x, {}, {}, kEps).y}, {x}, {g})[0];
  EXPECT_LE(largest(sum(whole, {0})), 1e-13);
}

// Table 1 of Ba, Kiros and Hinton 2016, and the RMSNorm row of Zhang and Sennrich 2019.
TEST(Identity, N25_WhatEachNormIsInvariantTo) {
  const Tensor u = data();
  const Tensor w = weights();
  Tensor rows = ones({4, 1}, {.dtype = kFloat64});
  rows.mutable_data<double>()[2] = 5.0;
  Tensor cases = ones({9, 1}, {.dtype = kFloat64});
  cases.mutable_data<double>()[7] = 0.2;
  const Tensor v = normal({1, 5}, 6);
  struct Change {
    const char* name;
    Tensor u, w;
    bool batch, layer, rms;
  };
  const std::vector<Change> changes = {
      {"matrix scaled", u, w * 7.0, true, true, true}, {"matrix shifted", u, w + v, false, true, false},
      {"row scaled", u, w * rows, true, false, false}, {"data scaled", u * 4.0, w, true, true, true},
      {"data shifted", u + v, w, true, false, false},  {"one case scaled", u * cases, w, false, true, true}};
  for (const Change& change : changes) {
    const auto invariant = [&](const NormKind& kind) {
      constexpr double kNone = 1e-300;
      const double d = distance(kind.norm(linear(change.u, change.w), kNone), kind.norm(linear(u, w), kNone));
      EXPECT_TRUE(d < 1e-12 || d > 1e-2) << change.name << d;
      return d < 1e-12;
    };
    EXPECT_EQ(invariant(kBatch), change.batch) << change.name;
    EXPECT_EQ(invariant(kLayer), change.layer) << change.name;
    EXPECT_EQ(invariant(kRms), change.rms) << change.name;
  }
}

TEST(Identity, N26_ReluPassesTheScaleOfTheParametersOn) {
  const Tensor gamma = normal({4}, 7);
  const Tensor beta = normal({4}, 8);
  const Tensor next = normal({3, 4}, 9);
  const auto network = [&](const Tensor& weight, const Tensor& bias, const Tensor& after) {
    return linear(relu(batch_norm_training(linear(data(), weights()), weight, bias).y), after);
  };
  const Tensor y = network(gamma, beta, next);
  EXPECT_LE(distance(network(gamma * 6.0, beta * 6.0, next / 6.0), y), 1e-13);
  EXPECT_GT(distance(network(gamma * -6.0, beta * -6.0, next / -6.0), y), 0.1);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
