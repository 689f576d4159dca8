// Internals shared by the gradient checks of all orders.
#pragma once

#include <functional>
#include <vector>

#include "normgrad/core/autograd/gradcheck/gradcheck.hpp"

namespace normgrad::detail {

/// Wraps f so that it always runs with gradients recorded and may itself call grad(). The results keep their graph only
/// when the caller records.
TensorsFunction recording(TensorsFunction f);

/// gradcheck() of an f that follows the caller's grad mode: differences use its unrecorded results.
GradCheckReport check_gradient(const TensorsFunction& f, const std::vector<Tensor>& inputs,
                               const GradCheckOptions& options);

/// Estimates how far rounding inside f moves L = <weights, f(inputs)>, whose value at `inputs` is <weights, results>.
/// Returns the standard deviation of L over inputs a few units in the last place apart, less its linear part (after
/// Moré and Wild, "Estimating Computational Noise", 2011). A function that is computed in float32, or is a step
/// function, does not change over so small a distance and gets no allowance. The inputs that require gradients are
/// changed and restored.
double function_noise(const TensorsFunction& f, const std::vector<Tensor>& inputs, const std::vector<Tensor>& results,
                      const std::vector<Tensor>& weights);

/// Estimates the same for the gradient of each input by backward, which `gradients` returns: the value of its noisiest
/// element.
std::vector<double> gradient_noise(const std::vector<Tensor>& inputs, const std::vector<Tensor>& weights,
                                   const std::function<std::vector<std::vector<double>>()>& gradients);

}  // namespace normgrad::detail
