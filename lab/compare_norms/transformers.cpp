// The transformers that compare_norms trains.
#include "lab/compare_norms/model_parts.hpp"
#include "lab/compare_norms/models.hpp"

namespace compare_norms {

using namespace normgrad;

namespace {

constexpr std::int64_t kHeads = 4;
constexpr std::int64_t kBlocks = 6;

NormContext place() { return {.num_features = kTransformerWidth}; }

TransformerLayerOptions layer_options(const ModelSpec& spec) {
  return {.dim_feedforward = 4 * kTransformerWidth,
          .dropout = 0.0,
          .activation = activation_function(spec.activation),
          .batch_first = true,
          .norm_first = spec.placement == "pre",
          .norm = fitting(spec.norm, place())};
}

/// Appends the blocks, with a tap behind each.
void add_blocks(Sequential& net, const ModelSpec& spec) {
  for (std::int64_t k = 1; k <= kBlocks; ++k) {
    const std::string i = std::to_string(k);
    net.push_back("block" + i, TransformerEncoderLayer(kTransformerWidth, kHeads, layer_options(spec)));
    if (spec.taps) {
      net.push_back("to_act" + i, make_tap("act" + i, spec.taps, /*positions_first=*/true));
    }
  }
}

/// [N, C, H, W] -> [N, patches, d]: a linear map of each patch, plus a learned vector per patch.
class PatchEmbedding final : public Module {
 public:
  PatchEmbedding(const Shape& image_shape, std::int64_t patch, std::int64_t d_model)
      : projection(image_shape[0], d_model, patch, {.stride = patch}),
        positions(mul(randn({1, (image_shape[1] / patch) * (image_shape[2] / patch), d_model}), 0.02)) {}
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

Sequential make_vit(const ModelSpec& spec) {
  Sequential net;
  net.push_back("patches", PatchEmbedding(spec.image_shape, patch_size(spec.image_shape), kTransformerWidth));
  add_blocks(net, spec);
  net.push_back("mean", MeanOverPositions());
  if (spec.placement == "pre" && spec.norm != "none") {
    net.push_back("norm", make_norm(fitting(spec.norm, place()), place()));
  }
  net.push_back("fc", Linear(kTransformerWidth, spec.num_classes));
  return net;
}

}  // namespace compare_norms
