// What the orders of the gradient checker share; not for users.
#pragma once

#include <functional>
#include <vector>

#include "normgrad/core/autograd/gradcheck.hpp"

namespace normgrad::detail {

/// f as it is checked: it always runs with gradients recorded, so that it may ask for gradients itself. Its results
/// keep their graph only when the caller's mode records.
TensorsFunction recording(TensorsFunction f);

/// gradcheck() of a function that minds the mode: differences are taken of what it gives unrecorded.
GradCheckReport check_gradient(const TensorsFunction& f, const std::vector<Tensor>& inputs,
                               const GradCheckOptions& options);

/// How far rounding inside of a function moves L = <weights, f(inputs)>, whose value at `inputs` is <weights, results>:
/// the standard deviation of L over inputs a few units in the last place apart, less what a straight line explains
/// (after Moré and Wild, "Estimating Computational Noise", 2011). A function that is computed in float32, or has steps,
/// does not change over so few, and nothing is excused. The inputs that require gradients are changed and restored.
double function_noise(const TensorsFunction& f, const std::vector<Tensor>& inputs, const std::vector<Tensor>& results,
                      const std::vector<Tensor>& weights);

/// The same for the gradient of each input by backward, which `gradients` gives: of its noisiest element.
std::vector<double> gradient_noise(const std::vector<Tensor>& inputs, const std::vector<Tensor>& weights,
                                   const std::function<std::vector<std::vector<double>>()>& gradients);

}  // namespace normgrad::detail
