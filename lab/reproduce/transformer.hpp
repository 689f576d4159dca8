// The transformer of the experiments: small enough to be trained many times.
#pragma once

#include <cstdint>
#include <string>

#include "lab/reproduce/experiment.hpp"

namespace reproduce {

struct TransformerSpec {
  std::int64_t layers = 6;
  std::int64_t width = 32;
  std::string norm = "layer";
  std::string placement = "pre";  ///< see TransformerLayerOptions
  bool qk_norm = false;           ///< whether queries and keys have a norm, too
  bool xavier = false;            ///< whether the matrices of the blocks are Xavier's normal ones; DeepNorm has its own
};

/// A vision transformer: patches as those of the lab's vit, `layers` blocks "block1", ... of 4 heads, 2 * width
/// features between the linear layers and ReLU; mean over positions; a norm if the placement is "pre" or "sandwich";
/// linear.
normgrad::Sequential small_transformer(const TransformerSpec& spec, const compare_norms::Data& data);

/// Training of a small transformer.
struct TransformerPlan {
  std::int64_t steps = 300;
  std::int64_t batch_size = 32;
  double lr = 1e-3;         ///< of Adam
  std::int64_t warmup = 0;  ///< steps of a linear rise
  bool decay = false;       ///< whether the rate then falls linearly to 0
};

/// What a run gives, as Numbers.
enum TransformerResult : std::size_t {
  kTestAccuracy,  ///< in [0, 1]
  kFinalLoss,     ///< mean training loss of the last tenth of the steps; the loss of guessing if it became NaN
};
Numbers train_transformer(const TransformerSpec& spec, const TransformerPlan& plan, const compare_norms::Data& data,
                          std::uint64_t seed);

}  // namespace reproduce
