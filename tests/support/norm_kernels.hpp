// Runs the norm kernels and compares them with the reference in long double.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "tests/support/reference_norms.hpp"
#include "normgrad/core/kernels/norm/norm.hpp"

namespace normgrad::tests {

using kernels::ChannelGeometry;
using kernels::ChannelsLastGeometry;
using kernels::RowGeometry;

inline std::int64_t elements(const RowGeometry& g) { return g.rows * g.length(); }
inline std::int64_t elements(const ChannelGeometry& g) { return g.count() * g.channels; }
inline std::int64_t elements(const ChannelsLastGeometry& g) { return g.samples * g.positions * g.channels; }
inline std::int64_t params(const ChannelsLastGeometry& g) { return g.channels; }
inline std::int64_t sets(const ChannelsLastGeometry& g) { return g.samples * g.groups; }
inline std::int64_t params(const RowGeometry& g) { return g.params(); }
inline std::int64_t params(const ChannelGeometry& g) { return g.channels; }
inline std::int64_t sets(const RowGeometry& g) { return g.rows; }
inline std::int64_t sets(const ChannelGeometry& g) { return g.channels; }

inline ReferenceNorm reference(const RowGeometry& g, double eps, bool center) {
  return {elements(g),
          g.rows,
          g.params(),
          [g](std::int64_t i) { return i / g.length(); },
          [g](std::int64_t i) { return i / g.length() % g.param_period * g.params_per_row + i % g.length() / g.inner; },
          eps,
          center};
}
inline ReferenceNorm reference(const ChannelGeometry& g, double eps, bool center) {
  const auto channel = [g](std::int64_t i) { return i / g.spatial % g.channels; };
  return {elements(g), g.channels, g.channels, channel, channel, eps, center};
}

inline ReferenceNorm reference(const ChannelsLastGeometry& g, double eps, bool center) {
  return {elements(g),
          sets(g),
          g.channels,
          [g](std::int64_t i) { return i / (g.positions * g.channels) * g.groups + i % g.channels / g.per_group(); },
          [g](std::int64_t i) { return i % g.channels; },
          eps,
          center};
}

template <class T>
struct Data {
  std::vector<T> x, gy, gamma, beta;
};

template <class T, class Geometry>
Data<T> random_data(const Geometry& g, double mean = 3.0, double std = 0.2, unsigned seed = 1) {
  std::mt19937 engine(seed);
  std::normal_distribution<double> normal;
  const auto draw = [&](std::int64_t n, double m, double s) {
    std::vector<T> values(static_cast<std::size_t>(n));
    std::generate(values.begin(), values.end(), [&] { return static_cast<T>(m + s * normal(engine)); });
    return values;
  };
  return {draw(elements(g), mean, std), draw(elements(g), 0, 1), draw(params(g), 0.3, 1), draw(params(g), 0, 1)};
}

template <class T>
struct Result {
  std::vector<T> y, gx, ggamma, gbeta;
  std::vector<double> mean, rstd, var;
  friend bool operator==(const Result&, const Result&) = default;
};

template <class T>
const T* pointer(const std::vector<T>& values, bool present) {
  return present ? values.data() : nullptr;
}

template <class T, class Geometry>
Result<T> run(const Geometry& g, const Data<T>& d, double eps, bool center = true, bool scale = true,
              bool shift = true) {
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const auto n = static_cast<std::size_t>(elements(g));
  const auto s = static_cast<std::size_t>(sets(g));
  const auto p = static_cast<std::size_t>(params(g));
  Result<T> r{std::vector<T>(n, nan),     std::vector<T>(n, nan),      std::vector<T>(p, nan),
              std::vector<T>(p, nan),     std::vector<double>(s, nan), std::vector<double>(s, nan),
              std::vector<double>(s, nan)};
  const T* gamma = pointer(d.gamma, scale);
  kernels::norm_forward<T>(g, {.x = d.x.data(),
                               .gamma = gamma,
                               .beta = pointer(d.beta, shift),
                               .eps = eps,
                               .center = center,
                               .y = r.y.data(),
                               .computed = {.mean = r.mean.data(), .rstd = r.rstd.data(), .var = r.var.data()}});
  kernels::norm_backward<T>(g, {.gy = d.gy.data(),
                                .x = d.x.data(),
                                .gamma = gamma,
                                .mean = r.mean.data(),
                                .rstd = r.rstd.data(),
                                .center = center,
                                .gx = r.gx.data(),
                                .ggamma = r.ggamma.data(),
                                .gbeta = r.gbeta.data()});
  return r;
}

template <class T>
long double largest(const std::vector<T>& values) {
  long double m = 0;
  for (const T v : values) {
    m = std::max(m, std::fabs(static_cast<long double>(v)));
  }
  return m;
}

template <class T>
testing::AssertionResult near(const char* what, const std::vector<T>& actual, const Reals& expected,
                              long double tolerance) {
  for (std::size_t i = 0; i < actual.size(); ++i) {
    if (!(std::fabs(static_cast<long double>(actual[i]) - expected[i]) <= tolerance)) {
      return testing::AssertionFailure() << what << "[" << i << "] is " << actual[i] << ", expected "
                                         << static_cast<double>(expected[i]) << " +- "
                                         << static_cast<double>(tolerance);
    }
  }
  return testing::AssertionSuccess();
}

// Allows rounding errors of `units` units in the last place of the largest term of each sum.
template <class T, class Geometry>
void expect_agrees(const Geometry& g, Data<T> d, double eps, bool center = true, bool scale = true, bool shift = true,
                   long double units = 16) {
  if (!scale) {
    std::fill(d.gamma.begin(), d.gamma.end(), T(1));
  }
  if (!shift) {
    std::fill(d.beta.begin(), d.beta.end(), T(0));
  }
  const Result<T> r = run(g, d, eps, center, scale, shift);
  const ReferenceResult e = reference_norm(reference(g, eps, center), d.x, d.gy, d.gamma, d.beta);
  const long double ulp = units * std::numeric_limits<T>::epsilon();
  const long double xhat = std::sqrt(static_cast<long double>(elements(g)) / static_cast<long double>(sets(g)));
  // Statistics are rounded to double, which affects xhat in proportion to |mean| / std.
  const long double of_xhat = ulp * xhat + 0x1p-51L * largest(d.x) * largest(e.rstd);
  const long double g_scale = largest(d.gy) * largest(d.gamma);
  const long double terms = 1 + std::sqrt(static_cast<long double>(elements(g)) / static_cast<long double>(params(g)));
  EXPECT_TRUE(near("y", r.y, e.y, of_xhat * largest(d.gamma) + ulp * largest(d.beta)));
  EXPECT_TRUE(near("mean", r.mean, e.mean, ulp * std::sqrt(largest(e.var)) + 0x1p-52L * largest(d.x)));
  EXPECT_TRUE(near("var", r.var, e.var, ulp * largest(e.var)));
  EXPECT_TRUE(near("gx", r.gx, e.gx, g_scale * largest(e.rstd) * (2 * ulp + of_xhat)));
  EXPECT_TRUE(near("ggamma", r.ggamma, e.ggamma, of_xhat * largest(d.gy) * terms));
  EXPECT_TRUE(near("gbeta", r.gbeta, e.gbeta, ulp * largest(d.gy) * terms));
}

}  // namespace normgrad::tests
