// The transformers that compare_norms trains.
#include "lab/compare_norms/model_parts.hpp"
#include "lab/compare_norms/models.hpp"

namespace compare_norms {

using namespace normgrad;

namespace {

constexpr std::int64_t kHeads = 4;
constexpr std::int64_t kBlocks = 6;
constexpr double kStd = 0.02;  // of embeddings, as in GPT-2

NormContext place_of(const ModelSpec& spec) { return {.num_features = transformer_width(spec.model)}; }

TransformerLayerOptions layer_options(const ModelSpec& spec) {
  const std::int64_t width = transformer_width(spec.model);
  const std::string norm = fitting(spec.norm, place_of(spec));
  TransformerLayerOptions options = {.dim_feedforward = 4 * width,
                                     .dropout = 0.0,
                                     .activation = activation_function(spec.activation),
                                     .batch_first = true,
                                     .norm = norm,
                                     .placement = spec.placement};
  if (spec.placement == "deepnorm") {
    options.deepnorm = deepnorm_scale(kBlocks);
  }
  if (spec.qk_norm && spec.norm != "none") {
    options.qk_norm = fitting(spec.norm, {.num_features = width / kHeads});
  }
  if (spec.model == "gpt") {
    options.rotary_base = 10000.0;
  }
  return options;
}

/// A layer that sees only earlier positions.
class CausalLayer final : public Module {
 public:
  explicit CausalLayer(TransformerEncoderLayer encoder_layer) : layer(std::move(encoder_layer)) {}
  TransformerEncoderLayer layer;
  NORMGRAD_MEMBERS(CausalLayer, layer)
  Tensor forward(const Tensor& x) override { return layer(x, {.is_causal = true}); }
};

/// Appends the blocks, with a tap behind each.
void add_blocks(Sequential& net, const ModelSpec& spec) {
  for (std::int64_t k = 1; k <= kBlocks; ++k) {
    const std::string i = std::to_string(k);
    TransformerEncoderLayer layer(transformer_width(spec.model), kHeads, layer_options(spec));
    if (spec.model == "gpt") {
      net.push_back("block" + i, CausalLayer(std::move(layer)));
    } else {
      net.push_back("block" + i, std::move(layer));
    }
    if (spec.taps) {
      net.push_back("to_act" + i, make_tap("act" + i, spec.taps, /*positions_first=*/true));
    }
  }
}

/// The sum that runs through the blocks has no norm of its own where norms stand before the branches.
void add_last_norm(Sequential& net, const ModelSpec& spec) {
  if ((spec.placement == "pre" || spec.placement == "sandwich") && spec.norm != "none") {
    net.push_back("norm", make_norm(fitting(spec.norm, place_of(spec)), place_of(spec)));
  }
}

/// See make_patches().
class PatchEmbedding final : public Module {
 public:
  PatchEmbedding(const Shape& image_shape, std::int64_t patch, std::int64_t d_model)
      : projection(image_shape[0], d_model, patch, {.stride = patch}),
        positions(mul(randn({1, (image_shape[1] / patch) * (image_shape[2] / patch), d_model}), kStd)) {}
  Conv2d projection;
  Parameter positions;
  NORMGRAD_MEMBERS(PatchEmbedding, projection, positions)
  Tensor forward(const Tensor& x) override { return flatten(projection(x), 2).transpose(1, 2) + positions; }
};

/// [N, positions, d] -> [N, d].
class MeanOverPositions final : public Module {
 public:
  NORMGRAD_MEMBERS(MeanOverPositions)
  Tensor forward(const Tensor& x) override { return x.mean(Axes{1}); }
};

/// The edge of the patches: 7 for 28x28, 8 for 32x32 images.
std::int64_t patch_size(const Shape& image_shape) {
  for (const std::int64_t size : {7, 8, 4, 5, 3, 2}) {
    if (image_shape[1] % size == 0 && image_shape[2] % size == 0 && image_shape[1] >= 2 * size) {
      return size;
    }
  }
  return 1;
}

}  // namespace

std::int64_t transformer_width(const std::string& model) { return model == "gpt" ? 128 : 96; }

AnyModule make_patches(const Shape& image_shape, std::int64_t d_model) {
  return PatchEmbedding(image_shape, patch_size(image_shape), d_model);
}

AnyModule make_mean_over_positions() { return MeanOverPositions(); }

Sequential make_vit(const ModelSpec& spec) {
  const std::int64_t width = transformer_width(spec.model);
  Sequential net;
  net.push_back("patches", make_patches(spec.image_shape, width));
  add_blocks(net, spec);
  net.push_back("mean", make_mean_over_positions());
  add_last_norm(net, spec);
  net.push_back("fc", Linear(width, spec.num_classes));
  return net;
}

Sequential make_gpt(const ModelSpec& spec) {
  const std::int64_t width = transformer_width(spec.model);
  Embedding embedding(spec.num_classes, width);
  normal_(embedding.weight, 0.0, kStd);
  Sequential net;
  net.push_back("embedding", std::move(embedding));
  add_blocks(net, spec);
  net.push_back("flatten", Flatten(0, 1));  // from here on each position is an example
  add_last_norm(net, spec);
  net.push_back("fc", Linear(width, spec.num_classes));
  return net;
}

}  // namespace compare_norms
