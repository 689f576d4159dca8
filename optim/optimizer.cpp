#include "normgrad/optim/optimizer.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/autograd/node.hpp"
#include "normgrad/core/base/log.hpp"
#include "normgrad/optim/detail/option_checks.hpp"

namespace normgrad {

using detail::option_value;
using detail::set_option_value;

std::span<const char* const> Optimizer::scalar_names() const { return {}; }

Optimizer::SlotStarts Optimizer::slots_in_use_of(std::size_t group, const Tensor& /*param*/) const {
  return slots_in_use(group);
}

Shape Optimizer::slot_shape(std::size_t /*slot*/, const Shape& param) const { return param; }

StateDict Optimizer::common_state() const { return {}; }

std::function<void()> Optimizer::prepare_common(const StateDict& /*state*/) {
  return [] {};
}

void Optimizer::add_params(ParameterList params) {
  require<ValueError>(
      !params.empty(), type_name(),
      ": expected parameters but got an empty list; is every layer of the model listed in NORMGRAD_MEMBERS?");
  std::unordered_multimap<const Buffer*, const Tensor*> known;
  const auto add_if_new = [&](const Tensor& param) {
    const auto [begin, end] = known.equal_range(&param.buffer());
    const bool is_new = std::none_of(begin, end, [&](const auto& other) { return is_same(*other.second, param); });
    known.emplace(&param.buffer(), &param);
    return is_new;
  };
  for (const Entry& group : groups_) {
    std::for_each(group.params.begin(), group.params.end(), add_if_new);
  }
  Entry group;
  for (std::size_t i = 0; i < params.size(); ++i) {
    const Tensor& param = params[i];
    require<ValueError>(param.defined(), type_name(), ": expected defined parameters but parameter ", i,
                        " is undefined");
    require<ValueError>(is_floating_point(param.dtype()), type_name(), ": expected float32 or float64 parameters but ",
                        "parameter ", i, " is ", param.dtype());
    require<ValueError>(param.is_leaf(), type_name(), ": expected leaves but parameter ", i, " is the result of '",
                        param.is_leaf() ? "" : param.node()->name(), "'");
    require<ValueError>(add_if_new(param), type_name(), ": expected distinct parameters but parameter ", i,
                        " of shape ", param.shape(), " was added before");
    group.names.push_back(params.name(i));
  }
  require<Error>(slot_names().size() <= kMaxSlots, type_name(), ": expected at most ", kMaxSlots, " slots");
  group.states.resize(params.size());
  for (ParamState& state : group.states) {
    state.slots.resize(slot_names().size());
    state.scalars.resize(scalar_names().size(), 1.0);
  }
  group.params = std::move(params);
  groups_.push_back(std::move(group));
}

// A parameter to update, with the data its step needs.
struct Optimizer::Job {
  std::size_t group;
  Tensor* param;
  Tensor grad;
  ParamState* state;
};

// A slot that this step adds to a state or converts to another dtype.
struct Optimizer::NewSlot {
  ParamState* state;
  std::size_t slot;
  Tensor value;
  bool is_new;
};

std::string Optimizer::place_of(std::size_t group, std::size_t i) const {
  const std::string& name = groups_[group].names[i];
  return detail::concat(type_name(), ": parameter ", i, groups_.size() > 1 ? detail::concat(" of group ", group) : "",
                        name.empty() ? "" : " '" + name + "'");
}

void Optimizer::prepare(std::size_t g, std::vector<Job>& jobs, std::vector<NewSlot>& new_slots) {
  Entry& group = groups_[g];
  for (std::size_t i = 0; i < group.params.size(); ++i) {
    Tensor& param = group.params[i];
    Tensor grad = param.grad();
    if (!grad.defined()) {
      continue;
    }
    require<ShapeError>(grad.shape() == param.shape(), place_of(g, i), " has shape ", param.shape(),
                        " but its gradient has shape ", grad.shape(), "; nothing was changed");
    require<DTypeError>(is_floating_point(param.dtype()) && grad.dtype() == param.dtype(), place_of(g, i), " is ",
                        param.dtype(), " but its gradient is ", grad.dtype(), "; nothing was changed");
    ParamState& state = group.states[i];
    const SlotStarts starts = slots_in_use_of(g, param);
    for (std::size_t s = 0; s < state.slots.size(); ++s) {
      const Tensor& slot = state.slots[s];
      state.slot_is_new[s] = false;
      if (!slot.defined()) {
        if (starts[s]) {
          Tensor made = Tensor::empty(slot_shape(s, param.shape()), param.dtype());
          new_slots.push_back({&state, s, made.fill_(*starts[s]), true});
        }
        continue;
      }
      require<ShapeError>(slot.shape() == slot_shape(s, param.shape()), place_of(g, i), " has shape ", param.shape(),
                          " now but had ", slot.shape(), " in earlier steps; nothing was changed");
      if (slot.dtype() != param.dtype()) {
        new_slots.push_back({&state, s, slot.to(param.dtype()), false});
      }
    }
    jobs.push_back({g, &param, std::move(grad), &state});
  }
}

void Optimizer::step() {
  const NoGradGuard no_grad;
  std::vector<Job> jobs;
  std::vector<NewSlot> new_slots;
  std::size_t num_params = 0;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    check_options(g);
    num_params += groups_[g].params.size();
  }
  jobs.reserve(num_params);
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    prepare(g, jobs, new_slots);
  }
  if (jobs.empty() && !warned_) {
    warned_ = true;
    log(LogLevel::warn, type_name(), ": step() found no gradient in any of ", num_params,
        " parameters and changed nothing; check that backward() was called since zero_grad(), and that the loss "
        "depends on these parameters");
  }
  for (NewSlot& slot : new_slots) {
    slot.state->slots[slot.slot] = std::move(slot.value);
    slot.state->slot_is_new[slot.slot] = slot.is_new;
  }
  for (const Job& job : jobs) {
    ++job.state->step;
    update(job.group, *job.param, job.grad, *job.state);
  }
}

Tensor Optimizer::evaluate(const Closure& closure) const {
  const GradModeGuard grad(true);
  Tensor loss = closure();
  require<ValueError>(loss.defined(), type_name(), ": expected a closure that returns the loss");
  return loss;
}

Tensor Optimizer::step(const Closure& closure) {
  Tensor loss = evaluate(closure);
  step();
  return loss;
}

void Optimizer::zero_grad() {
  for (Entry& group : groups_) {
    for (Tensor& param : group.params) {
      if (param.requires_grad()) {
        param.set_grad({});
      }
    }
  }
}

Optimizer::Entry& Optimizer::group_at(std::size_t group) {
  require<IndexError>(group < groups_.size(), type_name(), ": expected a group below ", groups_.size(), " but got ",
                      group);
  return groups_[group];
}

const std::vector<Tensor>& Optimizer::params(std::size_t group) const {
  return const_cast<Optimizer*>(this)->group_at(group).params;
}

const std::string& Optimizer::param_name(std::size_t i, std::size_t group) const {
  const std::vector<std::string>& names = const_cast<Optimizer*>(this)->group_at(group).names;
  require<IndexError>(i < names.size(), type_name(), ": expected a parameter below ", names.size(), " but got ", i);
  return names[i];
}

double& Optimizer::lr_ref(std::size_t group) const {
  auto* self = const_cast<Optimizer*>(this);
  self->group_at(group);
  return *std::get<double*>(self->options_of(group).front().second);
}

double Optimizer::lr(std::size_t group) const { return lr_ref(group); }

void Optimizer::set_lr(double lr) {
  detail::check_at_least_zero(type_name(), "lr", lr);
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    set_lr(lr, g);
  }
}

void Optimizer::set_lr(double lr, std::size_t group) {
  detail::check_at_least_zero(type_name(), "lr", lr);
  lr_ref(group) = lr;
  groups_[group].start_lr.reset();
}

double Optimizer::initial_lr(std::size_t group) const {
  return const_cast<Optimizer*>(this)->group_at(group).initial_lr.value_or(lr(group));
}

void Optimizer::set_initial_lr(double lr, std::size_t group) {
  detail::check_at_least_zero(type_name(), "initial_lr", lr);
  group_at(group).initial_lr = lr;
}

bool Optimizer::has_option(const std::string& name) const {
  const std::vector<Option> all = const_cast<Optimizer*>(this)->options_of(0);
  return std::any_of(all.begin(), all.end(), [&](const Option& option) { return option.first == name; });
}

Optimizer::Option Optimizer::find_option(const std::string& name, std::size_t group) const {
  auto* self = const_cast<Optimizer*>(this);
  self->group_at(group);
  std::string known;
  for (const Option& option : self->options_of(group)) {
    if (option.first == name) {
      return option;
    }
    known += (known.empty() ? "" : ", ") + std::string(option.first);
  }
  fail<ValueError>(type_name(), ": expected one of the options ", known, " but got '", name, "'");
}

double Optimizer::option(const std::string& name, std::size_t group) const {
  return option_value(find_option(name, group).second);
}

void Optimizer::set_option(const std::string& name, double value, std::size_t group) {
  const Option option = find_option(name, group);
  const double before = option_value(option.second);
  set_option_value(option.second, value);
  try {
    check_options(group);
  } catch (...) {
    set_option_value(option.second, before);
    throw;
  }
}

}  // namespace normgrad
