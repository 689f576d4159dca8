// Dropout.
#pragma once

#include <string>

#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// In training mode, sets each element to 0 with probability p and scales the others by 1 / (1 - p). In eval mode,
/// returns its input. Draws from default_generator().
class Dropout : public Module {
 public:
  /// Throws ValueError for p outside [0, 1].
  explicit Dropout(double p = 0.5);
  NORMGRAD_DECLARE_MEMBERS(Dropout)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

 private:
  double p_;
};

namespace detail {

/// Base of the layers that drop parts of their input, in training mode only. They draw from default_generator().
class DropoutLayer : public Module {
 public:
  double p() const noexcept { return p_; }
  std::string extra_repr() const override;

 protected:
  /// Throws ValueError, naming the layer, for p outside [0, 1].
  DropoutLayer(const char* name, double p);

 private:
  double p_;
};

}  // namespace detail

/// Drops whole channels with probability p. x: [N, C, L] or [C, L].
class Dropout1d : public detail::DropoutLayer {
 public:
  /// Throws ValueError for p outside [0, 1].
  explicit Dropout1d(double p = 0.5) : DropoutLayer("Dropout1d", p) {}
  NORMGRAD_DECLARE_MEMBERS(Dropout1d)
  Tensor forward(const Tensor& x) override;
};

/// Drops whole channels with probability p. x: [N, C, H, W].
class Dropout2d : public detail::DropoutLayer {
 public:
  /// Throws ValueError for p outside [0, 1].
  explicit Dropout2d(double p = 0.5) : DropoutLayer("Dropout2d", p) {}
  NORMGRAD_DECLARE_MEMBERS(Dropout2d)
  Tensor forward(const Tensor& x) override;
};

/// Drops whole channels with probability p. x: [N, C, D, H, W] or [C, D, H, W].
class Dropout3d : public detail::DropoutLayer {
 public:
  /// Throws ValueError for p outside [0, 1].
  explicit Dropout3d(double p = 0.5) : DropoutLayer("Dropout3d", p) {}
  NORMGRAD_DECLARE_MEMBERS(Dropout3d)
  Tensor forward(const Tensor& x) override;
};

/// Dropout for SELU, which preserves mean 0 and variance 1; see alpha_dropout().
class AlphaDropout : public detail::DropoutLayer {
 public:
  /// Throws ValueError for p outside [0, 1].
  explicit AlphaDropout(double p = 0.5) : DropoutLayer("AlphaDropout", p) {}
  NORMGRAD_DECLARE_MEMBERS(AlphaDropout)
  Tensor forward(const Tensor& x) override;
};

/// The same for whole channels. x: [N, C, ...].
class FeatureAlphaDropout : public detail::DropoutLayer {
 public:
  /// Throws ValueError for p outside [0, 1].
  explicit FeatureAlphaDropout(double p = 0.5) : DropoutLayer("FeatureAlphaDropout", p) {}
  NORMGRAD_DECLARE_MEMBERS(FeatureAlphaDropout)
  Tensor forward(const Tensor& x) override;
};

/// Drops a residual branch with probability p, for all samples ("batch") or sample by sample ("row"): x +
/// depth(branch(x)).
class StochasticDepth : public detail::DropoutLayer {
 public:
  /// Throws ValueError for p outside [0, 1] and for another mode.
  StochasticDepth(double p, const std::string& mode);
  NORMGRAD_DECLARE_MEMBERS(StochasticDepth)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

 private:
  std::string mode_;
};

}  // namespace normgrad
