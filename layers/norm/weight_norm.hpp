// Weight normalization: w = g * v / |v|, as torch.nn.utils.parametrizations.weight_norm. Salimans and Kingma, "Weight
// Normalization: A Simple Reparameterization to Accelerate Training of Deep Neural Networks", 2016.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "normgrad/layers/module/parametrize.hpp"

namespace normgrad {

/// Options of weight_norm(). Names and defaults are PyTorch's.
struct WeightNormOptions {
  /// One norm for each index of this axis; nullopt, or -1 as in PyTorch: one norm of the whole weight.
  std::optional<std::int64_t> dim = 0;
};

/// The parametrization of weight_norm(). original0 is g, with the size 1 on all axes but `dim` ([] without dim), and
/// original1 is v, with the shape of the weight.
class WeightNorm : public Parametrization {
 public:
  /// Throws IndexError in combine() and right_inverse() for a dim that the weight does not have.
  explicit WeightNorm(const WeightNormOptions& options = {}) : dim_(options.dim) {}
  NORMGRAD_DECLARE_MEMBERS(WeightNorm)
  std::string extra_repr() const override;
  Tensor combine(const std::vector<Tensor>& originals) override;
  /// g = |weight|, v = weight.
  std::vector<Tensor> right_inverse(const Tensor& weight) override;

 private:
  Tensor norm_of(const Tensor& v) const;

  std::optional<std::int64_t> dim_;
};

/// Separates the length of a weight's vectors from their direction: registers a WeightNorm (see
/// register_parametrization()). The value of the weight does not change. Returns the module. Throws as
/// register_parametrization(), and IndexError for a dim that the weight does not have.
template <std::derived_from<Module> M>
M& weight_norm(M& module, const std::string& name = "weight", const WeightNormOptions& options = {}) {
  register_parametrization(module, name, WeightNorm(options));
  return module;
}
/// The same for a new module: Sequential(weight_norm(Linear(784, 100)), ReLU()).
template <std::derived_from<Module> M>
requires(!std::is_lvalue_reference_v<M>) M
    weight_norm(M&& module, const std::string& name = "weight", const WeightNormOptions& options = {}) {
  return std::move(weight_norm(module, name, options));
}

}  // namespace normgrad
