// L-BFGS: steps along an approximation of Newton's direction, for problems with few parameters and exact gradients.
//
//   LBFGS optimizer(model.parameters(), {.strong_wolfe = true});
//   optimizer.step([&] {
//     optimizer.zero_grad();
//     const Tensor loss = mse_loss(model(x), y);
//     loss.backward();
//     return loss;
//   });
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "normgrad/optim/optimizer.hpp"

namespace normgrad {

/// Options of LBFGS; names and defaults are PyTorch's, but for `strong_wolfe`.
struct LBFGSOptions {
  double lr = 1.0;                  ///< factor of the direction, and the first one that a line search tries
  std::int64_t max_iter = 20;       ///< most iterations in a step
  std::int64_t max_eval = 0;        ///< most calls of the closure in a step; 0: max_iter * 5 / 4
  double tolerance_grad = 1e-7;     ///< a step ends if no element of the gradient is larger
  double tolerance_change = 1e-9;   ///< a step ends if neither parameters nor loss change by more
  std::int64_t history_size = 100;  ///< earlier changes that the approximation uses
  bool strong_wolfe = false;        ///< search along each direction; PyTorch's line_search_fn="strong_wolfe"
};

/// torch.optim.LBFGS (Nocedal and Wright, "Numerical optimization", 2006, algorithms 7.4, 7.5, 3.5 and 3.6). Does not
/// follow noise: the closure must give the same loss for the same parameters. All parameters form one group.
///
/// The history is float64 for parameters of any dtype and takes up to 16 * history_size bytes per element, and the
/// products are accumulated in float64, in an order that does not depend on the number of threads.
class LBFGS final : public OptimizerOf<LBFGSOptions> {
 public:
  /// Throws ValueError for options out of range.
  explicit LBFGS(ParameterList params, LBFGSOptions options = {});
  ~LBFGS() override;
  LBFGS(LBFGS&&) noexcept;
  LBFGS& operator=(LBFGS&&) noexcept;
  const char* type_name() const noexcept override { return "LBFGS"; }

  /// Throws ValueError: a step needs a closure.
  void step() override;
  /// Iterates until an option ends it, and returns the first loss. Parameters without a gradient do not change. Throws
  /// ShapeError or DTypeError for a gradient that does not match, before its iteration changes anything.
  Tensor step(const Closure& closure) override;

 protected:
  std::vector<Option> options_of(std::size_t group) override;
  void check_options(std::size_t group) const override;
  std::span<const char* const> slot_names() const override;
  SlotStarts slots_in_use(std::size_t group) const override;
  void update(std::size_t group, Tensor& param, const Tensor& grad, ParamState& state) override;
  StateDict common_state() const override;
  std::function<void()> prepare_common(const StateDict& state) override;

 private:
  struct State;

  std::unique_ptr<State> state_;
};

}  // namespace normgrad
