// Finds the sets of elements that share a statistic from the dependencies of the results, without knowledge of the
// norm.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/layers/norm/running_stats.hpp"

namespace normgrad::tests {

using Elements = std::vector<std::size_t>;

/// Two elements are in one set if the result of one changes with the other. Throws if the sets are not disjoint.
inline std::vector<Elements> find_sets(Module& norm, const Tensor& input) {
  const NoGradGuard no_grad;
  const FreezeStatisticsGuard guard;
  Tensor x = input.detach().clone();
  const std::vector<double> y = norm(x).to_vector<double>();
  std::vector<bool> known(y.size(), false);
  std::vector<Elements> sets;
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (known[i]) {
      continue;
    }
    const double value = x.data<double>()[i];
    x.mutable_data<double>()[i] = value + 1.0;
    const std::vector<double> changed = norm(x).to_vector<double>();
    x.mutable_data<double>()[i] = value;
    Elements members;
    for (std::size_t j = 0; j < y.size(); ++j) {
      if (changed[j] != y[j]) {
        if (known[j]) {
          throw std::logic_error("sets overlap");
        }
        known[j] = true;
        members.push_back(j);
      }
    }
    if (!known[i]) {
      throw std::logic_error("an element does not change its own result");
    }
    sets.push_back(members);
  }
  return sets;
}

/// Returns the eps that a layer prints; "none" means the machine epsilon of the dtype.
inline double printed_eps(const Module& norm, DType dtype = kFloat64) {
  const std::string text = norm.extra_repr();
  const std::size_t at = text.find("eps=");
  if (at == std::string::npos) {
    throw std::logic_error("no eps in \"" + text + "\"");
  }
  const std::string value = text.substr(at + 4);
  if (value.starts_with("none")) {
    return dtype == kFloat64 ? std::numeric_limits<double>::epsilon() : std::numeric_limits<float>::epsilon();
  }
  return std::stod(value);
}

/// A sum and the magnitude of its terms, relative to which rounding errors are measured.
struct Sum {
  long double value = 0;
  long double size = 0;
  void add(long double term) {
    value += term;
    size += std::fabs(term);
  }
};

/// Notation of the literature for one set: m values with mean mu and biased variance v; s = sqrt(v + eps), rho = v / (v
/// + eps). For a norm that does not center, mu = 0 and v is the mean square.
struct SetOf {
  const Elements& members;
  bool center;
  long double eps;
  long double m = 0;
  long double mu = 0;
  long double v = 0;
  long double s = 0;
  long double rho = 0;

  SetOf(const Elements& elements, const std::vector<double>& x, bool centering, double with_eps)
      : members(elements), center(centering), eps(with_eps), m(static_cast<long double>(elements.size())) {
    for (const std::size_t i : members) {
      mu += center ? static_cast<long double>(x[i]) / m : 0.0L;
    }
    for (const std::size_t i : members) {
      v += (static_cast<long double>(x[i]) - mu) * (static_cast<long double>(x[i]) - mu) / m;
    }
    s = std::sqrt(v + eps);
    rho = v / (v + eps);
  }
  Sum sum(const std::vector<double>& a) const {
    Sum result;
    for (const std::size_t i : members) {
      result.add(static_cast<long double>(a[i]));
    }
    return result;
  }
  Sum dot(const std::vector<double>& a, const std::vector<double>& b) const {
    Sum result;
    for (const std::size_t i : members) {
      result.add(static_cast<long double>(a[i]) * static_cast<long double>(b[i]));
    }
    return result;
  }
};

}  // namespace normgrad::tests
