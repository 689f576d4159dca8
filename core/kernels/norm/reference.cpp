#include "normgrad/core/kernels/norm/reference.hpp"

#include <cmath>

namespace normgrad::kernels {

namespace {

using Indices = std::vector<std::size_t>;

Indices indices_of(std::int64_t elements, const std::function<std::int64_t(std::int64_t)>& index) {
  Indices result;
  for (std::int64_t i = 0; i < elements; ++i) {
    result.push_back(static_cast<std::size_t>(index(i)));
  }
  return result;
}

// The mean of term(i) over the elements i of each set.
template <class Term>
Reals mean_over_sets(const Indices& set, std::int64_t sets, const Term& term) {
  Reals means(static_cast<std::size_t>(sets));
  Reals counts(means.size());
  for (std::size_t i = 0; i < set.size(); ++i) {
    means[set[i]] += term(i);
    counts[set[i]] += 1;
  }
  for (std::size_t s = 0; s < means.size(); ++s) {
    means[s] /= counts[s];
  }
  return means;
}

}  // namespace

ReferenceResult reference_norm(const ReferenceNorm& norm, const Reals& x, const Reals& gy, const Reals& gamma,
                               const Reals& beta) {
  const Indices set = indices_of(norm.elements, norm.set_of);
  const Indices param = indices_of(norm.elements, norm.param_of);
  ReferenceResult r{Reals(x.size()),
                    Reals(static_cast<std::size_t>(norm.sets)),
                    {},
                    {},
                    Reals(x.size()),
                    Reals(static_cast<std::size_t>(norm.params)),
                    Reals(static_cast<std::size_t>(norm.params))};
  if (norm.center) {
    r.mean = mean_over_sets(set, norm.sets, [&](std::size_t i) { return x[i]; });
  }
  r.var = mean_over_sets(set, norm.sets, [&](std::size_t i) { return std::pow(x[i] - r.mean[set[i]], 2.0L); });
  for (const long double var : r.var) {
    r.rstd.push_back(1 / std::sqrt(var + norm.eps));
  }
  Reals xhat(x.size()), g(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    xhat[i] = (x[i] - r.mean[set[i]]) * r.rstd[set[i]];
    r.y[i] = xhat[i] * gamma[param[i]] + beta[param[i]];
    r.ggamma[param[i]] += gy[i] * xhat[i];
    r.gbeta[param[i]] += gy[i];
    g[i] = gy[i] * gamma[param[i]];
  }
  const Reals mean_g = mean_over_sets(set, norm.sets, [&](std::size_t i) { return norm.center ? g[i] : 0; });
  const Reals mean_g_xhat = mean_over_sets(set, norm.sets, [&](std::size_t i) { return g[i] * xhat[i]; });
  for (std::size_t i = 0; i < x.size(); ++i) {
    r.gx[i] = r.rstd[set[i]] * (g[i] - mean_g[set[i]] - xhat[i] * mean_g_xhat[set[i]]);
  }
  return r;
}

}  // namespace normgrad::kernels
