// Exact identities between norms, and the limits of the Jacobian, by their numbers in docs/identities.md.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "tests/support/norm_places.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/norm/norm.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/instance_norm.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::bits;
using tests::distance;
using tests::largest;
using tests::normal;

constexpr double kEps = 1e-3;
// Effectively no eps; an eps of 0 throws.
constexpr double kNone = 1e-300;

Tensor image(std::uint32_t seed = 1) { return (normal({3, 6, 2, 4}, seed) * 0.7 + 2.0).detach(); }

using Norm = std::function<Tensor(const Tensor& x)>;

Tensor gradient_of(const Norm& norm, const Tensor& x, const Tensor& gy) {
  Tensor leaf = x.detach().clone().requires_grad_();
  return grad({norm(leaf)}, {leaf}, {gy})[0];
}

/// Whether both are the same function, in values and gradients.
testing::AssertionResult same(const Norm& a, const Norm& b, const Tensor& x, double tolerance = 1e-13) {
  const Tensor gy = normal(x.shape(), 77);
  const double values = distance(a(x), b(x));
  const double gradients = distance(gradient_of(a, x, gy), gradient_of(b, x, gy));
  if (values <= tolerance * largest(a(x)) && gradients <= tolerance * largest(gradient_of(a, x, gy))) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << "values differ by " << values << ", gradients by " << gradients;
}

TEST(Identity, N04_NormsOfEpsAndOfScaledEps) {
  const Tensor w = normal({6}, 2);
  const double a = -0.05;
  const auto check = [&](const char* name, const std::function<Tensor(const Tensor&, double)>& norm) {
    SCOPED_TRACE(name);
    EXPECT_LE(distance(norm(image() * a, kEps), -norm(image(), kEps / (a * a))), 1e-12);
    EXPECT_GT(distance(norm(image() * a, kEps), -norm(image(), kEps)), 1e-2);
    EXPECT_LE(distance(gradient_of([&](const Tensor& x) { return norm(x * a, kEps); }, image(), image(5)),
                       gradient_of([&](const Tensor& x) { return -norm(x, kEps / (a * a)); }, image(), image(5))),
              1e-11);
  };
  check("batch", [](const Tensor& x, double eps) { return batch_norm_training(x, {}, {}, eps).y; });
  check("layer", [](const Tensor& x, double eps) { return layer_norm(x, {2, 4}, {}, {}, eps); });
  check("instance", [](const Tensor& x, double eps) { return instance_norm(x, {}, {}, eps); });
  check("group", [&](const Tensor& x, double eps) { return group_norm(x, 3, w, {}, eps); });
  check("rms", [](const Tensor& x, double eps) { return rms_norm(x, {2, 4}, {}, eps); });
}

TEST(Identity, N05_IdempotentWithoutEps) {
  for (const Norm& norm : {Norm([](const Tensor& x) { return batch_norm_training(x, {}, {}, kNone).y; }),
                           Norm([](const Tensor& x) { return group_norm(x, 2, {}, {}, kNone); }),
                           Norm([](const Tensor& x) { return rms_norm(x, {4}, {}, kNone); })}) {
    EXPECT_LE(distance(norm(norm(image())), norm(image())), 1e-13);
  }
}

TEST(Identity, N06_GroupNormOfOneGroupAndOfAllChannels) {
  const Tensor x = image();
  EXPECT_TRUE(same([](const Tensor& t) { return group_norm(t, 1); },
                   [](const Tensor& t) {
                     return layer_norm(t, {6, 2, 4});
                   },
                   x));
  EXPECT_TRUE(
      same([](const Tensor& t) { return group_norm(t, 6); }, [](const Tensor& t) { return instance_norm(t); }, x));
  // Per-channel parameters agree only if those of LayerNorm are their broadcast.
  const Tensor w = normal({6}, 2);
  const Tensor b = normal({6}, 3);
  const Tensor wide_w = w.reshape({6, 1, 1}).expand({6, 2, 4});
  const Tensor wide_b = b.reshape({6, 1, 1}).expand({6, 2, 4});
  const auto group = [&](const Tensor& t) { return group_norm(t, 1, w, b); };
  EXPECT_TRUE(same(
      group,
      [&](const Tensor& t) {
        return layer_norm(t, {6, 2, 4}, wide_w, wide_b);
      },
      x));
  EXPECT_GT(distance(group(x), layer_norm(x, {6, 2, 4}, normal({6, 2, 4}, 2))), 0.1);
}

TEST(Identity, N07_OthersAreBatchNormOfTheSameMemory) {
  const Tensor x = image();
  const auto batch_norm_of = [](const std::vector<std::int64_t>& view) {
    return [view](const Tensor& t) { return reshape_to(batch_norm_training(t.reshape(view)).y, t.shape()); };
  };
  EXPECT_TRUE(same([](const Tensor& t) { return instance_norm(t); }, batch_norm_of({1, 18, 2, 4}), x));
  EXPECT_TRUE(same([](const Tensor& t) { return group_norm(t, 3); }, batch_norm_of({1, 9, 16}), x));
  EXPECT_TRUE(same([](const Tensor& t) { return layer_norm(t, {48}); },
                   [](const Tensor& t) { return batch_norm_training(t.t()).y.t(); }, x.reshape({3, 48})));
}

TEST(Identity, N08_BatchNormOfOneSample) {
  const Tensor x = image().narrow(0, 0, 1);
  EXPECT_TRUE(same([](const Tensor& t) { return batch_norm_training(t).y; },
                   [](const Tensor& t) { return instance_norm(t); }, x));
  // A single value would give beta and no gradient, whatever its value. The functions throw, as the layers do.
  const Tensor one = normal({1, 6, 1, 1}, 4);
  EXPECT_THROW(batch_norm_training(one), ShapeError);
  EXPECT_THROW(instance_norm(one), ShapeError);
  EXPECT_THROW(BatchNorm2d(6, {.dtype = kFloat64})(one), ShapeError);
  EXPECT_THROW(InstanceNorm2d(6, {.dtype = kFloat64})(one), ShapeError);
}

TEST(Identity, N09_LayerNormIsRmsNormOfTheCenteredInput) {
  const Tensor x = image();
  const auto rms = [](const Tensor& t) { return rms_norm(t, {2, 4}, {}, kEps); };
  const auto layer = [](const Tensor& t) { return layer_norm(t, {2, 4}, {}, {}, kEps); };
  EXPECT_TRUE(same(
      layer,
      [&](const Tensor& t) {
        return rms(t - mean(t, {2, 3}, true));
      },
      x));
  const Tensor centered = x - mean(x, {2, 3}, true);
  EXPECT_LE(distance(layer(centered), rms(centered)), 1e-14);
  EXPECT_GT(distance(layer(x), rms(x)), 0.1);
  EXPECT_LE(distance(mean(square(x), {2, 3}), square(mean(x, {2, 3})) + var(x, {2, 3}, false)), 1e-13);
}

TEST(Identity, N10_PermutationsOfChannels) {
  const Tensor x = image();
  const Tensor w = normal({6}, 2);
  const Tensor b = normal({6}, 3);
  const auto permuted = [](const Tensor& t, std::int64_t axis, const std::vector<std::int64_t>& order) {
    return t.index_select(axis, from_vector(order, {static_cast<std::int64_t>(order.size())}));
  };
  const std::vector<std::int64_t> any = {3, 0, 5, 1, 4, 2};
  const std::vector<std::int64_t> inside = {1, 2, 0, 5, 4, 3};  // within 2 groups
  const auto commutes = [&](const auto& norm, const std::vector<std::int64_t>& order) {
    return distance(norm(permuted(x, 1, order), permuted(w, 0, order), permuted(b, 0, order)),
                    permuted(norm(x, w, b), 1, order));
  };
  const auto layer = [](const Tensor& t, const Tensor& weight, const Tensor& bias) {
    return layer_norm_over(t, {1}, weight, bias);
  };
  const auto group = [](const Tensor& t, const Tensor& weight, const Tensor& bias) {
    return group_norm(t, 2, weight, bias);
  };
  const auto batch = [](const Tensor& t, const Tensor& weight, const Tensor& bias) {
    return batch_norm_training(t, weight, bias).y;
  };
  EXPECT_LE(commutes(layer, any), 1e-13);
  EXPECT_LE(commutes(batch, any), 1e-13);
  EXPECT_LE(commutes(group, inside), 1e-13);
  EXPECT_GT(commutes(group, any), 0.1);
}

// The only eigenvalues are 0 and eps / s^3: no gradient passes such a layer.
TEST(Identity, N11_SetsOfTwoPassAlmostNoGradient) {
  const auto check = [](const Norm& norm, const Tensor& x, const Tensor& gy) {
    // Sets are contiguous in x: [sets, 2].
    const std::vector<double> gx = bits(gradient_of(norm, x, gy));
    const std::vector<double> in = bits(x);
    const std::vector<double> g = bits(gy);
    for (std::size_t i = 0; i < in.size(); i += 2) {
      const double d = (in[i] - in[i + 1]) / 2;
      const double s = std::sqrt(d * d + kEps);
      const double expected = kEps / (s * s * s) * (g[i] - g[i + 1]) / 2;
      EXPECT_NEAR(gx[i], expected, 1e-13 / s);
      EXPECT_NEAR(gx[i + 1], -expected, 1e-13 / s);
    }
  };
  const Tensor x = normal({5, 2}, 1);
  const Tensor gy = normal({5, 2}, 2);
  check([](const Tensor& t) { return layer_norm(t, {2}, {}, {}, kEps); }, x, gy);
  check([](const Tensor& t) { return batch_norm_training(t.t(), {}, {}, kEps).y.t(); }, x, gy);
  check([](const Tensor& t) { return group_norm(t.reshape({1, 10}), 5, {}, {}, kEps).reshape({5, 2}); }, x, gy);
  check([](const Tensor& t) { return instance_norm(t.reshape({1, 5, 2}), {}, {}, kEps).reshape({5, 2}); }, x, gy);
}

// Without eps, s J is the projection that removes constants and xhat (RMSNorm: xhat alone).
TEST(Identity, N15_TheJacobianWithoutEpsIsAProjection) {
  constexpr std::int64_t m = 7;
  const Tensor x = normal({1, m}, 1) + 2.0;
  const auto check = [&](const Norm& norm, double s, double rank) {
    std::vector<Tensor> rows;
    for (std::int64_t i = 0; i < m; ++i) {
      Tensor unit = Tensor::empty({1, m}, kFloat64).zero_();
      unit.mutable_data<double>()[i] = s;
      rows.push_back(gradient_of(norm, x, unit));
    }
    const Tensor projection = cat(rows);
    EXPECT_LE(distance(matmul(projection, projection), projection), 1e-13);
    EXPECT_LE(distance(projection.t(), projection), 1e-13);
    double trace = 0.0;
    for (std::int64_t i = 0; i < m; ++i) {
      trace += projection.data<double>()[i * m + i];
    }
    EXPECT_NEAR(trace, rank, 1e-12);
  };
  check([](const Tensor& t) { return layer_norm(t, {m}, {}, {}, kNone); }, std::sqrt(var(x, {}, false).item()), m - 2);
  check([](const Tensor& t) { return batch_norm_training(t.t(), {}, {}, kNone).y.t(); },
        std::sqrt(var(x, {}, false).item()), m - 2);
  check([](const Tensor& t) { return rms_norm(t, {m}, {}, kNone); }, std::sqrt(mean(square(x)).item()), m - 1);
}

// BatchNorm: dgamma = 0, dx = 0, dbeta = k m for equal gradients k, and <dx, xhat> = eps / s^3 gamma dgamma.
TEST(Identity, N17_EqualGradientsAndTheGradientOfGamma) {
  const Tensor x = image();
  Tensor leaf = x.detach().clone().requires_grad_();
  Tensor w = normal({6}, 2).requires_grad_();
  Tensor b = normal({6}, 3).requires_grad_();
  const auto run = [&](const Tensor& gy) {
    return grad({batch_norm_training(leaf, w, b, kEps).y}, {leaf, w, b}, {gy});
  };
  const std::vector<Tensor> equal = run(full(x.shape(), 0.7, {.dtype = kFloat64}));
  EXPECT_LE(largest(equal[0]), 1e-13);
  EXPECT_LE(largest(equal[1]), 1e-12);
  EXPECT_LE(distance(equal[2], full({6}, 0.7 * 24, {.dtype = kFloat64})), 1e-12);
  const std::vector<Tensor> g = run(normal(x.shape(), 5));
  const Tensor xhat = batch_norm_training(x, {}, {}, kEps).y;
  const Tensor s = (var(x, {0, 2, 3}, false) + kEps).sqrt();
  EXPECT_LE(distance(sum(g[0] * xhat, {0, 2, 3}), w * g[1] * kEps / (s * s * s)), 1e-12);
  // dgamma of a norm whose sets span channels is not 0 for equal gradients.
  const Tensor y = layer_norm_over(x, {1}, w, b);
  EXPECT_GT(largest(grad({y}, {w}, {full(x.shape(), 0.7, {.dtype = kFloat64})})[0]), 0.1);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
