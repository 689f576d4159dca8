// Probes of the norms in a model during training.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lab/compare_norms/models.hpp"
#include "normgrad/normgrad.hpp"

namespace compare_norms {

/// The 15, 50 and 85 % quantiles of the input of an activation: over all units, and of its first unit or channel alone
/// (the "typical sigmoid" of Ioffe and Szegedy, 2015, Figure 1).
struct Percentiles {
  std::string layer;
  double p15 = 0.0, p50 = 0.0, p85 = 0.0;
  double unit15 = 0.0, unit50 = 0.0, unit85 = 0.0;
};

struct GradientNorm {
  std::string layer;  ///< layer whose weight gradient of the last batch is measured
  double norm = 0.0;  ///< Euclidean norm
};

/// The running statistics of a norm compared with the statistics of the probe images.
struct StatisticsDrift {
  std::string layer;
  double mean_shift = 0.0;  ///< mean over the channels of |running mean - mean| / standard deviation
  double std_ratio = 1.0;   ///< median over the channels of running / actual standard deviation
};

struct Probe {
  std::int64_t step = 0;
  std::vector<Percentiles> percentiles;
  std::vector<GradientNorm> gradients;
  std::vector<StatisticsDrift> drifts;
  double train_mode_accuracy = 0.0;  ///< on the probe images, normalized by their own statistics
  double eval_mode_accuracy = 0.0;   ///< on the same images in eval mode
};

/// Measures a model without changing it: neither statistics, nor gradients, nor random number generators.
class Prober {
 public:
  /// The probe images are the first 500 of `images`. If `on` is false, there are no taps.
  Prober(bool on, const normgrad::Dataset& examples);
  /// The argument of make_model().
  const std::shared_ptr<TapLog>& taps() const noexcept { return taps_; }
  /// Requires `model` in training mode, with the gradients of the last batch in its parameters.
  Probe measure(normgrad::Sequential& model, std::int64_t step);

 private:
  std::shared_ptr<TapLog> taps_;
  normgrad::Batch batch_;
};

}  // namespace compare_norms
