// Samples: supports, frequencies within 5 standard deviations, and the parts that dropout keeps together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/dropout.hpp"
#include "normgrad/core/ops/random/random.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/reduction/softmax.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using tests::error_of;
using tests::gradients_agree;
using tests::random_tensor;

TEST(RandomTest, LikeAndNormal) {
  Generator g(1);
  Generator same(1);
  const Tensor x = zeros({2, 3}, {.dtype = kFloat64});
  EXPECT_EQ(rand_like(x, &g).to_vector<double>(), rand({2, 3}, {.dtype = kFloat64}, &same).to_vector<double>());
  EXPECT_EQ(randn_like(x, &g).to_vector<double>(), randn({2, 3}, {.dtype = kFloat64}, &same).to_vector<double>());
  const Tensor noise = randn({2, 3}, {.dtype = kFloat64}, &same);
  const Tensor std = tensor({{0.0}, {3.0}}, {.dtype = kFloat64});
  EXPECT_EQ(normal(x + 5.0, std, &g).to_vector<double>(), (noise * std + 5.0).to_vector<double>());
  EXPECT_EQ(normal(2.0, 0.0, {3}).to_vector<float>(), std::vector<float>(3, 2.0F));
  EXPECT_EQ(normal(1.0, tensor({0.0, 0})).to_vector<float>(), std::vector<float>(2, 1.0F));
  EXPECT_TRUE(normal(0.0, 1.0, {2}, {.requires_grad = true}).requires_grad());
  EXPECT_FALSE(normal(x.clone().requires_grad_()).requires_grad());
  EXPECT_EQ(error_of<ValueError>([] {
              normal(0.0, tensor({1.0, -1}));
            }),
            "normal: expected a standard deviation of at least 0 but got -1 at position 1");
  EXPECT_EQ(error_of<DTypeError>([] { normal(0.0, 1.0, {1}, {.dtype = kInt64}); }),
            "normal: expected a float32 or float64 tensor but got int64");
}

TEST(RandomTest, Bernoulli) {
  Generator g(2);
  const Tensor p = tensor({0, 0.25, 1});
  const Tensor draws = bernoulli(expand(p, {4000, 3}), &g);
  EXPECT_EQ(draws.dtype(), kFloat32);
  const auto means = draws.mean(0).to_vector<float>();
  EXPECT_EQ(means[0], 0.0F);
  EXPECT_NEAR(means[1], 0.25, 5 * std::sqrt(0.25 * 0.75 / 4000));
  EXPECT_EQ(means[2], 1.0F);
  EXPECT_NEAR(bernoulli(zeros({4000}), 0.5, &g).mean().item(), 0.5, 5 * 0.5 / std::sqrt(4000));
  EXPECT_EQ(error_of<ValueError>([] {
              bernoulli(tensor({0.5, 1.5}));
            }),
            "bernoulli: expected probabilities in [0, 1] but got 1.5 at position 1");
  EXPECT_EQ(error_of<ValueError>([&] { bernoulli(p, -0.5); }),
            "bernoulli: expected a probability in [0, 1] but got -0.5");
}

TEST(RandomTest, MultinomialFrequencies) {
  Generator g(3);
  const Tensor weights = tensor({{0.0, 1, 3, 0}, {5, 0, 0, 0}});
  const Tensor draws = multinomial(weights, 4000, true, &g);
  ASSERT_EQ(draws.shape(), Shape({2, 4000}));
  const auto drawn = draws.to_vector<std::int64_t>();
  double twos = 0;
  for (std::size_t i = 0; i < 4000; ++i) {
    EXPECT_TRUE(drawn[i] == 1 || drawn[i] == 2);
    EXPECT_EQ(drawn[4000 + i], 0);
    twos += drawn[i] == 2 ? 1 : 0;
  }
  EXPECT_NEAR(twos / 4000, 0.75, 5 * std::sqrt(0.75 * 0.25 / 4000));
  // Without replacement: different, only weights above 0, the first in proportion to the weights.
  double first = 0;
  for (int i = 0; i < 2000; ++i) {
    const auto pair = multinomial(tensor({0.0, 1, 3, 0}), 2, false, &g).to_vector<std::int64_t>();
    EXPECT_EQ(std::set<std::int64_t>(pair.begin(), pair.end()), (std::set<std::int64_t>{1, 2}));
    first += pair[0] == 2 ? 1 : 0;
  }
  EXPECT_NEAR(first / 2000, 0.75, 5 * std::sqrt(0.75 * 0.25 / 2000));
  EXPECT_EQ(multinomial(tensor({2.0}), 1).shape(), Shape({1}));
  EXPECT_EQ(error_of<ValueError>([] {
              multinomial(tensor({0.0, 1}), 2);
            }),
            "multinomial: expected at most 1 samples without replacement, the number of weights above 0, but got 2");
  EXPECT_EQ(error_of<ValueError>([] {
              multinomial(tensor({{1.0, 2}, {-1, 2}}), 1);
            }),
            "multinomial: expected finite weights of at least 0 but got -1 at position 2");
  EXPECT_EQ(error_of<ValueError>([] { multinomial(zeros({2}), 1); }),
            "multinomial: expected a weight above 0 in each row but row 0 has none");
  EXPECT_EQ(error_of<ValueError>([] { multinomial(ones({2}), 0); }),
            "multinomial: expected num_samples >= 1 but got 0");
  EXPECT_EQ(error_of<ShapeError>([] {
              multinomial(ones({1, 1, 2}), 1);
            }),
            "multinomial: expected weights [n] or [m, n] but got [1, 1, 2]");
}

TEST(RandomTest, GumbelSoftmax) {
  Generator g(4);
  const Tensor logits = log_softmax(tensor({0.0, 1, 2}), 0);
  const Tensor many = expand(logits, {4000, 3});
  const Tensor hard = gumbel_softmax(many, 0.7, true, -1, &g);
  const auto frequencies = hard.mean(0).to_vector<double>();
  const auto p = softmax(tensor({0.0, 1, 2}), 0).to_vector<double>();
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(frequencies[i], p[i], 5 * std::sqrt(p[i] * (1 - p[i]) / 4000));
  }
  EXPECT_EQ(hard.sum(1).to_vector<float>(), std::vector<float>(4000, 1.0F));
  const Tensor x = random_tensor({2, 3}, kFloat64, 1).requires_grad_();
  const auto soft = [](const std::vector<Tensor>& in) {
    Generator fixed(5);
    return gumbel_softmax(in[0], 0.5, false, 0, &fixed);
  };
  EXPECT_TRUE(gradients_agree(soft, {x}));
  EXPECT_EQ(error_of<ValueError>([&] { gumbel_softmax(x, 0.0); }), "gumbel_softmax: expected tau > 0 but got 0");
}

TEST(FeatureDropoutTest, KeepsOrDropsWholeChannels) {
  struct Case {
    Tensor (*f)(const Tensor&, double, bool, Generator*);
    Shape shape;
    std::int64_t parts;
  };
  for (const Case& c :
       {Case{dropout1d, {20, 30, 4}, 600}, Case{dropout1d, {600, 4}, 600}, Case{dropout2d, {20, 30, 2, 3}, 600},
        Case{dropout3d, {20, 30, 1, 2, 2}, 600}, Case{dropout3d, {600, 1, 2, 2}, 600}}) {
    Generator g(6);
    const Tensor y = c.f(ones(c.shape), 0.25, true, &g);
    const auto values = y.to_vector<double>();
    const std::size_t size = values.size() / static_cast<std::size_t>(c.parts);
    double dropped = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(values[i], values[i / size * size]);
      EXPECT_TRUE(values[i] == 0.0 || std::abs(values[i] - 4.0 / 3.0) < 1e-6);
      dropped += values[i] == 0.0 ? 1.0 / static_cast<double>(size) : 0.0;
    }
    EXPECT_NEAR(dropped / 600, 0.25, 5 * std::sqrt(0.25 * 0.75 / 600));
    const Tensor x = ones(c.shape);
    EXPECT_TRUE(is_same(c.f(x, 0.5, false, nullptr), x));
    EXPECT_EQ(c.f(x, 1.0, true, nullptr).sum().item(), 0.0);
  }
  EXPECT_EQ(error_of<ShapeError>([] {
              dropout2d(zeros({2, 2}));
            }),
            "dropout2d: expected a 4-D input [N, C, ...] or a 3-D input but got [2, 2]");
  EXPECT_EQ(error_of<ValueError>([] { dropout1d(zeros({2, 2}), 1.5); }), "dropout1d: expected p in [0, 1] but got 1.5");
}

TEST(AlphaDropoutTest, KeepsMeanAndVariance) {
  Generator g(7);
  const Tensor x = randn({40000}, {.dtype = kFloat64}, &g);
  const Tensor y = alpha_dropout(x, 0.3, true, &g);
  EXPECT_NEAR(y.mean().item(), 0.0, 0.03);
  EXPECT_NEAR(y.var().item(), 1.0, 0.05);
  // The dropped ones share the value a alpha' + b.
  const double alpha = 1.7580993408473766;
  const double a = 1 / std::sqrt((alpha * alpha * 0.3 + 1) * 0.7);
  const Tensor channels = feature_alpha_dropout(zeros({50, 20, 3}, {.dtype = kFloat64}), 0.3, true, &g);
  for (const double value : channels.to_vector<double>()) {
    const double kept = a * alpha * 0.3;
    EXPECT_TRUE(std::abs(value - kept) < 1e-12 || std::abs(value - (kept - a * alpha)) < 1e-12);
  }
  EXPECT_TRUE(is_same(alpha_dropout(x, 0.0), x));
  EXPECT_EQ(alpha_dropout(ones({3}), 1.0).sum().item(), 0.0);
  const auto f = [](const std::vector<Tensor>& in) {
    Generator fixed(8);
    const Tensor z = feature_alpha_dropout(in[0], 0.5, true, &fixed);
    return z * z;
  };
  EXPECT_TRUE(gradients_agree(f, {random_tensor({2, 3, 2}, kFloat64, 1).requires_grad_()}));
}

TEST(StochasticDepthTest, DropsAllOrRows) {
  Generator g(9);
  const auto rows = stochastic_depth(ones({600, 2}), 0.25, "row", true, &g).to_vector<double>();
  double dropped = 0;
  for (std::size_t i = 0; i < 1200; i += 2) {
    EXPECT_EQ(rows[i], rows[i + 1]);
    dropped += rows[i] == 0.0 ? 1 : 0;
  }
  EXPECT_NEAR(dropped / 600, 0.25, 5 * std::sqrt(0.25 * 0.75 / 600));
  const auto batch = stochastic_depth(ones({5, 2}), 0.5, "batch", true, &g).to_vector<double>();
  EXPECT_EQ(batch, std::vector<double>(10, batch[0]));
  EXPECT_EQ(error_of<ValueError>([] { stochastic_depth(ones({1}), 0.5, "rows"); }),
            "stochastic_depth: expected mode \"batch\" or \"row\" but got \"rows\"");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
