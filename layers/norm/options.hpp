// What the normalization layers can be told.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace normgrad {

/// new = (1 - value) * old + value * batch: the momentum of PyTorch, MLX and Flashlight.
struct UpdateWeight {
  explicit constexpr UpdateWeight(double v) : value(v) {}  ///< v in [0, 1]
  double value;                                            ///< of the batch
};
/// new = value * old + (1 - value) * batch: the momentum of Keras, Flax, ONNX and MXNet.
struct Decay {
  explicit constexpr Decay(double v) : value(v) {}  ///< v in [0, 1]
  double value;                                     ///< of the old statistics
};
/// The plain mean over all batches so far.
struct Cumulative {};

/// How running statistics follow those of the batches. A plain number is PyTorch's momentum, the weight of the new
/// batch, and std::nullopt the cumulative mean. The frameworks call both the weight and its complement "momentum"; the
/// three types say which is meant, and do not convert into each other:
///
///   BatchNorm2d(32, {.momentum = 0.3});            // as in PyTorch
///   BatchNorm2d(32, {.momentum = Decay(0.99)});    // as in Keras
///   BatchNorm2d(32, {.momentum = std::nullopt});   // or Cumulative{}
class Momentum {
 public:
  /// A number is an UpdateWeight, std::nullopt is Cumulative.
  constexpr Momentum(double update_weight) : weight_(update_weight) {}  // NOLINT(google-explicit-constructor)
  constexpr Momentum(std::nullopt_t) {}                                 // NOLINT(google-explicit-constructor)
  constexpr Momentum(UpdateWeight weight) : weight_(weight.value) {}    // NOLINT(google-explicit-constructor)
  constexpr Momentum(Decay decay) : weight_(1.0 - decay.value) {}       // NOLINT(google-explicit-constructor)
  constexpr Momentum(Cumulative) {}                                     // NOLINT(google-explicit-constructor)

  /// By the weight of a new batch, by that of the old value, or the plain average.
  static constexpr Momentum update_weight(double value) { return UpdateWeight(value); }
  static constexpr Momentum decay(double value) { return Decay(value); }
  static constexpr Momentum cumulative() { return Cumulative{}; }

  /// Whether it is the plain average.
  constexpr bool is_cumulative() const { return !weight_.has_value(); }
  /// The weight of the new batch; none when cumulative.
  constexpr std::optional<double> weight() const { return weight_; }

 private:
  std::optional<double> weight_;
};

/// Which affine parameters a norm has: a bool for both or none, or one of the two.
class Affine {
 public:
  /// Neither, weight and bias, the weight, or the bias.
  enum Kind : std::uint8_t { none, both, scale_only, bias_only };

  /// `true` is `both`, `false` is `none`.
  constexpr Affine(bool on) : kind_(on ? both : none) {}  // NOLINT(google-explicit-constructor)
  constexpr Affine(Kind kind) : kind_(kind) {}            // NOLINT(google-explicit-constructor)

  /// Whether there is a weight, whether a bias, and both as one.
  constexpr bool scale() const { return kind_ == both || kind_ == scale_only; }
  constexpr bool bias() const { return kind_ == both || kind_ == bias_only; }
  constexpr Kind kind() const { return kind_; }

 private:
  Kind kind_;
};
/// "true", "false", "scale_only" or "bias_only".
std::string to_string(Affine affine);

/// Which estimate of the variance enters running_var: sum((x - mean)^2) divided by n - 1 or by n. (What normalises a
/// batch is the biased one in every case.)
enum class Variance : std::uint8_t { unbiased, biased };

/// What a norm does in training when a batch has one value per channel, so that its variance is 0 whatever it is.
enum class SingleValue : std::uint8_t {
  error,       ///< throws ShapeError
  use_running  ///< normalises with the running statistics and leaves them as they are
};

/// Which statistics normalise.
enum class Statistics : std::uint8_t {
  automatic,  ///< those of the batch in training or where there are no running ones, else the running ones
  batch,
  running
};

}  // namespace normgrad
