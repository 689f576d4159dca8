// Spectral normalization: w = w / sigma(w), with the largest singular value sigma found by power iteration, as
// torch.nn.utils.parametrizations.spectral_norm. Miyato et al., "Spectral Normalization for Generative Adversarial
// Networks", 2018.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "normgrad/core/base/random.hpp"
#include "normgrad/layers/module/parametrize.hpp"

namespace normgrad {

/// Options of spectral_norm(). Names and defaults are PyTorch's.
struct SpectralNormOptions {
  std::int64_t n_power_iterations = 1;   ///< per call in training mode
  double eps = 1e-12;                    ///< the least norm that a singular vector is divided by
  std::optional<std::int64_t> dim = {};  ///< the axis of the outputs; nullopt: 1 for transposed convolutions, else 0
  Generator* generator = nullptr;        ///< source of the first singular vectors; null: default_generator()
};

/// The parametrization of spectral_norm(). The weight counts as a matrix of `dim` times all other axes. A weight with
/// one axis is divided by its norm.
///
/// u and v approximate the singular vectors of the largest singular value: sigma = u^T w v. In training mode each call
/// first improves them by n_power_iterations steps, except under a FreezeStatisticsGuard; in eval mode they stay. The
/// gradient treats u and v as constants.
class SpectralNorm : public Parametrization {
 public:
  /// Takes 15 power iterations on the weight from random vectors. Throws IndexError for a dim that the weight does not
  /// have, and ValueError for n_power_iterations <= 0 and eps <= 0.
  explicit SpectralNorm(const Tensor& weight, const SpectralNormOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(SpectralNorm)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& weight) override;
  /// The weight itself: assigning w gives the weight w / sigma(w).
  std::vector<Tensor> right_inverse(const Tensor& weight) override { return {weight}; }

  StateBuffer u;  ///< [outputs], the key "_u"; undefined for a weight with one axis
  StateBuffer v;  ///< [inputs], the key "_v"; likewise

 private:
  Tensor as_matrix(const Tensor& weight) const;
  void iterate(const Tensor& matrix, std::int64_t times);

  std::int64_t n_power_iterations_;
  double eps_;
  std::int64_t dim_;
};

namespace detail {
void add_spectral_norm(Module& module, const std::string& name, SpectralNormOptions options);
}

/// Keeps the largest singular value of a weight at 1: registers a SpectralNorm (see register_parametrization()).
/// Returns the module. Throws as register_parametrization() and SpectralNorm.
template <std::derived_from<Module> M>
M& spectral_norm(M& module, const std::string& name = "weight", const SpectralNormOptions& options = {}) {
  detail::add_spectral_norm(module, name, options);
  return module;
}
/// The same for a new module: Sequential(spectral_norm(Conv2d(3, 64, 4)), LeakyReLU()).
template <std::derived_from<Module> M>
requires(!std::is_lvalue_reference_v<M>) M
    spectral_norm(M&& module, const std::string& name = "weight", const SpectralNormOptions& options = {}) {
  return std::move(spectral_norm(module, name, options));
}

}  // namespace normgrad
