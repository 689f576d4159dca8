// Reference for the norm kernels and operations: plain loops in long double over sets of elements, by definition.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

namespace normgrad::tests {

using Reals = std::vector<long double>;

/// Defines a norm: the set that each element's statistic belongs to, and its parameter.
struct ReferenceNorm {
  std::int64_t elements;
  std::int64_t sets;
  std::int64_t params;
  std::function<std::int64_t(std::int64_t)> set_of;
  std::function<std::int64_t(std::int64_t)> param_of;
  long double eps;
  bool center = true;
};

struct ReferenceResult {
  Reals y, mean, var, rstd, gx, ggamma, gbeta;
};

template <class T>
ReferenceResult reference_norm(const ReferenceNorm& norm, const std::vector<T>& x, const std::vector<T>& gy,
                               const std::vector<T>& gamma, const std::vector<T>& beta) {
  const auto size = [](std::int64_t n) { return static_cast<std::size_t>(n); };
  const std::size_t n = size(norm.elements);
  ReferenceResult r{Reals(n), Reals(size(norm.sets)),   Reals(size(norm.sets)),  Reals(size(norm.sets)),
                    Reals(n), Reals(size(norm.params)), Reals(size(norm.params))};
  std::vector<std::vector<std::size_t>> members(size(norm.sets));
  for (std::size_t i = 0; i < n; ++i) {
    members[size(norm.set_of(static_cast<std::int64_t>(i)))].push_back(i);
  }
  for (std::size_t s = 0; s < members.size(); ++s) {
    const auto m = static_cast<long double>(members[s].size());
    long double sum = 0;
    for (const std::size_t i : members[s]) {
      sum += static_cast<long double>(x[i]);
    }
    r.mean[s] = norm.center ? sum / m : 0;
    long double squares = 0;
    for (const std::size_t i : members[s]) {
      const long double d = static_cast<long double>(x[i]) - r.mean[s];
      squares += d * d;
    }
    r.var[s] = squares / m;
    r.rstd[s] = 1 / std::sqrt(r.var[s] + norm.eps);
    long double sum_g = 0;
    long double sum_g_xhat = 0;
    const auto each = [&](const auto& f) {
      for (const std::size_t i : members[s]) {
        const std::size_t p = size(norm.param_of(static_cast<std::int64_t>(i)));
        const long double xhat = (static_cast<long double>(x[i]) - r.mean[s]) * r.rstd[s];
        f(i, p, xhat, static_cast<long double>(gy[i]), static_cast<long double>(gamma[p]));
      }
    };
    each([&](std::size_t i, std::size_t p, long double xhat, long double g, long double scale) {
      r.y[i] = xhat * scale + static_cast<long double>(beta[p]);
      r.ggamma[p] += g * xhat;
      r.gbeta[p] += g;
      sum_g += g * scale;
      sum_g_xhat += g * scale * xhat;
    });
    each([&](std::size_t i, std::size_t, long double xhat, long double g, long double scale) {
      r.gx[i] = r.rstd[s] * (g * scale - (norm.center ? sum_g / m : 0) - xhat * sum_g_xhat / m);
    });
  }
  return r;
}

}  // namespace normgrad::tests
