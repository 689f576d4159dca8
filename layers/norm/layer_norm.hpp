// Layer normalization: statistics of each sample over the axes of normalized_shape.
// Ba, Kiros and Hinton, "Layer Normalization", 2016.
#pragma once

#include <vector>

#include "normgrad/layers/norm/norm_layer.hpp"
#include "normgrad/layers/norm/options.hpp"

namespace normgrad {

/// Options of a LayerNorm. Names and defaults are PyTorch's.
struct LayerNormOptions {
  double eps = 1e-5;                 ///< added to the variance
  Affine elementwise_affine = true;  ///< weight and bias
  /// If false, omits the bias of elementwise_affine.
  bool bias = true;
  /// The axes of normalized_shape, in ascending order; empty means the last ones. {1} with the number of channels
  /// normalizes each position of [N, C, H, W] over its channels.
  std::vector<std::int64_t> axes = {};
  DType dtype = kFloat32;  ///< dtype of the parameters
};

/// x: [*, normalized_shape]; weight and bias per element of normalized_shape.
class LayerNorm : public NormLayer {
 public:
  /// Throws ValueError for an empty normalized_shape or one with sizes <= 0, for eps <= 0, and for axes that are not
  /// ascending or not as many as normalized_shape has.
  explicit LayerNorm(const Shape& normalized_shape, const LayerNormOptions& options = {});
  explicit LayerNorm(std::int64_t features, const LayerNormOptions& options = {})
      : LayerNorm(Shape{features}, options) {}
  NORMGRAD_DECLARE_MEMBERS(LayerNorm)
  std::string extra_repr() const override;
  Epilogue fusable(const Epilogue& offered, const Tensor& x) const override {
    return fusable_as<LayerNorm>(offered, x);
  }

  /// The constructor's arguments.
  const Shape& normalized_shape() const noexcept { return normalized_shape_; }
  /// The axes of the options; empty means the last axes.
  const std::vector<std::int64_t>& axes() const noexcept { return axes_; }
  double eps() const noexcept { return eps_; }
  double eps_for(DType /*dtype*/) const override { return eps_; }
  Tensor by_channel(const Tensor& x) const override;
  /// Resets the weight to 1 and the bias to 0.
  void reset_parameters();

  Parameter weight;  ///< normalized_shape; undefined without scale
  Parameter bias;    ///< normalized_shape; undefined without bias

 protected:
  Tensor forward_fused(const Tensor& x, const Epilogue& epilogue) override;
  Tensor forward_masked(const Tensor& x, const Tensor& mask) override;

 private:
  void check_sizes(const Tensor& x, const std::vector<std::int64_t>& axes) const;

  Shape normalized_shape_;
  double eps_;
  std::vector<std::int64_t> axes_;
};

namespace detail {
/// Throws ValueError unless normalized_shape has axes, all of positive size. `type` is the layer's name.
void check_normalized_shape(const char* type, const Shape& normalized_shape);
void check_eps(const char* type, double eps);
/// Returns x as [N, C], with the C elements of normalized_shape last; undefined if they do not divide the elements of
/// x.
Tensor features_last(const Tensor& x, const Shape& normalized_shape);
}  // namespace detail

}  // namespace normgrad
