#include "normgrad/layers/init/init.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/support/raises.hpp"
#include "normgrad/core/ops/conv/conv.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/linear.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;

struct Statistics {
  double mean = 0.0;
  double std = 0.0;
  double low = 0.0;
  double high = 0.0;
};

Statistics statistics_of(const Tensor& tensor) {
  const std::vector<double> values = tensor.to_vector<double>();
  const double n = static_cast<double>(values.size());
  Statistics s;
  for (const double v : values) {
    s.mean += v / n;
  }
  for (const double v : values) {
    s.std += (v - s.mean) * (v - s.mean) / n;
  }
  s.std = std::sqrt(s.std);
  s.low = *std::min_element(values.begin(), values.end());
  s.high = *std::max_element(values.begin(), values.end());
  return s;
}

// Statistics of a sample of n values deviate by about 1 / sqrt(n) of the spread; 5 times that is allowed.
void expect_spread(const Tensor& tensor, double mean, double std) {
  const Statistics s = statistics_of(tensor);
  const double unit = 5.0 * std / std::sqrt(static_cast<double>(tensor.numel()));
  EXPECT_NEAR(s.mean, mean, unit);
  EXPECT_NEAR(s.std, std, unit);
}

void expect_uniform(const Tensor& tensor, double limit) {
  expect_spread(tensor, 0.0, limit / std::sqrt(3.0));
  const Statistics s = statistics_of(tensor);
  EXPECT_GE(s.low, -limit);
  EXPECT_LE(s.high, limit);
  EXPECT_GT(s.high, 0.99 * limit);
  EXPECT_LT(s.low, -0.99 * limit);
}

class InitTest : public testing::TestWithParam<DType> {
 protected:
  Tensor weight() const { return Tensor::empty({64, 32, 3, 3}, GetParam()); }  // fan_in 288, fan_out 576
  Generator generator{17};
};

TEST_P(InitTest, Fans) {
  const Fans fans = calculate_fans(weight());
  EXPECT_EQ(fans.in, 288);
  EXPECT_EQ(fans.out, 576);
  EXPECT_THROW(calculate_fans(Tensor::empty({3})), ShapeError);
}

TEST_P(InitTest, Constants) {
  Tensor w = weight();
  w.requires_grad_();
  constant_(w, 3.5);
  EXPECT_EQ(statistics_of(w).low, 3.5);
  EXPECT_EQ(statistics_of(w).high, 3.5);
  ones_(w);
  EXPECT_EQ(statistics_of(w).low, 1.0);
  zeros_(w);
  EXPECT_EQ(statistics_of(w).high, 0.0);
  EXPECT_TRUE(w.is_leaf());
}

TEST_P(InitTest, UniformAndNormal) {
  const Tensor w = weight();
  uniform_(w, -0.25, 0.25, &generator);
  expect_uniform(w, 0.25);
  normal_(w, 3.0, 0.5, &generator);
  expect_spread(w, 3.0, 0.5);
  EXPECT_THROW(uniform_(w, 1.0, 0.0), ValueError);
  EXPECT_THROW(normal_(w, 0.0, -1.0), ValueError);
  EXPECT_THROW(uniform_(Tensor::empty({2}, kInt64)), DTypeError);
}

TEST_P(InitTest, Xavier) {
  const Tensor w = weight();
  xavier_uniform_(w, {.gain = 2.0, .generator = &generator});
  expect_uniform(w, 2.0 * std::sqrt(6.0 / 864.0));
  xavier_normal_(w, {.generator = &generator});
  expect_spread(w, 0.0, std::sqrt(2.0 / 864.0));
}

TEST_P(InitTest, Kaiming) {
  const Tensor w = weight();
  kaiming_uniform_(w, {.generator = &generator});
  expect_uniform(w, std::sqrt(6.0 / 288.0));
  kaiming_uniform_(w, {.a = std::sqrt(5.0), .generator = &generator});
  expect_uniform(w, 1.0 / std::sqrt(288.0));
  kaiming_normal_(w, {.mode = FanMode::fan_out, .nonlinearity = Nonlinearity::relu, .generator = &generator});
  expect_spread(w, 0.0, std::sqrt(2.0 / 576.0));
}

TEST_P(InitTest, LinearStartsAsInPyTorch) {
  const Linear layer(400, 3000, {.dtype = GetParam(), .generator = &generator});
  EXPECT_EQ(layer.weight.dtype(), GetParam());
  expect_uniform(layer.weight, 0.05);
  expect_uniform(layer.bias, 0.05);
}

TEST_P(InitTest, TheSeedDecides) {
  manual_seed(5);
  const Linear a(3, 4, {.dtype = GetParam()});
  const Linear b(3, 4, {.dtype = GetParam()});
  manual_seed(5);
  const Linear c(3, 4, {.dtype = GetParam()});
  Generator own(5);
  const Linear d(3, 4, {.dtype = GetParam(), .generator = &own});
  EXPECT_EQ(a.weight.to_vector<double>(), c.weight.to_vector<double>());
  EXPECT_EQ(a.bias.to_vector<double>(), d.bias.to_vector<double>());
  EXPECT_NE(a.weight.to_vector<double>(), b.weight.to_vector<double>());
}

// A part of a tensor, whose memory starts anywhere.
TEST_P(InitTest, FillsAPart) {
  for (const auto& fill : {+[](Tensor x, Generator*g) { uniform_(x, -1.0, 1.0, g); },
                           +[](Tensor x, Generator*g) { normal_(x, 0.0, 1.0, g); },
                           +[](Tensor x, Generator*g) { kaiming_normal_(x, {.generator = g}); }}) {
    Tensor all = full({3, 17, 31}, 7.0, {.dtype = GetParam()});
    Tensor own = zeros({17, 31}, {.dtype = GetParam()});
    Generator first(3);
    Generator second(3);
    fill(all[1], &first);
    fill(own, &second);
    EXPECT_EQ(all[1].to_vector<double>(), own.to_vector<double>());
    EXPECT_EQ(all[0].to_vector<double>(), std::vector<double>(17 * 31, 7.0));
    EXPECT_EQ(all[2].to_vector<double>(), std::vector<double>(17 * 31, 7.0));
  }
}

// Mean and standard deviation of a normal variable between a and b, by sums over a fine grid.
Statistics truncated(double mean, double std, double a, double b) {
  constexpr int kPoints = 200000;
  Statistics s;
  double weight = 0.0;
  for (const int pass : {0, 1}) {
    double sum = 0.0;
    weight = 0.0;
    for (int i = 0; i < kPoints; ++i) {
      const double x = a + (b - a) * (i + 0.5) / kPoints;
      const double w = std::exp(-0.5 * (x - mean) * (x - mean) / (std * std));
      weight += w;
      sum += pass == 0 ? w * x : w * (x - s.mean) * (x - s.mean);
    }
    (pass == 0 ? s.mean : s.std) = sum / weight;
  }
  s.std = std::sqrt(s.std);
  return s;
}

TEST_P(InitTest, TruncatedNormal) {
  const std::vector<TruncNormalOptions> cases = {
      {},
      {.std = 0.02},
      {.mean = 1.0, .std = 2.0, .a = 0.0, .b = 1.5},
      {.std = 1.0, .a = 1.0, .b = 2.0},
      {.std = 1.0, .a = -9.0, .b = -8.0},  // far out in the tail
      {.std = 1.0, .a = 8.0, .b = 9.0},
  };
  for (TruncNormalOptions options : cases) {
    options.generator = &generator;
    const Tensor w = weight();
    trunc_normal_(w, options);
    const double span =
        std::min(options.b, options.mean + 40.0 * options.std) - std::max(options.a, options.mean - 40.0 * options.std);
    ASSERT_GT(span, 0.0);
    const Statistics s = truncated(options.mean, options.std, std::max(options.a, options.mean - 20.0 * options.std),
                                   std::min(options.b, options.mean + 20.0 * options.std));
    expect_spread(w, s.mean, s.std);
    EXPECT_GE(statistics_of(w).low, options.a);
    EXPECT_LE(statistics_of(w).high, options.b);
  }
  EXPECT_EQ(error_of<ValueError>([&] { trunc_normal_(weight(), {.std = 0.0}); }),
            "trunc_normal_: expected std > 0 but got 0");
  EXPECT_EQ(error_of<ValueError>([&] { trunc_normal_(weight(), {.a = 1.0, .b = 1.0}); }),
            "trunc_normal_: expected a < b but got 1 and 1");
}

// The fraction of values below several points, compared with the truncated normal distribution.
TEST_P(InitTest, TruncatedNormalHasItsShape) {
  const Tensor w = Tensor::empty({200, 500}, GetParam());
  trunc_normal_(w, {.a = -1.0, .b = 3.0, .generator = &generator});
  const auto cdf = [](double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); };
  const std::vector<double> values = w.to_vector<double>();
  for (const double point : {-0.9, -0.5, 0.0, 0.4, 1.0, 1.7, 2.5}) {
    const double expected = (cdf(point) - cdf(-1.0)) / (cdf(3.0) - cdf(-1.0));
    const double share =
        static_cast<double>(std::count_if(values.begin(), values.end(), [&](double v) { return v < point; })) /
        static_cast<double>(values.size());
    EXPECT_NEAR(share, expected, 5.0 * 0.5 / std::sqrt(static_cast<double>(values.size()))) << point;
  }
}

TEST_P(InitTest, Orthogonal) {
  for (const Shape& shape : {Shape{7, 20}, Shape{20, 7}, Shape{16, 16}, Shape{8, 3, 3, 3}, Shape{1, 5}}) {
    const Tensor w = Tensor::empty(shape, GetParam());
    orthogonal_(w, {.gain = 1.5, .generator = &generator});
    const std::vector<double> v = w.to_vector<double>();
    const std::size_t rows = static_cast<std::size_t>(shape[0]);
    const std::size_t columns = v.size() / rows;
    const bool by_rows = rows <= columns;
    for (std::size_t i = 0; i < std::min(rows, columns); ++i) {
      for (std::size_t j = 0; j <= i; ++j) {
        double product = 0.0;
        for (std::size_t k = 0; k < std::max(rows, columns); ++k) {
          product += by_rows ? v[i * columns + k] * v[j * columns + k] : v[k * columns + i] * v[k * columns + j];
        }
        ASSERT_NEAR(product, i == j ? 2.25 : 0.0, GetParam() == kFloat64 ? 1e-14 : 1e-6) << shape << i << " " << j;
      }
    }
  }
  // Uniform: the elements of a plane rotation are cos and sin of a uniform angle.
  double sum = 0.0;
  double square = 0.0;
  double determinant = 0.0;
  constexpr int kDraws = 4000;
  for (int i = 0; i < kDraws; ++i) {
    const Tensor w = Tensor::empty({2, 2}, GetParam());
    orthogonal_(w, {.generator = &generator});
    const std::vector<double> v = w.to_vector<double>();
    sum += v[0] / kDraws;
    square += v[0] * v[0] / kDraws;
    determinant += (v[0] * v[3] - v[1] * v[2]) / kDraws;
  }
  EXPECT_NEAR(sum, 0.0, 5.0 / std::sqrt(2.0 * kDraws));
  EXPECT_NEAR(square, 0.5, 5.0 / std::sqrt(8.0 * kDraws));
  EXPECT_NEAR(determinant, 0.0, 5.0 / std::sqrt(1.0 * kDraws));
  EXPECT_EQ(error_of<ShapeError>([] { orthogonal_(Tensor::empty({3})); }),
            "orthogonal_: expected a tensor of at least 2 axes but got [3]");
}

TEST_P(InitTest, Sparse) {
  const Tensor w = Tensor::empty({50, 300}, GetParam());
  sparse_(w, 0.31, {.std = 0.5, .generator = &generator});  // 16 zeros in every column
  const std::vector<double> v = w.to_vector<double>();
  std::vector<double> others;
  std::vector<int> of_row(50);
  for (std::size_t c = 0; c < 300; ++c) {
    int zeros = 0;
    for (std::size_t r = 0; r < 50; ++r) {
      if (v[r * 300 + c] == 0.0) {
        ++zeros;
        ++of_row[r];
      } else {
        others.push_back(v[r * 300 + c]);
      }
    }
    ASSERT_EQ(zeros, 16) << c;
  }
  for (const int zeros : of_row) {  // 0.32 of 300 on average, at random
    EXPECT_NEAR(zeros, 96.0, 5.0 * std::sqrt(300.0 * 0.32 * 0.68));
  }
  double square = 0.0;
  for (const double x : others) {
    square += x * x / static_cast<double>(others.size());
  }
  EXPECT_NEAR(std::sqrt(square), 0.5, 2.5 / std::sqrt(static_cast<double>(others.size())));
  EXPECT_EQ(error_of<ShapeError>([] { sparse_(Tensor::empty({3}), 0.5); }),
            "sparse_: expected a tensor of 2 axes but got [3]");
  EXPECT_EQ(error_of<ValueError>([] {
              sparse_(Tensor::empty({3, 3}), 1.5);
            }),
            "sparse_: expected a sparsity in [0, 1] but got 1.5");
}

TEST_P(InitTest, Identities) {
  const Tensor e = Tensor::empty({2, 3}, GetParam());
  eye_(e);
  EXPECT_EQ(e.to_vector<double>(), (std::vector<double>{1, 0, 0, 0, 1, 0}));
  for (const std::int64_t groups : {1, 2}) {
    // The input is passed through, except for channels that the input or the output lacks.
    const Tensor x = randn({2, 4, 6, 5}, {.dtype = GetParam()});
    const Tensor w = Tensor::empty({6, 4 / groups, 3, 3}, GetParam());
    dirac_(w, groups);
    const Tensor y = conv2d(x, w, {}, {.padding = 1, .groups = groups});
    const std::vector<int> source = groups == 1 ? std::vector{0, 1, 2, 3, -1, -1} : std::vector{0, 1, -1, 2, 3, -1};
    for (std::int64_t c = 0; c < 6; ++c) {
      const int from = source[static_cast<std::size_t>(c)];
      EXPECT_EQ(y.select(1, c).to_vector<double>(),
                from < 0 ? std::vector<double>(60, 0.0) : x.select(1, from).to_vector<double>())
          << groups << " " << c;
    }
  }
  EXPECT_EQ(error_of<ShapeError>([] { eye_(Tensor::empty({3})); }), "eye_: expected a tensor of 2 axes but got [3]");
  EXPECT_EQ(error_of<ShapeError>([] {
              dirac_(Tensor::empty({3, 3}));
            }),
            "dirac_: expected a tensor of 3, 4 or 5 axes but got [3, 3]");
  EXPECT_EQ(error_of<ValueError>([] {
              dirac_(Tensor::empty({4, 3, 3}), 3);
            }),
            "dirac_: expected groups that divide 4 but got 3");
}

INSTANTIATE_TEST_SUITE_P(FloatingPoint, InitTest, testing::Values(kFloat32, kFloat64),
                         [](const auto& test) { return std::string(dtype_name(test.param)); });

TEST(InitGainTest, IsPyTorchs) {
  EXPECT_EQ(calculate_gain(Nonlinearity::linear), 1.0);
  EXPECT_EQ(calculate_gain(Nonlinearity::sigmoid), 1.0);
  EXPECT_DOUBLE_EQ(calculate_gain(Nonlinearity::tanh), 5.0 / 3.0);
  EXPECT_DOUBLE_EQ(calculate_gain(Nonlinearity::relu), std::sqrt(2.0));
  EXPECT_DOUBLE_EQ(calculate_gain(Nonlinearity::leaky_relu, 0.2), std::sqrt(2.0 / 1.04));
  EXPECT_EQ(calculate_gain(Nonlinearity::selu), 0.75);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
