// The axis of the outputs in the weights of layers. Internal to the weight norms.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {
class Module;
}

namespace normgrad::detail {

/// A weight to parametrize.
struct WeightPlace {
  Tensor weight;                 ///< its current value, without a gradient
  std::int64_t output_axis = 0;  ///< 1 for transposed convolutions, else 0
};
/// Finds the parameter of a name such as "weight" or "features.0.weight". Throws ValueError if there is none.
WeightPlace find_weight(const char* where, Module& module, const std::string& name);
/// Returns an axis of the weight; negative ones count from the end. Throws IndexError if it has none.
std::int64_t checked_weight_axis(const char* where, const Tensor& weight, std::int64_t dim);
/// All axes of a weight but one.
std::vector<std::int64_t> axes_but(const Tensor& weight, std::int64_t dim);

}  // namespace normgrad::detail
