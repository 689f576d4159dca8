// Line search of LBFGS. Internal.
#pragma once

#include <functional>
#include <vector>

namespace normgrad::detail {

using FlatVector = std::vector<double>;  ///< all parameters, one after another

/// The dot product, in blocks that do not depend on the number of threads.
double dot(const FlatVector& a, const FlatVector& b);
/// a += factor * b.
void add_scaled(FlatVector& a, double factor, const FlatVector& b);
/// The largest magnitude; NaN if an element is NaN.
double largest_magnitude(const FlatVector& a);

/// A point on the line x + t d.
struct LinePoint {
  double t = 0.0;
  double loss = 0.0;
  double slope = 0.0;  ///< gradient times d
  FlatVector gradient;
};

struct LineSearchResult {
  LinePoint point;
  int evaluations = 0;
};

/// Searches for a point that satisfies the strong Wolfe conditions, beginning with t: torch.optim.lbfgs._strong_wolfe
/// with its constants (Nocedal and Wright, "Numerical optimization", 2006, algorithms 3.5 and 3.6). `evaluate` returns
/// the point for a t; `start` is the point of t = 0.
LineSearchResult strong_wolfe(const std::function<LinePoint(double t)>& evaluate, const LinePoint& start, double t,
                              double largest_of_d);

}  // namespace normgrad::detail
