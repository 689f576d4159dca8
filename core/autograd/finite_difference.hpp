// Derivatives from function values, for the gradient checker.
#pragma once

#include <functional>

namespace normgrad::detail {

/// What two evaluations, at x + h and x - h, tell of L = <w, f> around x.
struct Difference {
  double slope = 0.0;      ///< (L(x + h) - L(x - h)) / 2h
  double bend = 0.0;       ///< (L(x + h) - L(x)) / h - (L(x) - L(x - h)) / h
  double variation = 0.0;  ///< sum_i |w_i| |f_i(x + h) - f_i(x - h)| / 2h, of f around x: |slope| if nothing cancelled
  double magnitude = 0.0;  ///< sum of |w_i f_i| over the elements that changed
  bool finite = true;
};

struct Derivative {
  double value = 0.0;
  double uncertainty = 0.0;  ///< how far apart the last extrapolations lie
  double roundoff = 0.0;     ///< 16 eps |L| / h: what the rounding of f may do to the value
  double step = 0.0;         ///< the smallest h that the value rests on
  double variation = 0.0;
  double magnitude = 0.0;
  double bend = 0.0;        ///< at the smallest h that was tried
  double smallest_h = 0.0;  ///< that one
  bool settled = false;     ///< the extrapolations came to agree
  bool kink = false;        ///< the one-sided derivatives differ
  bool finite = false;      ///< false: f gave Inf or NaN for every step
};

/// d/dx from `at(h)` by Ridders' method ("Accurate computation of F'(x) and F'(x)F''(x)", 1982): central differences
/// for h = first_step, first_step / 2, ... are extrapolated to h = 0 until the extrapolations agree to about 1e-10.
/// Three steps (six evaluations) are the rule; more only where f has a kink, a pole or strong curvature within
/// first_step. The gradient under test plays no part in the choice of the step.
///
/// A kink: for smooth f, `bend` is h f''(x) and halves with h; where it stays, the one-sided derivatives differ.
Derivative differentiate(const std::function<Difference(double h)>& at, double first_step);

}  // namespace normgrad::detail
