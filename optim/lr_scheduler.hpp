// LRScheduler: a learning rate that changes over time. Names and numbers are those of torch.optim.lr_scheduler.
//
//   CosineAnnealingLR schedule(optimizer, 90);
//   for (int epoch = 0; epoch < 90; ++epoch) {
//     ...                // steps of the optimizer
//     schedule.step();   // once per epoch, or per step of the optimizer, as its numbers are meant
//   }
//
// Every schedule starts from the optimizer's initial_lr(), which the first one that is made sets: one that is made when
// another has come to its end starts anew. Only schedules that are made one after the other, with no step and no
// set_lr() between them, start from the rate that the one before has set, and work together: each multiplies what it
// finds, as PyTorch's chainable forms do. A schedule that is alone on its rate has that of its closed form, bit for
// bit. See SequentialLR (warm-up, then something else) and ChainedScheduler (several at the same time) in
// combined_schedules.hpp.
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
/// A number, or several, of a state by its name in the state dict.
using StateField = std::pair<std::string, std::variant<std::int64_t*, double*, std::vector<double>*>>;
/// What the fields become with a state, for set_values(). Throws ValueError, listing what does not fit.
std::vector<std::vector<double>> read_fields(const char* where, const std::vector<StateField>& fields,
                                             const StateDict& state);
StateDict state_of(const std::vector<StateField>& fields);
/// The numbers of fields, and the way back.
std::vector<std::vector<double>> values_of(const std::vector<StateField>& fields);
void set_values(const std::vector<StateField>& fields, const std::vector<std::vector<double>>& values);
}  // namespace detail

/// Base of all schedules: see the head of this file.
class LRScheduler {
 public:
  LRScheduler(LRScheduler&&) noexcept = default;
  LRScheduler& operator=(LRScheduler&&) = delete;
  virtual ~LRScheduler() = default;

  /// Goes on to the next epoch and sets its learning rates. Where somebody else has changed a rate since, it goes on
  /// from what it finds. Throws ValueError, changing nothing, for a rate that is negative or not finite.
  virtual void step();
  /// Goes to an epoch, whatever the rates are now. Throws ValueError for a negative one.
  virtual void set_epoch(std::int64_t epoch);
  /// How many times step() was called.
  std::int64_t epoch() const noexcept { return epoch_; }
  /// The learning rates of the groups as the schedule has set them.
  const std::vector<double>& last_lr() const noexcept { return last_lr_; }
  Optimizer& optimizer() const noexcept { return *optimizer_; }

  /// Where the schedule is: "last_epoch", "base_lrs", "last_lr", and more in some; of the parts of combined ones as
  /// "<i>.last_epoch" and so on. What a schedule was made with (step sizes, functions) is not in it.
  StateDict state_dict() const;
  /// Goes on from there, on a schedule that was made with the same arguments; sets the optimizer's learning rates, too.
  /// Throws ValueError, listing what does not fit, before anything is changed.
  void load_state_dict(const StateDict& state) { prepare_state_dict(state)(); }
  /// load_state_dict() in two steps: checks everything, with its errors, and changes nothing; what it returns does the
  /// rest and does not throw. The schedule must live until then.
  std::function<void()> prepare_state_dict(const StateDict& state);

 protected:
  /// The optimizer must outlive the schedule and stay where it is.
  explicit LRScheduler(Optimizer& optimizer);

  /// The name in errors, such as "StepLR".
  virtual const char* type_name() const noexcept = 0;
  /// The rate of a group in an epoch, from `lr`, the one in the epoch before (in epoch 0: what the schedule finds).
  virtual double next_lr(std::int64_t epoch, double lr, std::size_t group) const = 0;
  /// The rate of a group in an epoch, from nothing but base_lr(group).
  virtual double lr_at(std::int64_t epoch, std::size_t group) const = 0;
  /// Whether next_lr() uses `lr`, and gives lr_at(epoch) from an `lr` of lr_at(epoch - 1).
  virtual bool is_recursive() const noexcept { return false; }
  /// Throws ValueError where the schedule does not reach.
  virtual void check_epoch(std::int64_t /*epoch*/) const {}
  /// Sets what else changes with an epoch; all of it or, throwing, nothing.
  virtual void enter_epoch(std::int64_t /*epoch*/) {}

  /// Goes to epoch 0: what the constructor of a schedule ends with. The rates start from `initial`, by default the
  /// optimizer's initial_lr(), or from those that a schedule has set that was made just before.
  void start();
  void start(const std::vector<double>& initial);
  /// Whether a schedule or set_initial_lr() has set it.
  bool optimizer_has_initial_lr() const;

  // For schedules made of others.

  /// The rates are those of an epoch 0: a schedule that is made next starts from them.
  void mark_start();
  /// Goes to epoch 0 from the rates that there are.
  virtual void begin();
  /// Goes to epoch 0 from the base rates: as a part of a sequence does when its time comes.
  virtual void restart();
  /// What the state is made of.
  virtual std::vector<detail::StateField> fields();
  /// Tells the optimizer what a loaded state says.
  virtual void tell_optimizer();

  /// For derived classes: the rate that a group had at the start, and those that the schedule has set.
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

/// A number for all groups of an optimizer, or one for each: 0.1 or {0.1, 0.01}.
class PerGroup {
 public:
  /// One number for all groups, or one for each.
  PerGroup(double all) : values_{all} {}                            // NOLINT(google-explicit-constructor)
  PerGroup(std::initializer_list<double> each) : values_(each) {}   // NOLINT(google-explicit-constructor)
  PerGroup(std::vector<double> each) : values_(std::move(each)) {}  // NOLINT(google-explicit-constructor)
  /// One for each group; throws ValueError, naming `what`, for another number of them.
  std::vector<double> resolve(const char* where, const char* what, std::size_t groups) const;

 private:
  std::vector<double> values_;
};

}  // namespace normgrad
