// What the norms with running statistics share: BatchNorm and InstanceNorm.
#pragma once

#include <cstdint>
#include <string>

#include "normgrad/layers/norm/norm_layer.hpp"
#include "normgrad/layers/norm/options.hpp"

namespace normgrad {

/// While one lives on this thread, no norm changes its running statistics: for gradient checks, probes, line searches,
/// and second forwards of the same batch. What normalises stays as it is.
class FreezeStatisticsGuard {
 public:
  [[nodiscard("give it a name: an object without one ends at once")]] FreezeStatisticsGuard() noexcept;
  FreezeStatisticsGuard(const FreezeStatisticsGuard&) = delete;
  FreezeStatisticsGuard& operator=(const FreezeStatisticsGuard&) = delete;
  ~FreezeStatisticsGuard();
  static bool is_active() noexcept;  ///< on this thread
};

/// Two switches, independent of each other:
///
/// - which statistics normalise: those of the batch, the running ones, or by the mode (set_statistics);
/// - whether the running ones are updated in training (set_updates).
///
/// They and freeze() are modes, as train() and eval() are: copies take them over, assignment leaves them as they are.
///
/// Running statistics change once per forward in training, after it has succeeded, whatever the grad mode; a batch
/// whose statistics are not finite never enters them: it is counted, and the first one is logged as a warning. They are
/// plain tensors, to be read and written, of float64 whatever the layer's dtype: what is added to them batch after
/// batch would else be lost in rounding. Files and state dicts with float32 ones load; to() converts them with the
/// rest.
class RunningStatsNorm : public NormLayer {
 public:
  std::string extra_repr() const override;

  /// As constructed.
  std::int64_t num_features() const noexcept { return num_features_; }
  double eps() const noexcept { return eps_; }
  Momentum momentum() const noexcept { return momentum_; }
  Variance variance() const noexcept { return variance_; }
  bool tracks_running_stats() const noexcept { return running_mean.defined(); }

  /// Normalise with the running statistics and leave them as they are, until unfreeze(): train() does not undo it.
  /// Throws ValueError when there are none. requires_grad of weight and bias stays.
  void freeze();
  void unfreeze() noexcept { frozen_.set(false); }
  bool is_frozen() const noexcept { return *frozen_; }
  /// Throws ValueError for Statistics::running where there are none.
  void set_statistics(Statistics statistics);
  Statistics statistics() const noexcept { return *statistics_; }
  void set_updates(bool on) noexcept { updates_.set(on); }
  bool updates() const noexcept { return *updates_; }

  /// Throws ShapeError or DTypeError unless the running statistics, where there are any, are [C] and floating point,
  /// and num_batches_tracked is one int64. Every forward does, for they may be given other values at any time.
  void check_buffers() const;
  /// Mean 0, variance 1, no batches.
  void reset_running_stats();
  /// Weight 1, bias 0, and new running statistics.
  void reset_parameters();
  /// Whether normalising with the running statistics changes nothing: mean 0, variance 1 - eps, weight 1, bias 0,
  /// within rounding; what folding leaves behind. Such a norm gives back its input as it is, not a copy, unless weight
  /// or bias are to get gradients.
  bool is_identity() const;
  /// How many batches were kept out because their statistics were not finite.
  std::int64_t non_finite_batches() const noexcept { return non_finite_batches_; }

  Parameter weight;                 ///< [C]; undefined without scale
  Parameter bias;                   ///< [C]; undefined without bias
  StateBuffer running_mean;         ///< [C], float64; undefined without track_running_stats, as the next two
  StateBuffer running_var;          ///< [C], float64
  StateBuffer num_batches_tracked;  ///< int64, no axes

 protected:
  /// What the constructors of derived classes hand on.
  struct Options {
    double eps;                ///< added to the variance
    Momentum momentum;         ///< how fast the running statistics follow
    Affine affine;             ///< weight and bias
    bool track_running_stats;  ///< else those of the batch are used in eval mode, too
    Variance variance;         ///< which estimate enters running_var
    SingleValue single_value;  ///< what a batch of one value per channel does
    DType dtype;               ///< of the parameters
  };
  /// Throws ValueError for num_features <= 0, eps <= 0, momentum outside [0, 1]; `type` is the layer's name.
  RunningStatsNorm(const char* type, std::int64_t num_features, const Options& options);

  /// Which inputs the layer takes, for messages.
  virtual std::string expected_input() const = 0;
  /// What to do where one value has no variance, for messages.
  virtual std::string single_value_advice() const;
  /// Throws unless x has the layer's channels on `axis` and its dtype.
  void check_channels(const Tensor& x, std::int64_t axis) const;
  /// Whether the statistics of a batch with `count` values per channel normalise it, and whether they enter the running
  /// ones. Throws ShapeError for one value per channel where the layer says so; `values` is what is counted.
  bool use_batch_statistics(std::int64_t count, const char* values, const Shape& shape) const;
  bool update_is_due(std::int64_t count) const noexcept;
  /// x normalised with the running statistics, and `then` of it.
  Tensor normalise_with_running(const Tensor& x, const NormThen& then) const;
  void update_running_stats(const NormResult& batch, bool count_batches);

 private:
  std::int64_t num_features_;
  double eps_;
  Momentum momentum_;
  Affine affine_;
  Variance variance_;
  SingleValue single_value_;
  detail::Mode<Statistics> statistics_ = Statistics::automatic;
  detail::Mode<bool> updates_ = true;
  detail::Mode<bool> frozen_ = false;
  std::int64_t non_finite_batches_ = 0;
};

}  // namespace normgrad
