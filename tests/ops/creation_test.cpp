#include "normgrad/core/ops/creation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "normgrad/core/base/parallel.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::Each;
using testing::ElementsAre;
using testing::ThrowsMessage;

TEST(CreationTest, Constants) {
  for (const DType dtype : {kFloat32, kFloat64, kInt64, kBool}) {
    EXPECT_THAT(zeros({2, 3}, {.dtype = dtype}).to_vector<double>(), testing::SizeIs(6));
    EXPECT_THAT(zeros({2, 3}, {.dtype = dtype}).to_vector<double>(), Each(0.0));
    EXPECT_THAT(ones({2, 3}, {.dtype = dtype}).to_vector<double>(), Each(1.0));
    EXPECT_EQ(ones_like(zeros({5}, {.dtype = dtype})).dtype(), dtype);
  }
  EXPECT_EQ(full({}, 2.5).item(), 2.5);
  EXPECT_THAT(full_like(zeros({3}), 7).to_vector<float>(), ElementsAre(7, 7, 7));
  EXPECT_THAT(full({200001}, 1.5).to_vector<float>(), Each(1.5F));
  EXPECT_EQ(zeros({0, 3}).numel(), 0);
  EXPECT_TRUE(zeros({2}, {.requires_grad = true}).requires_grad());
  EXPECT_THROW(zeros({2}, {.dtype = kInt64, .requires_grad = true}), DTypeError);
}

TEST(CreationTest, Ranges) {
  EXPECT_THAT(arange(4).to_vector<std::int64_t>(), ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(arange(4).dtype(), kInt64);
  EXPECT_THAT(arange(5, 0, -2).to_vector<std::int64_t>(), ElementsAre(5, 3, 1));
  EXPECT_THAT(arange(0, 1, 0.25, {.dtype = kFloat32}).to_vector<float>(), ElementsAre(0, 0.25F, 0.5F, 0.75F));
  EXPECT_EQ(arange(3, 3).numel(), 0);
  EXPECT_THAT(linspace(-1, 1, 5).to_vector<float>(), ElementsAre(-1, -0.5F, 0, 0.5F, 1));
  EXPECT_EQ(linspace(0.1, 0.7, 7, {.dtype = kFloat64}).to_vector<double>().back(), 0.7);
  EXPECT_THAT(linspace(3, 4, 1).to_vector<float>(), ElementsAre(3));
  EXPECT_THAT(eye(2).to_vector<float>(), ElementsAre(1, 0, 0, 1));
}

TEST(CreationTest, RangeErrors) {
  EXPECT_THAT([] { arange(0, 1, 0.25); },
              ThrowsMessage<ValueError>("arange: expected whole numbers for int64 but got start 0 and step 0.25; pass "
                                        "{.dtype = kFloat32}"));
  EXPECT_THAT([] { arange(0, 1, 0); },
              ThrowsMessage<ValueError>("arange: expected finite bounds and a step other than 0 but got start 0, end "
                                        "1 and step 0"));
  EXPECT_THAT([] { arange(2, 1); },
              ThrowsMessage<ValueError>("arange: expected bounds in the direction of the step but got start 2, end 1 "
                                        "and step 1"));
  EXPECT_THAT([] { linspace(0, 1, -1); }, ThrowsMessage<ValueError>("linspace: expected a count >= 0 but got -1"));
  EXPECT_THAT([] { randint(3, 3, {2}); }, ThrowsMessage<ValueError>("randint: expected low < high but got 3 and 3"));
}

TEST(CreationTest, NestedBraces) {
  const Tensor x = tensor({{1.0, 2, 3}, {4, 5, 6}});
  EXPECT_EQ(x.shape(), Shape({2, 3}));
  EXPECT_THAT(x.to_vector<float>(), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(tensor(3.5).shape(), Shape());
  EXPECT_EQ(tensor({3.5}).shape(), Shape({1}));
  EXPECT_EQ(tensor({{{1}, {2}}}, {.dtype = kInt64}).shape(), Shape({1, 2, 1}));
  EXPECT_THAT(
      [] {
        tensor({{1.0, 2}, {3}});
      },
      ThrowsMessage<ShapeError>("tensor: expected lists of equal length, as in [2, 2], but got 1 values at depth 1"));
  EXPECT_THAT(
      [] {
        tensor({{1.0, 2}, 3});
      },
      ThrowsMessage<ShapeError>("tensor: expected lists of equal length, as in [2, 2], but got a number at depth 1"));
  EXPECT_THAT(
      [] {
        tensor({1.0, {2}});
      },
      ThrowsMessage<ShapeError>("tensor: expected a number but got a list below [2]"));
}

TEST(CreationTest, TheNumbersDecideTheDType) {
  EXPECT_EQ(tensor({0, 1}).dtype(), kInt64);
  EXPECT_EQ(tensor({{true, 2}, {3, 4}}).dtype(), kInt64);
  EXPECT_EQ(tensor(std::int64_t{9007199254740993}).item<std::int64_t>(), 9007199254740993);  // 2^53 + 1
  EXPECT_EQ(tensor({true, false}).dtype(), kBool);
  EXPECT_EQ(tensor({0, 1.0}).dtype(), kFloat32);
  EXPECT_EQ(tensor(2.0F).dtype(), kFloat32);
  EXPECT_EQ(tensor({}).dtype(), kFloat32);
  EXPECT_EQ(tensor({{}, {}}).dtype(), kFloat32);
  EXPECT_EQ(tensor({0, 1}, {.requires_grad = true}).dtype(), kFloat32);
  EXPECT_EQ(tensor({0, 1}, {.dtype = kFloat64}).dtype(), kFloat64);
}

TEST(CreationTest, SizesOneByOne) {
  EXPECT_EQ(zeros(3).shape(), Shape({3}));
  EXPECT_THAT(ones(2, 3).to_vector<double>(), testing::SizeIs(6));
  EXPECT_THAT(ones(2, 3).to_vector<double>(), Each(1.0));
  manual_seed(5);
  const auto normal = randn({4, 2}).to_vector<float>();
  const auto uniform = rand({3}).to_vector<float>();
  manual_seed(5);
  EXPECT_EQ(randn(4, 2).to_vector<float>(), normal);
  EXPECT_EQ(rand(3).to_vector<float>(), uniform);
  EXPECT_THAT([] { zeros(-1); }, ThrowsMessage<ShapeError>(testing::HasSubstr("-1")));
}

TEST(CreationTest, FromVector) {
  EXPECT_EQ(from_vector(std::vector<double>{1, 2}, {2}).dtype(), kFloat64);
  EXPECT_THAT(from_vector(std::vector<bool>{true, false}, {2}).to_vector<bool>(), ElementsAre(true, false));
  EXPECT_THAT(
      [] {
        from_vector(std::vector<float>{1, 2, 3}, {2, 2});
      },
      ThrowsMessage<ShapeError>("from_vector: expected 4 values for shape [2, 2] but got 3"));
}

TEST(RandomTensorTest, IsTheGeneratorsStream) {
  Generator a(7);
  a();  // not at the start of a block
  Generator b = a;
  const std::int64_t n = 20000;  // several blocks
  const auto uniform = rand({n}, {}, &a).to_vector<float>();
  const auto normal = randn({n}, {.dtype = kFloat64}, &a).to_vector<double>();
  for (const float x : uniform) {
    ASSERT_EQ(x, b.uniform_float());
  }
  for (const double x : normal) {
    ASSERT_EQ(x, b.normal());
  }
  EXPECT_EQ(a.position(), b.position());
  EXPECT_EQ(a(), b());
}

TEST(RandomTensorTest, DoesNotDependOnThreads) {
  const int before = get_num_threads();
  set_num_threads(1);
  Generator one(3);
  const auto x = randn({100, 777}, {}, &one).to_vector<float>();
  set_num_threads(3);
  Generator three(3);
  const auto y = randn({100, 777}, {}, &three).to_vector<float>();
  set_num_threads(before);
  EXPECT_EQ(x, y);
}

TEST(RandomTensorTest, Moments) {
  Generator g(1);
  const auto x = randn({200000}, {.dtype = kFloat64}, &g).to_vector<double>();
  double mean = 0;
  double square = 0;
  for (const double v : x) {
    mean += v / 200000;
    square += v * v / 200000;
  }
  // tol: four standard errors, 4 / sqrt(n) and 4 sqrt(2 / n)
  EXPECT_NEAR(mean, 0.0, 0.009);
  EXPECT_NEAR(square, 1.0, 0.0127);
}

TEST(RandomTensorTest, IntegersAndPermutations) {
  Generator g(5);
  auto draws = randint(-2, 3, {1000}, {.dtype = kInt64}, &g).to_vector<std::int64_t>();
  std::sort(draws.begin(), draws.end());
  draws.erase(std::unique(draws.begin(), draws.end()), draws.end());
  EXPECT_THAT(draws, ElementsAre(-2, -1, 0, 1, 2));
  auto order = randperm(50, &g).to_vector<std::int64_t>();
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  std::sort(order.begin(), order.end());
  EXPECT_EQ(order, arange(50).to_vector<std::int64_t>());
  EXPECT_EQ(randperm(0).numel(), 0);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
