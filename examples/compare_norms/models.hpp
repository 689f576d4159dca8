// The models that compare_norms trains.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "normgrad/normgrad.hpp"

namespace compare_norms {

/// How a model is trained unless told otherwise.
struct Defaults {
  std::int64_t steps, batch_size, eval_every;
  double lr, momentum;
  const char* activation;
};

/// Throws ValueError, listing the models, unless `model` is "mlp", "cnn", "lenet", "resnet" or "deep-mlp:DEPTH" with a
/// depth from 1 to 1000.
void check_model_name(const std::string& model);
Defaults defaults_of(const std::string& model);
/// Roughly how long a model takes for an image, mlp being 1.
double work_of(const std::string& model);
/// "sigmoid", "tanh", "relu", ...
const std::vector<std::string>& activation_names();

/// Why `model` cannot have `norm` (a spec of the registry of norms); empty when it can. Throws ValueError for a name
/// that is not known, and for an argument that does not fit the model. "group" without a number has as many groups as
/// divide both the channels and the registry's number.
std::string why_not_applicable(const std::string& model, const std::string& norm);

/// What passes through the taps of a model: the inputs of its norms and of its activations, while `armed`.
struct TapLog {
  struct Entry {
    std::string name;  ///< "norm1" or "act1": of what comes next
    normgrad::Tensor value;
  };
  bool armed = false;
  std::vector<Entry> entries;
};

struct ModelSpec {
  std::string model;
  std::string norm = "none";
  std::string activation = "relu";
  normgrad::Shape image_shape;  ///< [C, H, W]
  std::int64_t num_classes = 10;
  /// Where the taps write to; without it there are none.
  std::shared_ptr<TapLog> taps = nullptr;
};

/// mlp: n-100-100-100-classes, the model of Ioffe and Szegedy, "Batch Normalization" (2015), section 4.1.
/// cnn: conv 3x3 to 32 channels, norm, activation, pool, conv 3x3 to 64, the same, linear 128, activation, linear.
/// lenet: LeNet-5 (LeCun et al., 1998) as d2l.ai has it: conv 5x5 to 6 channels (padding 2), norm, activation, average
/// pool, conv 5x5 to 16, the same, linear 120, norm, activation, linear 84, norm, activation, linear.
/// deep-mlp:DEPTH: DEPTH layers of 128, He's start.
/// resnet: conv 3x3 to 8, norm, activation, three basic blocks (He et al., 2015) of 8, 16 and 32 channels, the last two
/// with stride 2, mean over positions, linear.
/// The norm stands before the activation; it draws no random numbers, so that the same state of the default generator
/// gives the same weights with every norm. Throws ShapeError for images that are too small.
normgrad::Sequential make_model(const ModelSpec& spec);

/// LeNet-5 with another padding of its first convolution.
normgrad::Sequential make_lenet(const ModelSpec& spec, std::int64_t padding);

}  // namespace compare_norms
