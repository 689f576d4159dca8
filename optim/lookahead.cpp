#include "normgrad/optim/lookahead.hpp"

#include <cmath>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/optim/detail/option_checks.hpp"

namespace normgrad {

Lookahead::Lookahead(Optimizer& base, LookaheadOptions options) : base_(base), options_(options) {
  detail::check_count("Lookahead", "k", options_.k);
  require<ValueError>(options_.alpha > 0.0 && options_.alpha <= 1.0, "Lookahead: expected alpha in (0, 1] but got ",
                      options_.alpha);
  for (const Tensor& param : all_params()) {
    slow_.push_back(param.detach().clone());
  }
}

std::vector<Tensor> Lookahead::all_params() const {
  std::vector<Tensor> all;
  for (std::size_t g = 0; g < base_.num_groups(); ++g) {
    all.insert(all.end(), base_.params(g).begin(), base_.params(g).end());
  }
  return all;
}

void Lookahead::step() {
  base_.step();
  follow();
}

Tensor Lookahead::step(const Optimizer::Closure& closure) {
  Tensor loss = base_.step(closure);
  follow();
  return loss;
}

void Lookahead::follow() {
  if (++steps_ < options_.k) {
    return;
  }
  steps_ = 0;
  const NoGradGuard no_grad;
  std::vector<Tensor> all = all_params();
  for (std::size_t i = 0; i < slow_.size(); ++i) {
    slow_[i].add_(all[i] - slow_[i], options_.alpha);
    all[i].copy_(slow_[i]);
  }
}

StateDict Lookahead::state_dict() const {
  StateDict state = {{"steps", Tensor::empty({}, kInt64).fill_(steps_)}};
  for (std::size_t i = 0; i < slow_.size(); ++i) {
    state["slow." + std::to_string(i)] = slow_[i].clone();
  }
  return state;
}

std::function<void()> Lookahead::prepare_state_dict(const StateDict& state) {
  require<ValueError>(state.size() == slow_.size() + 1, "Lookahead: expected a state of ", slow_.size(),
                      " parameters but got ", state.size(), " entries");
  const auto entry = [&](const std::string& key, const Shape& shape) {
    const auto found = state.find(key);
    require<ValueError>(found != state.end() && found->second.defined(), "Lookahead: the state has no '", key, "'");
    require<ValueError>(found->second.shape() == shape, "Lookahead: expected '", key, "' of shape ", shape, " but got ",
                        found->second.shape());
    return found->second;
  };
  const double steps = entry("steps", {}).item();
  require<ValueError>(steps >= 0.0 && steps < static_cast<double>(options_.k) && steps == std::floor(steps),
                      "Lookahead: expected 'steps' from 0 to ", options_.k - 1, " but got ", steps);
  std::vector<Tensor> slow;
  for (std::size_t i = 0; i < slow_.size(); ++i) {
    slow.push_back(entry("slow." + std::to_string(i), slow_[i].shape()).to(slow_[i].dtype()).clone());
  }
  return [this, steps, slow = std::move(slow)]() mutable {
    slow_.swap(slow);
    steps_ = static_cast<std::int64_t>(steps);
  };
}

}  // namespace normgrad
