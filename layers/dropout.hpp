// Dropout.
#pragma once

#include <cstddef>
#include <string>

#include "normgrad/layers/module/module.hpp"

namespace normgrad {

namespace detail {

/// Base of the layers that drop parts of their input, in training mode only. They draw from default_generator().
class DropoutLayer : public Module {
 public:
  double p() const noexcept { return p_; }
  std::string extra_repr() const override;

 protected:
  /// Throws ValueError, naming the layer, for p outside [0, 1]. `axes` is part of its name, unless it is 0.
  DropoutLayer(const char* name, double p, std::size_t axes = 0);

 private:
  double p_;
};

}  // namespace detail

/// In training mode, sets each element to 0 with probability p and scales the others by 1 / (1 - p). In eval mode,
/// returns its input.
class Dropout : public detail::DropoutLayer {
 public:
  /// Throws ValueError for p outside [0, 1].
  explicit Dropout(double p = 0.5) : DropoutLayer("Dropout", p) {}
  NORMGRAD_DECLARE_MEMBERS(Dropout)
  Tensor forward(const Tensor& x) override;
};

/// Drops whole channels with probability p: Dropout1d, Dropout2d and Dropout3d.
template <std::size_t axes>
class ChannelDropout : public detail::DropoutLayer {
 public:
  /// Throws ValueError for p outside [0, 1].
  explicit ChannelDropout(double p = 0.5) : DropoutLayer("Dropout", p, axes) {}
  NORMGRAD_DECLARE_MEMBERS(ChannelDropout)
  Tensor forward(const Tensor& x) override;
};
using Dropout1d = ChannelDropout<1>;  ///< x: [N, C, L] or [C, L]
using Dropout2d = ChannelDropout<2>;  ///< x: [N, C, H, W]
using Dropout3d = ChannelDropout<3>;  ///< x: [N, C, D, H, W] or [C, D, H, W]

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
