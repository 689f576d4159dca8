// The statistical summary of a sweep.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lab/compare_norms/sweep.hpp"
#include "lab/statistics.hpp"

namespace compare_norms {

/// A difference in final test accuracy in percentage points, or in the units of another metric, by seed: both runs of a
/// pair start from the same weights and use the same images in the same order.
struct PairedDifference {
  lab::Estimate points;       ///< median and its 95 % bootstrap interval; positive if the first is better
  std::int64_t seeds = 0;     ///< number of pairs
  std::int64_t positive = 0;  ///< pairs in which the first is better
  std::string model;          ///< whose metric it is a difference of
  double image_noise = 0.0;   ///< 1.96 standard deviations of the difference due to the choice of test images alone
  bool beyond_noise = false;  ///< see compare_cells()
};

/// Over the seeds of a cell: medians, except for the mean time and the highest memory. A seed that never reaches a
/// target counts as infinitely slow; an infinite median is empty.
struct Summary {
  std::int64_t runs = 0;
  std::optional<lab::Estimate> final_accuracy;
  std::optional<double> best_accuracy;
  std::vector<std::optional<lab::Estimate>> steps_to;  ///< one per target; the upper bound may be infinite
  std::vector<std::optional<double>> seconds_to;       ///< training time
  double mean_step_ms = 0.0;
  std::size_t peak_memory = 0;
  int diverged = 0;  ///< number of diverged runs
  std::optional<PairedDifference> against_none;
  std::string verdict;  ///< comparison with none, in words
};

double final_accuracy(const Run& run);
/// Steps and seconds until a measurement reaches `percent`; infinite if none does.
double steps_to(const Run& run, int percent);
double seconds_to(const Run& run, int percent);

/// Compares the seeds that both cells have; nothing if there are none. A difference is beyond noise if its interval
/// excludes zero. With fewer than 6 seeds, where all pairs agree too often by chance (one time in 2^(n-1)), it must
/// also exceed the difference that the test images explain.
std::optional<PairedDifference> compare_cells(const Cell& first, const Cell& second, std::int64_t test_images);
/// The targets in per cent; none if no model of the sweep has an accuracy.
std::vector<int> targets_of(const Sweep& sweep);
/// "3.2 points better than none (95 % interval 2.9 to 3.4, 5 seeds)", "no difference from none beyond noise: ...".
std::string in_words(const PairedDifference& difference, const std::string& other);

Summary summarize(const Sweep& sweep, const Cell& cell);

/// The cells that differ in their norm only.
struct Setting {
  std::string name;  ///< "mlp, lr 0.1": the model and the varied settings
  std::vector<const Cell*> cells;
};
std::vector<Setting> settings_of(const Sweep& sweep);

/// The best norm of a setting and the norms that are not distinguishable from it, then one line per norm compared with
/// none.
std::vector<std::string> conclusions(const Sweep& sweep, const Setting& setting);

/// The highest learning rate at which a model with a norm still trains: no seed diverges, and the median final accuracy
/// is above the midpoint between chance (for another metric than accuracy: the model's worst median in the sweep) and
/// the model's best median in the sweep.
struct HighestRate {
  std::string model;
  std::string norm;
  std::string others;             ///< other varied settings: "batch 64"
  std::optional<double> lr = {};  ///< nothing: not even the lowest rate trains
  bool is_last = false;           ///< whether it is the highest rate of the sweep
};
/// Empty unless the sweep has several learning rates.
std::vector<HighestRate> highest_rates(const Sweep& sweep);

}  // namespace compare_norms
