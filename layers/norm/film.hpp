// FiLM: scale and shift of each channel, computed from a condition.
// Perez, Strub, de Vries, Dumoulin and Courville, "FiLM: Visual Reasoning with a General Conditioning Layer", 2018.
#pragma once

#include <cstdint>
#include <string>

#include "normgrad/core/base/random.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// Options of a FiLM.
struct FiLMOptions {
  bool zero_init = false;          ///< start as the identity: the projection is 0
  DType dtype = kFloat32;          ///< dtype of the parameters
  Generator* generator = nullptr;  ///< source of the initial values; null: default_generator()
};

/// y = (1 + gamma) * x + beta, with [gamma, beta] = projection(condition): film(x, condition) for x: [N, C, *] and
/// condition: [N, K]. As in the authors' code, gamma is the deviation from 1. It does not normalize: the layer before
/// it may be a norm without parameters.
class FiLM : public Module {
 public:
  /// Throws ValueError unless both sizes are positive.
  FiLM(std::int64_t num_features, std::int64_t condition_features, const FiLMOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(FiLM)
  NORMGRAD_CALL_FORWARD()
  std::string extra_repr() const override;
  /// Throws ShapeError for operands that are not [N, num_features, *] and [N, condition_features].
  Tensor forward(const Tensor& x, const Tensor& condition);

  Linear projection;  ///< from the condition to gamma and beta: [2 * num_features]

 private:
  std::int64_t num_features_;
};

}  // namespace normgrad
