// What can be said of a few numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace lab {

/// The q-quantile (0 to 1) with linear interpolation between neighbours, as numpy's default; values may be infinite.
/// Throws ValueError for no values or q outside [0, 1].
double quantile(std::vector<double> values, double q);
double median(std::vector<double> values);

/// A median with the range that it is to be found in.
struct Estimate {
  double value = 0.0;
  double low = 0.0;
  double high = 0.0;
  std::int64_t count = 0;
};

/// Median with its 95 % percentile bootstrap interval: the 2.5 and 97.5 % quantiles of the medians of `resamples` draws
/// with replacement (Efron, "Bootstrap methods: another look at the jackknife", 1979). One value alone gives an
/// interval of no width. The draws depend on `seed` only. Throws ValueError for no values.
Estimate median_with_interval(const std::vector<double>& values, std::int64_t resamples = 2000, std::uint64_t seed = 1);

/// The same for the mean.
Estimate mean_with_interval(const std::vector<double>& values, std::int64_t resamples = 2000, std::uint64_t seed = 1);

/// Probability of at least this many of `count` signs being equal when both signs are as likely (two-sided sign test).
double sign_test(std::int64_t positive, std::int64_t negative);

/// Standard deviation of an accuracy measured on `count` images when the true one is `accuracy`.
double binomial_deviation(double accuracy, std::int64_t count);

}  // namespace lab
