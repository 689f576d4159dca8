// The base of the norms with running statistics, such as BatchNorm and InstanceNorm.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>

#include "normgrad/layers/norm/norm_layer.hpp"
#include "normgrad/layers/norm/options.hpp"

namespace normgrad {

/// While a guard is alive on this thread, no norm changes its running statistics. For gradient checks, probes, line
/// searches, and repeated forwards of the same batch. The statistics that normalize are the same as without it. Active,
/// too, while checkpoint() calls its function the second time.
class FreezeStatisticsGuard {
 public:
  [[nodiscard("give it a name: an object without one ends at once")]] FreezeStatisticsGuard() noexcept;
  FreezeStatisticsGuard(const FreezeStatisticsGuard&) = delete;
  FreezeStatisticsGuard& operator=(const FreezeStatisticsGuard&) = delete;
  ~FreezeStatisticsGuard();
  static bool is_active() noexcept;  ///< on this thread
};

/// The base of the norms with running statistics. Two switches are independent of each other:
///
/// - which statistics normalize: those of the batch, the running ones, or the choice of the mode (set_statistics);
/// - whether the running ones are updated in training (set_updates).
///
/// These and freeze() are modes, like train() and eval(): copies keep them, assignment leaves them unchanged.
///
/// Running statistics are updated once per forward in training, after it has succeeded, independent of the grad mode. A
/// batch with statistics that are not finite is not included: it is counted, and the first one is logged as a warning.
/// They are plain tensors that may be read and written, and are float64 for every dtype of the layer, because small
/// updates would be lost to rounding. Files and state dicts with float32 statistics load; to() converts them with the
/// other tensors.
class RunningStatsNorm : public NormLayer {
 public:
  std::string extra_repr() const override;

  /// The constructor's arguments.
  std::int64_t num_features() const noexcept { return num_features_; }
  double eps() const noexcept { return eps_; }
  double eps_for(DType /*dtype*/) const override { return eps_; }
  std::string reason_against_folding() const override { return "a class derived from a norm may have its own forward"; }
  Momentum momentum() const noexcept { return momentum_; }
  Variance variance() const noexcept { return variance_; }
  bool tracks_running_stats() const noexcept { return running_mean.defined(); }

  /// Normalizes with the running statistics and leaves them unchanged until unfreeze(); train() does not undo it.
  /// requires_grad of weight and bias is unchanged. Throws ValueError if there are no running statistics.
  void freeze();
  void unfreeze() noexcept { frozen_.set(false); }
  bool is_frozen() const noexcept { return *frozen_; }
  /// Throws ValueError for Statistics::running if there are no running statistics.
  void set_statistics(Statistics statistics);
  Statistics statistics() const noexcept { return *statistics_; }
  void set_updates(bool on) noexcept { updates_.set(on); }
  bool updates() const noexcept { return *updates_; }

  /// Throws ShapeError or DTypeError unless the running statistics, if any, are [C] and floating-point, and
  /// num_batches_tracked is one int64. Every forward calls it, because they may be assigned at any time.
  void check_buffers() const;
  /// Resets the mean to 0, the variance to 1 and the number of batches to 0.
  void reset_running_stats();
  /// Resets the weight to 1, the bias to 0, and the running statistics.
  void reset_parameters();
  /// Whether normalizing with the running statistics changes nothing: mean 0, variance 1 - eps up to rounding, weight
  /// 1, bias 0. Folding leaves such norms. They return their input itself, not a copy, unless weight or bias need
  /// gradients.
  bool is_identity() const;
  /// Whether running_mean and running_var are the mean and variance of the input, which recalibrate() computes and
  /// norm_report() compares. False for norms that keep other statistics.
  virtual bool has_input_moments() const noexcept { return true; }
  /// The number of batches left out because their statistics were not finite.
  std::int64_t non_finite_batches() const noexcept { return non_finite_batches_; }

  Parameter weight;                 ///< [C]; undefined without scale
  Parameter bias;                   ///< [C]; undefined without bias
  StateBuffer running_mean;         ///< [C], float64; undefined without track_running_stats, like the next two
  StateBuffer running_var;          ///< [C], float64
  StateBuffer num_batches_tracked;  ///< int64, no axes

 protected:
  /// The options of the derived classes.
  struct Options {
    double eps;                ///< added to the variance
    Momentum momentum;         ///< update rule of the running statistics
    Affine affine;             ///< weight and bias
    bool track_running_stats;  ///< if false, batch statistics are also used in eval mode
    Variance variance;         ///< estimate stored in running_var
    SingleValue single_value;  ///< behavior in training for one value per channel
    DType dtype;               ///< dtype of the parameters
    /// If true, the running variance plus eps is the square of the average of the batches' sqrt(var + eps), instead of
    /// the average of their variances.
    bool averages_deviation = false;
  };
  /// Throws ValueError for num_features <= 0, eps <= 0, a momentum outside [0, 1], and SingleValue::use_running without
  /// running statistics. `type` is the layer's name.
  RunningStatsNorm(const char* type, std::int64_t num_features, const Options& options);

  /// The inputs that the layer accepts, for error messages.
  virtual std::string expected_input() const = 0;
  /// The remedy for one value per channel, for error messages.
  virtual std::string single_value_advice() const;
  /// The remedy of layers without an option for it.
  static std::string larger_batches_or_eval();
  /// Throws unless x has the layer's channels on `axis` and its dtype.
  void check_channels(const Tensor& x, std::int64_t axis) const;
  /// Whether a batch with `count` values per channel is normalized with its own statistics; update_is_due() returns
  /// whether they enter the running ones. Throws ShapeError for one value per channel with SingleValue::error; `values`
  /// names the counted values in the message.
  bool use_batch_statistics(std::int64_t count, const char* values, const Shape& shape) const;
  /// `in_backward`: the backward of this forward updates something, also if a checkpoint has called the layer again.
  bool update_is_due(std::int64_t count, bool in_backward = false) const noexcept;
  /// The batch of a forward, and how its statistics are computed.
  struct Batch {
    std::int64_t count;   ///< values per statistic
    const char* values;   ///< what is counted, for the message of use_batch_statistics()
    bool counts_batches;  ///< whether num_batches_tracked counts it
    /// Normalizes x with its own statistics.
    std::function<NormResult(const Tensor& x, const Epilogue& epilogue)> normalize;
    NormResult (*statistics)(const Tensor& x);  ///< its statistics alone; y may be undefined
  };
  /// Returns x normalized with the statistics of the batch or the running ones, and updates the running ones with those
  /// of the batch, each as the switches say.
  Tensor normalize_and_update(const Tensor& x, const Epilogue& epilogue, const Batch& batch);
  /// Returns x normalized with the running statistics, with the epilogue applied.
  Tensor normalize_with_running(const Tensor& x, const Epilogue& epilogue) const;
  /// Averages the statistics of a batch into the running ones. Returns the weight of the batch; nullopt if it was left
  /// out because they are not finite. With `counts` ([C], float64), the values of each channel, those of fewer than 2
  /// stay unchanged.
  std::optional<double> update_running_stats(const NormResult& batch, bool count_batches, const Tensor& counts = {});
  /// Whether all statistics of a batch (float64) are finite. If not, the batch counts as left out, and the first one is
  /// logged.
  bool accepts(std::initializer_list<Tensor> statistics);
  /// Counts a batch and returns the number of batches.
  double count_batch();
  /// running = (1 - weight) * running + weight * factor * batch, where `batch` is float64.
  static void blend(Tensor& running, const Tensor& batch, double weight, double factor = 1.0);

 private:
  std::int64_t num_features_;
  double eps_;
  Momentum momentum_;
  Affine affine_;
  Variance variance_;
  SingleValue single_value_;
  bool averages_deviation_;
  detail::Mode<Statistics> statistics_ = Statistics::automatic;
  detail::Mode<bool> updates_ = true;
  detail::Mode<bool> frozen_ = false;
  std::int64_t non_finite_batches_ = 0;
};

}  // namespace normgrad
