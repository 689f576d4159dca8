#include "lab/reproduce/grid.hpp"

#include <algorithm>
#include <cmath>

namespace reproduce {

using namespace normgrad;

namespace {

/// The mean distance of the rows of x to those of y, both float64.
double mean_distance(const Tensor& x, const Tensor& y) {
  const Tensor squares = x.square().sum({1}, true) + y.square().sum({1}, true).transpose(0, 1);
  return relu(squares - matmul(x, y.transpose(0, 1)) * 2.0).sqrt().mean().item();
}

}  // namespace

Grid::Grid(std::vector<Numbers> results, std::size_t seeds) : results_(std::move(results)), seeds_(seeds) {
  require<ValueError>(seeds_ > 0 && !results_.empty() && results_.size() % seeds_ == 0,
                      "Grid: expected a result for each of ", seeds_, " seeds of each set-up but got ",
                      results_.size());
}

std::vector<double> Grid::of(std::size_t setup, std::size_t which) const {
  std::vector<double> values;
  for (std::size_t s = 0; s < seeds_; ++s) {
    values.push_back(at(setup, s).at(which));
  }
  return values;
}

lab::Estimate Grid::estimate(std::size_t setup, std::size_t which) const {
  return lab::median_with_interval(of(setup, which));
}

lab::Estimate Grid::difference(std::size_t setup, std::size_t other, std::size_t which) const {
  return lab::median_with_interval(paired_difference(of(setup, which), of(other, which)));
}

Grid run_grid(const Settings& settings, const std::string& name, std::size_t setups, std::size_t seeds,
              const std::function<Numbers(std::size_t setup, std::uint64_t seed)>& task) {
  return {compute(settings, name, setups * seeds,
                  [&](std::size_t i) { return task(i / seeds, settings.first_seed + i % seeds); }),
          seeds};
}

Grid best_of(const Grid& grid, std::size_t alternatives, std::size_t which) {
  std::vector<Numbers> results;
  for (std::size_t first = 0; first < grid.setups(); first += alternatives) {
    std::size_t best = first;
    for (std::size_t i = first; i < first + alternatives; ++i) {
      best = grid.estimate(i, which).value > grid.estimate(best, which).value ? i : best;
    }
    for (std::size_t s = 0; s < grid.seeds(); ++s) {
      results.push_back(grid.at(best, s));
    }
  }
  return {std::move(results), grid.seeds()};
}

std::vector<double> paired_difference(const std::vector<double>& a, const std::vector<double>& b) {
  require<ValueError>(a.size() == b.size(), "paired_difference: expected as many values but got ", a.size(), " and ",
                      b.size());
  std::vector<double> differences(a.size());
  std::transform(a.begin(), a.end(), b.begin(), differences.begin(), std::minus<>());
  return differences;
}

bool is_above(const lab::Estimate& estimate, double bound) { return estimate.low > bound; }

bool is_near(const lab::Estimate& estimate, double center, double margin) {
  return estimate.low >= center - margin && estimate.high <= center + margin;
}

double highest_rate(const std::vector<double>& rates, const std::vector<double>& scores, double least) {
  double highest = 0.0;
  for (std::size_t r = 0; r < rates.size(); ++r) {
    highest = scores.at(r) >= least ? rates[r] : highest;
  }
  return highest;
}

double rate_sensitivity(const std::vector<double>& losses, double loss_at_start) {
  require<ValueError>(!losses.empty(), "rate_sensitivity: expected losses but got none");
  const double lowest = std::min(loss_at_start, *std::min_element(losses.begin(), losses.end()));
  double sum = 0.0;
  for (const double loss : losses) {
    sum += std::min(loss, loss_at_start) - lowest;
  }
  return sum / static_cast<double>(losses.size());
}

double exponent(const std::vector<double>& x, const std::vector<double>& y) {
  require<ValueError>(x.size() == y.size() && x.size() > 1, "exponent: expected at least two points but got ", x.size(),
                      " and ", y.size(), " coordinates");
  const auto count = static_cast<double>(x.size());
  double mean_x = 0.0;
  double mean_y = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    mean_x += std::log(x[i]) / count;
    mean_y += std::log(y[i]) / count;
  }
  double sum_xx = 0.0;
  double sum_xy = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    sum_xx += (std::log(x[i]) - mean_x) * (std::log(x[i]) - mean_x);
    sum_xy += (std::log(x[i]) - mean_x) * (std::log(y[i]) - mean_y);
  }
  return sum_xy / sum_xx;
}

double energy_distance(const Tensor& x, const Tensor& y) {
  const Tensor a = x.to(kFloat64);
  const Tensor b = y.to(kFloat64);
  const double between = 2.0 * mean_distance(a, b);
  return (between - mean_distance(a, a) - mean_distance(b, b)) / between;
}

lab::Row row_of(const Grid& grid, std::size_t setup, const std::string& name, const std::vector<int>& digits) {
  lab::Row row{.cells = {name}};
  for (std::size_t which = 0; which < digits.size(); ++which) {
    row.cells.push_back(with_interval(grid.estimate(setup, which), digits[which]));
  }
  return row;
}

lab::Series series_of(const Grid& grid, const std::string& name, const std::vector<double>& x, std::size_t first,
                      std::size_t which) {
  lab::Series series{.name = name, .x = x};
  for (std::size_t i = 0; i < x.size(); ++i) {
    const lab::Estimate e = grid.estimate(first + i, which);
    series.y.push_back(e.value);
    series.low.push_back(e.low);
    series.high.push_back(e.high);
  }
  return series;
}

}  // namespace reproduce
