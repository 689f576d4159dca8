// Conditional batch normalization: batch norm with a weight and a bias per class.
// de Vries, Strub, Mary, Larochelle, Pietquin and Courville, "Modulating early visual processing by language", 2017; a
// table of classes as in Miyato and Koyama, "cGANs with Projection Discriminator", 2018.
#pragma once

#include <cstdint>
#include <string>

#include "normgrad/layers/norm/batch_norm.hpp"

namespace normgrad {

/// Options of a ConditionalBatchNorm2d. Names and defaults are BatchNorm2d's.
struct ConditionalBatchNormOptions {
  double eps = 1e-5;                              ///< added to the variance
  Momentum momentum = 0.1;                        ///< update rule of the running statistics
  bool track_running_stats = true;                ///< if false, batch statistics are also used in eval mode
  SingleValue single_value = SingleValue::error;  ///< behavior in training for one value per channel
  DType dtype = kFloat32;                         ///< of weight and bias; running statistics are float64
};

/// y = norm(x) * weight[label] + bias[label], with norm a BatchNorm2d without parameters: norm(x, label) for x: [N, C,
/// H, W] and label: int64 [N]. The statistics are those of all samples, whatever their labels.
class ConditionalBatchNorm2d : public Module {
 public:
  /// Throws ValueError for num_classes <= 0, and as BatchNorm2d.
  ConditionalBatchNorm2d(std::int64_t num_features, std::int64_t num_classes,
                         const ConditionalBatchNormOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(ConditionalBatchNorm2d)
  NORMGRAD_CALL_FORWARD()
  std::string extra_repr() const override;
  /// Throws ShapeError unless label is [N], DTypeError unless it is int64, and IndexError for a label that is not in
  /// [0, num_classes).
  Tensor forward(const Tensor& x, const Tensor& label);

  /// The constructor's arguments.
  std::int64_t num_features() const noexcept { return norm.num_features(); }
  std::int64_t num_classes() const noexcept { return num_classes_; }
  /// Resets the weights to 1, the biases to 0, and the running statistics.
  void reset_parameters();

  BatchNorm2d norm;  ///< without weight and bias
  Parameter weight;  ///< [num_classes, C]
  Parameter bias;    ///< [num_classes, C]

 private:
  std::int64_t num_classes_;
};

}  // namespace normgrad
