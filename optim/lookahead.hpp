// Lookahead: another optimizer explores, and slow weights follow it every few steps.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "normgrad/optim/optimizer.hpp"

namespace normgrad {

/// Options of Lookahead.
struct LookaheadOptions {
  std::int64_t k = 5;  ///< steps of the optimizer between two steps of the slow weights
  double alpha = 0.5;  ///< step of the slow weights, in (0, 1]
};

/// Zhang et al., "Lookahead optimizer: k steps forward, 1 step back", 2019, algorithm 1 (not in PyTorch), around
/// another optimizer: every k steps, slow += alpha (p - slow) and p = slow. The state of the optimizer is kept.
///
///   AdamW adamw(net.parameters());
///   Lookahead optimizer(adamw);
///   optimizer.step();
///
/// Checkpoints take both: {"optimizer", adamw}, {"lookahead", optimizer}; schedules take the inner one.
class Lookahead {
 public:
  /// Keeps a reference to the optimizer, and copies of its parameters as slow weights. Throws ValueError for options
  /// out of range.
  explicit Lookahead(Optimizer& base, LookaheadOptions options = {});

  /// Does a step of the optimizer, and after k of them one of the slow weights.
  void step();
  /// The same with a closure; returns its loss.
  Tensor step(const Optimizer::Closure& closure);
  /// Removes the gradients of all parameters.
  void zero_grad() { base_.zero_grad(); }

  /// Returns "steps", those since the slow weights moved, and "slow.<i>" for parameter i, counted across groups.
  StateDict state_dict() const;
  /// Throws ValueError, changing nothing, for a state that does not fit.
  void load_state_dict(const StateDict& state) { prepare_state_dict(state)(); }
  /// Splits load_state_dict() into two steps. Checks everything, throws the same errors, and changes nothing; the
  /// returned function performs the load and does not throw.
  std::function<void()> prepare_state_dict(const StateDict& state);

 private:
  void follow();
  std::vector<Tensor> all_params() const;

  Optimizer& base_;
  LookaheadOptions options_;
  std::vector<Tensor> slow_;
  std::int64_t steps_ = 0;  // since the slow weights moved
};

}  // namespace normgrad
