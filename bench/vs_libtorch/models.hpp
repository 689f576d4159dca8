// Models that nothing was tuned for, as cases of the comparison. Included by models_normgrad.cpp and
// models_libtorch.cpp, which define the same models.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cases.hpp"

namespace bench {

struct ModelCase {
  const char* model;
  std::int64_t batch;
  bool trains;  ///< zero_grad, forward, loss, backward and optimizer; otherwise a forward in evaluation without
                ///< gradients
};

/// - resnet18: CIFAR form, 64 to 512 channels, 3x32x32; SGD with momentum
/// - mobilenet: depthwise 3x3 and 1x1 convolutions, 32 to 256 channels, ReLU6, 3x32x32; SGD with momentum
/// - encoder: 4 pre-norm transformer layers of 256 features and 4 heads over 128 positions, gelu; AdamW
/// - language model: the same, causal, with an embedding and a head of 10000 words; AdamW
/// - unet: two levels, GroupNorm, SiLU, 3x64x64, width 32; Adam
/// - dcgan: generator of 3x64x64 images from 100 numbers, BatchNorm2d, mean square loss; Adam
/// - vae: 784-400-20, Adam
/// - wide mlp: 2048-2048-2048-10, BatchNorm1d, ReLU; SGD with momentum
inline std::vector<ModelCase> model_cases() {
  return {{"resnet18", 32, true},      {"resnet18", 32, false}, {"resnet18", 1, false},  {"mobilenet", 32, true},
          {"mobilenet", 32, false},    {"mobilenet", 1, false}, {"encoder", 8, true},    {"encoder", 1, false},
          {"language model", 8, true}, {"unet", 8, true},       {"unet", 1, false},      {"dcgan", 16, true},
          {"vae", 128, true},          {"vae", 1, false},       {"wide mlp", 128, true}, {"wide mlp", 32, false},
          {"wide mlp", 1, false}};
}

inline std::string name_of(const ModelCase& c) {
  return std::string("model ") + c.model + (c.trains ? " training " : " inference ") + std::to_string(c.batch);
}

/// Of the transformers.
inline constexpr std::int64_t kWords = 10000;
inline constexpr std::int64_t kPositions = 128;

}  // namespace bench
