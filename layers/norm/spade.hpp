// SPADE: a norm whose scale and shift are images, computed from a segmentation map.
// Park, Liu, Wang and Zhu, "Semantic Image Synthesis with Spatially-Adaptive Normalization", 2019.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "normgrad/core/base/random.hpp"
#include "normgrad/layers/conv.hpp"
#include "normgrad/layers/module/any_module.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// Options of a SPADE. Defaults are those of the authors' code.
struct SPADEOptions {
  /// The norm without parameters: "batch" or "instance".
  std::string norm = "batch";
  std::int64_t hidden = 128;       ///< channels between the map and the scales
  std::int64_t kernel_size = 3;    ///< of the three convolutions; odd
  double eps = 1e-5;               ///< of the norm
  DType dtype = kFloat32;          ///< dtype of the parameters
  Generator* generator = nullptr;  ///< source of the initial values; null: default_generator()
};

/// y = param_free_norm(x) * (1 + gamma) + beta, with gamma = mlp_gamma(a), beta = mlp_beta(a) and a =
/// mlp_shared(map): spade(x, map) for x: [N, C, H, W] and map: [N, label_channels, h, w], such as one-hot classes. The
/// map is resized to H, W with "nearest". State keys are the authors'.
class SPADE : public Module {
 public:
  /// Throws ValueError unless the sizes are positive and kernel_size is odd, and for an unknown norm.
  SPADE(std::int64_t num_features, std::int64_t label_channels, const SPADEOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(SPADE)
  NORMGRAD_CALL_FORWARD()
  std::string extra_repr() const override;
  /// Throws ShapeError for operands that are not [N, num_features, H, W] and [N, label_channels, h, w].
  Tensor forward(const Tensor& x, const Tensor& map);

  AnyModule param_free_norm;       ///< BatchNorm2d or InstanceNorm2d without weight and bias
  std::vector<Conv2d> mlp_shared;  ///< one convolution, before a ReLU
  Conv2d mlp_gamma;                ///< to the scales
  Conv2d mlp_beta;                 ///< to the shifts

 private:
  std::int64_t num_features_;
  std::int64_t label_channels_;
};

}  // namespace normgrad
