#include "lab/statistics.hpp"

#include <algorithm>
#include <cmath>

#include "normgrad/normgrad.hpp"

namespace lab {

using normgrad::require;
using normgrad::ValueError;

namespace {

/// Interpolates between two neighbors; an infinite one counts only if its share is not 0.
double between(double low, double high, double share) {
  if (share == 0.0 || low == high) {
    return low;
  }
  return low * (1.0 - share) + high * share;
}

double sorted_median(std::vector<double>& values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : between(values[half - 1], values[half], 0.5);
}

double mean(const std::vector<double>& values) {
  double sum = 0.0;
  for (const double value : values) {
    sum += value;
  }
  return sum / static_cast<double>(values.size());
}

template <class Statistic>
Estimate with_interval(const std::vector<double>& values, std::int64_t resamples, std::uint64_t seed,
                       const Statistic& statistic) {
  require<ValueError>(!values.empty(), "statistics: expected at least one value but got none");
  require<ValueError>(resamples > 0, "statistics: expected resamples > 0 but got ", resamples);
  if (values.size() == 1) {
    return {.value = values[0], .low = values[0], .high = values[0], .count = 1};
  }
  normgrad::Generator generator(seed);
  std::vector<double> results;
  results.reserve(static_cast<std::size_t>(resamples));
  std::vector<double> drawn(values.size());
  for (std::int64_t i = 0; i < resamples; ++i) {
    for (double& value : drawn) {
      value = values[generator.below(values.size())];
    }
    results.push_back(statistic(drawn));
  }
  drawn = values;
  return {.value = statistic(drawn),
          .low = quantile(results, 0.025),
          .high = quantile(results, 0.975),
          .count = static_cast<std::int64_t>(values.size())};
}

}  // namespace

double quantile(std::vector<double> values, double q) {
  require<ValueError>(!values.empty(), "quantile: expected at least one value but got none");
  require<ValueError>(q >= 0.0 && q <= 1.0, "quantile: expected q from 0 to 1 but got ", q);
  std::sort(values.begin(), values.end());
  const double place = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return between(values[below], values[above], place - static_cast<double>(below));
}

double median(std::vector<double> values) { return quantile(std::move(values), 0.5); }

Estimate median_with_interval(const std::vector<double>& values, std::int64_t resamples, std::uint64_t seed) {
  return with_interval(values, resamples, seed, [](std::vector<double>& drawn) { return sorted_median(drawn); });
}

Estimate mean_with_interval(const std::vector<double>& values, std::int64_t resamples, std::uint64_t seed) {
  return with_interval(values, resamples, seed, mean);
}

double sign_test(std::int64_t positive, std::int64_t negative) {
  const std::int64_t count = positive + negative;
  const std::int64_t most = std::max(positive, negative);
  double tail = 0.0;
  for (std::int64_t k = most; k <= count; ++k) {
    tail += std::exp(std::lgamma(static_cast<double>(count) + 1.0) - std::lgamma(static_cast<double>(k) + 1.0) -
                     std::lgamma(static_cast<double>(count - k) + 1.0) - static_cast<double>(count) * std::log(2.0));
  }
  return std::min(1.0, 2.0 * tail);
}

double binomial_deviation(double accuracy, std::int64_t count) {
  require<ValueError>(count > 0, "binomial_deviation: expected count > 0 but got ", count);
  return std::sqrt(std::max(0.0, accuracy * (1.0 - accuracy)) / static_cast<double>(count));
}

}  // namespace lab
