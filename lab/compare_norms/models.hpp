// The models that compare_norms trains.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "normgrad/normgrad.hpp"

namespace compare_norms {

/// The default training settings of a model.
struct Defaults {
  std::int64_t steps, batch_size, eval_every;
  double lr, momentum;
  const char* activation;
  const char* optimizer = "sgd";
};

/// Throws ValueError, listing the models, unless `model` is "mlp", "cnn", "lenet", "resnet", "vit", "gpt", "unet",
/// "dcgan", or "deep-mlp:DEPTH" with a depth from 1 to 1000.
void check_model_name(const std::string& model);
/// Whether the model is a transformer, whose norms have a placement.
bool has_placements(const std::string& model);
/// Whether the model reads text: int64 [N, kContext], and gives scores [N * kContext, characters].
bool reads_text(const std::string& model);
/// Whether the model predicts classes, so that it has an accuracy.
bool has_classes(const std::string& model);
/// Characters that a language model sees.
inline constexpr std::int64_t kContext = 128;
/// Names of the placements of norms in transformers; see TransformerLayerOptions.
const std::vector<std::string>& placement_names();
/// "pre-norm", "DeepNorm", "no norms", ...
std::string placement_in_words(const std::string& placement);
Defaults defaults_of(const std::string& model);
/// Approximate time per image, relative to mlp.
double work_of(const std::string& model);
/// "sigmoid", "tanh", "relu", ...
const std::vector<std::string>& activation_names();

/// Returns why `model` cannot have `norm` (a spec of the norm registry), or "" if it can. Throws ValueError for an
/// unknown name, and for an argument that does not fit the model. "group" without a number uses the largest number of
/// groups that divides both the channels and the registry's number.
std::string why_not_applicable(const std::string& model, const std::string& norm);

/// The inputs of the norms and activations of a model, recorded by its taps while `armed`.
struct TapLog {
  struct Entry {
    std::string name;  ///< "norm1" or "act1": the layer that follows
    normgrad::Tensor value;
  };
  bool armed = false;
  std::vector<Entry> entries;
};

struct ModelSpec {
  std::string model;
  std::string norm = "none";
  std::string activation = "relu";
  std::string placement = "pre";     ///< of the norms in transformers; see TransformerLayerOptions
  bool qk_norm = false;              ///< whether the queries and keys of transformers are normalized, too
  normgrad::Shape image_shape = {};  ///< [C, H, W]
  std::int64_t num_classes = 10;
  /// Destination of the taps; null: no taps.
  std::shared_ptr<TapLog> taps = nullptr;
};

/// Makes a model. mlp: n-100-100-100-classes, the model of Ioffe and Szegedy, "Batch Normalization" (2015), section
/// 4.1. cnn: conv 3x3 to 32 channels, norm, activation, pool, conv 3x3 to 64, the same, linear 128, activation, linear.
/// lenet: LeNet-5 (LeCun et al., 1998) as in d2l.ai: conv 5x5 to 6 channels (padding 2), norm, activation, average
/// pool, conv 5x5 to 16, the same, linear 120, norm, activation, linear 84, norm, activation, linear. deep-mlp:DEPTH:
/// DEPTH layers of 128 with He initialization. resnet: conv 3x3 to 8, norm, activation, three basic blocks (He et al.,
/// 2015) of 8, 16 and 32 channels, the last two with stride 2, mean over positions, linear. vit: patches of 7x7 or
/// what divides the images, a learned vector per position, six transformer blocks of width 96 with 4 heads, mean over
/// positions, norm (if it stands before the branches), linear (Dosovitskiy et al., 2020). gpt: a vector per character,
/// six causal blocks of width 128 with 4 heads and rotary positions, norm, linear. unet: noisy to clean images, two
/// convolutions 3x3 at each of three resolutions, of 8, 16 and 32 channels, and back with skip connections (Ronneberger
/// et al., 2015). dcgan: the generator of images [N, C, H, W] of 32 numbers each, linear, norm, activation, transposed
/// convolution 4x4 to 32 channels, the same, transposed convolution (Radford et al., 2015). Elsewhere the norm precedes
/// the activation. It draws no random numbers, so the same state of the default generator gives the same weights with
/// every norm. Throws ShapeError for images that are too small.
normgrad::Sequential make_model(const ModelSpec& spec);

/// LeNet-5 with a different padding of its first convolution.
normgrad::Sequential make_lenet(const ModelSpec& spec, std::int64_t padding);

}  // namespace compare_norms
