// MultiheadAttention, encoders, decoders and positions.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "tests/support/raises.hpp"
#include "tests/support/sequence_cases.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/attention/attention.hpp"
#include "normgrad/core/ops/attention/positions.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/io/safetensors.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"
#include "normgrad/layers/norm/registry.hpp"
#include "normgrad/layers/transformer/decoder.hpp"
#include "normgrad/layers/transformer/encoder.hpp"
#include "normgrad/layers/transformer/positions.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::expect_as_torch;
using tests::random_tensor;

using Tensors = std::vector<Tensor>;

void expect_close(const Tensor& got, const Tensor& wanted, double tolerance = 1e-13) {
  ASSERT_EQ(got.shape(), wanted.shape());
  const auto a = got.to_vector<double>();
  const auto b = wanted.to_vector<double>();
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_NEAR(a[i], b[i], tolerance * (1.0 + std::abs(b[i]))) << i;
  }
}

Tensor later_hidden(std::int64_t n) { return gt(arange(n), reshape_to(arange(n), {n, 1})); }

TEST(TransformerTest, AttentionIsTorchs) {
  MultiheadAttention mha(6, 2, {.dtype = kFloat64});
  expect_as_torch("mha", mha, [&](const Tensors& in) {
    const AttentionResult r = mha(in[0], in[1], in[2], {.key_padding_mask = in[3]});
    return Tensors{r.attn_output, r.attn_output_weights};
  });
  MultiheadAttention other(6, 3, {.bias = false, .kdim = 5, .vdim = 4, .batch_first = true, .dtype = kFloat64});
  expect_as_torch("mha_kdim", other, [&](const Tensors& in) {
    const AttentionResult r = other(in[0], in[1], in[2], {.attn_mask = in[3], .average_attn_weights = false});
    return Tensors{r.attn_output, r.attn_output_weights};
  });
}

TEST(TransformerTest, EncodersAndDecodersAreTorchs) {
  TransformerEncoder encoder(TransformerEncoderLayer(6, 2, {.dim_feedforward = 7, .dropout = 0.0, .dtype = kFloat64}),
                             2, LayerNorm(6, {.dtype = kFloat64}));
  expect_as_torch("encoder", encoder, [&](const Tensors& in) { return Tensors{encoder(in[0], {.src_mask = in[1]})}; });
  TransformerEncoderLayer pre_norm(6, 3,
                                   {.dim_feedforward = 5,
                                    .dropout = 0.0,
                                    .activation = gelu,
                                    .layer_norm_eps = 1e-3,
                                    .batch_first = true,
                                    .norm_first = true,
                                    .dtype = kFloat64});
  expect_as_torch("encoder_norm_first", pre_norm,
                  [&](const Tensors& in) { return Tensors{pre_norm(in[0], {.src_key_padding_mask = in[1]})}; });
  TransformerDecoder decoder(TransformerDecoderLayer(6, 2, {.dim_feedforward = 5, .dropout = 0.0, .dtype = kFloat64}),
                             2);
  expect_as_torch("decoder", decoder, [&](const Tensors& in) {
    return Tensors{decoder(in[0], in[1], {.tgt_mask = in[2], .memory_key_padding_mask = in[3]})};
  });
  TransformerDecoderLayer layer(
      6, 2, {.dim_feedforward = 5, .dropout = 0.0, .batch_first = true, .norm_first = true, .dtype = kFloat64});
  expect_as_torch("decoder_norm_first", layer, [&](const Tensors& in) { return Tensors{layer(in[0], in[1])}; });
}

TEST(TransformerTest, WeightsAreOptional) {
  MultiheadAttention mha(8, 2, {.batch_first = true, .dtype = kFloat64});
  const Tensor x = random_tensor({3, 5, 8}, kFloat64, 1);
  const Tensor padding = lt(random_tensor({3, 5}, kFloat64, 2), -0.5);
  const Tensor per_head = random_tensor({6, 5, 5}, kFloat64, 3);
  const auto call = [&](bool weights, const Tensor& attn_mask, bool causal) {
    return mha(x, x, x,
               {.key_padding_mask = padding, .need_weights = weights, .attn_mask = attn_mask, .is_causal = causal});
  };
  for (const bool causal : {false, true}) {
    const AttentionResult with = call(true, per_head, causal);
    const AttentionResult without = call(false, per_head, causal);
    EXPECT_FALSE(without.attn_output_weights.defined());
    EXPECT_EQ(with.attn_output_weights.shape(), Shape({3, 5, 5}));
    expect_close(with.attn_output, without.attn_output);
  }
  expect_close(call(false, {}, true).attn_output, call(false, later_hidden(5), false).attn_output);
  expect_close(mha(x, x, x, {.is_causal = true}).attn_output, mha(x, x, x, {.attn_mask = later_hidden(5)}).attn_output);
  const Tensor hidden = where(later_hidden(5), full({}, -std::numeric_limits<double>::infinity(), {.dtype = kFloat64}),
                              zeros({}, {.dtype = kFloat64}));
  expect_close(mha(x, x, x, {.need_weights = false, .attn_mask = per_head, .is_causal = true}).attn_output,
               mha(x, x, x, {.attn_mask = per_head + hidden}).attn_output);
  expect_close(mha(x), mha(x, x.clone(), x.clone()).attn_output);
  // Without a batch, and with the batch in the middle.
  const AttentionResult single = mha(x[1], x[1], x[1]);
  expect_close(single.attn_output, mha(x)[1]);
  EXPECT_EQ(single.attn_output_weights.shape(), Shape({5, 5}));
}

TEST(TransformerTest, DropoutOfWeightsInTrainingOnly) {
  MultiheadAttention mha(4, 1, {.dropout = 0.5, .batch_first = true});
  const Tensor x = random_tensor({2, 6, 4}, kFloat32, 1);
  manual_seed(3);
  const auto first = mha(x, x, x).attn_output.to_vector<float>();
  EXPECT_NE(mha(x, x, x).attn_output.to_vector<float>(), first);
  manual_seed(3);
  EXPECT_EQ(mha(x, x, x).attn_output.to_vector<float>(), first);
  manual_seed(3);
  const Tensor dropped = mha(x, x, x, {.need_weights = false}).attn_output;
  mha.eval();
  EXPECT_EQ(mha(x).to_vector<float>(), mha(x).to_vector<float>());
  EXPECT_NE(dropped.to_vector<float>(), mha(x).to_vector<float>());
}

TEST(TransformerTest, GenerationWithACacheIsTheWholeSequence) {
  for (const std::optional<double>& rotary : {std::optional<double>(), std::optional<double>(100.0)}) {
    TransformerEncoder model(TransformerEncoderLayer(8, 2,
                                                     {.dim_feedforward = 8,
                                                      .dropout = 0.0,
                                                      .batch_first = true,
                                                      .norm_first = true,
                                                      .rotary_base = rotary,
                                                      .dtype = kFloat64}),
                             2);
    const Tensor x = random_tensor({2, 7, 8}, kFloat64, 1);
    const Tensor whole = model(x, {.is_causal = true});
    std::vector<KeyValueCache> caches;
    std::vector<Tensor> parts;
    for (const auto& [start, count] : {std::pair<std::int64_t, std::int64_t>{0, 3}, {3, 1}, {4, 2}, {6, 1}}) {
      parts.push_back(model(narrow(x, 1, start, count), caches));
      EXPECT_EQ(caches[1].length(), start + count);
    }
    expect_close(cat(parts, 1), whole);
    EXPECT_EQ(error_of<ValueError>([&] {
                std::vector<KeyValueCache> one(1);
                model(x, one);
              }),
              "TransformerEncoder: expected 2 caches, one per layer, or none but got 1");
  }
}

TEST(TransformerTest, EveryNormOfTheRegistry) {
  const Tensor x = random_tensor({3, 4, 40}, kFloat32, 1);
  for (const std::string& name : norm_names()) {
    const NormContext context{.num_features = 40};
    if (!is_norm_applicable(name, context)) {
      continue;
    }
    TransformerEncoderLayer layer(40, 2, {.dim_feedforward = 8, .batch_first = true, .norm = name});
    const Tensor y = layer(x);
    EXPECT_EQ(y.shape(), x.shape()) << name;
    y.sum().backward();
    for (const auto& [key, parameter] : layer.named_parameters()) {
      EXPECT_TRUE(parameter.grad().defined()) << name << " " << key;
    }
  }
  // Statistics of one position only.
  TransformerEncoderLayer rms(40, 2, {.dim_feedforward = 8, .dropout = 0.0, .batch_first = true, .norm = "rms"});
  const auto squares = mean(square(rms(x)), -1).to_vector<double>();
  for (const double s : squares) {
    EXPECT_NEAR(s, 1.0, 1e-5);
  }
}

TEST(TransformerTest, KeysCopiesAndFiles) {
  const TransformerLayerOptions options{.dim_feedforward = 5, .dropout = 0.0};
  TransformerEncoder model(TransformerEncoderLayer(4, 2, options), 1, LayerNorm(4));
  std::vector<std::string> keys;
  for (const auto& [key, value] : model.state_dict()) {
    keys.push_back(key);
  }
  EXPECT_EQ(keys,
            (std::vector<std::string>{"layers.0.self_attn.in_proj_weight", "layers.0.self_attn.in_proj_bias",
                                      "layers.0.self_attn.out_proj.weight", "layers.0.self_attn.out_proj.bias",
                                      "layers.0.linear1.weight", "layers.0.linear1.bias", "layers.0.linear2.weight",
                                      "layers.0.linear2.bias", "layers.0.norm1.weight", "layers.0.norm1.bias",
                                      "layers.0.norm2.weight", "layers.0.norm2.bias", "norm.weight", "norm.bias"}));
  const Tensor x = random_tensor({3, 2, 4}, kFloat32, 1);
  const auto wanted = model(x).to_vector<float>();
  const TransformerEncoder copy(model);
  const auto clone = model.clone();
  EXPECT_EQ((*clone)(x).to_vector<float>(), wanted);
  const tests::TemporaryFolder folder;
  save_safetensors(folder.path() / "model.safetensors", model.state_dict());
  TransformerEncoder other(TransformerEncoderLayer(4, 2, options), 1, LayerNorm(4));
  EXPECT_NE(other(x).to_vector<float>(), wanted);
  other.load_state_dict(load_safetensors(folder.path() / "model.safetensors").tensors);
  EXPECT_EQ(other(x).to_vector<float>(), wanted);
  other = TransformerEncoder(TransformerEncoderLayer(4, 2, options), 1, LayerNorm(4));
  EXPECT_NE(other(x).to_vector<float>(), wanted);
  other = copy;
  EXPECT_EQ(other(x).to_vector<float>(), wanted);
  EXPECT_EQ(Sequential(model)(x).to_vector<float>(), wanted);
}

TEST(TransformerTest, Prints) {
  EXPECT_EQ(MultiheadAttention(4, 2, {.kdim = 3}).extra_repr(),
            "embed_dim=4, num_heads=2, kdim=3, vdim=4, dropout=0, bias=true, batch_first=false");
  EXPECT_EQ(TransformerEncoderLayer(4, 2, {.dim_feedforward = 5}).extra_repr(), "norm_first=false");
  EXPECT_EQ(TransformerDecoderLayer(4, 2, {.dim_feedforward = 5, .norm_first = true}).extra_repr(), "norm_first=true");
  EXPECT_EQ(to_string(SinusoidalPositions()), "SinusoidalPositions(base=10000)");
  EXPECT_EQ(to_string(LearnedPositions(3, 4)), "LearnedPositions(3, 4)  [3x4]  12 parameters");
}

TEST(TransformerTest, SinusoidalAndLearnedPositions) {
  const Tensor p = sinusoidal_positions(3, 5, {.offset = 2, .base = 100.0, .dtype = kFloat64});
  ASSERT_EQ(p.shape(), Shape({3, 5}));
  const auto values = p.to_vector<double>();
  for (std::size_t i = 0; i < 15; ++i) {
    const std::size_t position = 2 + i / 5;
    const std::size_t pair = i % 5 / 2;
    const double angle = static_cast<double>(position) / std::pow(100.0, 2.0 * static_cast<double>(pair) / 5.0);
    EXPECT_NEAR(values[i], i % 5 % 2 == 0 ? std::sin(angle) : std::cos(angle), 1e-15);
  }
  const Tensor x = random_tensor({3, 2, 4}, kFloat64, 1);
  LearnedPositions learned(6, 4, {.dtype = kFloat64});
  LearnedPositions learned_first(6, 4, {.batch_first = true, .dtype = kFloat64});
  learned_first.weight = learned.weight;
  expect_close(learned(x), x + unsqueeze(narrow(learned.weight, 0, 0, 3), 1));
  expect_close(learned.forward(x, 3), x + unsqueeze(narrow(learned.weight, 0, 3, 3), 1));
  expect_close(learned_first(transpose(x, 0, 1)), transpose(learned(x), 0, 1));
  expect_close(SinusoidalPositions()(x), x + unsqueeze(sinusoidal_positions(3, 4, {.dtype = kFloat64}), 1));
  learned(x).sum().backward();
  EXPECT_EQ(learned.weight.grad().sum(1).to_vector<double>(), (std::vector<double>{8, 8, 8, 0, 0, 0}));
}

TEST(TransformerTest, RotaryProductsDependOnDistances) {
  const Tensor q = random_tensor({1, 6}, kFloat64, 1);
  const Tensor k = random_tensor({1, 6}, kFloat64, 2);
  for (const bool interleaved : {false, true}) {
    const auto product = [&](std::int64_t i, std::int64_t j) {
      const RotaryOptions at_i{.offset = i, .interleaved = interleaved};
      const RotaryOptions at_j{.offset = j, .interleaved = interleaved};
      return matmul(rotary_embedding(q, at_i), transpose(rotary_embedding(k, at_j), 0, 1)).item();
    };
    EXPECT_NEAR(product(3, 1), product(12, 10), 1e-12);
    EXPECT_GT(std::abs(product(3, 1) - product(3, 2)), 1e-3);
    EXPECT_NEAR(product(0, 0), matmul(q, transpose(k, 0, 1)).item(), 1e-15);
  }
  // One pair: a rotation by the position.
  const auto rotated = rotary_embedding(tensor({{1, 0}, {1, 0}}, {.dtype = kFloat64})).to_vector<double>();
  EXPECT_NEAR(rotated[2], std::cos(1.0), 1e-16);
  EXPECT_NEAR(rotated[3], std::sin(1.0), 1e-16);
  const auto pairs = rotary_embedding(random_tensor({2, 4}, kFloat64, 3), {.interleaved = true}).to_vector<double>();
  const auto from = random_tensor({2, 4}, kFloat64, 3).to_vector<double>();
  EXPECT_NEAR(pairs[6], from[6] * std::cos(0.01) - from[7] * std::sin(0.01), 1e-15);
}

TEST(TransformerTest, Errors) {
  const auto value_error = [](const auto& f) { return error_of<ValueError>(f); };
  EXPECT_EQ(value_error([] { MultiheadAttention(0, 1); }), "MultiheadAttention: expected embed_dim > 0 but got 0");
  EXPECT_EQ(value_error([] { MultiheadAttention(6, 4); }),
            "MultiheadAttention: expected num_heads > 0 that divides embed_dim 6 but got 4");
  EXPECT_EQ(value_error([] { MultiheadAttention(6, 2, {.dropout = -0.5}); }),
            "MultiheadAttention: expected dropout in [0, 1] but got -0.5");
  EXPECT_EQ(value_error([] { MultiheadAttention(6, 2, {.add_bias_kv = true}); }),
            "MultiheadAttention: add_bias_kv is not supported; leave it false");
  EXPECT_EQ(value_error([] { MultiheadAttention(6, 2, {.rotary_base = 10.0}); }),
            "MultiheadAttention: expected an even number of features per head for rotary_base but got 3");
  EXPECT_EQ(value_error([] { TransformerEncoderLayer(4, 2, {.dim_feedforward = 0}); }),
            "TransformerEncoderLayer: expected dim_feedforward > 0 but got 0");
  EXPECT_EQ(
      value_error([] { TransformerEncoderLayer(4, 2, {.norm = "instance"}); }),
      "make_norm: instance needs positions to take statistics over, and features [N, C] have one value per sample "
      "and channel");
  EXPECT_EQ(value_error([] { TransformerEncoder(TransformerEncoderLayer(4, 2), 0); }),
            "TransformerEncoder: expected num_layers > 0 but got 0");
  MultiheadAttention mha(4, 2);
  const Tensor x = zeros({3, 2, 4});
  const auto shape_error = [&](const Tensor& q, const Tensor& k, const AttentionCall& call = {}) {
    return error_of<ShapeError>([&] { mha(q, k, k, call); });
  };
  const std::string where = "MultiheadAttention: ";
  EXPECT_EQ(shape_error(zeros({4}), x), where + "expected a query [L, N, 4] or [L, 4] but got [4]");
  EXPECT_EQ(shape_error(x, zeros({3, 2, 5})), where + "expected a key [L, N, 4] but got [3, 2, 5]");
  EXPECT_EQ(shape_error(x, zeros({3, 1, 4})), where + "expected a key of the query's batch size 2 but got [3, 1, 4]");
  EXPECT_EQ(shape_error(x, x, {.key_padding_mask = zeros({3, 2})}),
            where + "expected a key_padding_mask [2, 3] but got [3, 2]");
  EXPECT_EQ(shape_error(x, x, {.attn_mask = zeros({2, 3, 3})}),
            where + "expected an attn_mask [3, 3] or [4, 3, 3] but got [2, 3, 3]");
  EXPECT_EQ(error_of<DTypeError>([&] {
              mha(x, x, x, {.attn_mask = zeros({3, 3}, {.dtype = kFloat64})});
            }),
            where + "expected attn_mask of dtype bool or float32 but got float64");
  EXPECT_EQ(error_of<ValueError>([&] { LearnedPositions(2, 4)(x); }),
            "LearnedPositions: expected at most 2 positions but got 3 from position 0");
  EXPECT_EQ(error_of<ShapeError>([&] {
              rotary_embedding(zeros({2, 3}));
            }),
            "rotary_embedding: expected an input [*, L, E] with E even but got [2, 3]");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
