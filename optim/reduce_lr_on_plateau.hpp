// ReduceLROnPlateau: a learning rate that falls when a metric no longer gets better.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "normgrad/optim/lr_scheduler.hpp"

namespace normgrad {

/// Whether the metric is better when it is smaller or larger.
enum class PlateauMode : std::uint8_t { min, max };
/// Better by `threshold` as a part of the magnitude of the best value, or as it is.
enum class ThresholdMode : std::uint8_t { rel, abs };

/// Options of ReduceLROnPlateau; names and defaults are PyTorch's.
struct ReduceLROnPlateauOptions {
  PlateauMode mode = PlateauMode::min;                ///< whether lower or higher is better
  double factor = 0.1;                                ///< of the rates at each reduction
  std::int64_t patience = 10;                         ///< so many epochs without a better value are let pass
  double threshold = 1e-4;                            ///< better by less than this is not better
  ThresholdMode threshold_mode = ThresholdMode::rel;  ///< a part of the best value, or absolute
  std::int64_t cooldown = 0;                          ///< epochs after a reduction that are not counted
  PerGroup min_lr = 0.0;                              ///< rates do not go below
  double eps = 1e-8;                                  ///< smaller changes of a rate are not made
};

/// torch.optim.lr_scheduler.ReduceLROnPlateau: multiplies the rates by `factor` once more than `patience` epochs have
/// brought no better metric. NaN is not better. For a relative threshold and a negative metric the margin is
/// threshold * |best|: with `min`, -1 is beaten by less than -1 - threshold. (PyTorch takes the limit towards 0, -1 +
/// threshold, so that a metric which slowly gets worse counts as better for ever.)
class ReduceLROnPlateau {
 public:
  /// Throws ValueError unless 0 <= factor < 1 and patience, cooldown >= 0. The optimizer must outlive the schedule.
  explicit ReduceLROnPlateau(Optimizer& optimizer, ReduceLROnPlateauOptions options = {});

  /// Ends an epoch with the value that the metric has in it.
  void step(double metric);
  std::int64_t epoch() const noexcept { return epoch_; }
  std::int64_t num_bad_epochs() const noexcept { return num_bad_epochs_; }
  double best() const noexcept { return best_; }
  const std::vector<double>& last_lr() const noexcept { return last_lr_; }

  /// "last_epoch", "best", "num_bad_epochs", "cooldown_counter" and "last_lr".
  StateDict state_dict() const;
  /// Goes on from there; sets the optimizer's rates, too. Throws ValueError, listing what does not fit, before anything
  /// is changed.
  void load_state_dict(const StateDict& state) { prepare_state_dict(state)(); }
  /// load_state_dict() in two steps: checks everything, with its errors, and changes nothing; what it returns does the
  /// rest and does not throw. The schedule must live until then.
  std::function<void()> prepare_state_dict(const StateDict& state);

 private:
  bool is_better(double metric) const;
  std::vector<detail::StateField> fields();

  Optimizer* optimizer_;
  ReduceLROnPlateauOptions options_;
  std::vector<double> min_lrs_;
  std::vector<double> last_lr_;
  double best_;
  std::int64_t epoch_ = 0;
  std::int64_t num_bad_epochs_ = 0;
  std::int64_t cooldown_counter_ = 0;
};

}  // namespace normgrad
