// Checks gradients against finite differences.
//
//   GradCheckReport report = gradcheck([](const std::vector<Tensor>& in) { return in[0] * in[1]; }, {a, b});
//   if (!report.passed) std::cout << report;
//   check_gradients(f, {a, b});   // or: first and second order, throws GradCheckError with the report
//
// Method. f is probed with L = <w, f(x)>, w ~ N(0, 1) with a fixed seed. (Never with a plain sum: the gradient of a
// normalization is orthogonal to 1 and to its own output, so sum(y) and sum(y^2) have gradient 0, and a wrong backward
// would agree with the right one.) For every element of every input that requires gradients, dL/dx by backward is
// compared with dL/dx from differences of f, extrapolated to step 0 (core/autograd/gradcheck/finite_difference.hpp).
//
// Criterion. With a the gradient by backward and n the gradient by differences, an element passes if
//
//   |a - n| <= rtol max(|a|, |n|) + atol scale + noise,    scale = the largest |a|, |n| of that input
//
// For functions computed to a few units in the last place, the differences are accurate to 1e-9 of `scale` or better.
// The defaults rtol = 1e-7 and atol = 1e-8 are therefore tight: a wrong term of one part in a million is found. `atol`
// is relative to the gradient itself because an absolute one would accept any backward of a function with small
// gradients.
//
// `noise` allows for rounding. For n: its uncertainty + 16 eps |L| / h, but at most 1e-9 |L|, with |L| the sum of
// |w_i f_i| over the elements that change. For a: 64 eps |L| / min(standard deviation of x, max(1, |x|)), with |L| over
// all elements; this matters only where terms cancel to zero, as in the gradient of a bias before a normalization. If
// an input fails this criterion, f may cancel internally, as sum(norm(x)) does, which is 0 up to rounding for every x.
// f is then evaluated at inputs that differ in their last places, and 16 times the noise found there, divided by h, is
// added, plus 16 times the noise of the gradient by backward. A function computed in float32 shows no such noise,
// because it does not resolve such differences, and fails.
//
// f always runs with gradients recorded, even where only its values are needed. It may therefore call grad() with
// create_graph itself, as a gradient penalty does.
//
// The relative error in reports is max |a - n| / max(scale, 1e-6 |L|). The second term keeps a gradient that is zero up
// to rounding from having a relative error of 1.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// Function under test with one result.
using TensorFunction = std::function<Tensor(const std::vector<Tensor>& inputs)>;
/// Function under test with several results; an undefined result counts as zero.
using TensorsFunction = std::function<std::vector<Tensor>(const std::vector<Tensor>& inputs)>;

/// Options of gradcheck() and related functions.
struct GradCheckOptions {
  double rtol = 1e-7;  ///< relative to the larger of the two values
  double atol = 1e-8;  ///< relative to the largest element of the input's gradient
  /// The first step is step * min(standard deviation of the input, max(1, |x|)), rounded down to a power of two;
  /// smaller steps follow.
  double step = 0.0078125;
  std::uint64_t seed = 20240229;  ///< of w, and of the random gy in higher orders
  /// Weights w, one tensor for each result, instead of random ones. A w for which L does not vary is reported as
  /// degenerate.
  std::vector<Tensor> grad_outputs = {};
  /// Skip elements where the one-sided derivatives differ, instead of counting them as failures.
  bool allow_kinks = false;
  /// Accept an input whose gradient vanishes although f varies with it, instead of counting it as a failure.
  bool allow_degenerate = false;
  /// Maximum number of elements checked per input, chosen by the seed; 0: all.
  std::int64_t max_elements = 0;
  /// Names of the inputs in the report.
  std::vector<std::string> names = {};
};

/// Result of the check of one input.
struct GradCheckInput {
  std::size_t index = 0;       ///< position among the inputs
  std::string name;            ///< empty unless given
  Shape shape;                 ///< of the input
  bool passed = true;          ///< whether its gradient is correct
  double max_abs_error = 0.0;  ///< largest |analytic - numeric|
  double max_rel_error = 0.0;  ///< max_abs_error / max(scale, 1e-6 |L|), see the top of this file
  // The element with the largest error relative to its tolerance.
  std::int64_t worst = 0;  ///< its row-major index
  double analytic = 0.0;   ///< its gradient by backward
  double numeric = 0.0;    ///< its gradient by differences
  double step = 0.0;       ///< smallest step used for `numeric`
  double tolerance = 0.0;  ///< limit on |analytic - numeric|
  double noise = 0.0;      ///< rounding noise of L or of the gradient; 0 unless the result depends on it
  /// f does not depend on this input; its gradient must be zero or undefined.
  bool constant = false;
  /// f depends on this input but L does not: this projection cannot tell a correct backward from a wrong one.
  bool degenerate = false;
  std::vector<std::int64_t> kinks;       ///< elements where the one-sided derivatives differ
  std::vector<std::int64_t> unresolved;  ///< elements where the differences do not converge, so nothing is proved
};

/// Report of gradcheck().
struct GradCheckReport {
  int order = 1;                       ///< order of the derivatives that were checked
  bool passed = true;                  ///< whether all inputs passed and there are no problems
  std::vector<GradCheckInput> inputs;  ///< one entry for each input that requires gradients
  std::vector<std::string> problems;   ///< other failures, such as two backwards that differ

  double max_abs_error() const;  ///< over all inputs
  double max_rel_error() const;  ///< over all inputs
};
/// Formats the report as a table: one line for each input, and for failures both values, the element and the step.
std::string to_string(const GradCheckReport& report);
std::ostream& operator<<(std::ostream& out, const GradCheckReport& report);

/// Checks the gradient of f at `inputs` with respect to each input that requires gradients. These must be float64
/// (otherwise DTypeError). The elements of `inputs` are changed in place during the check and restored afterwards, so f
/// may also access them other than through its argument, as a layer does its parameters.
///
/// Throws GradCheckError if f is not a deterministic, pure function: two calls differ (give a random f a generator that
/// restarts in each call), it changes its inputs, or its result is not finite. Throws ValueError if no input requires
/// gradients.
GradCheckReport gradcheck(const TensorFunction& f, const std::vector<Tensor>& inputs, GradCheckOptions options = {});
GradCheckReport gradcheck(const TensorsFunction& f, const std::vector<Tensor>& inputs, GradCheckOptions options = {});

/// Checks the second order: the gradient of g(inputs, gy) = grad(f(inputs), inputs, gy) with respect to the inputs and
/// to a random gy. The differences use the ordinary backward (the kernels), the gradient uses the recorded one
/// (create_graph). Also checks that the two backwards agree.
GradCheckReport gradgradcheck(const TensorFunction& f, const std::vector<Tensor>& inputs,
                              GradCheckOptions options = {});

/// Checks any order >= 1: order n takes differences of the derivative of order n - 1.
GradCheckReport gradcheck_order(const TensorFunction& f, const std::vector<Tensor>& inputs, int order,
                                GradCheckOptions options = {});

/// Checks the orders 1 to `max_order`. Throws GradCheckError with the report of the first order that fails.
void check_gradients(const TensorFunction& f, const std::vector<Tensor>& inputs, int max_order = 2,
                     GradCheckOptions options = {});

}  // namespace normgrad
