// What the runs of a sweep say, and how sure that is.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "examples/compare_norms/sweep.hpp"
#include "examples/lab/statistics.hpp"

namespace compare_norms {

/// A difference in final test accuracy, in points (per cent), taken seed by seed: both runs of a pair start from the
/// same weights and see the same images in the same order.
struct PairedDifference {
  lab::Estimate points;       ///< median and its 95 % bootstrap interval
  std::int64_t seeds = 0;     ///< pairs
  std::int64_t positive = 0;  ///< pairs in which the first is better
  double image_noise = 0.0;   ///< 1.96 standard deviations of the difference that the test images alone explain
  bool beyond_noise = false;  ///< see judge()
};

/// Over the seeds of a cell: medians, but mean time and highest memory. A seed that never gets to a target counts as
/// infinitely slow; a median that is infinite is empty.
struct Summary {
  std::int64_t runs = 0;
  std::optional<lab::Estimate> final_accuracy;
  std::optional<double> best_accuracy;
  std::vector<std::optional<lab::Estimate>> steps_to;  ///< one per target; its high end may be infinite
  std::vector<std::optional<double>> seconds_to;       ///< of training
  double mean_step_ms = 0.0;
  std::size_t peak_memory = 0;
  int diverged = 0;  ///< runs
  std::optional<PairedDifference> against_none;
  std::string verdict;  ///< in words, against none
};

double final_accuracy(const Run& run);
/// Steps and seconds until a measurement reaches `percent`; infinite when none does.
double steps_to(const Run& run, int percent);
double seconds_to(const Run& run, int percent);

/// The seeds that both have; nothing when there are none. A difference is beyond noise when its interval excludes zero
/// and, with fewer than 6 seeds, for which chance alone makes all pairs agree too often (one time in 2^(n-1)), when it
/// is also larger than what the test images explain.
std::optional<PairedDifference> compare_cells(const Cell& first, const Cell& second, std::int64_t test_images);
/// "3.2 points better than none (95 % interval 2.9 to 3.4, 5 seeds)", "no difference from none beyond noise: ...".
std::string in_words(const PairedDifference& difference, const std::string& other);

Summary summarize(const Sweep& sweep, const Cell& cell);

/// Cells that differ in their norm only.
struct Setting {
  std::string name;  ///< "mlp, lr 0.1": the model and what differs
  std::vector<const Cell*> cells;
};
std::vector<Setting> settings_of(const Sweep& sweep);

/// Which norm is best in a setting and which ones cannot be told from it; then one line per norm against none.
std::vector<std::string> conclusions(const Sweep& sweep, const Setting& setting);

/// The highest learning rate at which a model with a norm still trains: no seed diverges, and the median final accuracy
/// is above the middle between chance and the best median that the model reaches anywhere in the sweep.
struct HighestRate {
  std::string model;
  std::string norm;
  std::string others;             ///< what else differs: "batch 64"
  std::optional<double> lr = {};  ///< nothing: not even the lowest one
  bool is_last = false;           ///< the highest one that was tried
};
/// Empty unless the sweep has several learning rates.
std::vector<HighestRate> highest_rates(const Sweep& sweep);

}  // namespace compare_norms
