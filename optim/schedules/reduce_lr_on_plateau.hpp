// ReduceLROnPlateau: reduces the learning rate when a metric stops improving.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "normgrad/optim/schedules/lr_scheduler.hpp"

namespace normgrad {

/// Whether smaller or larger metrics are better.
enum class PlateauMode : std::uint8_t { min, max };
/// Whether `threshold` is relative to the magnitude of the best value or absolute.
enum class ThresholdMode : std::uint8_t { rel, abs };

/// Options of ReduceLROnPlateau; names and defaults are PyTorch's.
struct ReduceLROnPlateauOptions {
  PlateauMode mode = PlateauMode::min;                ///< whether lower or higher is better
  double factor = 0.1;                                ///< multiplies the rates at each reduction
  std::int64_t patience = 10;                         ///< epochs without improvement that are tolerated
  double threshold = 1e-4;                            ///< minimum improvement that counts
  ThresholdMode threshold_mode = ThresholdMode::rel;  ///< relative to the best value, or absolute
  std::int64_t cooldown = 0;                          ///< epochs after a reduction that are ignored
  PerGroup min_lr = 0.0;                              ///< lower bound of the rates
  double eps = 1e-8;                                  ///< smaller changes of a rate are not made
};

/// torch.optim.lr_scheduler.ReduceLROnPlateau: multiplies the rates by `factor` after more than `patience` epochs
/// without improvement. NaN is not an improvement. For a relative threshold and a negative best value, the margin is
/// threshold * |best|: with `min`, a best of -1 is improved by values below -1 - threshold. (PyTorch uses the limit -1
/// + threshold, so a metric that slowly gets worse counts as improving forever.)
class ReduceLROnPlateau {
 public:
  /// Throws ValueError unless 0 <= factor < 1, patience, cooldown and min_lr >= 0, and threshold and eps are finite.
  /// The optimizer must outlive the schedule.
  explicit ReduceLROnPlateau(Optimizer& optimizer, ReduceLROnPlateauOptions options = {});

  /// Ends an epoch with this value of the metric.
  void step(double metric);
  std::int64_t epoch() const noexcept { return epoch_; }
  std::int64_t num_bad_epochs() const noexcept { return num_bad_epochs_; }
  double best() const noexcept { return best_; }
  const std::vector<double>& last_lr() const noexcept { return last_lr_; }

  /// Returns "last_epoch", "best", "num_bad_epochs", "cooldown_counter" and "last_lr".
  StateDict state_dict() const;
  /// Restores the state and sets the optimizer's rates. Throws ValueError, listing all mismatches, before anything is
  /// changed.
  void load_state_dict(const StateDict& state) { prepare_state_dict(state)(); }
  /// Splits load_state_dict() into two steps. Checks everything, throws the same errors, and changes nothing; the
  /// returned function performs the load and does not throw. The schedule must live until then.
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
