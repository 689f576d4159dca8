// Learning rates that rise and fall, with the momentum going the other way.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "normgrad/optim/lr_scheduler.hpp"

namespace normgrad {

namespace detail {

/// A schedule that sets the momentum as well: the option "beta1" of optimizers that have one, else "momentum".
class MomentumSchedule : public LRScheduler {
 protected:
  /// Throws ValueError when the optimizer has neither and `cycle_momentum` is set.
  MomentumSchedule(const char* where, Optimizer& optimizer, bool cycle_momentum);
  virtual double momentum_at(std::int64_t epoch, std::size_t group) const = 0;
  double next_lr(std::int64_t epoch, double /*lr*/, std::size_t group) const final { return lr_at(epoch, group); }
  void enter_epoch(std::int64_t epoch) final;
  std::vector<StateField> fields() override;
  void tell_optimizer() override;

 private:
  std::string momentum_;  // the option's name; empty without cycle_momentum
  std::vector<double> last_momentum_;
};

}  // namespace detail

/// How OneCycleLR goes from one rate to the next.
enum class AnnealStrategy : std::uint8_t { cos, linear };

/// Options of OneCycleLR; names and defaults are PyTorch's.
struct OneCycleLROptions {
  std::int64_t total_steps = 0;                          ///< or, when 0, epochs * steps_per_epoch
  std::int64_t epochs = 0;                               ///< see total_steps
  std::int64_t steps_per_epoch = 0;                      ///< see total_steps
  double pct_start = 0.3;                                ///< the part of the steps in which the rate rises
  AnnealStrategy anneal_strategy = AnnealStrategy::cos;  ///< the shape of rise and fall
  bool cycle_momentum = true;                            ///< the momentum (beta1) goes down and up meanwhile
  PerGroup base_momentum = 0.85;                         ///< while the rate is highest
  PerGroup max_momentum = 0.95;                          ///< at the start and the end
  double div_factor = 25.0;                              ///< starts at max_lr / div_factor
  double final_div_factor = 1e4;                         ///< ends at that / final_div_factor
  bool three_phase = false;  ///< falls as long as it rose to where it started, then to the end
};
/// torch.optim.lr_scheduler.OneCycleLR (Smith and Topin, "Super-convergence: very fast training of neural networks
/// using large learning rates", 2019): rises from max_lr / div_factor to max_lr and falls to max_lr / (div_factor *
/// final_div_factor), while the momentum falls from max_momentum to base_momentum and rises again. step() is meant for
/// every step of the optimizer, whose own learning rate and momentum count for nothing.
class OneCycleLR final : public detail::MomentumSchedule {
 public:
  /// Throws ValueError for numbers out of range, and when cycle_momentum is set and the optimizer has no momentum.
  OneCycleLR(Optimizer& optimizer, const PerGroup& max_lr, const OneCycleLROptions& options);

 protected:
  const char* type_name() const noexcept override { return "OneCycleLR"; }
  double lr_at(std::int64_t epoch, std::size_t group) const override;
  double momentum_at(std::int64_t epoch, std::size_t group) const override;
  /// Throws ValueError past total_steps.
  void check_epoch(std::int64_t epoch) const override;

 private:
  enum class End : std::uint8_t { initial, top, last };
  struct Phase {
    double end_step;
    End from;
    End to;
  };
  template <class Value>
  double anneal(std::int64_t epoch, Value value_of_end) const;

  std::int64_t total_steps_;
  OneCycleLROptions options_;
  std::vector<Phase> phases_;
  std::vector<double> max_lrs_;
  std::vector<double> base_momentums_;
  std::vector<double> max_momentums_;
};

/// triangular: every cycle reaches max_lr; triangular2: each half as high as the one before; exp_range: times
/// gamma^epoch.
enum class CyclicMode : std::uint8_t { triangular, triangular2, exp_range };
/// What scale_fn is called with: the number of the cycle, from 1, or the epoch.
enum class ScaleMode : std::uint8_t { cycle, iterations };

/// Options of CyclicLR; names and defaults are PyTorch's.
struct CyclicLROptions {
  std::int64_t step_size_up = 2000;                           ///< steps in which the rate rises
  std::optional<std::int64_t> step_size_down = std::nullopt;  ///< nullopt: step_size_up
  CyclicMode mode = CyclicMode::triangular;                   ///< how cycles shrink
  double gamma = 1.0;                                         ///< of exp_range
  std::function<double(double)> scale_fn = {};                ///< in the place of `mode`, called as scale_mode says
  ScaleMode scale_mode = ScaleMode::cycle;                    ///< the argument of scale_fn
  bool cycle_momentum = true;                                 ///< the momentum goes down and up meanwhile
  PerGroup base_momentum = 0.8;                               ///< while the rate is highest
  PerGroup max_momentum = 0.9;                                ///< while the rate is lowest
};
/// torch.optim.lr_scheduler.CyclicLR (Smith, "Cyclical learning rates for training neural networks", 2017): up and down
/// between base_lr and max_lr in straight lines, while the momentum goes down and up.
class CyclicLR final : public detail::MomentumSchedule {
 public:
  /// Throws ValueError for numbers out of range, and when cycle_momentum is set and the optimizer has no momentum.
  CyclicLR(Optimizer& optimizer, const PerGroup& base_lr, const PerGroup& max_lr, const CyclicLROptions& options = {});

 protected:
  const char* type_name() const noexcept override { return "CyclicLR"; }
  double lr_at(std::int64_t epoch, std::size_t group) const override;
  double momentum_at(std::int64_t epoch, std::size_t group) const override;

 private:
  double scale(std::int64_t epoch) const;

  CyclicLROptions options_;
  double total_size_;
  double step_ratio_;
  std::vector<double> max_lrs_;
  std::vector<double> base_momentums_;
  std::vector<double> max_momentums_;
};

}  // namespace normgrad
