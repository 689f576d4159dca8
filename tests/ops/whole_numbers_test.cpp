// int64 values are never converted through double: 2^53 + 1 is preserved.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/support/raises.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/loss/loss.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using tests::error_of;

constexpr std::int64_t kOdd = 9007199254740993;  // 2^53 + 1, which is not representable as a double
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr TensorOptions kWhole{.dtype = kInt64};

std::vector<std::int64_t> whole(const Tensor& x) { return x.to_vector<std::int64_t>(); }
std::vector<bool> truths(const Tensor& x) { return x.to_vector<bool>(); }

TEST(WholeNumbersTest, TensorsOfNumbers) {
  EXPECT_THAT(whole(tensor({kOdd, -kOdd, kMax, kMin}, kWhole)), ElementsAre(kOdd, -kOdd, kMax, kMin));
  EXPECT_THAT(whole(full({2}, kOdd, kWhole)), ElementsAre(kOdd, kOdd));
  EXPECT_THAT(whole(full_like(zeros({1}, kWhole), kMax)), ElementsAre(kMax));
  EXPECT_THAT(whole(zeros({2}, kWhole).fill_(kOdd)), ElementsAre(kOdd, kOdd));
  EXPECT_THAT(whole(arange(kOdd, kOdd + 3)), ElementsAre(kOdd, kOdd + 1, kOdd + 2));
  EXPECT_THAT(whole(arange(kOdd, kOdd - 5, -2)), ElementsAre(kOdd, kOdd - 2, kOdd - 4));
  EXPECT_THAT(whole(arange(kMax - 1, kMax)), ElementsAre(kMax - 1));
  EXPECT_THAT(whole(full({1}, 2.9, kWhole)), ElementsAre(2));  // the fraction is dropped, as in PyTorch
}

TEST(WholeNumbersTest, Item) {
  const Tensor x = tensor({kOdd}, kWhole);
  EXPECT_EQ(x.item<std::int64_t>(), kOdd);
  EXPECT_EQ(x.item(), 9007199254740992.0);
  EXPECT_EQ(tensor({kMax}, kWhole).item<std::int64_t>(), kMax);
  EXPECT_EQ(tensor({kMin}, kWhole).item<std::int64_t>(), kMin);
  EXPECT_EQ(tensor({-7}, kWhole).item<int>(), -7);
  EXPECT_EQ(tensor({2.9}).item<int>(), 2);
  EXPECT_TRUE(tensor({kOdd}, kWhole).item<bool>());
  EXPECT_EQ(error_of<ValueError>([&] { x.item<int>(); }),
            "item: expected a number that fits the integer type but got 9007199254740993");
  EXPECT_THROW(tensor({-1}, kWhole).item<std::uint64_t>(), ValueError);
  EXPECT_EQ(error_of<ValueError>([] { tensor({NAN}).item<std::int64_t>(); }),
            "item: expected a number that fits int64 but got nan");
  EXPECT_THROW(tensor({1e30}).item<std::int64_t>(), ValueError);
  EXPECT_EQ(error_of<ValueError>([] {
              tensor({1, 1e30}).to_vector<std::int64_t>();
            }),
            "to_vector: expected a number that fits int64 but got 1e+30");
}

TEST(WholeNumbersTest, Comparisons) {
  const Tensor x = tensor({kOdd - 1, kOdd, kOdd + 1}, kWhole);
  EXPECT_THAT(truths(eq(x, kOdd)), ElementsAre(false, true, false));
  EXPECT_THAT(truths(ne(x, kOdd)), ElementsAre(true, false, true));
  EXPECT_THAT(truths(x < kOdd), ElementsAre(true, false, false));
  EXPECT_THAT(truths(x <= kOdd), ElementsAre(true, true, false));
  EXPECT_THAT(truths(x > kOdd), ElementsAre(false, false, true));
  EXPECT_THAT(truths(x >= kOdd), ElementsAre(false, true, true));
  EXPECT_THAT(truths(eq(x, 9007199254740992.0)), ElementsAre(true, false, false));
  const Tensor small = tensor({-1, 0, 1}, kWhole);
  EXPECT_THAT(truths(eq(small, 0.5)), ElementsAre(false, false, false));
  EXPECT_THAT(truths(small < 0.5), ElementsAre(true, true, false));
  EXPECT_THAT(truths(ne(small, NAN)), ElementsAre(true, true, true));
  EXPECT_THAT(truths(small > NAN), ElementsAre(false, false, false));
  const Tensor ends = tensor({kMin, kMax}, kWhole);
  EXPECT_THAT(truths(ends < 9223372036854775808.0), ElementsAre(true, true));
  EXPECT_THAT(truths(eq(ends, 9223372036854775808.0)), ElementsAre(false, false));
  EXPECT_THAT(truths(ends > -1e300), ElementsAre(true, true));
  EXPECT_THAT(truths(eq(ends, -9223372036854775808.0)), ElementsAre(true, false));
  EXPECT_THAT(truths(eq(tensor({true, false}, {.dtype = kBool}), 1)), ElementsAre(true, false));
}

TEST(WholeNumbersTest, Arithmetic) {
  const Tensor x = tensor({1, 2}, kWhole);
  EXPECT_THAT(whole(x + kOdd), ElementsAre(kOdd + 1, kOdd + 2));
  EXPECT_THAT(whole(x - kOdd), ElementsAre(1 - kOdd, 2 - kOdd));
  EXPECT_THAT(whole(kOdd - x), ElementsAre(kOdd - 1, kOdd - 2));
  EXPECT_THAT(whole(x * kOdd), ElementsAre(kOdd, 2 * kOdd));
  EXPECT_THAT(whole(x - kMin), ElementsAre(kMin + 1, kMin + 2));  // wraps around, as in a tensor
  EXPECT_THAT(whole(clamp(tensor({0, kOdd + 5}, kWhole), kOdd, kOdd + 2)), ElementsAre(kOdd, kOdd + 2));
  EXPECT_THAT(whole(tensor({1, 2}, kWhole).mul_(kOdd)), ElementsAre(kOdd, 2 * kOdd));
  EXPECT_THAT(whole(tensor({1, 2}, kWhole).add_(tensor({1, 1}, kWhole), kOdd)), ElementsAre(kOdd + 1, kOdd + 2));
  EXPECT_THAT(whole(tensor({1, 2}, kWhole).sub_(tensor({1, 1}, kWhole), kOdd)), ElementsAre(1 - kOdd, 2 - kOdd));
}

TEST(WholeNumbersTest, Reductions) {
  const Tensor x = tensor({{kOdd, 1}, {2, -kOdd}}, kWhole);
  EXPECT_EQ(sum(x).item<std::int64_t>(), 3);
  EXPECT_EQ(max(x).item<std::int64_t>(), kOdd);
  EXPECT_EQ(min(x).item<std::int64_t>(), -kOdd);
  EXPECT_EQ(max(tensor({-5, -3}, kWhole)).item<std::int64_t>(), -3);
  EXPECT_EQ(min(tensor({5, 3}, kWhole)).item<std::int64_t>(), 3);
  EXPECT_THAT(whole(sum(x, 1)), ElementsAre(kOdd + 1, 2 - kOdd));
  EXPECT_EQ(prod(tensor({3, 3002399751580331}, kWhole)).item<std::int64_t>(), kOdd);
  EXPECT_EQ(argmax(tensor({kOdd - 1, kOdd}, kWhole)).item(), 1);
  EXPECT_THAT(whole(pow(tensor({3}, kWhole), 39)), ElementsAre(4052555153018976267));
}

TEST(WholeNumbersTest, Printing) {
  EXPECT_EQ(to_string(tensor({kOdd, -1}, kWhole)), "tensor([9007199254740993,               -1])");
}

TEST(WholeNumbersTest, IndicesThatDifferInTheirLastDigit) {
  const Tensor logits = zeros({2, 3});
  const Tensor target = tensor({kOdd, 1}, kWhole);
  const auto losses = cross_entropy(logits, target, {.ignore_index = kOdd, .reduction = Reduction::none});
  EXPECT_EQ(losses[0].item(), 0.0);
  EXPECT_THROW(nll_loss(logits, target, {.ignore_index = kOdd - 1}), IndexError);
  EXPECT_EQ(nll_loss(logits, target, {.ignore_index = kOdd, .reduction = Reduction::none})[0].item(), 0.0);
}

// A number that would be truncated or is undefined throws, and the tensor is unchanged.
TEST(WholeNumbersTest, FractionsThatAnInt64CannotTake) {
  Tensor x = tensor({4, 6}, kWhole);
  EXPECT_EQ(
      error_of<ValueError>([&] { x.mul_(0.5); }),
      "mul_: expected a whole number for an int64 tensor but got 0.5; convert the tensor with to(kFloat32) first");
  EXPECT_THROW(x.add_(x, 0.5), ValueError);
  EXPECT_THROW(x.sub_(x, 0.5), ValueError);
  EXPECT_EQ(error_of<DTypeError>([&] { x.div_(0.5); }), "div_: expected a float32 or float64 tensor but got int64");
  EXPECT_THROW(x.fill_(NAN), ValueError);
  EXPECT_EQ(error_of<ValueError>([] { full({1}, 1e30, kWhole); }),
            "full: expected numbers that fit int64 but got 1e+30");
  EXPECT_THROW(tensor({INFINITY}, kWhole), ValueError);
  EXPECT_THAT(whole(x), ElementsAre(4, 6));
}

TEST(ScalarTest, KeepsIntegersAndDoubles) {
  EXPECT_EQ(Scalar(kOdd).whole(), kOdd);
  EXPECT_EQ(Scalar(0.5F).real(), 0.5);
  EXPECT_EQ(Scalar(true).whole(), 1);
  EXPECT_FALSE(Scalar(0.5).is_whole());
  EXPECT_TRUE(Scalar(3.0).is_whole());
  EXPECT_FALSE(Scalar(NAN).fits_int64());
  EXPECT_FALSE(Scalar(std::numeric_limits<std::uint64_t>::max()).fits_int64());
  EXPECT_EQ(Scalar(std::numeric_limits<std::uint64_t>::max()).real(), 18446744073709551616.0);
  EXPECT_EQ((-Scalar(kOdd)).whole(), -kOdd);
  EXPECT_EQ((-Scalar(kMin)).whole(), kMin);
  EXPECT_TRUE(std::signbit(Scalar(-0.0).real()));
  EXPECT_EQ(detail::concat(Scalar(kOdd), " ", Scalar(0.5)), "9007199254740993 0.5");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
