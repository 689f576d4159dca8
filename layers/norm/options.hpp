// Options of the normalization layers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace normgrad {

/// new = (1 - value) * old + value * batch: the momentum of PyTorch, MLX and Flashlight.
struct UpdateWeight {
  explicit constexpr UpdateWeight(double v) : value(v) {}  ///< v in [0, 1]
  double value;                                            ///< weight of the batch
};
/// new = value * old + (1 - value) * batch: the momentum of Keras, Flax, ONNX and MXNet.
struct Decay {
  explicit constexpr Decay(double v) : value(v) {}  ///< v in [0, 1]
  double value;                                     ///< weight of the old statistics
};
/// The mean over all batches so far.
struct Cumulative {};

/// The update rule of the running statistics. A plain number is PyTorch's momentum, the weight of the new batch;
/// std::nullopt is the cumulative mean. Frameworks call both this weight and its complement "momentum". The three types
/// state which is meant, and do not convert into each other:
///
///   BatchNorm2d(32, {.momentum = 0.3});            // as in PyTorch
///   BatchNorm2d(32, {.momentum = Decay(0.99)});    // as in Keras
///   BatchNorm2d(32, {.momentum = std::nullopt});   // or Cumulative{}
class Momentum {
 public:
  /// A number means UpdateWeight, std::nullopt means Cumulative.
  constexpr Momentum(double update_weight) : weight_(update_weight) {}  // NOLINT(google-explicit-constructor)
  constexpr Momentum(std::nullopt_t) {}                                 // NOLINT(google-explicit-constructor)
  constexpr Momentum(UpdateWeight weight) : weight_(weight.value) {}    // NOLINT(google-explicit-constructor)
  constexpr Momentum(Decay decay) : weight_(1.0 - decay.value) {}       // NOLINT(google-explicit-constructor)
  constexpr Momentum(Cumulative) {}                                     // NOLINT(google-explicit-constructor)

  /// The weight of a new batch, the weight of the old value, or the cumulative mean.
  static constexpr Momentum update_weight(double value) { return UpdateWeight(value); }
  static constexpr Momentum decay(double value) { return Decay(value); }
  static constexpr Momentum cumulative() { return Cumulative{}; }

  /// Whether it is the cumulative mean.
  constexpr bool is_cumulative() const { return !weight_.has_value(); }
  /// The weight of the new batch; nullopt if cumulative.
  constexpr std::optional<double> weight() const { return weight_; }

 private:
  std::optional<double> weight_;
};

/// Which affine parameters a norm has: a bool selects both or none, and a Kind any combination.
class Affine {
 public:
  /// Neither, weight and bias, the weight only, or the bias only.
  enum Kind : std::uint8_t { none, both, scale_only, bias_only };

  /// `true` is `both`, `false` is `none`.
  constexpr Affine(bool on) : kind_(on ? both : none) {}  // NOLINT(google-explicit-constructor)
  constexpr Affine(Kind kind) : kind_(kind) {}            // NOLINT(google-explicit-constructor)

  /// Whether there is a weight, whether there is a bias, and the combination.
  constexpr bool scale() const { return kind_ == both || kind_ == scale_only; }
  constexpr bool bias() const { return kind_ == both || kind_ == bias_only; }
  constexpr Kind kind() const { return kind_; }

 private:
  Kind kind_;
};
/// "true", "false", "scale_only" or "bias_only".
std::string to_string(Affine affine);

/// The estimate of the variance stored in running_var: sum((x - mean)^2) divided by n - 1 or by n. A batch is always
/// normalized with the biased estimate.
enum class Variance : std::uint8_t { unbiased, biased };

/// Behavior in training for a batch with one value per channel, whose variance is always 0.
enum class SingleValue : std::uint8_t {
  error,       ///< throws ShapeError
  use_running  ///< normalizes with the running statistics and leaves them unchanged
};

/// The statistics that normalize.
enum class Statistics : std::uint8_t {
  automatic,  ///< those of the batch in training or without running statistics, otherwise the running ones
  batch,
  running
};

}  // namespace normgrad
