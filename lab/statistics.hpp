// Statistics of small samples.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace lab {

/// The q-quantile (q in [0, 1]) with linear interpolation between neighbors, NumPy's default. Values may be infinite.
/// Throws ValueError for no values or q outside [0, 1].
double quantile(std::vector<double> values, double q);
double median(std::vector<double> values);

/// A point estimate with its confidence interval.
struct Estimate {
  double value = 0.0;
  double low = 0.0;
  double high = 0.0;
  std::int64_t count = 0;
};

/// The median with its 95 % percentile bootstrap interval: the 2.5 and 97.5 % quantiles of the medians of `resamples`
/// draws with replacement (Efron, "Bootstrap methods: another look at the jackknife", 1979). A single value gives an
/// interval of width 0. The draws depend only on `seed`. Throws ValueError for no values.
Estimate median_with_interval(const std::vector<double>& values, std::int64_t resamples = 2000, std::uint64_t seed = 1);

/// As above, for the mean.
Estimate mean_with_interval(const std::vector<double>& values, std::int64_t resamples = 2000, std::uint64_t seed = 1);

/// The two-sided sign test: the probability of at least this imbalance if both signs are equally likely.
double sign_test(std::int64_t positive, std::int64_t negative);

/// The standard deviation of an accuracy measured on `count` images if the true one is `accuracy`.
double binomial_deviation(double accuracy, std::int64_t count);

}  // namespace lab
