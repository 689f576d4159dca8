// Weight standardization: the weights of each output have mean 0 and standard deviation 1. Qiao et al.,
// "Micro-Batch Training with Batch-Channel Normalization and Weight Standardization", 2019.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "normgrad/layers/module/parametrize.hpp"

namespace normgrad {

/// Options of weight_standardization().
struct WeightStandardizationOptions {
  double eps = 1e-5;                     ///< added to the standard deviation
  std::optional<std::int64_t> dim = {};  ///< the axis of the outputs; nullopt: 1 for transposed convolutions, else 0
};

/// The parametrization of weight_standardization(): (w - mean) / (std + eps) over all axes but `dim`, with the unbiased
/// standard deviation and eps outside of it, as in the authors' code (the paper has the biased one and eps inside).
class WeightStandardization : public Parametrization {
 public:
  /// Throws ValueError for eps < 0.
  explicit WeightStandardization(const WeightStandardizationOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(WeightStandardization)
  std::string extra_repr() const override;
  /// Throws IndexError for a dim that the weight does not have, and ShapeError for a single weight per output.
  Tensor forward(const Tensor& weight) override;

 private:
  double eps_;
  std::int64_t dim_;
};

namespace detail {
void add_weight_standardization(Module& module, const std::string& name, WeightStandardizationOptions options);
}

/// Standardizes the weights of each output: registers a WeightStandardization (see register_parametrization()). For
/// convolutions followed by a norm, often GroupNorm. Returns the module. Throws as register_parametrization() and
/// WeightStandardization.
template <std::derived_from<Module> M>
M& weight_standardization(M& module, const std::string& name = "weight",
                          const WeightStandardizationOptions& options = {}) {
  detail::add_weight_standardization(module, name, options);
  return module;
}
/// The same for a new module: Sequential(weight_standardization(Conv2d(3, 64, 3)), GroupNorm(32, 64)).
template <std::derived_from<Module> M>
requires(!std::is_lvalue_reference_v<M>) M weight_standardization(M&& module, const std::string& name = "weight",
                                                                  const WeightStandardizationOptions& options = {}) {
  return std::move(weight_standardization(module, name, options));
}

}  // namespace normgrad
