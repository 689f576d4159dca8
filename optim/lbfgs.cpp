#include "normgrad/optim/lbfgs.hpp"

#include <algorithm>
#include <cmath>
#include <deque>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/optim/detail/line_search.hpp"
#include "normgrad/optim/detail/option_checks.hpp"

namespace normgrad {

using detail::add_scaled;
using detail::FlatVector;
using detail::LinePoint;

namespace {

constexpr double kMinCurvature = 1e-10;  // of a change that enters the history

/// Calls f(elements, values in the flat vector) for each parameter.
template <class Vector, class F>
void for_each_part(const std::vector<Tensor>& params, Vector& flat, const F& f) {
  auto* place = flat.data();
  for (const Tensor& param : params) {
    f(param, place);
    place += param.numel();
  }
}

FlatVector flat_values(const std::vector<Tensor>& params, std::size_t size) {
  FlatVector flat(size);
  for_each_part(params, flat, [](const Tensor& param, double* to) {
    dispatch_float("LBFGS", param.dtype(), [&](auto zero) {
      const auto* from = param.data<decltype(zero)>();
      std::copy(from, from + param.numel(), to);
    });
  });
  return flat;
}

Tensor tensor_of_flat(const FlatVector& flat) {
  Tensor tensor = Tensor::empty({static_cast<std::int64_t>(flat.size())}, kFloat64);
  std::copy(flat.begin(), flat.end(), tensor.mutable_data<double>());
  return tensor;
}

FlatVector flat_of_tensor(const Tensor& tensor) { return tensor.to(kFloat64).to_vector<double>(); }

}  // namespace

struct LBFGS::State {
  /// A change of the gradient (y), the change of the parameters (s) that caused it, and 1 / (y s).
  struct Change {
    FlatVector y;
    FlatVector s;
    double rho = 0.0;
  };

  std::size_t size = 0;          // of all parameters
  std::int64_t num_iters = 0;    // in all steps
  std::int64_t func_evals = 0;   // in all steps
  FlatVector d;                  // the last direction
  double t = 0.0;                // and its factor
  FlatVector previous_gradient;  // of the point where it began
  double scale = 1.0;            // of the first approximation
  std::deque<Change> history;    // oldest first

  /// The direction of an approximate Newton step: algorithm 7.4 of Nocedal and Wright.
  FlatVector direction(const FlatVector& gradient) const {
    FlatVector q(gradient.size());
    std::transform(gradient.begin(), gradient.end(), q.begin(), [](double g) { return -g; });
    std::vector<double> alpha(history.size());
    for (std::size_t i = history.size(); i-- > 0;) {
      alpha[i] = detail::dot(history[i].s, q) * history[i].rho;
      add_scaled(q, -alpha[i], history[i].y);
    }
    for (double& value : q) {
      value *= scale;
    }
    for (std::size_t i = 0; i < history.size(); ++i) {
      const double beta = detail::dot(history[i].y, q) * history[i].rho;
      add_scaled(q, alpha[i] - beta, history[i].s);
    }
    return q;
  }

  void remember(const FlatVector& gradient, std::size_t most) {
    Change change{.y = gradient, .s = d};
    add_scaled(change.y, -1.0, previous_gradient);
    for (double& value : change.s) {
      value *= t;
    }
    const double curvature = detail::dot(change.y, change.s);
    if (!(curvature > kMinCurvature)) {
      return;
    }
    while (history.size() >= most) {
      history.pop_front();
    }
    change.rho = 1.0 / curvature;
    scale = curvature / detail::dot(change.y, change.y);
    history.push_back(std::move(change));
  }
};

LBFGS::LBFGS(ParameterList params, LBFGSOptions options) : state_(std::make_unique<State>()) {
  add_param_group({std::move(params), options});
  for (const Tensor& param : this->params()) {
    state_->size += static_cast<std::size_t>(param.numel());
  }
}

LBFGS::~LBFGS() = default;
LBFGS::LBFGS(LBFGS&&) noexcept = default;
LBFGS& LBFGS::operator=(LBFGS&&) noexcept = default;

std::vector<Optimizer::Option> LBFGS::options_of(std::size_t group) {
  LBFGSOptions& o = options(group);
  return {{"lr", &o.lr},
          {"max_iter", &o.max_iter},
          {"max_eval", &o.max_eval},
          {"tolerance_grad", &o.tolerance_grad},
          {"tolerance_change", &o.tolerance_change},
          {"history_size", &o.history_size},
          {"strong_wolfe", &o.strong_wolfe}};
}

void LBFGS::check_options(std::size_t group) const {
  require<ValueError>(group == 0, "LBFGS: expected one group of parameters but got another one");
  const LBFGSOptions& o = options(group);
  detail::check_at_least_zero("LBFGS", "lr", o.lr);
  detail::check_count("LBFGS", "max_iter", o.max_iter);
  require<ValueError>(o.max_eval >= 0, "LBFGS: expected a whole max_eval of at least 1, or 0 for the default, but got ",
                      o.max_eval);
  detail::check_at_least_zero("LBFGS", "tolerance_grad", o.tolerance_grad);
  detail::check_at_least_zero("LBFGS", "tolerance_change", o.tolerance_change);
  detail::check_count("LBFGS", "history_size", o.history_size);
}

std::span<const char* const> LBFGS::slot_names() const { return {}; }

Optimizer::SlotStarts LBFGS::slots_in_use(std::size_t /*group*/) const { return {}; }

void LBFGS::update(std::size_t /*group*/, Tensor& /*param*/, const Tensor& /*grad*/, ParamState& /*state*/) {}

void LBFGS::step() {
  fail<ValueError>(
      "LBFGS: expected a closure, step([&] { ...; return loss; }), which computes loss and gradients again");
}

Tensor LBFGS::step(const Closure& closure) {
  const NoGradGuard no_grad;
  check_options(0);
  const LBFGSOptions o = options();
  State& s = *state_;
  std::vector<Tensor> all = params();
  // The loss and its gradient at the current point.
  const auto evaluate_here = [&](LinePoint& point) {
    const Tensor loss = evaluate(closure);
    require<ShapeError>(loss.numel() == 1, "LBFGS: expected a loss of one element but got ", loss.shape());
    ++s.func_evals;
    point.loss = loss.item();
    point.gradient.assign(s.size, 0.0);
    for_each_part(all, point.gradient, [](const Tensor& param, double* to) {
      const Tensor grad = param.grad();
      if (!grad.defined()) {
        return;
      }
      require<ShapeError>(grad.shape() == param.shape(), "LBFGS: a parameter has shape ", param.shape(),
                          " but its gradient ", grad.shape());
      require<DTypeError>(grad.dtype() == param.dtype(), "LBFGS: a parameter is ", param.dtype(), " but its gradient ",
                          grad.dtype());
      dispatch_float("LBFGS", grad.dtype(), [&](auto zero) {
        const auto* from = grad.data<decltype(zero)>();
        std::copy(from, from + grad.numel(), to);
      });
    });
    return loss;
  };
  const auto move_to = [&](const FlatVector& start, double t) {
    const double* direction = s.d.data();
    for_each_part(all, start, [&](const Tensor& param, const double* from) {
      Tensor target = param;
      dispatch_float("LBFGS", param.dtype(), [&](auto zero) {
        using T = decltype(zero);
        T* to = target.mutable_data<T>();
        for (std::int64_t i = 0; i < param.numel(); ++i) {
          to[i] = static_cast<T>(from[i] + t * direction[i]);
        }
      });
      direction += param.numel();
    });
  };

  LinePoint now;
  Tensor first_loss = evaluate_here(now);
  std::int64_t evaluations = 1;
  if (detail::largest_magnitude(now.gradient) <= o.tolerance_grad) {
    return first_loss;
  }
  const std::int64_t most_evaluations = o.max_eval > 0 ? o.max_eval : o.max_iter * 5 / 4;
  for (std::int64_t iteration = 1; iteration <= o.max_iter; ++iteration) {
    const bool is_first = s.num_iters++ == 0;
    if (!is_first) {
      s.remember(now.gradient, static_cast<std::size_t>(o.history_size));
    }
    s.d = s.direction(now.gradient);
    s.previous_gradient = now.gradient;
    const double previous_loss = now.loss;
    double sum = 0.0;  // of the gradient's magnitudes
    for (const double value : now.gradient) {
      sum += std::fabs(value);
    }
    s.t = is_first ? std::min(1.0, 1.0 / sum) * o.lr : o.lr;
    now.t = 0.0;
    now.slope = detail::dot(now.gradient, s.d);
    if (now.slope > -o.tolerance_change) {
      break;
    }
    const FlatVector start = flat_values(all, s.size);
    const double largest = detail::largest_magnitude(s.d);
    std::int64_t in_search = 0;
    if (o.strong_wolfe) {
      const auto at = [&](double t) {
        move_to(start, t);
        LinePoint point;
        evaluate_here(point);
        point.t = t;
        point.slope = detail::dot(point.gradient, s.d);
        return point;
      };
      detail::LineSearchResult found = detail::strong_wolfe(at, now, s.t, largest);
      now = std::move(found.point);
      s.t = now.t;
      in_search = found.evaluations;
      move_to(start, s.t);
    } else {
      move_to(start, s.t);
      if (iteration < o.max_iter) {
        evaluate_here(now);
        in_search = 1;
      }
    }
    evaluations += in_search;
    if (evaluations >= most_evaluations || detail::largest_magnitude(now.gradient) <= o.tolerance_grad ||
        largest * s.t <= o.tolerance_change || std::fabs(now.loss - previous_loss) < o.tolerance_change) {
      break;
    }
  }
  return first_loss;
}

StateDict LBFGS::common_state() const {
  const State& s = *state_;
  const auto number = [](double value) { return tensor_of_flat({value}); };
  StateDict state = {{"n_iter", number(static_cast<double>(s.num_iters))},
                     {"func_evals", number(static_cast<double>(s.func_evals))},
                     {"t", number(s.t)},
                     {"H_diag", number(s.scale)}};
  if (s.num_iters > 0) {
    state["d"] = tensor_of_flat(s.d);
    state["prev_flat_grad"] = tensor_of_flat(s.previous_gradient);
  }
  for (std::size_t i = 0; i < s.history.size(); ++i) {
    state["old_dirs." + std::to_string(i)] = tensor_of_flat(s.history[i].y);
    state["old_stps." + std::to_string(i)] = tensor_of_flat(s.history[i].s);
  }
  return state;
}

std::function<void()> LBFGS::prepare_common(const StateDict& state) {
  auto loaded = std::make_shared<State>();
  std::size_t used = 0;
  const auto read = [&](const std::string& key, std::size_t size) {
    const auto found = state.find(key);
    require<ValueError>(found != state.end(), "missing: all.", key);
    const Tensor& value = found->second;
    require<ValueError>(value.defined() && value.shape() == Shape({static_cast<std::int64_t>(size)}),
                        "of another shape: all.", key, ": expected [", size, "]");
    ++used;
    return flat_of_tensor(value);
  };
  const auto count = [&](const std::string& key) {
    const double value = read(key, 1)[0];
    require<ValueError>(value >= 0.0 && value < 0x1p53 && value == std::floor(value), "out of range: all.", key,
                        ": expected a whole number of at least 0 but got ", value);
    return static_cast<std::int64_t>(value);
  };
  loaded->size = state_->size;
  loaded->num_iters = count("n_iter");
  loaded->func_evals = count("func_evals");
  loaded->t = read("t", 1)[0];
  loaded->scale = read("H_diag", 1)[0];
  if (loaded->num_iters > 0) {
    loaded->d = read("d", loaded->size);
    loaded->previous_gradient = read("prev_flat_grad", loaded->size);
  }
  for (std::size_t i = 0; state.contains("old_dirs." + std::to_string(i)); ++i) {
    State::Change change{.y = read("old_dirs." + std::to_string(i), loaded->size),
                         .s = read("old_stps." + std::to_string(i), loaded->size)};
    change.rho = 1.0 / detail::dot(change.y, change.s);
    loaded->history.push_back(std::move(change));
  }
  require<ValueError>(used == state.size(), "unexpected: ", state.size() - used, " entries all.*");
  return [this, loaded = std::move(loaded)] { std::swap(*state_, *loaded); };
}

}  // namespace normgrad
