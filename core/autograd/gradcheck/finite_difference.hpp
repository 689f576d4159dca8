// Numerical derivatives for the gradient checker.
#pragma once

#include <functional>

namespace normgrad::detail {

/// Values from two evaluations of L = <w, f>, at x + h and x - h.
struct Difference {
  double slope = 0.0;      ///< (L(x + h) - L(x - h)) / 2h
  double bend = 0.0;       ///< (L(x + h) - L(x)) / h - (L(x) - L(x - h)) / h
  double variation = 0.0;  ///< sum_i |w_i| (|f_i(x + h) - f_i(x)| + |f_i(x) - f_i(x - h)|) / 2h
  double magnitude = 0.0;  ///< sum of |w_i f_i| over the elements that changed
  bool finite = true;
};

struct Derivative {
  double value = 0.0;
  double uncertainty = 0.0;  ///< distance between the last extrapolations
  double roundoff = 0.0;     ///< 16 eps |L| / h: bound on the rounding error of f in the value
  double step = 0.0;         ///< smallest h used for the value
  double variation = 0.0;
  double magnitude = 0.0;
  double bend = 0.0;        ///< at the smallest h tried
  double smallest_h = 0.0;  ///< smallest h tried
  bool settled = false;     ///< the extrapolations agreed
  bool kink = false;        ///< the one-sided derivatives differ
  bool finite = false;      ///< false: f gave Inf or NaN at every step
};

/// Computes d/dx from `at(h)` by Ridders' method ("Accurate computation of F'(x) and F'(x)F''(x)", 1982): central
/// differences for h = first_step, first_step / 2, ... are extrapolated to h = 0 until the extrapolations agree to
/// about 1e-10. Three steps (six evaluations) usually suffice; more are needed only where f has a kink, a pole or
/// strong curvature within first_step. The choice of the step does not depend on the gradient under test.
///
/// Kinks: for smooth f, `bend` is h f''(x) and halves with h; if it stays constant, the one-sided derivatives differ.
Derivative differentiate(const std::function<Difference(double h)>& at, double first_step);

}  // namespace normgrad::detail
