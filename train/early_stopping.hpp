// EarlyStopping: tells when a metric has stopped improving.
//
//   EarlyStopping stopping({.patience = 5});
//   while (!stopping.should_stop()) {
//     ...                                            // an epoch
//     if (stopping.step(validation_loss)) {
//       save_safetensors("best.safetensors", net);  // the best so far
//     }
//   }
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "normgrad/optim/schedules/reduce_lr_on_plateau.hpp"

namespace normgrad {

/// Options of EarlyStopping; names and defaults are those of PyTorch Lightning.
struct EarlyStoppingOptions {
  PlateauMode mode = PlateauMode::min;  ///< whether lower or higher is better
  std::int64_t patience = 3;            ///< stop at so many epochs in a row without improvement
  double min_delta = 0.0;               ///< an improvement is larger than this
  bool check_finite = true;             ///< stop at once at NaN or infinity
};

/// Follows a metric over the epochs. NaN is not an improvement.
class EarlyStopping {
 public:
  /// Throws ValueError unless patience >= 1, and min_delta is finite and >= 0.
  explicit EarlyStopping(EarlyStoppingOptions options = {});

  /// Ends an epoch with this value of the metric. Returns whether it is the best so far.
  bool step(double metric);
  bool should_stop() const noexcept;                                ///< whether the patience is at its end
  double best() const noexcept { return best_; }                    ///< the best value; infinite before the first
  std::int64_t best_epoch() const noexcept { return best_epoch_; }  ///< from 1 on; 0 before the first
  std::int64_t epoch() const noexcept { return epoch_; }            ///< number of steps

  /// Returns "last_epoch", "best", "best_epoch", "num_bad_epochs" and "stopped".
  StateDict state_dict() const;
  /// Restores the state. Throws ValueError, listing all mismatches, before anything is changed.
  void load_state_dict(const StateDict& state) { prepare_state_dict(state)(); }
  /// Splits load_state_dict() into two steps. Checks everything, throws the same errors, and changes nothing; the
  /// returned function performs the load and does not throw. The object must live until then.
  std::function<void()> prepare_state_dict(const StateDict& state);

 private:
  std::vector<detail::StateField> fields();

  EarlyStoppingOptions options_;
  double best_;
  std::int64_t epoch_ = 0;
  std::int64_t best_epoch_ = 0;
  std::int64_t num_bad_epochs_ = 0;
  std::int64_t stopped_ = 0;  // 1 after a value that is not finite
};

}  // namespace normgrad
