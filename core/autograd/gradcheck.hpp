// Checks gradients against finite differences.
//
//   GradCheckReport report = gradcheck([](const std::vector<Tensor>& in) { return in[0] * in[1]; }, {a, b});
//   if (!report.passed) std::cout << report;
//   check_gradients(f, {a, b});   // or: first and second order, throws GradCheckError with the report
//
// What is compared. f is probed with L = <w, f(x)>, w ~ N(0, 1) fixed by a seed. (Never with a plain sum: the gradient
// of a normalization is orthogonal to 1 and to its own output, so sum(y) and sum(y^2) have gradient 0, and a backward
// that is wrong agrees with the right one.) For every element of every input that requires gradients dL/dx by backward
// is compared with dL/dx from differences of f, extrapolated to step 0 (core/autograd/finite_difference.hpp).
//
// When an element passes. With a the gradient by backward, n the one from differences:
//
//   |a - n| <= rtol max(|a|, |n|) + atol scale + noise,    scale = the largest |a|, |n| of that input
//
// The differences are good to 1e-9 or better of `scale` for functions that are computed to a few units in the last
// place, so the defaults rtol = 1e-7, atol = 1e-8 leave little room: a wrong term of one part in a million is found.
// `atol` is in units of the gradient itself because an absolute one would pass any backward of a function that is
// small.
//
// `noise` is what rounding does. To n: its uncertainty + 16 eps |L| / h, but never more than 1e-9 |L|, with |L| the sum
// of |w_i f_i| over the elements that change. To a: 64 eps |L| / (standard deviation of x), with |L| over all elements;
// it matters only where terms cancel to zero, as in the gradient of a bias before a normalization. When an input fails
// so, f may cancel inside, as sum(norm(x)) does, which is 0 up to rounding whatever x is: then f is evaluated at inputs
// that differ in their last places, and 16 times the noise found there, over h, is added, and 16 times the noise of the
// gradient by backward. A function that is computed
// in float32 shows none, as it does not see such differences, and fails.
//
// f runs with gradients recorded, also where only its values are wanted: it may call grad() itself, with create_graph,
// as a gradient penalty does.
//
// The relative error in reports is max |a - n| / max(scale, 1e-6 |L|), the second term only so that a gradient that is
// zero up to rounding has not the relative error 1.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// What is checked: tensors to a tensor.
using TensorFunction = std::function<Tensor(const std::vector<Tensor>& inputs)>;
/// With several results; an undefined one counts as zero.
using TensorsFunction = std::function<std::vector<Tensor>(const std::vector<Tensor>& inputs)>;

/// Options of gradcheck() and its kin.
struct GradCheckOptions {
  double rtol = 1e-7;  ///< of the larger of both values
  double atol = 1e-8;  ///< in units of the largest element of the gradient of the input
  /// The first difference is taken over step * min(standard deviation of the input, max(1, |x|)); smaller ones follow.
  double step = 0.0078125;
  std::uint64_t seed = 20240229;  ///< of w, and of the gradients that higher orders are asked for
  /// w, one tensor for each result, in place of random ones. A w for which L does not vary is reported as degenerate.
  std::vector<Tensor> grad_outputs = {};
  /// Elements where the one-sided derivatives differ are left out, instead of counted as failures.
  bool allow_kinks = false;
  /// An input whose gradient vanishes although f varies with it passes, instead of counting as a failure.
  bool allow_degenerate = false;
  /// Checks at most that many elements of each input, chosen by the seed; 0: all.
  std::int64_t max_elements = 0;
  /// Names of the inputs for the report.
  std::vector<std::string> names = {};
};

/// How the check of one input went.
struct GradCheckInput {
  std::size_t index = 0;       ///< position among the inputs
  std::string name;            ///< empty unless given
  Shape shape;                 ///< of the input
  bool passed = true;          ///< whether its gradient is right
  double max_abs_error = 0.0;  ///< largest |analytic - numeric|
  double max_rel_error = 0.0;  ///< the same as a part of the largest element of the gradient
  // The element that uses most of its tolerance.
  std::int64_t worst = 0;  ///< its position, row-major
  double analytic = 0.0;   ///< what backward gave there
  double numeric = 0.0;    ///< what the differences gave there
  double step = 0.0;       ///< smallest difference that `numeric` rests on
  double tolerance = 0.0;  ///< what |analytic - numeric| may be
  double noise = 0.0;      ///< what rounding inside of f does to L or to the gradient; 0 unless the check rests on it
  /// f does not change with this input (its gradient must then be zero or undefined).
  bool constant = false;
  /// f changes with this input but L does not: this projection cannot tell a right backward from a wrong one.
  bool degenerate = false;
  std::vector<std::int64_t> kinks;       ///< elements where the one-sided derivatives differ
  std::vector<std::int64_t> unresolved;  ///< elements where the differences do not settle, so that nothing is shown
};

/// What gradcheck() found.
struct GradCheckReport {
  int order = 1;                       ///< of the derivatives that were checked
  bool passed = true;                  ///< whether all inputs did, without problems
  std::vector<GradCheckInput> inputs;  ///< one for each
  std::vector<std::string> problems;   ///< what else is wrong, such as a recorded and an ordinary backward that differ

  double max_abs_error() const;  ///< over all inputs
  double max_rel_error() const;  ///< over all inputs
};
/// A table: one line for each input, and what went wrong with both values, the element and the step.
std::string to_string(const GradCheckReport& report);
std::ostream& operator<<(std::ostream& out, const GradCheckReport& report);

/// Checks the gradient of f at `inputs` with respect to each input that requires gradients; those must be float64
/// (DTypeError). The elements of `inputs` are changed in place while the check runs and restored, so f may as well use
/// them by another way than its argument, as a layer does its parameters.
///
/// Throws GradCheckError when f is not a function: two calls differ (give a random f a generator that starts anew in
/// each call), it changes its inputs, or its result is not finite; ValueError when no input requires gradients.
GradCheckReport gradcheck(const TensorFunction& f, const std::vector<Tensor>& inputs, GradCheckOptions options = {});
GradCheckReport gradcheck(const TensorsFunction& f, const std::vector<Tensor>& inputs, GradCheckOptions options = {});

/// Checks the second order: the gradient of g(inputs, gy) = grad(f(inputs), inputs, gy) with respect to the inputs and
/// to gy, where gy is random. The differences are taken of the ordinary backward (the kernels), the gradient goes
/// through the recorded one (create_graph); that the two agree is checked besides.
GradCheckReport gradgradcheck(const TensorFunction& f, const std::vector<Tensor>& inputs,
                              GradCheckOptions options = {});

/// The same for any order >= 1: order n takes differences of the derivative of order n - 1.
GradCheckReport gradcheck_order(const TensorFunction& f, const std::vector<Tensor>& inputs, int order,
                                GradCheckOptions options = {});

/// Checks the orders 1 to `max_order`; throws GradCheckError with the report of the first that fails.
void check_gradients(const TensorFunction& f, const std::vector<Tensor>& inputs, int max_order = 2,
                     GradCheckOptions options = {});

}  // namespace normgrad
