// Learning rates that change over time. A schedule sets the rates of an optimizer's groups, each from the one that the
// group had when the schedule was made; step() is called once per epoch (or per step, as its numbers are meant).
#pragma once

#include <cstdint>
#include <vector>

#include "normgrad/optim/optimizer.hpp"

namespace normgrad {

class LRScheduler {
 public:
  LRScheduler(const LRScheduler&) = default;
  LRScheduler& operator=(const LRScheduler&) = delete;
  virtual ~LRScheduler() = default;

  /// Goes on to the next epoch and sets its learning rates.
  void step() { set_epoch(epoch_ + 1); }
  /// How many times step() was called.
  std::int64_t epoch() const noexcept { return epoch_; }
  /// Goes to an epoch. To continue a run, make optimizer and schedule as at its start, load the optimizer's state, then
  /// go to the epoch. Throws ValueError for a negative one.
  void set_epoch(std::int64_t epoch);
  /// The learning rates of the groups as the schedule has set them.
  const std::vector<double>& last_lr() const noexcept { return last_lr_; }

 protected:
  /// The optimizer must outlive the schedule.
  explicit LRScheduler(Optimizer& optimizer);
  /// The learning rate in an epoch of a group that has `base_lr` in epoch 0.
  virtual double lr_at(std::int64_t epoch, double base_lr) const = 0;

 private:
  Optimizer& optimizer_;
  std::vector<double> base_lrs_;
  std::vector<double> last_lr_;
  std::int64_t epoch_ = 0;
};

/// torch.optim.lr_scheduler.StepLR: base_lr * gamma^floor(epoch / step_size).
class StepLR final : public LRScheduler {
 public:
  /// Throws ValueError unless step_size > 0.
  StepLR(Optimizer& optimizer, std::int64_t step_size, double gamma = 0.1);

 protected:
  double lr_at(std::int64_t epoch, double base_lr) const override;

 private:
  std::int64_t step_size_;
  double gamma_;
};

/// torch.optim.lr_scheduler.CosineAnnealingLR (Loshchilov and Hutter, "SGDR", 2017, without restarts):
/// eta_min + (base_lr - eta_min) * (1 + cos(pi * epoch / t_max)) / 2; rises again after t_max.
class CosineAnnealingLR final : public LRScheduler {
 public:
  /// Throws ValueError unless t_max > 0.
  CosineAnnealingLR(Optimizer& optimizer, std::int64_t t_max, double eta_min = 0.0);

 protected:
  double lr_at(std::int64_t epoch, double base_lr) const override;

 private:
  std::int64_t t_max_;
  double eta_min_;
};

}  // namespace normgrad
