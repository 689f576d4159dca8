// embedding_bag and bilinear, against plain loops.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/index/index.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using tests::error_of;
using tests::gradients_agree;
using tests::random_tensor;

Tensor whole(const std::vector<std::int64_t>& values, const Shape& shape) { return from_vector(values, shape); }

TEST(EmbeddingBagTest, ReducesBags) {
  const Tensor weight = tensor({{1.0, 10}, {2, 20}, {3, 5}});
  const Tensor index = whole({0, 1, 2, 2, 1}, {5});
  const Tensor offsets = whole({0, 2, 2}, {3});  // {0, 1}, {}, {2, 2, 1}
  EXPECT_THAT(embedding_bag(index, weight, offsets, {.mode = "sum"}).to_vector<float>(),
              ElementsAre(3, 30, 0, 0, 8, 30));
  EXPECT_THAT(embedding_bag(index, weight, offsets).to_vector<float>(),
              ElementsAre(1.5, 15, 0, 0, testing::FloatEq(8 / 3.0F), 10));
  EXPECT_THAT(embedding_bag(index, weight, offsets, {.mode = "max"}).to_vector<float>(),
              ElementsAre(2, 20, 0, 0, 3, 20));
  EXPECT_THAT(embedding_bag(index, weight, whole({0, 2, 5}, {3}), {.mode = "sum", .include_last_offset = true})
                  .to_vector<float>(),
              ElementsAre(3, 30, 8, 30));
  EXPECT_THAT(embedding_bag(index, weight, offsets, {.mode = "mean", .padding_idx = -1}).to_vector<float>(),
              ElementsAre(1.5, 15, 0, 0, 2, 20));
  EXPECT_THAT(embedding_bag(index, weight, offsets, {.mode = "sum"}, tensor({1.0, 2, 3, 0, -1})).to_vector<float>(),
              ElementsAre(5, 50, 0, 0, 7, -5));
  EXPECT_THAT(embedding_bag(whole({0, 1, 2, 2}, {2, 2}), weight).to_vector<float>(), ElementsAre(1.5, 15, 3, 5));
  EXPECT_EQ(embedding_bag(whole({}, {0, 2}), weight).shape(), Shape({0, 2}));
}

TEST(EmbeddingBagTest, GradientsAndErrors) {
  const Tensor weight = random_tensor({4, 3}, kFloat64, 1).requires_grad_();
  const Tensor index = whole({0, 3, 2, 2, 1, 0}, {6});
  const Tensor offsets = whole({0, 2, 2}, {3});
  for (const std::string mode : {"sum", "mean", "max"}) {
    const auto f = [&](const std::vector<Tensor>& in) {
      const Tensor y = embedding_bag(index, in[0], offsets, {.mode = mode, .padding_idx = 1});
      return y * y;
    };
    EXPECT_TRUE(gradients_agree(f, {weight})) << mode;
  }
  const auto weighted = [&](const std::vector<Tensor>& in) {
    const Tensor y = embedding_bag(index, in[0], offsets, {.mode = "sum"}, in[1]);
    return y * y;
  };
  EXPECT_TRUE(gradients_agree(weighted, {weight, random_tensor({6}, kFloat64, 2).requires_grad_()}));
  const auto of = [&](const Tensor& i, const Tensor& o, const EmbeddingBagOptions& options) {
    return error_of<Error>([&] { embedding_bag(i, weight, o, options); });
  };
  EXPECT_EQ(of(index, {}, {}), "embedding_bag: expected offsets [bags] for an index [6] but got none");
  EXPECT_EQ(of(index.reshape({2, 3}), offsets, {}),
            "embedding_bag: expected no offsets for an index [bags, n] but got [3]");
  EXPECT_EQ(of(index, whole({1, 2}, {2}), {}),
            "embedding_bag: expected ascending offsets from 0 to at most 6 but got 1 at position 0");
  EXPECT_EQ(of(index, whole({0, 7}, {2}), {}),
            "embedding_bag: expected ascending offsets from 0 to at most 6 but got 7 at position 1");
  EXPECT_EQ(of(index + 1, offsets, {}), "embedding_bag: expected indices in [0, 4) but got 4 at position 1");
  EXPECT_EQ(of(index, offsets, {.mode = "median"}),
            "embedding_bag: expected mode \"sum\", \"mean\" or \"max\" but got \"median\"");
  EXPECT_EQ(error_of<ValueError>([&] { embedding_bag(index, weight, offsets, {}, zeros({6}, {.dtype = kFloat64})); }),
            "embedding_bag: expected mode \"sum\" for per_sample_weights but got \"mean\"");
}

TEST(BilinearTest, AgreesWithLoops) {
  const Tensor a = random_tensor({2, 3, 4}, kFloat64, 1);
  const Tensor b = random_tensor({2, 3, 5}, kFloat64, 2);
  const Tensor weight = random_tensor({6, 4, 5}, kFloat64, 3);
  const Tensor bias = random_tensor({6}, kFloat64, 4);
  const auto va = a.to_vector<double>();
  const auto vb = b.to_vector<double>();
  const auto vw = weight.to_vector<double>();
  const Tensor y = bilinear(a, b, weight, bias);
  ASSERT_EQ(y.shape(), Shape({2, 3, 6}));
  for (std::size_t n = 0; n < 6; ++n) {
    for (std::size_t k = 0; k < 6; ++k) {
      double sum = bias.to_vector<double>()[k];
      for (std::size_t i = 0; i < 4; ++i) {
        for (std::size_t j = 0; j < 5; ++j) {
          sum += va[n * 4 + i] * vw[(k * 4 + i) * 5 + j] * vb[n * 5 + j];
        }
      }
      EXPECT_NEAR(y.to_vector<double>()[n * 6 + k], sum, 1e-13);
    }
  }
  const auto f = [](const std::vector<Tensor>& in) { return bilinear(in[0], in[1], in[2], in[3]); };
  EXPECT_TRUE(gradients_agree(
      f, {random_tensor({2, 2}, kFloat64, 5).requires_grad_(), random_tensor({2, 3}, kFloat64, 6).requires_grad_(),
          random_tensor({2, 2, 3}, kFloat64, 7).requires_grad_(), random_tensor({2}, kFloat64, 8).requires_grad_()}));
  EXPECT_EQ(error_of<ShapeError>([&] { bilinear(a, a, weight); }),
            "bilinear: expected inputs [*, 4] and [*, 5] but got [2, 3, 4] and [2, 3, 4]");
  EXPECT_EQ(error_of<ShapeError>([&] {
              bilinear(a, zeros({3, 2, 5}, {.dtype = kFloat64}), weight);
            }),
            "bilinear: expected inputs that agree outside of the last axis but got [2, 3, 4] and [3, 2, 5]");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
