// Schedules composed of other schedules.
//
//   SequentialLR schedule(optimizer, {LinearLR(optimizer, {.start_factor = 0.1, .total_iters = 5}),   // warm-up
//                                     CosineAnnealingLR(optimizer, 85)}, {5});
//   ChainedScheduler both({ConstantLR(optimizer, {.factor = 0.1, .total_iters = 2}), ExponentialLR(optimizer, 0.9)});
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "normgrad/optim/schedules/lr_scheduler.hpp"

namespace normgrad {

/// A schedule of any kind. Constructed from a schedule, or from a pointer by callers that need later access to it.
class AnyLRScheduler {
 public:
  /// Takes ownership of the schedule.
  template <class S>
  requires(std::derived_from<std::remove_cvref_t<S>, LRScheduler> && !std::is_lvalue_reference_v<S>)
      AnyLRScheduler(S&& schedule)  // NOLINT: meant to convert
      : schedule_(std::make_shared<std::remove_cvref_t<S>>(std::forward<S>(schedule))) {}
  /// Shares the schedule with its other owners.
  template <std::derived_from<LRScheduler> S>
  AnyLRScheduler(std::shared_ptr<S> schedule) : schedule_(std::move(schedule)) {}  // NOLINT: meant to convert
  /// Returns the schedule.
  const std::shared_ptr<LRScheduler>& get() const noexcept { return schedule_; }

 private:
  std::shared_ptr<LRScheduler> schedule_;
};

/// Common base of SequentialLR and ChainedScheduler.
class CombinedSchedule : public LRScheduler {
 public:
  /// Steps all active parts. If one throws, none has stepped.
  void step() final;
  /// Restarts and makes `epoch` steps.
  void set_epoch(std::int64_t epoch) override;
  const std::vector<std::shared_ptr<LRScheduler>>& schedules() const noexcept { return schedules_; }

 protected:
  /// Throws ValueError for an empty list and for schedules of another optimizer.
  CombinedSchedule(const char* where, Optimizer& optimizer, const std::vector<AnyLRScheduler>& schedules);
  double next_lr(std::int64_t epoch, double lr, std::size_t group) const final;
  double lr_at(std::int64_t epoch, std::size_t group) const final;
  std::vector<detail::StateField> fields() final;
  /// Calls enter_epoch() of all parts, in order.
  void enter_epoch(std::int64_t epoch) final;
  /// Performs step(); may throw after some parts have stepped.
  virtual void step_parts() = 0;
  void begin_part(std::size_t i) { schedules_[i]->begin(); }
  void restart_part(std::size_t i) { schedules_[i]->restart(); }
  void tell_optimizer_of(std::size_t i) { schedules_[i]->tell_optimizer(); }
  /// Sets the optimizer's rates to the base rates.
  void reset_lrs();
  void set_place(std::int64_t epoch);

 private:
  template <class F>
  void all_or_nothing(F f);

  std::vector<std::shared_ptr<LRScheduler>> schedules_;
};

/// torch.optim.lr_scheduler.SequentialLR: uses schedule i until epoch milestones[i], which is epoch 0 of the next one.
class SequentialLR final : public CombinedSchedule {
 public:
  /// Throws ValueError unless there is one more schedule than milestones, and the milestones increase from at least 1.
  SequentialLR(Optimizer& optimizer, const std::vector<AnyLRScheduler>& schedules,
               std::vector<std::int64_t> milestones);

 protected:
  const char* type_name() const noexcept override { return "SequentialLR"; }
  void step_parts() override;
  void begin() override { restart(); }
  void restart() override;
  void tell_optimizer() override;

 private:
  std::size_t part_at(std::int64_t epoch) const;

  std::vector<std::int64_t> milestones_;
};

/// torch.optim.lr_scheduler.ChainedScheduler: applies all schedules in every epoch, each to the rate set by the
/// previous one.
class ChainedScheduler final : public CombinedSchedule {
 public:
  /// Throws ValueError for an empty list and for schedules of different optimizers.
  explicit ChainedScheduler(const std::vector<AnyLRScheduler>& schedules);

 protected:
  const char* type_name() const noexcept override { return "ChainedScheduler"; }
  void step_parts() override;
  void begin() override;
  void restart() override;
  void tell_optimizer() override;
};

}  // namespace normgrad
