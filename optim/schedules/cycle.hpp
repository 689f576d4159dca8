// Cyclical learning rates, with the momentum moving in the opposite direction.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "normgrad/optim/schedules/lr_scheduler.hpp"

namespace normgrad {

namespace detail {

/// A schedule that also sets the momentum: the option "beta1" if the optimizer has one, else "momentum".
class MomentumSchedule : public LRScheduler {
 protected:
  /// Throws ValueError if `cycle_momentum` is set and the optimizer has neither option.
  MomentumSchedule(const char* where, Optimizer& optimizer, bool cycle_momentum);
  virtual double momentum_at(std::int64_t epoch, std::size_t group) const = 0;
  double next_lr(std::int64_t epoch, double /*lr*/, std::size_t group) const final { return lr_at(epoch, group); }
  void enter_epoch(std::int64_t epoch) final;
  std::vector<StateField> fields() override;
  void tell_optimizer() override;

 private:
  std::string momentum_;  // name of the option; empty without cycle_momentum
  std::vector<double> last_momentum_;
};

}  // namespace detail

/// Shape of OneCycleLR's transitions between rates.
enum class AnnealStrategy : std::uint8_t { cos, linear };

/// Options of OneCycleLR; names and defaults are PyTorch's.
struct OneCycleLROptions {
  std::int64_t total_steps = 0;                          ///< or, when 0, epochs * steps_per_epoch
  std::int64_t epochs = 0;                               ///< see total_steps
  std::int64_t steps_per_epoch = 0;                      ///< see total_steps
  double pct_start = 0.3;                                ///< fraction of the steps in which the rate rises
  AnnealStrategy anneal_strategy = AnnealStrategy::cos;  ///< the shape of rise and fall
  bool cycle_momentum = true;                            ///< move the momentum (beta1) down and up in parallel
  PerGroup base_momentum = 0.85;                         ///< while the rate is highest
  PerGroup max_momentum = 0.95;                          ///< at the start and the end
  double div_factor = 25.0;                              ///< the initial rate is max_lr / div_factor
  double final_div_factor = 1e4;                         ///< the final rate is the initial rate / final_div_factor
  bool three_phase = false;  ///< fall back to the initial rate in as many steps as the rise, then to the final one
};
/// torch.optim.lr_scheduler.OneCycleLR (Smith and Topin, "Super-convergence: very fast training of neural networks
/// using large learning rates", 2019). The rate rises from max_lr / div_factor to max_lr and falls to max_lr /
/// (div_factor * final_div_factor), while the momentum falls from max_momentum to base_momentum and rises again. Call
/// step() after every step of the optimizer. The optimizer's own learning rate and momentum are ignored.
class OneCycleLR final : public detail::MomentumSchedule {
 public:
  /// Throws ValueError for arguments out of range, and if cycle_momentum is set and the optimizer has no momentum.
  OneCycleLR(Optimizer& optimizer, const PerGroup& max_lr, const OneCycleLROptions& options);

 protected:
  const char* type_name() const noexcept override { return "OneCycleLR"; }
  double lr_at(std::int64_t epoch, std::size_t group) const override;
  double momentum_at(std::int64_t epoch, std::size_t group) const override;
  /// Throws ValueError beyond total_steps.
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

/// triangular: every cycle reaches max_lr; triangular2: each cycle is half as high as the previous one; exp_range: the
/// height is multiplied by gamma^epoch.
enum class CyclicMode : std::uint8_t { triangular, triangular2, exp_range };
/// Argument of scale_fn: the number of the cycle, from 1, or the epoch.
enum class ScaleMode : std::uint8_t { cycle, iterations };

/// Options of CyclicLR; names and defaults are PyTorch's.
struct CyclicLROptions {
  std::int64_t step_size_up = 2000;                           ///< steps in which the rate rises
  std::optional<std::int64_t> step_size_down = std::nullopt;  ///< steps in which it falls; nullopt: step_size_up
  CyclicMode mode = CyclicMode::triangular;                   ///< how the height of cycles decreases
  double gamma = 1.0;                                         ///< base of exp_range
  std::function<double(double)> scale_fn = {};                ///< replaces `mode`; see scale_mode
  ScaleMode scale_mode = ScaleMode::cycle;                    ///< the argument of scale_fn
  bool cycle_momentum = true;                                 ///< move the momentum down and up in parallel
  PerGroup base_momentum = 0.8;                               ///< while the rate is highest
  PerGroup max_momentum = 0.9;                                ///< while the rate is lowest
};
/// torch.optim.lr_scheduler.CyclicLR (Smith, "Cyclical learning rates for training neural networks", 2017). The rate
/// moves linearly up and down between base_lr and max_lr, while the momentum moves down and up.
class CyclicLR final : public detail::MomentumSchedule {
 public:
  /// Throws ValueError for arguments out of range, and if cycle_momentum is set and the optimizer has no momentum.
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
