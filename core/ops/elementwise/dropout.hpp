// Dropout. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.
#pragma once

#include <string>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad {

/// Sets each element to 0 with probability p and scales the others by 1 / (1 - p), which preserves the mean. Returns x
/// itself if not training or p is 0. Draws from default_generator() unless a generator is given. Differentiable to any
/// order. Throws ValueError for p outside [0, 1].
Tensor dropout(const Tensor& x, double p = 0.5, bool training = true, Generator* generator = nullptr);

/// dropout() of whole channels: each channel of each sample is kept or set to 0. x: [N, C, L] or [C, L].
Tensor dropout1d(const Tensor& x, double p = 0.5, bool training = true, Generator* generator = nullptr);
/// x: [N, C, H, W]; as in PyTorch, an x of 3 axes is [N, C, L].
Tensor dropout2d(const Tensor& x, double p = 0.5, bool training = true, Generator* generator = nullptr);
/// x: [N, C, D, H, W] or [C, D, H, W].
Tensor dropout3d(const Tensor& x, double p = 0.5, bool training = true, Generator* generator = nullptr);

/// Dropout for SELU: sets elements to the negative saturation value of SELU and then scales and shifts all, which
/// preserves mean 0 and variance 1. Klambauer et al., "Self-normalizing neural networks", 2017.
Tensor alpha_dropout(const Tensor& x, double p = 0.5, bool training = true, Generator* generator = nullptr);
/// The same for whole channels. x: [N, C, ...].
Tensor feature_alpha_dropout(const Tensor& x, double p = 0.5, bool training = true, Generator* generator = nullptr);

/// Drops a residual branch: sets x to 0 with probability p, all of it (`mode` "batch") or sample by sample ("row"), and
/// scales what is kept by 1 / (1 - p). Huang et al., "Deep networks with stochastic depth", 2016. As in torchvision.
/// Throws ValueError for another mode and for p outside [0, 1].
Tensor stochastic_depth(const Tensor& x, double p, const std::string& mode, bool training = true,
                        Generator* generator = nullptr);

}  // namespace normgrad
