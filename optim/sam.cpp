#include "normgrad/optim/sam.hpp"

#include <cmath>
#include <utility>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/optim/detail/layer_norms.hpp"
#include "normgrad/optim/detail/option_checks.hpp"

namespace normgrad {

namespace {

/// Returns parameters to their values when it ends.
class ReturnOfParameters {
 public:
  ReturnOfParameters() = default;
  ReturnOfParameters(const ReturnOfParameters&) = delete;
  ReturnOfParameters& operator=(const ReturnOfParameters&) = delete;
  ~ReturnOfParameters() {
    const NoGradGuard no_grad;
    for (auto& [param, value] : values_) {
      param.copy_(value);
    }
  }
  void keep(const Tensor& param) { values_.emplace_back(param, param.detach().clone()); }

 private:
  std::vector<std::pair<Tensor, Tensor>> values_;
};

}  // namespace

SAM::SAM(Optimizer& base, SAMOptions options) : base_(base), options_(options) {
  require<ValueError>(options_.rho > 0.0 && std::isfinite(options_.rho), "SAM: expected rho > 0 but got ",
                      options_.rho);
}

Tensor SAM::step(const Optimizer::Closure& closure) {
  const auto evaluate = [&] {
    const GradModeGuard grad(true);
    Tensor loss = closure();
    require<ValueError>(loss.defined(), "SAM: expected a closure that returns the loss");
    return loss;
  };
  const Tensor loss = evaluate();
  {
    ReturnOfParameters values;
    {
      const NoGradGuard no_grad;
      std::vector<std::pair<Tensor, Tensor>> directions;  // of each parameter with a gradient
      double squares = 0.0;
      for (std::size_t g = 0; g < base_.num_groups(); ++g) {
        for (const Tensor& param : base_.params(g)) {
          const Tensor grad = param.grad();
          if (!grad.defined()) {
            continue;
          }
          const Tensor scaled = options_.adaptive ? param.abs() * grad : grad;
          const double norm = detail::layer_norm_of(scaled);
          squares += norm * norm;
          directions.emplace_back(param, options_.adaptive ? param.abs() * scaled : grad);
        }
      }
      const double factor = squares > 0.0 ? options_.rho / std::sqrt(squares) : 0.0;
      for (auto& [param, direction] : directions) {
        values.keep(param);
        param.add_(direction, factor);
      }
    }
    evaluate();
  }
  base_.step();
  return loss;
}

}  // namespace normgrad
