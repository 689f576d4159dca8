// The errors of a norm of float32 tensors in units in the last place, next to those of PyTorch's formulas.
#pragma once

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <ostream>

#include "tests/support/norm_kernels.hpp"

namespace normgrad::tests {

/// One unit in the last place of a float32.
inline long double unit_of(long double v) {
  int exponent = 0;
  std::frexp(v, &exponent);
  return std::ldexp(1.0L, std::max(exponent - 24, -149));
}

/// The largest error of any element, in units in the last place of the largest of its terms and its value.
struct NormErrors {
  long double y = 0, gx = 0, ggamma = 0, gbeta = 0;
};

inline std::ostream& operator<<(std::ostream& out, const NormErrors& e) {
  return out << "y " << e.y << ", gx " << e.gx << ", ggamma " << e.ggamma << ", gbeta " << e.gbeta;
}

/// Terms of y: gamma * xhat, gamma (xhat has standard deviation 1), and beta. Terms of gx: rstd times each of g, the
/// root mean square of g, mean(g) and xhat * mean(g * xhat). The size of a sum of many terms of gamma's and beta's
/// gradient is the root of the sum of their squares.
template <class Geometry>
NormErrors errors_of(const Geometry& g, const Data<float>& d, const Result<float>& r, double eps, bool center = true) {
  const ReferenceNorm norm = reference(g, eps, center);
  const ReferenceResult e = reference_norm(norm, d.x, d.gy, d.gamma, d.beta);
  const std::size_t n = d.x.size();
  Reals mean_g(e.mean.size()), mean_g_xhat(mean_g.size()), square_g(mean_g.size()), count(mean_g.size());
  Reals gamma_squares(d.gamma.size()), beta_squares(d.gamma.size());
  Reals xhats(n), gs(n);
  const auto set_of = [&](std::size_t i) {
    return static_cast<std::size_t>(norm.set_of(static_cast<std::int64_t>(i)));
  };
  const auto param_of = [&](std::size_t i) {
    return static_cast<std::size_t>(norm.param_of(static_cast<std::int64_t>(i)));
  };
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t s = set_of(i);
    const std::size_t p = param_of(i);
    const auto gy = static_cast<long double>(d.gy[i]);
    xhats[i] = (static_cast<long double>(d.x[i]) - e.mean[s]) * e.rstd[s];
    gs[i] = gy * static_cast<long double>(d.gamma[p]);
    count[s] += 1;
    mean_g[s] += center ? gs[i] : 0.0L;
    mean_g_xhat[s] += gs[i] * xhats[i];
    square_g[s] += gs[i] * gs[i];
    gamma_squares[p] += gy * xhats[i] * gy * xhats[i];
    beta_squares[p] += gy * gy;
  }
  NormErrors worst;
  const auto note = [](long double& to, float actual, long double truth, std::initializer_list<long double> terms) {
    long double size = std::fabs(truth);
    for (const long double term : terms) {
      size = std::max(size, std::fabs(term));
    }
    const long double error = std::fabs(static_cast<long double>(actual) - truth) / unit_of(size);
    to = std::isnan(error) ? std::numeric_limits<long double>::infinity() : std::max(to, error);
  };
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t s = set_of(i);
    const std::size_t p = param_of(i);
    const auto gamma = static_cast<long double>(d.gamma[p]);
    note(worst.y, r.y[i], e.y[i], {gamma * xhats[i], gamma, static_cast<long double>(d.beta[p])});
    note(worst.gx, r.gx[i], e.gx[i],
         {e.rstd[s] * gs[i], e.rstd[s] * std::sqrt(square_g[s] / count[s]), e.rstd[s] * mean_g[s] / count[s],
          e.rstd[s] * xhats[i] * mean_g_xhat[s] / count[s]});
  }
  for (std::size_t p = 0; p < d.gamma.size(); ++p) {
    note(worst.ggamma, r.ggamma[p], e.ggamma[p], {std::sqrt(gamma_squares[p])});
    note(worst.gbeta, r.gbeta[p], e.gbeta[p], {std::sqrt(beta_squares[p])});
  }
  return worst;
}

/// y and gx by the formulas of PyTorch's layer_norm in float32, from exact statistics and sums:
/// y = (x * rstd - mean * rstd) * gamma + beta, gx = gy * gamma * rstd + b * x + c.
template <class Geometry>
Result<float> by_formulas_of_pytorch(const Geometry& g, const Data<float>& d, double eps) {
  const ReferenceNorm norm = reference(g, eps, true);
  const ReferenceResult e = reference_norm(norm, d.x, d.gy, d.gamma, d.beta);
  Result<float> r;
  r.y.resize(d.x.size());
  r.gx.resize(d.x.size());
  r.ggamma.assign(e.ggamma.begin(), e.ggamma.end());
  r.gbeta.assign(e.gbeta.begin(), e.gbeta.end());
  Reals ds(e.mean.size()), db(e.mean.size()), count(e.mean.size());
  const auto index = [](std::int64_t i) { return static_cast<std::size_t>(i); };
  for (std::int64_t i = 0; i < norm.elements; ++i) {
    const std::size_t s = index(norm.set_of(i));
    const long double gi =
        static_cast<long double>(d.gy[index(i)]) * static_cast<long double>(d.gamma[index(norm.param_of(i))]);
    ds[s] += gi * static_cast<long double>(d.x[index(i)]);
    db[s] += gi;
    count[s] += 1;
  }
  for (std::int64_t i = 0; i < norm.elements; ++i) {
    const std::size_t s = index(norm.set_of(i));
    const std::size_t p = index(norm.param_of(i));
    const float x = d.x[index(i)];
    const auto mean = static_cast<float>(e.mean[s]);
    const auto rstd = static_cast<float>(e.rstd[s]);
    const float shift = -rstd * mean;
    r.y[index(i)] = (x * rstd + shift) * d.gamma[p] + d.beta[p];
    const auto per_element = static_cast<float>(1 / count[s]);
    const float b = (static_cast<float>(db[s]) * mean - static_cast<float>(ds[s])) * rstd * rstd * rstd * per_element;
    const float c = -b * mean - static_cast<float>(db[s]) * rstd * per_element;
    r.gx[index(i)] = rstd * d.gy[index(i)] * d.gamma[p] + b * x + c;
  }
  return r;
}

}  // namespace normgrad::tests
