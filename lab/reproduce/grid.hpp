// Runs of several set-ups with several seeds, and the criteria of verdicts.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "lab/reproduce/experiment.hpp"

namespace reproduce {

/// The results of every set-up with every seed: some numbers for each.
class Grid {
 public:
  /// `results` has those of the first set-up first, one per seed. Throws ValueError unless each set-up has one per
  /// seed.
  Grid(std::vector<Numbers> results, std::size_t seeds);

  std::size_t seeds() const noexcept { return seeds_; }
  std::size_t setups() const noexcept { return results_.size() / seeds_; }
  const Numbers& at(std::size_t setup, std::size_t seed) const { return results_.at(setup * seeds_ + seed); }
  /// A number of a set-up, by seed.
  std::vector<double> of(std::size_t setup, std::size_t which = 0) const;
  lab::Estimate estimate(std::size_t setup, std::size_t which = 0) const;
  /// Of the differences of two set-ups, taken seed by seed.
  lab::Estimate difference(std::size_t setup, std::size_t other, std::size_t which = 0) const;

 private:
  std::vector<Numbers> results_;
  std::size_t seeds_;
};

/// Calls task(setup, seed) for all, see compute().
Grid run_grid(const Settings& settings, const std::string& name, std::size_t setups, std::size_t seeds,
              const std::function<Numbers(std::size_t setup, std::uint64_t seed)>& task);

/// Of each `alternatives` set-ups in sequence, such as learning rates, the one with the highest median.
Grid best_of(const Grid& grid, std::size_t alternatives, std::size_t which = 0);

/// a - b, element by element.
std::vector<double> paired_difference(const std::vector<double>& a, const std::vector<double>& b);

/// Whether the whole interval lies above `bound`: a difference "is positive" for 0, "is not worse" for -margin.
bool is_above(const lab::Estimate& estimate, double bound = 0.0);
/// Whether the whole interval lies within `margin` of `center`.
bool is_near(const lab::Estimate& estimate, double center, double margin);

/// The highest of the ascending `rates` whose score is at least `least`; 0 if there is none.
double highest_rate(const std::vector<double>& rates, const std::vector<double>& scores, double least);

/// The sensitivity to the learning rate of Wortsman et al., "Small-scale proxies for large-scale Transformer training
/// instabilities", 2023, section 2: the mean over the rates of min(loss, loss at the start) - (lowest loss).
double rate_sensitivity(const std::vector<double>& losses, double loss_at_start);

/// The exponent of a power law: the slope of the least-squares line through (log x, log y).
double exponent(const std::vector<double>& x, const std::vector<double>& y);

/// The energy distance of two samples (Székely and Rizzo, "Energy statistics", 2013), as a fraction of its largest
/// value: 0 for the same distribution, 1 for two points. x: [N, D], y: [M, D].
double energy_distance(const normgrad::Tensor& x, const normgrad::Tensor& y);

/// A row of a table: a name and an estimate, with `digits` decimals, of each number of a set-up.
lab::Row row_of(const Grid& grid, std::size_t setup, const std::string& name, const std::vector<int>& digits);

/// A line of a chart: one point per set-up, from `first` on.
lab::Series series_of(const Grid& grid, const std::string& name, const std::vector<double>& x, std::size_t first,
                      std::size_t which = 0);

}  // namespace reproduce
