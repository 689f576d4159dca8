// Where the norms of a transformer layer stand, and the scales of DeepNorm.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "normgrad/core/base/random.hpp"
#include "normgrad/layers/module/any_module.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// The scales of DeepNorm: x + branch(x) becomes alpha x + branch(x), and the initial weights of the feed-forward
/// network, of the values and of out_proj are multiplied by beta.
struct DeepNormScale {
  double alpha = 1.0;  ///< of the residual
  double beta = 1.0;   ///< gain of the initial weights
};
/// For a model of layers of one kind, encoder or decoder: alpha = (2 N)^(1/4), beta = (8 N)^(-1/4). Wang et al.,
/// "DeepNet: Scaling Transformers to 1,000 Layers", 2022, figure 2. Throws ValueError unless num_layers is positive.
DeepNormScale deepnorm_scale(std::int64_t num_layers);

/// Result of deepnorm_scales().
struct DeepNormScales {
  DeepNormScale encoder;  ///< alpha = 0.81 (N^4 M)^(1/16), beta = 0.87 (N^4 M)^(-1/16)
  DeepNormScale decoder;  ///< alpha = (3 M)^(1/4), beta = (12 M)^(-1/4)
};
/// For a model of N encoder layers and M decoder layers; the same source and errors as deepnorm_scale().
DeepNormScales deepnorm_scales(std::int64_t encoder_layers, std::int64_t decoder_layers);

struct TransformerLayerOptions;
class Linear;
class MultiheadAttention;

namespace detail {

/// Adds branches to their inputs, with the norms where TransformerLayerOptions places them.
class Residual {
 public:
  /// Throws ValueError, naming the layer, for a placement that is unknown or contradicts norm_first, and for "deepnorm"
  /// without scales.
  Residual(const char* layer, const TransformerLayerOptions& options);

  /// A norm for each branch; empty for the placement "none".
  AnyModule norm(std::int64_t d_model, const TransformerLayerOptions& options) const;
  /// A norm for the result of each branch; empty for all placements but "sandwich".
  AnyModule norm_out(std::int64_t d_model, const TransformerLayerOptions& options) const;
  /// x and branch(x), joined. `out` may be empty.
  Tensor operator()(const Tensor& x, const AnyModule& norm, const AnyModule& out,
                    const std::function<Tensor(const Tensor&)>& branch) const;
  /// Initializes the weights as DeepNorm does, Xavier normal; does nothing for other placements.
  void init(MultiheadAttention& attention, Generator* generator) const;
  void init(Linear& linear1, Linear& linear2, Generator* generator) const;
  /// "norm_first=true", or "placement=sandwich" if the options have a placement.
  std::string repr() const;

 private:
  enum class Place : std::uint8_t { pre, post, sandwich, deepnorm, none };
  Place place_;
  bool named_;  // whether the options have a placement
  DeepNormScale scale_;
};

}  // namespace detail

}  // namespace normgrad
