// Scattering, take_along_dim, index_add and one_hot, against plain loops.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/index/index.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using tests::error_of;
using tests::gradients_agree;
using tests::random_tensor;

Tensor whole(const std::vector<std::int64_t>& values, const Shape& shape) { return from_vector(values, shape); }

struct Reduction {
  const char* name;
  bool include_self;
};

// Scatters source[3, 3] (of which the index [2, 3] uses a part) into x[4, 3] along axis 0, by plain loops.
std::vector<double> expected(const Reduction& r, const std::vector<double>& x, const std::vector<double>& source,
                             const std::vector<std::int64_t>& index) {
  std::vector<double> y = x;
  for (std::size_t row = 0; row < 4; ++row) {
    for (std::size_t column = 0; column < 3; ++column) {
      std::vector<double> values;
      for (std::size_t i = 0; i < 2; ++i) {
        const std::int64_t at = index[3 * i + column];
        if (static_cast<std::size_t>(at < 0 ? at + 4 : at) == row) {
          values.push_back(source[3 * i + column]);
        }
      }
      double& to = y[3 * row + column];
      if (values.empty()) {
        continue;
      }
      if (r.include_self) {
        values.push_back(to);
      }
      const std::string name = r.name;
      to = values[0];
      for (std::size_t i = 1; i < values.size(); ++i) {
        to = name == "prod"   ? to * values[i]
             : name == "amax" ? std::max(to, values[i])
             : name == "amin" ? std::min(to, values[i])
                              : to + values[i];
      }
      if (name == "mean") {
        to /= static_cast<double>(values.size());
      }
    }
  }
  return y;
}

class ScatterReduceTest : public testing::TestWithParam<Reduction> {};

TEST_P(ScatterReduceTest, ValuesAndGradients) {
  const std::vector<std::int64_t> at = {0, 3, -3, 0, -1, 2};
  const Tensor index = whole(at, {2, 3});
  for (const DType dtype : {kFloat32, kFloat64}) {
    const Tensor x = random_tensor({4, 3}, dtype, 1);
    const Tensor source = random_tensor({3, 3}, dtype, 2);
    const Tensor y = x.scatter_reduce(0, index, source, GetParam().name, GetParam().include_self);
    const auto values = expected(GetParam(), x.to_vector<double>(), source.to_vector<double>(), at);
    const auto got = y.to_vector<double>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      EXPECT_NEAR(got[i], values[i], dtype == kFloat32 ? 1e-6 : 1e-15) << i;
    }
  }
  const auto f = [&](const std::vector<Tensor>& in) {
    const Tensor y = scatter_reduce(in[0], 0, index, in[1], GetParam().name, GetParam().include_self);
    return y * y;
  };
  EXPECT_TRUE(gradients_agree(
      f, {random_tensor({4, 3}, kFloat64, 1).requires_grad_(), random_tensor({3, 3}, kFloat64, 2).requires_grad_()}));
}

INSTANTIATE_TEST_SUITE_P(All, ScatterReduceTest,
                         testing::Values(Reduction{"sum", true}, Reduction{"sum", false}, Reduction{"prod", true},
                                         Reduction{"prod", false}, Reduction{"mean", true}, Reduction{"mean", false},
                                         Reduction{"amax", true}, Reduction{"amax", false}, Reduction{"amin", true},
                                         Reduction{"amin", false}),
                         [](const auto& test) {
                           return std::string(test.param.name) + (test.param.include_self ? "_with_self" : "");
                         });

TEST(ScatterReduceTest, WholeNumbersNaNTiesAndZeros) {
  const Tensor index = whole({0, 0, 2}, {3});
  const Tensor x = whole({5, 6, 7}, {3});
  EXPECT_THAT(x.scatter_reduce(0, index, whole({1, 9, 8}, {3}), "amax").to_vector<std::int64_t>(),
              ElementsAre(9, 6, 8));
  EXPECT_THAT(x.scatter_reduce(0, index, whole({1, 3, 9}, {3}), "amax", false).to_vector<std::int64_t>(),
              ElementsAre(3, 6, 9));
  EXPECT_THAT(x.scatter_reduce(0, index, whole({2, 3, 9}, {3}), "prod").to_vector<std::int64_t>(),
              ElementsAre(30, 6, 63));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto largest = tensor({1.0, 2, 3}).scatter_reduce(0, index, tensor({nan, 4, 5}), "amax").to_vector<float>();
  EXPECT_TRUE(std::isnan(largest[0]));
  EXPECT_EQ(largest[2], 5);
  // Equal values share the gradient; a zero in a product gives the product of the others.
  const Tensor a = tensor({4, 1, 0}, {.requires_grad = true});
  const Tensor b = tensor({4, 4, 3}, {.requires_grad = true});
  const auto ties = grad({scatter_reduce(a, 0, index, b, "amax")}, {a, b}, {tensor({6.0, 7, 8})});
  EXPECT_THAT(ties[0].to_vector<float>(), ElementsAre(2, 7, 0));
  EXPECT_THAT(ties[1].to_vector<float>(), ElementsAre(2, 2, 8));
  const auto apart = grad({scatter_reduce(a, 0, index, b, "amax", false)}, {a, b}, {tensor({6.0, 7, 8})});
  EXPECT_THAT(apart[0].to_vector<float>(), ElementsAre(0, 7, 0));  // 4 is also x's value, which does not take part
  EXPECT_THAT(apart[1].to_vector<float>(), ElementsAre(3, 3, 8));
  const auto zeros_in = grad({scatter_reduce(a, 0, index, b, "prod")}, {a, b}, {tensor({1.0, 1, 2})});
  EXPECT_THAT(zeros_in[0].to_vector<float>(), ElementsAre(16, 1, 6));
  EXPECT_THAT(zeros_in[1].to_vector<float>(), ElementsAre(16, 16, 0));
  EXPECT_THAT(scatter_reduce(tensor({1.0, 2}), 0, whole({}, {0}), zeros({0}), "amin", false).to_vector<float>(),
              ElementsAre(1, 2));
}

TEST(ScatterTest, ValuesAndGradients) {
  const Tensor x = arange(6).reshape({2, 3});
  EXPECT_THAT(x.scatter(1, whole({2, 0, -1, 1}, {2, 2}), whole({10, 11, 12, 13}, {2, 2})).to_vector<std::int64_t>(),
              ElementsAre(11, 1, 10, 3, 13, 12));
  EXPECT_THAT(x.scatter(0, whole({1, 1}, {1, 2}), -1).to_vector<std::int64_t>(), ElementsAre(0, 1, 2, -1, -1, 5));
  EXPECT_THAT(x.scatter(1, whole({0, 0}, {1, 2}), whole({7, 8}, {1, 2})).to_vector<std::int64_t>(),
              ElementsAre(8, 1, 2, 3, 4, 5));  // the last counts
  EXPECT_THAT(x.scatter_add(1, whole({0, 0}, {1, 2}), whole({7, 8}, {1, 2})).to_vector<std::int64_t>(),
              ElementsAre(15, 1, 2, 3, 4, 5));
  EXPECT_THAT(zeros({2, 3}).scatter(1, whole({2, 0}, {2, 1}), 1.0).to_vector<float>(), ElementsAre(0, 0, 1, 1, 0, 0));
  const Tensor index = whole({0, 3, 0, 0, 1, -2}, {2, 3});
  const std::vector<Tensor> inputs = {random_tensor({4, 3}, kFloat64, 1).requires_grad_(),
                                      random_tensor({2, 4}, kFloat64, 2).requires_grad_()};
  for (const bool adds : {false, true}) {
    const auto f = [&](const std::vector<Tensor>& in) {
      const Tensor y = adds ? in[0].scatter_add(0, index, in[1]) : in[0].scatter(0, index, in[1]);
      return y * y;
    };
    EXPECT_TRUE(gradients_agree(f, inputs)) << adds;
  }
}

TEST(ScatterTest, Errors) {
  const Tensor x = zeros({2, 3});
  const Tensor index = whole({0, 0}, {1, 2});
  EXPECT_EQ(error_of<ShapeError>([&] {
              scatter(x, 1, index, zeros({1, 1}));
            }),
            "scatter: expected a source no smaller than the index [1, 2] but got [1, 1]");
  EXPECT_EQ(error_of<ShapeError>([&] {
              scatter(x, 1, whole({0, 0, 0}, {3, 1}), 1.0);
            }),
            "scatter: expected an index that is no larger than [2, 3] outside of axis 1 but got [3, 1]");
  EXPECT_EQ(error_of<DTypeError>([&] { scatter_add(x, 1, index, index); }),
            "scatter_add: expected a source of dtype float32 but got int64");
  EXPECT_EQ(error_of<IndexError>([&] {
              scatter(x, 1, whole({0, 3}, {1, 2}), 1.0);
            }),
            "scatter: expected indices in [-3, 3) but got 3 at position 1");
  EXPECT_EQ(error_of<ValueError>([&] {
              scatter_reduce(x, 1, index, zeros({1, 2}), "max");
            }),
            "scatter_reduce: expected \"sum\", \"prod\", \"mean\", \"amax\" or \"amin\" but got \"max\"");
  EXPECT_EQ(error_of<DTypeError>([&] { scatter_reduce(index, 1, index, index, "mean"); }),
            "scatter_reduce: expected a float32 or float64 tensor but got int64");
}

// Single elements are gathered and added in groups, whose indices are checked together.
TEST(ScatterTest, EveryPlaceOfAnIndexIsCheckedAndCountedFromTheEnd) {
  constexpr std::int64_t kSize = 5;
  for (const std::int64_t axis : {0, 1}) {
    for (std::int64_t n = 1; n <= 9; ++n) {
      const auto laid = [&](const Tensor& rows) { return axis == 1 ? rows : rows.transpose(0, 1); };
      const Tensor x = laid(random_tensor({2, kSize}, kFloat64, 1));
      const Tensor source = laid(random_tensor({2, n}, kFloat64, 2));
      for (std::int64_t at = 0; at < 2 * n; ++at) {
        const auto index_with = [&](std::int64_t value) {
          std::vector<std::int64_t> values(static_cast<std::size_t>(2 * n), 3);
          values[static_cast<std::size_t>(at)] = value;
          return laid(whole(values, {2, n}));
        };
        for (const std::int64_t wrong : {kSize, -kSize - 1}) {
          const Tensor index = index_with(wrong);
          const std::int64_t position = axis == 1 ? at : at % n * 2 + at / n;
          const std::string fault = ": expected indices in [-5, 5) but got " + std::to_string(wrong) + " at position " +
                                    std::to_string(position);
          EXPECT_EQ(error_of<IndexError>([&] { gather(x, axis, index); }), "gather" + fault);
          EXPECT_EQ(error_of<IndexError>([&] { scatter_add(x, axis, index, source); }), "scatter_add" + fault);
          EXPECT_EQ(error_of<IndexError>([&] { scatter_add(x.shape(), axis, index, source); }), "scatter_add" + fault);
        }
        const Tensor negative = index_with(1 - kSize);
        const Tensor index = index_with(1);
        EXPECT_EQ(gather(x, axis, negative).to_vector<double>(), gather(x, axis, index).to_vector<double>());
        std::vector<double> sums = x.to_vector<double>();
        const auto values = index.to_vector<std::int64_t>();
        const auto more = source.to_vector<double>();
        for (std::size_t i = 0; i < values.size(); ++i) {
          const auto row = axis == 1 ? i / static_cast<std::size_t>(n) : i % 2;
          const auto to = static_cast<std::size_t>(values[i]);
          sums[axis == 1 ? row * kSize + to : to * 2 + row] += more[i];
        }
        for (const Tensor& used : {index, negative}) {
          EXPECT_EQ(scatter_add(x, axis, used, source).to_vector<double>(), sums) << axis << ' ' << n << ' ' << at;
        }
      }
    }
  }
}

TEST(IndexAddTest, ValuesGradientsErrors) {
  const Tensor x = arange(6).reshape({3, 2});
  const Tensor rows = whole({2, -1, 0}, {3});
  EXPECT_THAT(x.index_add(0, rows, whole({1, 2, 3, 4, 5, 6}, {3, 2}), 10).to_vector<std::int64_t>(),
              ElementsAre(50, 61, 2, 3, 44, 65));
  const auto f = [&](const std::vector<Tensor>& in) {
    const Tensor y = index_add(in[0], 1, rows, in[1], 0.5);
    return y * y;
  };
  EXPECT_TRUE(gradients_agree(
      f, {random_tensor({2, 3}, kFloat64, 1).requires_grad_(), random_tensor({2, 3}, kFloat64, 2).requires_grad_()}));
  EXPECT_EQ(error_of<ShapeError>([&] { index_add(x, 0, rows, x.narrow(0, 0, 2)); }),
            "index_add: expected a source of shape [3, 2] but got [2, 2]");
  EXPECT_EQ(error_of<ShapeError>([&] { index_add(x, 0, x, x); }),
            "index_add: expected a 1-D index but got shape [3, 2]");
  const Tensor whole_numbers = arange(3);
  EXPECT_EQ(error_of<ValueError>([&] { index_add(whole_numbers, 0, rows, whole_numbers, 0.5); }),
            "index_add: expected a whole number for an int64 tensor but got 0.5");
  EXPECT_EQ(index_add(whole_numbers, 0, rows, whole_numbers, 2.0).dtype(), kInt64);
}

TEST(TakeAlongDimTest, BroadcastsAndFlattens) {
  const Tensor x = arange(6).reshape({2, 3});
  EXPECT_THAT(x.take_along_dim(whole({2, 0}, {1, 2}), 1).to_vector<std::int64_t>(), ElementsAre(2, 0, 5, 3));
  EXPECT_THAT(x.take_along_dim(whole({1, 0, -1}, {1, 3}), 0).to_vector<std::int64_t>(), ElementsAre(3, 1, 5));
  EXPECT_THAT(x.narrow(0, 0, 1).take_along_dim(whole({2, 0, 1, 1}, {2, 2}), -1).to_vector<std::int64_t>(),
              ElementsAre(2, 0, 1, 1));
  EXPECT_THAT(x.take_along_dim(whole({5, 0, -2}, {3, 1})).to_vector<std::int64_t>(), ElementsAre(5, 0, 4));
  EXPECT_EQ(error_of<ShapeError>([&] { x.take_along_dim(whole({0}, {1}), 0); }),
            "take_along_dim: expected indices of 2 axes for [2, 3] but got [1]");
}

TEST(OneHotTest, ValuesAndErrors) {
  const Tensor y = one_hot(whole({2, 0}, {2, 1}));
  EXPECT_EQ(y.shape(), Shape({2, 1, 3}));
  EXPECT_THAT(y.to_vector<std::int64_t>(), ElementsAre(0, 0, 1, 1, 0, 0));
  EXPECT_EQ(one_hot(whole({}, {0}), 4).shape(), Shape({0, 4}));
  EXPECT_THAT(one_hot(whole({1}, {}), 2).to_vector<std::int64_t>(), ElementsAre(0, 1));
  EXPECT_EQ(error_of<ValueError>([&] {
              one_hot(whole({0, 3}, {2}), 3);
            }),
            "one_hot: expected indices in [0, 3) but got 3 at position 1");
  EXPECT_EQ(error_of<ValueError>([&] {
              one_hot(whole({0, -3}, {2}));
            }),
            "one_hot: expected indices in [0, num_classes) but got -3 at position 1");
  EXPECT_EQ(error_of<ValueError>([&] { one_hot(whole({}, {0})); }),
            "one_hot: expected num_classes for an index without elements but got -1");
  EXPECT_EQ(error_of<ValueError>([&] { one_hot(whole({0}, {1}), 0); }),
            "one_hot: expected num_classes >= 1, or -1, but got 0");
  EXPECT_EQ(error_of<ShapeError>([&] { one_hot(whole({std::numeric_limits<std::int64_t>::max()}, {1})); }),
            "one_hot: expected sizes within 64 bits but got 9223372036854775807 + 1");
  EXPECT_EQ(error_of<DTypeError>([&] { one_hot(zeros({1})); }),
            "one_hot: expected an int64 index but got float32; convert it with to(kInt64)");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
