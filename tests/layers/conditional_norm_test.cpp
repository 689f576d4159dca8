// Norms and modulations that take a condition.
#include <gtest/gtest.h>

#include "tests/support/gradients.hpp"
#include "tests/support/norm_places.hpp"
#include "tests/support/norm_steps.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/layers/norm/ada_ln.hpp"
#include "normgrad/layers/norm/adaptive_instance_norm.hpp"
#include "normgrad/layers/norm/conditional_batch_norm.hpp"
#include "normgrad/layers/norm/film.hpp"
#include "normgrad/layers/norm/spade.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::bits;
using tests::distance;
using tests::error_of;
using tests::normal;
using tests::NormSteps;

TEST(ConditionalNormTest, IsAsComposedInPyTorch) {
  ConditionalBatchNorm2d batch(3, 4, {.dtype = kFloat64});
  NormSteps("conditional_batch_norm").expect_as_torch(batch, [&](const auto& in) { return batch(in[0], in[1]); });
  AdaptiveInstanceNorm adaptive;
  NormSteps("adaptive_instance_norm").expect_as_torch(adaptive, [&](const auto& in) { return adaptive(in[0], in[1]); });
  FiLM film(3, 4, {.dtype = kFloat64});
  NormSteps("film").expect_as_torch(film, [&](const auto& in) { return film(in[0], in[1]); });
  SPADE spade(3, 2, {.hidden = 4, .dtype = kFloat64});
  NormSteps("spade_batch").expect_as_torch(spade, [&](const auto& in) { return spade(in[0], in[1]); });
  SPADE by_instance(2, 3, {.norm = "instance", .hidden = 2, .dtype = kFloat64});
  NormSteps("spade_instance").expect_as_torch(by_instance, [&](const auto& in) { return by_instance(in[0], in[1]); });
  AdaLN ada(4, 3, {.dtype = kFloat64});
  NormSteps("ada_ln").expect_as_torch(ada, [&](const auto& in) { return ada(in[0], in[1]); });
  AdaLNZero zero(4, 3, {.dtype = kFloat64});
  NormSteps("ada_ln_zero").expect_as_torch(zero, [&](const auto& in) {
    const auto [y, gate] = zero(in[0], in[1]);
    return in[0] + gate * tanh(y);
  });
}

// The statistics of the result are those of the style.
TEST(ConditionalNormTest, AdaptiveInstanceNormGivesTheStylesStatistics) {
  AdaptiveInstanceNorm norm({.eps = 1e-12});
  const Tensor style = normal({2, 3, 4, 4}, 2) * 3.0 + 1.0;
  const Tensor y = norm(normal({2, 3, 5, 2}, 1), style);
  EXPECT_LE(distance(mean(y, {2, 3}), mean(style, {2, 3})), 1e-12);
  EXPECT_LE(distance(var(y, {2, 3}, false), var(style, {2, 3}, false)), 1e-9);
}

TEST(ConditionalNormTest, TheyStartAsTheIdentityOrThePlainNorm) {
  const Tensor x = tests::random_tensor({3, 4}, kFloat32, 1);
  const Tensor condition = tests::random_tensor({3, 5}, kFloat32, 2);
  FiLM film(4, 5, {.zero_init = true});
  EXPECT_EQ(bits(film(x, condition)), bits(x));
  AdaLNZero zero(4, 5);
  const auto [y, gate] = zero(x, condition);
  EXPECT_EQ(bits(y), bits(LayerNorm(4, {.eps = 1e-6})(x)));
  EXPECT_EQ(tests::largest(gate), 0.0);
  EXPECT_EQ(gate.shape(), Shape({3, 4}));
  EXPECT_EQ(zero(tests::random_tensor({3, 2, 6, 4}, kFloat32, 3), condition).gate.shape(), Shape({3, 1, 1, 4}));
  ConditionalBatchNorm2d batch(4, 2);
  const Tensor images = tests::random_tensor({3, 4, 2, 2}, kFloat32, 1);
  BatchNorm2d plain(4);
  EXPECT_EQ(bits(batch(images, zeros({3}, {.dtype = kInt64}))), bits(plain(images)));
}

TEST(ConditionalNormTest, KeysCopiesAndMode) {
  ConditionalBatchNorm2d norm(2, 3);
  std::vector<std::string> keys;
  for (const auto& [key, value] : norm.state_dict()) {
    keys.push_back(key);
  }
  EXPECT_EQ(keys, (std::vector<std::string>{"norm.running_mean", "norm.running_var", "norm.num_batches_tracked",
                                            "weight", "bias"}));
  keys.clear();
  for (const auto& [key, value] : SPADE(2, 3, {.norm = "instance"}).state_dict()) {
    keys.push_back(key);
  }
  EXPECT_EQ(keys, (std::vector<std::string>{"mlp_shared.0.weight", "mlp_shared.0.bias", "mlp_gamma.weight",
                                            "mlp_gamma.bias", "mlp_beta.weight", "mlp_beta.bias"}));
  const Tensor x = tests::random_tensor({4, 2, 3, 3}, kFloat32, 1);
  const Tensor label = from_vector(std::vector<std::int64_t>{0, 2, 2, 1}, {4});
  norm(x, label);
  ConditionalBatchNorm2d copy = norm;
  copy.eval();
  norm.eval();
  EXPECT_EQ(bits(copy(x, label)), bits(norm(x, label)));
  norm.reset_parameters();
  EXPECT_EQ(norm.norm.num_batches_tracked.item(), 0);
  EXPECT_EQ(copy.norm.num_batches_tracked.item(), 1);
}

TEST(ConditionalNormTest, Errors) {
  ConditionalBatchNorm2d batch(3, 4);
  const Tensor x = zeros({2, 3, 2, 2});
  const auto labels = [](std::vector<std::int64_t> values) {
    const auto n = static_cast<std::int64_t>(values.size());
    return from_vector(values, {n});
  };
  EXPECT_EQ(error_of<ValueError>([] { ConditionalBatchNorm2d(3, 0); }),
            "ConditionalBatchNorm2d: expected num_classes > 0 but got 0");
  EXPECT_EQ(error_of<ShapeError>([&] { batch(x, labels({1})); }),
            "ConditionalBatchNorm2d: expected x [N, 3, H, W] and label [N] but got [2, 3, 2, 2] and [1]");
  EXPECT_EQ(error_of<IndexError>([&] {
              batch(x, labels({1, 4}));
            }),
            "ConditionalBatchNorm2d: expected labels in [0, 4) but got 4");
  EXPECT_EQ(error_of<DTypeError>([&] { batch(x, zeros({2})); }),
            "ConditionalBatchNorm2d: expected a label of int64 but got float32");
  EXPECT_EQ(batch.norm.num_batches_tracked.item(), 0);
  AdaptiveInstanceNorm adaptive;
  EXPECT_EQ(error_of<ValueError>([] { AdaptiveInstanceNorm({.eps = 0.0}); }),
            "AdaptiveInstanceNorm: expected eps > 0 but got 0");
  EXPECT_EQ(
      error_of<ShapeError>([&] {
        adaptive(x, zeros({2, 4, 2, 2}));
      }),
      "AdaptiveInstanceNorm: expected a content and a style [N, C, *] of the same N and C but got [2, 3, 2, 2] and "
      "[2, 4, 2, 2]");
  FiLM film(3, 5);
  EXPECT_EQ(error_of<ShapeError>([&] {
              film(x, zeros({2, 4}));
            }),
            "FiLM: expected x [N, 3, *] and a condition [N, 5] but got [2, 3, 2, 2] and [2, 4]");
  SPADE spade(3, 2, {.hidden = 4});
  EXPECT_EQ(error_of<ShapeError>([&] {
              spade(x, zeros({2, 3, 2, 2}));
            }),
            "SPADE: expected x [N, 3, H, W] and a map [N, 2, h, w] but got [2, 3, 2, 2] and [2, 3, 2, 2]");
  EXPECT_EQ(error_of<ValueError>([] { SPADE(3, 2, {.norm = "layer"}); }),
            "SPADE: expected the norm \"batch\" or \"instance\" but got \"layer\"");
  EXPECT_EQ(error_of<ValueError>([] { SPADE(3, 2, {.kernel_size = 2}); }),
            "SPADE: expected an odd kernel_size but got 2");
  AdaLN ada(4, 5);
  EXPECT_EQ(error_of<ShapeError>([&] {
              ada(zeros({2, 3}), zeros({2, 5}));
            }),
            "AdaLN: expected x [N, *, 4] and a condition [N, 5] but got [2, 3] and [2, 5]");
  AdaLNZero zero(4, 5);
  EXPECT_EQ(error_of<ShapeError>([&] {
              zero(zeros({2, 4}), zeros({3, 5}));
            }),
            "AdaLNZero: expected x [N, *, 4] and a condition [N, 5] but got [2, 4] and [3, 5]");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
