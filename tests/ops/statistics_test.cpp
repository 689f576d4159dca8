// Standard deviations, norms, triangles and diagonals.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/reduction/statistics.hpp"
#include "normgrad/core/ops/shape/diagonal.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::kInf;
using tests::Numbers;
using tests::numbers;
using tests::random_tensor;

TEST(StatisticsTest, StandardDeviation) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    const Tensor x = random_tensor({3, 5}, dtype, 2);
    const Numbers values = numbers(x);
    const auto [deviation, average] = std_mean(x, 1);
    const auto [variance, same_average] = var_mean(x, 1, false, true);
    EXPECT_EQ(variance.shape(), (Shape{3, 1}));
    for (std::size_t row = 0; row < 3; ++row) {
      double mean = 0.0;
      double squares = 0.0;
      for (std::size_t i = 0; i < 5; ++i) {
        mean += values[5 * row + i] / 5;
      }
      for (std::size_t i = 0; i < 5; ++i) {
        squares += (values[5 * row + i] - mean) * (values[5 * row + i] - mean);
      }
      const double bound = dtype == kFloat32 ? 1e-6 : 1e-14;
      EXPECT_NEAR(numbers(deviation)[row], std::sqrt(squares / 4), bound);
      EXPECT_NEAR(numbers(x.std(1, false))[row], std::sqrt(squares / 5), bound);
      EXPECT_NEAR(numbers(variance)[row], squares / 5, bound);
      EXPECT_NEAR(numbers(average)[row], mean, bound);
      EXPECT_NEAR(numbers(same_average)[row], mean, bound);
    }
  }
  Tensor constant = full({4}, 2.0, {.requires_grad = true});
  std(constant).backward();
  EXPECT_EQ(numbers(constant.grad()), (Numbers{0, 0, 0, 0}));
  EXPECT_EQ(error_of<ValueError>([&] { std(zeros({1})); }),
            "std: expected more than one element to reduce but got shape [1]");
  EXPECT_EQ(error_of<DTypeError>([&] { std(arange(3)); }), "std: expected a float32 or float64 tensor but got int64");
}

TEST(StatisticsTest, Norms) {
  const Numbers values = {3.0, -4.0, 0.0, 1.0};
  const Tensor x = from_vector(values, {4});
  for (const DType dtype : {kFloat32, kFloat64}) {
    for (const double p : {0.5, 1.0, 1.5, 2.0, 3.0, -1.0, -2.0}) {
      double sum = 0.0;
      for (const double v : values) {
        sum += std::pow(std::abs(v), p);
      }
      EXPECT_NEAR(norm(x.to(dtype), p).item(), std::pow(sum, 1.0 / p), 1e-5) << p;
    }
    EXPECT_EQ(norm(x.to(dtype), kInf).item(), 4.0);
    EXPECT_EQ(norm(x.to(dtype), -kInf).item(), 0.0);
    EXPECT_EQ(norm(x.to(dtype), 0.0).item(), 3.0);
  }
  const Tensor matrix = tensor({{3.0, 4}, {6, 8}});
  EXPECT_EQ(numbers(matrix.norm(2, 1)), (Numbers{5, 10}));
  EXPECT_EQ(matrix.norm(2, 1, true).shape(), (Shape{2, 1}));
  EXPECT_EQ(norm(zeros({0})).item(), 0.0);
  EXPECT_EQ(norm(tensor(-2.0)).item(), 2.0);
  EXPECT_TRUE(std::isnan(norm(tensor({1.0, std::nan("")}), 3.0).item()));
}

// The gradient of a norm at 0 is 0, and finite beside zeros.
TEST(StatisticsTest, NormsHaveAGradientAtZero) {
  for (const double p : {0.0, 0.5, 1.0, 1.5, 2.0, 3.0, kInf}) {
    Tensor x = zeros({2, 3}, {.dtype = kFloat64, .requires_grad = true});
    norm(x, p, 1).sum().backward();
    EXPECT_EQ(numbers(x.grad()), Numbers(6, 0.0)) << p;
    Tensor beside = tensor({0.0, 2.0}, {.dtype = kFloat64, .requires_grad = true});
    norm(beside, p).backward();
    EXPECT_EQ(numbers(beside.grad())[0], 0.0) << p;
    EXPECT_NEAR(numbers(beside.grad())[1], p == 0.0 ? 0.0 : 1.0, 1e-15) << p;
  }
}

TEST(StatisticsTest, NormErrors) {
  EXPECT_EQ(error_of<ValueError>([&] { norm(zeros({0}), -1.0); }),
            "norm: expected at least one element to reduce but got shape [0]");
  EXPECT_EQ(error_of<ValueError>([&] { norm(zeros({2}), std::nan("")); }),
            "norm: expected a p that is a number but got nan");
  EXPECT_EQ(error_of<IndexError>([&] { norm(zeros({2}), 2.0, 1); }), "norm: expected an axis in [-1, 0] but got 1");
  EXPECT_EQ(error_of<DTypeError>([&] { norm(arange(3)); }), "norm: expected a float32 or float64 tensor but got int64");
}

TEST(DiagonalTest, Triangles) {
  const Tensor x = reshape(arange(24).to(kFloat64), {2, 3, 4}) + 1.0;
  const Numbers all_values = numbers(x);
  for (const std::int64_t diagonal : {-9, -3, -1, 0, 1, 4, 9}) {
    const Numbers lower = numbers(tril(x, diagonal));
    const Numbers upper = numbers(triu(x, diagonal));
    for (std::int64_t i = 0; i < 24; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const std::int64_t offset = i % 4 - i / 4 % 3;
      EXPECT_EQ(lower[at], offset <= diagonal ? all_values[at] : 0.0);
      EXPECT_EQ(upper[at], offset >= diagonal ? all_values[at] : 0.0);
    }
  }
  EXPECT_EQ(numbers(ones({2, 2}).to(kBool).tril()), (Numbers{1, 0, 1, 1}));
  EXPECT_EQ(numbers(tril(full({2, 2}, kInf), -1)), (Numbers{0, 0, kInf, 0}));
  EXPECT_EQ(triu(zeros({0, 3})).shape(), (Shape{0, 3}));
  EXPECT_EQ(numbers(tril(ones({1, 1}), std::numeric_limits<std::int64_t>::min())), (Numbers{0}));
  EXPECT_EQ(error_of<ShapeError>([&] { tril(zeros({3})); }), "tril: expected at least 2 axes but got [3]");
}

TEST(DiagonalTest, Diagonals) {
  const Tensor x = reshape(arange(24), {2, 3, 4});
  EXPECT_EQ(numbers(diagonal(x[0])), (Numbers{0, 5, 10}));
  EXPECT_EQ(numbers(diagonal(x[0], 2)), (Numbers{2, 7}));
  EXPECT_EQ(numbers(diagonal(x[0], -1)), (Numbers{4, 9}));
  EXPECT_EQ(diagonal(x[0], 4).shape(), (Shape{0}));
  const Tensor y = diagonal(x, 1, 2, 0);  // x[1][j][0]
  EXPECT_EQ(y.shape(), (Shape{3, 1}));
  EXPECT_EQ(numbers(y), (Numbers{12, 16, 20}));
  EXPECT_EQ(numbers(diag(tensor({1.0, 2}), 1)), (Numbers{0, 1, 0, 0, 0, 2, 0, 0, 0}));
  EXPECT_EQ(numbers(diag(tensor({1.0, 2}), -1)), (Numbers{0, 0, 0, 1, 0, 0, 0, 2, 0}));
  EXPECT_EQ(numbers(diag(x[1], 1)), (Numbers{13, 18, 23}));
  EXPECT_EQ(diag(zeros({0})).shape(), (Shape{0, 0}));
  EXPECT_EQ(error_of<ShapeError>([&] { diagonal(x, 5); }),
            "diagonal: expected an offset in [-2, 3] for [2, 3, 4] but got 5");
  EXPECT_EQ(error_of<ValueError>([&] { diagonal(x, 0, 1, -2); }),
            "diagonal: expected two different axes but got 1 and -2");
  EXPECT_EQ(error_of<ShapeError>([&] { diag(x); }), "diag: expected a vector or a matrix but got [2, 3, 4]");
}

TEST(DiagonalTest, Meshgrid) {
  const std::vector<Tensor> grids = meshgrid({arange(2), arange(3)});
  EXPECT_EQ(numbers(grids[0]), (Numbers{0, 0, 0, 1, 1, 1}));
  EXPECT_EQ(numbers(grids[1]), (Numbers{0, 1, 2, 0, 1, 2}));
  const std::vector<Tensor> plotted = meshgrid({arange(2), arange(3)}, "xy");
  EXPECT_EQ(plotted[0].shape(), (Shape{3, 2}));
  EXPECT_EQ(numbers(plotted[0]), (Numbers{0, 1, 0, 1, 0, 1}));
  EXPECT_EQ(meshgrid({arange(2), tensor(5, {.dtype = kInt64}), arange(4)})[1].shape(), (Shape{2, 1, 4}));
  EXPECT_EQ(error_of<ShapeError>([&] { meshgrid({zeros({1, 2})}); }), "meshgrid: expected vectors but got [1, 2]");
  EXPECT_EQ(error_of<ValueError>([&] { meshgrid({zeros({2})}, "yx"); }),
            "meshgrid: expected indexing \"ij\" or \"xy\" but got \"yx\"");
  EXPECT_EQ(error_of<ValueError>([&] { meshgrid({}); }), "meshgrid: expected at least one tensor but got none");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
