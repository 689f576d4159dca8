// norm_report: what the norms of a model get from the data, and what to do about it.
//
//   std::cout << norm_report(net, batches);
#pragma once

#include <concepts>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "normgrad/layers/module.hpp"
#include "normgrad/train/recalibrate.hpp"

namespace normgrad {

/// Options of norm_report().
struct NormReportOptions {
  /// A running mean further than this from the data's, in the data's standard deviations, is told as drift.
  double max_mean_drift = 0.25;
  /// A running variance above the data's times this, or below the data's divided by it, is told as drift.
  double max_var_ratio = 2.0;
  /// A channel whose variance is below this part of the norm's eps is constant: eps alone divides it.
  double constant_var = 1e-3;
  /// A channel whose weight is at most this, in magnitude, is dead: its result is its bias.
  double dead_weight = 1e-6;
};

/// What norm_report() found at one norm. Channels are those of [N, C, *], or the last features of layer and RMS norms.
struct NormFinding {
  std::string name;                         ///< full name
  std::string type;                         ///< such as "BatchNorm2d"
  std::int64_t channels = 0;                ///< of the statistics and lists below
  std::int64_t batches = 0;                 ///< with finite values
  std::int64_t values = 0;                  ///< per channel
  std::int64_t non_finite_batches = 0;      ///< among the batches given
  std::int64_t non_finite_in_training = 0;  ///< kept out of the running statistics so far
  bool reached = false;                     ///< whether the forward called it
  bool has_running_stats = false;           ///< else there is no drift
  // Of running against data statistics; 0 and 1 without running statistics.
  double mean_drift = 0.0;                      ///< largest |running_mean - mean| / sqrt(var + eps)
  double least_var_ratio = 1.0;                 ///< least and largest (running_var + eps) / (var + eps)
  double largest_var_ratio = 1.0;               ///< see least_var_ratio
  std::int64_t worst_channel = -1;              ///< with the largest drift of mean or variance
  std::vector<double> mean;                     ///< of the data, per channel
  std::vector<double> var;                      ///< of the data, per channel
  std::vector<std::int64_t> constant_channels;  ///< whose input does not vary
  std::vector<std::int64_t> dead_channels;      ///< whose weight is 0 or almost
  /// What to do, one sentence each; empty when all is well.
  std::vector<std::string> advice;
};

/// What norm_report() found.
struct NormReport {
  std::vector<NormFinding> norms;  ///< in the order of members
  /// Whether no norm has any advice.
  bool all_well() const noexcept;
};
/// A table with a row per norm, and the advice below it.
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

/// Calls the model in eval mode, without gradients, with all batches (see recalibrate() for what these can be) and
/// looks at what comes to each norm. Changes nothing. Throws ValueError when there is no batch, and for a model without
/// norms.
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
