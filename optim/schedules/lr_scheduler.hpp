// LRScheduler: learning rate schedules. Names and values are those of torch.optim.lr_scheduler.
//
//   CosineAnnealingLR schedule(optimizer, 90);
//   for (int epoch = 0; epoch < 90; ++epoch) {
//     ...                // steps of the optimizer
//     schedule.step();   // once per epoch, or per step of the optimizer, as its numbers are meant
//   }
//
// Every schedule starts from the optimizer's initial_lr(), which the first schedule constructed sets. A schedule
// constructed after another has finished therefore starts from there. Only schedules constructed one after another,
// with no step and no set_lr() between them, start from the rate set by the previous one and combine: each multiplies
// the current rate, as PyTorch's chainable forms do. A schedule that controls its rate alone follows its closed form
// bit for bit. See SequentialLR (warm-up, then another schedule) and ChainedScheduler (several at the same time) in
// combined.hpp.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "normgrad/core/autograd/state_dict.hpp"
#include "normgrad/optim/optimizer.hpp"

namespace normgrad {

namespace detail {
/// One or more numbers of a state, with their name in the state dict.
using StateField = std::pair<std::string, std::variant<std::int64_t*, double*, std::vector<double>*>>;
/// Reads the values of the fields from a state, for set_values(). Throws ValueError, listing all mismatches.
std::vector<std::vector<double>> read_fields(const char* where, const std::vector<StateField>& fields,
                                             const StateDict& state);
StateDict state_of(const std::vector<StateField>& fields);
/// Get and set the values of fields.
std::vector<std::vector<double>> values_of(const std::vector<StateField>& fields);
void set_values(const std::vector<StateField>& fields, const std::vector<std::vector<double>>& values);
}  // namespace detail

/// Base class of all schedules; see the top of this file.
class LRScheduler {
 public:
  LRScheduler(LRScheduler&&) noexcept = default;
  LRScheduler& operator=(LRScheduler&&) = delete;
  virtual ~LRScheduler() = default;

  /// Advances to the next epoch and sets its learning rates. If a rate was changed elsewhere, continues from the
  /// changed rate. Throws ValueError, changing nothing, if a rate is negative or not finite.
  virtual void step();
  /// Moves to an epoch, whatever the current rates. Throws ValueError for a negative epoch.
  virtual void set_epoch(std::int64_t epoch);
  /// Returns how many times step() was called, or the epoch passed to set_epoch().
  std::int64_t epoch() const noexcept { return epoch_; }
  /// Returns the learning rates of the groups as set by the schedule.
  const std::vector<double>& last_lr() const noexcept { return last_lr_; }
  Optimizer& optimizer() const noexcept { return *optimizer_; }

  /// Returns the state: "last_epoch", "base_lrs", "last_lr", and more for some schedules; for the parts of combined
  /// ones as "<i>.last_epoch" and so on. Constructor arguments (step sizes, functions) are not included.
  StateDict state_dict() const;
  /// Restores the state of a schedule constructed with the same arguments, and sets the optimizer's learning rates.
  /// Throws ValueError, listing all mismatches, before anything is changed.
  void load_state_dict(const StateDict& state) { prepare_state_dict(state)(); }
  /// Splits load_state_dict() into two steps. Checks everything, throws the same errors, and changes nothing; the
  /// returned function performs the load and does not throw. The schedule must live until then.
  std::function<void()> prepare_state_dict(const StateDict& state);

 protected:
  /// The optimizer must outlive the schedule and must not move.
  explicit LRScheduler(Optimizer& optimizer);

  /// Returns the name used in error messages, such as "StepLR".
  virtual const char* type_name() const noexcept = 0;
  /// Returns a group's rate in an epoch, given the previous epoch's rate `lr` (in epoch 0: the rate the schedule
  /// finds).
  virtual double next_lr(std::int64_t epoch, double lr, std::size_t group) const = 0;
  /// Returns a group's rate in an epoch in closed form, from base_lr(group).
  virtual double lr_at(std::int64_t epoch, std::size_t group) const = 0;
  /// Returns whether next_lr() depends on `lr`, and maps lr_at(epoch - 1) to lr_at(epoch).
  virtual bool is_recursive() const noexcept { return false; }
  /// Throws ValueError for an epoch beyond the schedule's range.
  virtual void check_epoch(std::int64_t /*epoch*/) const {}
  /// Sets other values that change with the epoch; all of them, or none if it throws.
  virtual void enter_epoch(std::int64_t /*epoch*/) {}

  /// Moves to epoch 0; called at the end of a schedule's constructor. The rates start from `initial`, by default the
  /// optimizer's initial_lr(), or from the rates set by a schedule that was constructed just before.
  void start();
  void start(const std::vector<double>& initial);
  /// Returns whether a schedule or set_initial_lr() has set the initial rates.
  bool optimizer_has_initial_lr() const;

  // For schedules composed of others.

  /// Marks the current rates as those of an epoch 0, from which the next schedule constructed starts.
  void mark_start();
  /// Moves to epoch 0 from the current rates.
  virtual void begin();
  /// Moves to epoch 0 from the base rates, as a part of a sequence does when it becomes active.
  virtual void restart();
  /// Returns the fields of the state.
  virtual std::vector<detail::StateField> fields();
  /// Applies a loaded state to the optimizer.
  virtual void tell_optimizer();
  /// Sets an option of the optimizer, which checks its options again in its next step.
  void set_unchecked(const std::string& option, double value, std::size_t group);

  /// For derived classes: the initial rate of a group, and the rates the schedule has set.
  double base_lr(std::size_t group) const { return base_lrs_[group]; }
  std::size_t num_groups() const noexcept { return base_lrs_.size(); }
  void set_base_lr(double lr, std::size_t group) { base_lrs_[group] = lr; }
  void set_last_lr(std::vector<double> lr) { last_lr_ = std::move(lr); }
  void set_epoch_only(std::int64_t epoch) noexcept { epoch_ = epoch; }

 private:
  friend class CombinedSchedule;
  template <class Rate>
  void go_to(std::int64_t epoch, Rate rate);
  std::vector<double> initial_lrs() const;
  void set_initial_lrs(const std::vector<double>& initial);

  Optimizer* optimizer_;
  std::vector<double> base_lrs_;
  std::vector<double> last_lr_;
  std::int64_t epoch_ = 0;
};

/// One number for all groups of an optimizer, or one for each: 0.1 or {0.1, 0.01}.
class PerGroup {
 public:
  /// Constructs from one number for all groups, or one for each.
  PerGroup(double all) : values_{all} {}                            // NOLINT(google-explicit-constructor)
  PerGroup(std::initializer_list<double> each) : values_(each) {}   // NOLINT(google-explicit-constructor)
  PerGroup(std::vector<double> each) : values_(std::move(each)) {}  // NOLINT(google-explicit-constructor)
  /// Returns one number for each group. Throws ValueError, naming `what`, if the count does not match.
  std::vector<double> resolve(const char* where, const char* what, std::size_t groups) const;

 private:
  std::vector<double> values_;
};

}  // namespace normgrad
