// Placements of norms in transformer layers, DeepNorm, and norms of queries and keys.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/attention/attention.hpp"
#include "normgrad/core/ops/attention/positions.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/norm/norm.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/reduction/statistics.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/module/any_module.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"
#include "normgrad/layers/transformer/decoder.hpp"
#include "normgrad/layers/transformer/encoder.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::HasSubstr;
using tests::error_of;
using tests::random_tensor;

void expect_close(const Tensor& got, const Tensor& wanted) {
  ASSERT_EQ(got.shape(), wanted.shape());
  const auto a = got.to_vector<double>();
  const auto b = wanted.to_vector<double>();
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_NEAR(a[i], b[i], 1e-13 * (1.0 + std::abs(b[i]))) << i;
  }
}

// Gives every parameter other values, so that a norm in the wrong place shows.
void scramble(Module& module) {
  const NoGradGuard no_grad;
  std::uint32_t seed = 10;
  for (Tensor& parameter : module.parameters()) {
    parameter.copy_(random_tensor(parameter.shape(), parameter.dtype(), ++seed));
  }
}

TransformerLayerOptions options_of(const std::string& placement) {
  TransformerLayerOptions options{.dim_feedforward = 6, .dropout = 0.0, .batch_first = true, .placement = placement};
  options.deepnorm = DeepNormScale{.alpha = 1.7, .beta = 0.4};
  options.dtype = kFloat64;
  return options;
}

Tensor normed(const AnyModule& norm, const Tensor& x) {
  const LayerNorm& layer = *norm.as<LayerNorm>();
  return layer_norm(x, {4}, layer.weight, layer.bias, layer.eps());
}

// The layer by the formulas of TransformerLayerOptions::placement.
Tensor by_formula(TransformerEncoderLayer& layer, const std::string& placement, const Tensor& src) {
  const auto attend = [&](const Tensor& x) { return layer.self_attn(x, x, x).attn_output; };
  const auto feed_forward = [&](const Tensor& x) { return layer.linear2(relu(layer.linear1(x))); };
  const auto join = [&](const Tensor& x, const AnyModule& norm, const AnyModule& out, const auto& branch) -> Tensor {
    if (placement == "pre") {
      return x + branch(normed(norm, x));
    }
    if (placement == "post") {
      return normed(norm, x + branch(x));
    }
    if (placement == "sandwich") {
      return x + normed(out, branch(normed(norm, x)));
    }
    return placement == "deepnorm" ? normed(norm, x * 1.7 + branch(x)) : x + branch(x);
  };
  return join(join(src, layer.norm1, layer.norm1_out, attend), layer.norm2, layer.norm2_out, feed_forward);
}

TEST(PlacementTest, EncoderLayersFollowTheFormulas) {
  const Tensor x = random_tensor({2, 3, 4}, kFloat64, 1);
  for (const std::string placement : {"pre", "post", "sandwich", "deepnorm", "none"}) {
    SCOPED_TRACE(placement);
    TransformerEncoderLayer layer(4, 2, options_of(placement));
    scramble(layer);
    expect_close(layer(x), by_formula(layer, placement, x));
    const TransformerEncoderLayer copy = layer;
    expect_close(TransformerEncoderLayer(copy)(x), layer(x));
    EXPECT_EQ(static_cast<bool>(layer.norm1), placement != "none");
    EXPECT_EQ(static_cast<bool>(layer.norm2_out), placement == "sandwich");
    EXPECT_THAT(layer.extra_repr(), HasSubstr("placement=" + placement));
  }
}

TEST(PlacementTest, NormFirstStaysAsInPyTorch) {
  const Tensor x = random_tensor({2, 3, 4}, kFloat64, 1);
  for (const bool first : {false, true}) {
    TransformerLayerOptions options = options_of("");
    options.norm_first = first;
    TransformerEncoderLayer layer(4, 2, options);
    scramble(layer);
    expect_close(layer(x), by_formula(layer, first ? "pre" : "post", x));
    EXPECT_EQ(layer.extra_repr(), first ? "norm_first=true" : "norm_first=false");
    TransformerDecoderLayer decoder(4, 2, options);
    TransformerDecoderLayer placed(4, 2, options_of(first ? "pre" : "post"));
    scramble(decoder);
    placed.load_state_dict(decoder.state_dict());
    expect_close(placed(x, x), decoder(x, x));
  }
}

TEST(PlacementTest, DecoderLayersFollowTheFormulas) {
  const Tensor x = random_tensor({2, 3, 4}, kFloat64, 1);
  const Tensor memory = random_tensor({2, 2, 4}, kFloat64, 2);
  for (const std::string placement : {"sandwich", "deepnorm", "none"}) {
    SCOPED_TRACE(placement);
    TransformerDecoderLayer layer(4, 2, options_of(placement));
    scramble(layer);
    const auto join = [&](const Tensor& y, const AnyModule& norm, const AnyModule& out,
                          const Tensor& branch) -> Tensor {
      return placement == "sandwich"   ? y + normed(out, branch)
             : placement == "deepnorm" ? normed(norm, y * 1.7 + branch)
                                       : y + branch;
    };
    const auto in = [&](const Tensor& y, const AnyModule& norm) {
      return placement == "sandwich" ? normed(norm, y) : y;
    };
    Tensor y = in(x, layer.norm1);
    y = join(x, layer.norm1, layer.norm1_out, layer.self_attn(y, y, y).attn_output);
    Tensor z = in(y, layer.norm2);
    z = join(y, layer.norm2, layer.norm2_out, layer.multihead_attn(z, memory, memory).attn_output);
    const Tensor f = in(z, layer.norm3);
    expect_close(layer(x, memory), join(z, layer.norm3, layer.norm3_out, layer.linear2(relu(layer.linear1(f)))));
  }
}

TEST(PlacementTest, WrongPlacementsAreReported) {
  const auto error_with = [](const TransformerLayerOptions& options) {
    return error_of<ValueError>([&] { TransformerEncoderLayer(4, 2, options); });
  };
  EXPECT_EQ(error_with({.placement = "before"}),
            "TransformerEncoderLayer: expected placement \"pre\", \"post\", \"sandwich\", \"deepnorm\" or \"none\" but "
            "got \"before\"");
  EXPECT_EQ(error_with({.norm_first = true, .placement = "post"}),
            "TransformerEncoderLayer: expected norm_first with placement \"pre\" or without a placement but got "
            "\"post\"");
  EXPECT_EQ(error_with({.placement = "deepnorm"}),
            "TransformerEncoderLayer: expected the scales of placement \"deepnorm\" but got none; write .deepnorm = "
            "deepnorm_scale(num_layers)");
  EXPECT_THAT(error_of<ValueError>([] { TransformerDecoderLayer(4, 2, {.placement = "x"}); }),
              HasSubstr("TransformerDecoderLayer: expected placement"));
  EXPECT_EQ(error_of<ValueError>([] { deepnorm_scale(0); }), "deepnorm_scale: expected num_layers > 0 but got 0");
  EXPECT_EQ(error_of<ValueError>([] { deepnorm_scales(3, -1); }),
            "deepnorm_scales: expected decoder_layers > 0 but got -1");
}

TEST(PlacementTest, DeepNormScalesAreThoseOfThePaper) {
  // Wang et al. 2022, figure 2: N = 8 encoder-only; N = 18, M = 6.
  const DeepNormScale of_8 = deepnorm_scale(8);
  EXPECT_DOUBLE_EQ(of_8.alpha, 2.0);
  EXPECT_NEAR(of_8.beta, 1.0 / std::sqrt(8.0), 1e-15);
  const DeepNormScales both = deepnorm_scales(18, 6);
  const double root = std::pow(std::pow(18.0, 4.0) * 6.0, 1.0 / 16.0);
  EXPECT_NEAR(both.encoder.alpha, 0.81 * root, 1e-14);
  EXPECT_NEAR(both.encoder.beta, 0.87 / root, 1e-15);
  EXPECT_NEAR(both.decoder.alpha, std::pow(18.0, 0.25), 1e-14);
  EXPECT_NEAR(both.decoder.beta, std::pow(72.0, -0.25), 1e-15);
}

double deviation(const Tensor& w) { return std(w.detach(), {}, false).item(); }

TEST(PlacementTest, DeepNormScalesTheInitialWeights) {
  Generator generator(3);
  const TransformerDecoderLayer layer(128, 4,
                                      {.dim_feedforward = 256,
                                       .placement = "deepnorm",
                                       .deepnorm = DeepNormScale{.alpha = 2.0, .beta = 0.25},
                                       .generator = &generator});
  const double square = std::sqrt(2.0 / 256.0);  // Xavier of [128, 128]
  const double wide = std::sqrt(2.0 / 384.0);    // Xavier of [256, 128]
  // tol: the deviation of n normal numbers has a relative error of 1 / sqrt(2 n) = 0.0055; five times this
  for (const MultiheadAttention* attention : {&layer.self_attn, &layer.multihead_attn}) {
    for (std::int64_t part = 0; part < 3; ++part) {
      EXPECT_NEAR(deviation(narrow(attention->in_proj_weight, 0, 128 * part, 128)) / square, part < 2 ? 1.0 : 0.25,
                  0.03 * (part < 2 ? 1.0 : 0.25))
          << part;
    }
    EXPECT_NEAR(deviation(attention->out_proj.weight) / square, 0.25, 0.0075);
  }
  EXPECT_NEAR(deviation(layer.linear1.weight) / wide, 0.25, 0.0075);
  EXPECT_NEAR(deviation(layer.linear2.weight) / wide, 0.25, 0.0075);
}

// Self-attention with normed queries and keys, by its formula.
TEST(QkNormTest, NormsQueriesAndKeysOfEachHead) {
  const Tensor x = random_tensor({2, 5, 8}, kFloat64, 1);
  for (const bool rotary : {false, true}) {
    MultiheadAttention attention(8, 2,
                                 {.batch_first = true,
                                  .rotary_base = rotary ? std::optional<double>(100.0) : std::nullopt,
                                  .qk_norm = "layer:eps=1e-3",
                                  .dtype = kFloat64});
    scramble(attention);
    const auto& q_norm = *attention.q_norm.as<LayerNorm>();
    const auto& k_norm = *attention.k_norm.as<LayerNorm>();
    const auto heads = [&](std::int64_t part) {
      const Tensor y =
          linear(x, narrow(attention.in_proj_weight, 0, 8 * part, 8), narrow(attention.in_proj_bias, 0, 8 * part, 8));
      return Tensor(transpose(reshape_to(y, {2, 5, 2, 4}), 1, 2));
    };
    Tensor q = layer_norm(heads(0), {4}, q_norm.weight, q_norm.bias, 1e-3);
    Tensor k = layer_norm(heads(1), {4}, k_norm.weight, k_norm.bias, 1e-3);
    if (rotary) {
      q = rotary_embedding(q, {.base = 100.0});
      k = rotary_embedding(k, {.base = 100.0});
    }
    const Tensor y = scaled_dot_product_attention(q, k, heads(2));
    expect_close(attention(x), attention.out_proj(reshape_to(transpose(y, 1, 2), {2, 5, 8})));
  }
}

TEST(QkNormTest, HasKeysOfItsOwnAndWorksWithACache) {
  TransformerEncoder model(TransformerEncoderLayer(8, 2,
                                                   {.dim_feedforward = 8,
                                                    .dropout = 0.0,
                                                    .batch_first = true,
                                                    .qk_norm = "rms",
                                                    .rotary_base = 100.0,
                                                    .dtype = kFloat64}),
                           2);
  scramble(model);
  EXPECT_TRUE(model.state_dict().contains("layers.1.self_attn.q_norm.weight"));
  EXPECT_EQ(model.get_parameter("layers.0.self_attn.k_norm.weight").shape(), Shape({4}));
  const Tensor x = random_tensor({1, 6, 8}, kFloat64, 1);
  std::vector<KeyValueCache> caches;
  const Tensor start = model(narrow(x, 1, 0, 4), caches);
  const Tensor rest = model(narrow(x, 1, 4, 2), caches);
  expect_close(cat({start, rest}, 1), model(x, {.is_causal = true}));
  TransformerDecoderLayer decoder(8, 2, {.dim_feedforward = 8, .qk_norm = "rms"});
  EXPECT_TRUE(decoder.state_dict().contains("multihead_attn.q_norm.weight"));
  EXPECT_THAT(error_of<ValueError>([] { MultiheadAttention(8, 2, {.qk_norm = "best"}); }),
              HasSubstr("make_norm: expected one of none, batch"));
  EXPECT_FALSE(MultiheadAttention(8, 2).q_norm);
}

// Logits stay bounded however large the weights are, which is what the norm is for.
TEST(QkNormTest, BoundsTheLogits) {
  MultiheadAttention attention(8, 2, {.batch_first = true, .qk_norm = "rms", .dtype = kFloat64});
  const Tensor x = random_tensor({1, 5, 8}, kFloat64, 1);
  const auto weights = [&] { return attention(x, x, x).attn_output_weights.to_vector<double>(); };
  const std::vector<double> before = weights();
  {
    const NoGradGuard no_grad;
    attention.in_proj_weight.mul_(1000.0);
  }
  const std::vector<double> after = weights();
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_NEAR(after[i], before[i], 1e-6);  // tol: the eps of the norm
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
