#include "normgrad/core/ops/matmul/matmul.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/base/parallel.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::gradients_agree;
using tests::random_tensor;

// Element [batch..., i, j] by independent index arithmetic: NumPy's matmul for shapes of at least two axes.
std::vector<double> naive_matmul(const Tensor& a, const Tensor& b, const Shape& result) {
  const auto x = a.to_vector<double>();
  const auto y = b.to_vector<double>();
  const std::int64_t m = a.size(-2), k = a.size(-1), n = b.size(-1);
  const auto matrix_of = [&](const Shape& own, std::int64_t batch) {
    std::int64_t index = 0;
    std::int64_t step = 1;
    for (std::int64_t back = 3; back <= result.dim(); ++back) {
      const std::int64_t at = batch % result.at(-back);
      batch /= result.at(-back);
      if (back <= own.dim()) {
        index += own.at(-back) == 1 ? 0 : at * step;
        step *= own.at(-back);
      }
    }
    return index;
  };
  std::vector<double> c;
  for (std::int64_t batch = 0; batch < result.numel() / (m * n); ++batch) {
    const std::int64_t at_a = matrix_of(a.shape(), batch) * m * k;
    const std::int64_t at_b = matrix_of(b.shape(), batch) * k * n;
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        double sum = 0.0;
        for (std::int64_t p = 0; p < k; ++p) {
          sum += x[static_cast<std::size_t>(at_a + i * k + p)] * y[static_cast<std::size_t>(at_b + p * n + j)];
        }
        c.push_back(sum);
      }
    }
  }
  return c;
}

void expect_near(const std::vector<double>& actual, const std::vector<double>& expected, double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    ASSERT_NEAR(actual[i], expected[i], tolerance) << i;
  }
}

struct MatmulCase {
  Shape a, b, a_matrix, b_matrix, broadcast, result;  // as given; with two axes or more; the product of those; matmul
};

const std::vector<MatmulCase>& cases() {
  static const std::vector<MatmulCase> list{
      {{4}, {4}, {1, 4}, {4, 1}, {1, 1}, {}},
      {{4}, {4, 3}, {1, 4}, {4, 3}, {1, 3}, {3}},
      {{2, 4}, {4}, {2, 4}, {4, 1}, {2, 1}, {2}},
      {{2, 4}, {4, 3}, {2, 4}, {4, 3}, {2, 3}, {2, 3}},
      {{5, 2, 4}, {4, 3}, {5, 2, 4}, {4, 3}, {5, 2, 3}, {5, 2, 3}},
      {{5, 2, 4}, {4}, {5, 2, 4}, {4, 1}, {5, 2, 1}, {5, 2}},
      {{4}, {5, 4, 3}, {1, 4}, {5, 4, 3}, {5, 1, 3}, {5, 3}},
      {{2, 4}, {5, 4, 3}, {2, 4}, {5, 4, 3}, {5, 2, 3}, {5, 2, 3}},
      {{5, 2, 4}, {5, 4, 3}, {5, 2, 4}, {5, 4, 3}, {5, 2, 3}, {5, 2, 3}},
      {{3, 1, 2, 4}, {5, 4, 3}, {3, 1, 2, 4}, {5, 4, 3}, {3, 5, 2, 3}, {3, 5, 2, 3}},
      {{1, 2, 4}, {6, 1, 4, 3}, {1, 2, 4}, {6, 1, 4, 3}, {6, 1, 2, 3}, {6, 1, 2, 3}},
      {{3, 5, 2, 4}, {3, 1, 4, 3}, {3, 5, 2, 4}, {3, 1, 4, 3}, {3, 5, 2, 3}, {3, 5, 2, 3}},
  };
  return list;
}

TEST(MatmulTest, EqualsTheNaiveSum) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    for (const MatmulCase& c : cases()) {
      const Tensor a = random_tensor(c.a, dtype, 1);
      const Tensor b = random_tensor(c.b, dtype, 2);
      const Tensor y = matmul(a, b);
      ASSERT_EQ(y.shape(), c.result) << c.a << " x " << c.b;
      EXPECT_EQ(y.dtype(), dtype);
      expect_near(y.to_vector<double>(), naive_matmul(a.alias(c.a_matrix), b.alias(c.b_matrix), c.broadcast),
                  dtype == kFloat32 ? 1e-5 : 1e-14);
    }
  }
}

TEST(MatmulTest, GradientsOfFirstAndSecondOrder) {
  for (const MatmulCase& c : cases()) {
    Tensor a = random_tensor(c.a, kFloat64, 1);
    Tensor b = random_tensor(c.b, kFloat64, 2);
    a.requires_grad_();
    b.requires_grad_();
    EXPECT_TRUE(gradients_agree([](const std::vector<Tensor>& in) { return matmul(in[0], in[1]); }, {a, b}))
        << c.a << " x " << c.b;
  }
}

TEST(MatmulTest, GradientsOfOneOperandAlone) {
  Tensor a = random_tensor({2, 3, 4}, kFloat64, 1);
  Tensor b = random_tensor({4, 5}, kFloat64, 2);
  for (const bool left : {true, false}) {
    a.requires_grad_(left);
    b.requires_grad_(!left);
    EXPECT_TRUE(gradients_agree([](const std::vector<Tensor>& in) { return matmul(in[0], in[1]); }, {a, b}));
  }
}

TEST(MatmulTest, ThirdOrderOfAProductWithItself) {
  Tensor a = random_tensor({3, 3}, kFloat64, 1);
  a.requires_grad_();
  EXPECT_TRUE(
      gradients_agree([](const std::vector<Tensor>& in) { return matmul(matmul(in[0], in[0]), in[0]); }, {a}, 3));
}

TEST(MatmulTest, EmptyAxes) {
  const Tensor zero = matmul(random_tensor({2, 0}, kFloat64, 1), random_tensor({0, 3}, kFloat64, 2));
  EXPECT_EQ(zero.shape(), (Shape{2, 3}));
  EXPECT_EQ(zero.to_vector<double>(), std::vector<double>(6, 0.0));
  EXPECT_EQ(matmul(random_tensor({0, 2, 4}, kFloat64, 1), random_tensor({4, 3}, kFloat64, 2)).shape(),
            (Shape{0, 2, 3}));
  EXPECT_EQ(matmul(random_tensor({3, 0, 4}, kFloat64, 1), random_tensor({3, 4, 2}, kFloat64, 2)).shape(),
            (Shape{3, 0, 2}));
  EXPECT_EQ(matmul(random_tensor({5, 2, 0}, kFloat64, 1), random_tensor({0, 3}, kFloat64, 2)).shape(),
            (Shape{5, 2, 3}));
}

TEST(MatmulTest, SaysWhatDoesNotFit) {
  const Tensor a = random_tensor({2, 3}, kFloat32, 1);
  EXPECT_EQ(error_of<Error>([&] { matmul(a, a); }),
            "matmul: expected the last axis of the first operand to be as long as the second to last of the second but "
            "got [2, 3] and [2, 3]");
  EXPECT_EQ(error_of<Error>([&] { matmul(a, random_tensor({2}, kFloat32, 1)); }),
            "matmul: expected the last axis of the first operand to be as long as the last of the second but got "
            "[2, 3] and [2]");
  EXPECT_EQ(error_of<Error>([&] {
              matmul(a, random_tensor({3, 2}, kFloat64, 1));
            }),
            "matmul: expected operands of the same dtype but got float32 and float64; convert one of them "
            "with to()");
  EXPECT_THROW(matmul(random_tensor({}, kFloat32, 1), a), ShapeError);
  EXPECT_THROW(matmul(random_tensor({2, 2, 3}, kFloat32, 1), random_tensor({3, 3, 2}, kFloat32, 1)), ShapeError);
  const Tensor integers = Tensor::empty({2, 2}, kInt64);
  EXPECT_THROW(matmul(integers, integers), DTypeError);
}

TEST(LinearTest, EqualsTheNaiveSum) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    for (const Shape& shape : {Shape{7}, Shape{5, 7}, Shape{2, 3, 7}, Shape{0, 7}}) {
      const Tensor x = random_tensor(shape, dtype, 1);
      const Tensor w = random_tensor({4, 7}, dtype, 2);
      const Tensor b = random_tensor({4}, dtype, 3);
      Shape result = shape;
      result[result.rank() - 1] = 4;
      const auto xs = x.to_vector<double>();
      const auto ws = w.to_vector<double>();
      const auto bs = b.to_vector<double>();
      for (const bool biased : {false, true}) {
        std::vector<double> expected;
        for (std::size_t i = 0; i < xs.size() / 7; ++i) {
          for (std::size_t j = 0; j < 4; ++j) {
            double sum = biased ? bs[j] : 0.0;
            for (std::size_t p = 0; p < 7; ++p) {
              sum += xs[i * 7 + p] * ws[j * 7 + p];
            }
            expected.push_back(sum);
          }
        }
        const Tensor y = linear(x, w, biased ? b : Tensor());
        ASSERT_EQ(y.shape(), result);
        expect_near(y.to_vector<double>(), expected, dtype == kFloat32 ? 1e-5 : 1e-14);
      }
    }
  }
}

TEST(LinearTest, GradientsOfFirstAndSecondOrder) {
  for (const Shape& shape : {Shape{7}, Shape{5, 7}, Shape{2, 3, 7}}) {
    Tensor x = random_tensor(shape, kFloat64, 1);
    Tensor w = random_tensor({4, 7}, kFloat64, 2);
    Tensor b = random_tensor({4}, kFloat64, 3);
    x.requires_grad_();
    w.requires_grad_();
    b.requires_grad_();
    EXPECT_TRUE(gradients_agree([](const std::vector<Tensor>& in) { return linear(in[0], in[1], in[2]); }, {x, w, b}));
    EXPECT_TRUE(gradients_agree([](const std::vector<Tensor>& in) { return linear(in[0], in[1]); }, {x, w}));
  }
}

TEST(LinearTest, FloatGradientsFollowDoubleOnes) {
  std::vector<std::vector<double>> results;
  for (const DType dtype : {kFloat64, kFloat32}) {
    Tensor x = random_tensor({60, 100}, dtype, 1);
    Tensor w = random_tensor({50, 100}, dtype, 2);
    Tensor b = random_tensor({50}, dtype, 3);
    x.requires_grad_();
    w.requires_grad_();
    b.requires_grad_();
    const auto gradients = grad({linear(x, w, b)}, {x, w, b}, {random_tensor({60, 50}, dtype, 4)});
    for (const Tensor& g : gradients) {
      results.push_back(g.to_vector<double>());
    }
  }
  for (std::size_t i = 0; i < 3; ++i) {
    // Sums of at most 60 products of standard normal numbers.
    expect_near(results[i + 3], results[i], 1e-4);
  }
}

// The ordinary backward is one kernel; a recorded one consists of operations.
TEST(LinearTest, RecordedGradientsEqualOrdinaryOnes) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    for (const Shape& shape : {Shape{7}, Shape{60, 7}, Shape{2, 3, 7}, Shape{0, 7}}) {
      for (int needed = 1; needed < 8; ++needed) {
        const Tensor leaves[] = {random_tensor(shape, dtype, 1), random_tensor({4, 7}, dtype, 2),
                                 random_tensor({4}, dtype, 3)};
        std::vector<Tensor> asked;
        for (std::size_t i = 0; i < 3; ++i) {
          if ((needed >> i & 1) != 0) {
            asked.push_back(leaves[i]);
            asked.back().requires_grad_();
          }
        }
        const Tensor y = linear(leaves[0], leaves[1], leaves[2]);
        const Tensor gy = random_tensor(y.shape(), dtype, 4);
        const auto recorded = grad({y}, asked, {gy}, {.create_graph = true});
        const auto ordinary = grad({y}, asked, {gy});
        for (std::size_t i = 0; i < asked.size(); ++i) {
          EXPECT_EQ(ordinary[i].shape(), asked[i].shape());
          // Sums of at most 60 products of standard normal numbers.
          expect_near(ordinary[i].to_vector<double>(), recorded[i].to_vector<double>(),
                      dtype == kFloat32 ? 1e-4 : 1e-13);
        }
      }
    }
  }
}

TEST(LinearTest, SaysWhatDoesNotFit) {
  const Tensor w = random_tensor({4, 7}, kFloat32, 1);
  EXPECT_EQ(error_of<Error>([&] {
              linear(random_tensor({60, 8}, kFloat32, 1), w);
            }),
            "linear: expected an input [*, 7] but got [60, 8]; the preceding layer gives 8 features: set in_features "
            "to that");
  EXPECT_EQ(error_of<Error>([&] {
              linear(random_tensor({60, 7}, kFloat32, 1), w, random_tensor({5}, kFloat32, 1));
            }),
            "linear: expected a bias [4] but got [5]");
  EXPECT_EQ(error_of<Error>([&] {
              linear(random_tensor({60, 7}, kFloat32, 1), random_tensor({7}, kFloat32, 1));
            }),
            "linear: expected a weight [out, in] but got [7]");
  EXPECT_EQ(error_of<Error>([&] {
              linear(random_tensor({60, 7}, kFloat64, 1), w);
            }),
            "linear: expected operands of the same dtype but got float64 and float32; convert one of them "
            "with to()");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
