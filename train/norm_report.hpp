// norm_report: diagnoses the norms of a model on given data and advises.
//
//   std::cout << norm_report(net, batches);
#pragma once

#include <concepts>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "normgrad/layers/module/module.hpp"
#include "normgrad/train/recalibrate.hpp"

namespace normgrad {

/// Options of norm_report().
struct NormReportOptions {
  /// Report drift if a running mean differs by more than this many standard deviations from the data's mean.
  double max_mean_drift = 0.25;
  /// Report drift if a running variance is above the data's variance times this, or below it divided by this.
  double max_var_ratio = 2.0;
  /// A channel is constant if its variance is below this fraction of the norm's eps, which then alone divides it.
  double constant_var = 1e-3;
  /// A channel is dead if the magnitude of its weight is at most this: its result is its bias.
  double dead_weight = 1e-6;
};

/// Findings for one norm. Channels are those of [N, C, *], or the last features of layer and RMS norms.
struct NormFinding {
  std::string name;                         ///< full name
  std::string type;                         ///< such as "BatchNorm2d"
  std::int64_t channels = 0;                ///< of the statistics and lists below
  std::int64_t batches = 0;                 ///< number with finite values
  std::int64_t values = 0;                  ///< per channel
  std::int64_t non_finite_batches = 0;      ///< among the given batches
  std::int64_t non_finite_in_training = 0;  ///< excluded from the running statistics so far
  bool reached = false;                     ///< whether the forward called the norm
  bool has_running_stats = false;           ///< of mean and variance; false: drift is not measured
  // Running against data statistics; 0 and 1 without running statistics.
  double mean_drift = 0.0;                      ///< largest |running_mean - mean| / sqrt(var + eps)
  double least_var_ratio = 1.0;                 ///< smallest (running_var + eps) / (var + eps)
  double largest_var_ratio = 1.0;               ///< largest (running_var + eps) / (var + eps)
  std::int64_t worst_channel = -1;              ///< the one with the largest drift of mean or variance
  std::vector<double> mean;                     ///< of the data, per channel
  std::vector<double> var;                      ///< of the data, per channel
  std::vector<std::int64_t> constant_channels;  ///< input does not vary
  std::vector<std::int64_t> dead_channels;      ///< weight is 0 or almost 0
  /// Recommended actions, one sentence each; empty if there are no problems.
  std::vector<std::string> advice;
};

/// Report of norm_report().
struct NormReport {
  std::vector<NormFinding> norms;  ///< in the order of members
  /// Returns whether no norm has any advice.
  bool all_well() const noexcept;
};
/// Prints a table with one row per norm, followed by the advice.
std::ostream& operator<<(std::ostream& out, const NormReport& report);

namespace detail {

class NormObservation {
 public:
  NormObservation(Module& model, NormReportOptions options);
  NormObservation(const NormObservation&) = delete;
  NormObservation& operator=(const NormObservation&) = delete;
  ~NormObservation();
  void count_batch() noexcept;
  NormReport finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace detail

/// Calls the model in eval mode, without gradients, on all batches (see recalibrate() for their types) and examines the
/// input of each norm. Changes nothing. Throws ValueError for no batches and for a model without norms.
template <std::derived_from<Module> M, class Batches>
NormReport norm_report(M& model, Batches&& batches, NormReportOptions options = {}) {
  detail::NormObservation work(model, options);
  for (auto&& batch : batches) {
    work.count_batch();
    model(detail::inputs_of(batch));
  }
  return work.finish();
}

}  // namespace normgrad
