#include "normgrad/optim/optimizer.hpp"

#include <algorithm>
#include <unordered_set>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/autograd/node.hpp"

namespace normgrad {

namespace {

Tensor scalar(double value, DType dtype) {
  Tensor tensor = Tensor::empty({}, dtype);
  return tensor.fill_(value);
}

double value_of(const std::variant<double*, bool*>& option) {
  return std::visit([](const auto* value) { return static_cast<double>(*value); }, option);
}

void set_value(const std::variant<double*, bool*>& option, double value) {
  std::visit([value](auto* to) { *to = static_cast<std::remove_pointer_t<decltype(to)>>(value); }, option);
}

Tensor copy_of(const Tensor& tensor) {
  Tensor copy = Tensor::empty(tensor.shape(), tensor.dtype());
  return copy.copy_(tensor.detach());
}

std::string state_key(std::size_t param, const std::string& name) {
  return "state." + std::to_string(param) + "." + name;
}

std::string group_key(std::size_t group, const std::string& name) {
  return "group." + std::to_string(group) + "." + name;
}

// Reads the entries of a state, one after the other, and lists what does not fit.
class StateReader {
 public:
  explicit StateReader(const StateDict& state) : state_(state) {}

  // The entry, or null when it is missing (which is noted if it is `required`) or of another shape.
  const Tensor* read(const std::string& key, const Shape& shape, bool required) {
    used_.insert(key);
    const auto found = state_.find(key);
    if (found == state_.end() || !found->second.defined()) {
      if (required) {
        wrong_ += "\n  missing: " + key;
      }
      return nullptr;
    }
    if (found->second.shape() != shape) {
      wrong_ += detail::concat("\n  of another shape: ", key, ": expected ", shape, " but got ", found->second.shape());
      return nullptr;
    }
    return &found->second;
  }
  double number(const std::string& key) {
    const Tensor* entry = read(key, {}, true);
    return entry != nullptr ? entry->item() : 0.0;
  }
  std::string all_wrong() const {
    std::string text = wrong_;
    for (const auto& [key, tensor] : state_) {
      if (!used_.contains(key)) {
        text += "\n  unexpected: " + key;
      }
    }
    return text;
  }

 private:
  const StateDict& state_;
  std::unordered_set<std::string> used_;
  std::string wrong_;
};

}  // namespace

const std::vector<const char*>& Optimizer::scalar_names() const {
  static const std::vector<const char*> kNone;
  return kNone;
}

Tensor Optimizer::zeros_like_param(const Tensor& param) { return Tensor::empty(param.shape(), param.dtype()).zero_(); }

void Optimizer::add_params(std::vector<Tensor> params) {
  require<ValueError>(!params.empty(), type_name(),
                      ": expected parameters but got an empty list; is every layer of the model named in "
                      "NORMGRAD_MEMBERS?");
  std::unordered_set<const Node*> known;
  for (const Entry& group : groups_) {
    for (const Tensor& param : group.params) {
      known.insert(param.node().get());
    }
  }
  for (std::size_t i = 0; i < params.size(); ++i) {
    const Tensor& param = params[i];
    require<ValueError>(param.defined(), type_name(), ": parameter ", i, " is undefined");
    require<ValueError>(is_floating_point(param.dtype()), type_name(), ": expected floating point parameters but ",
                        "parameter ", i, " is ", param.dtype());
    require<ValueError>(param.is_leaf(), type_name(), ": expected leaves but parameter ", i, " is the result of '",
                        param.is_leaf() ? "" : param.node()->name(), "'");
    require<ValueError>(!param.requires_grad() || known.insert(param.node().get()).second, type_name(), ": parameter ",
                        i, " of shape ", param.shape(), " is there already");
  }
  Entry group;
  group.states.resize(params.size());
  for (ParamState& state : group.states) {
    state.slots.resize(slot_names().size());
    state.scalars.resize(scalar_names().size(), 1.0);
  }
  group.params = std::move(params);
  groups_.push_back(std::move(group));
}

void Optimizer::step() {
  const NoGradGuard no_grad;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    check_options(g);
  }
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    Entry& group = groups_[g];
    for (std::size_t i = 0; i < group.params.size(); ++i) {
      Tensor& param = group.params[i];
      const Tensor grad = param.grad();
      if (!grad.defined()) {
        continue;
      }
      ParamState& state = group.states[i];
      for (Tensor& slot : state.slots) {
        require<ShapeError>(!slot.defined() || slot.shape() == param.shape(), type_name(), ": a parameter has shape ",
                            param.shape(), " now but had ", slot.defined() ? slot.shape() : Shape(),
                            " in earlier steps");
        if (slot.defined() && slot.dtype() != param.dtype()) {
          slot = slot.to(param.dtype());
        }
      }
      ++state.step;
      update(g, param, grad, state);
    }
  }
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

double& Optimizer::lr_ref(std::size_t group) const {
  auto* self = const_cast<Optimizer*>(this);
  self->group_at(group);
  return *std::get<double*>(self->options_of(group).front().second);
}

double Optimizer::lr(std::size_t group) const { return lr_ref(group); }

void Optimizer::set_lr(double lr) {
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    set_lr(lr, g);
  }
}

void Optimizer::set_lr(double lr, std::size_t group) {
  require<ValueError>(lr >= 0.0, type_name(), ": expected lr >= 0 but got ", lr);
  lr_ref(group) = lr;
}

double Optimizer::initial_lr(std::size_t group) const {
  return const_cast<Optimizer*>(this)->group_at(group).initial_lr.value_or(lr(group));
}

void Optimizer::set_initial_lr(double lr, std::size_t group) {
  require<ValueError>(lr >= 0.0, type_name(), ": expected initial_lr >= 0 but got ", lr);
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
  return value_of(find_option(name, group).second);
}

void Optimizer::set_option(const std::string& name, double value, std::size_t group) {
  const Option option = find_option(name, group);
  const double before = value_of(option.second);
  set_value(option.second, value);
  try {
    check_options(group);
  } catch (...) {
    set_value(option.second, before);
    throw;
  }
}

StateDict Optimizer::state_dict() const {
  StateDict state;
  std::size_t index = 0;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    for (const auto& [name, option] : const_cast<Optimizer*>(this)->options_of(g)) {
      state[group_key(g, name)] = scalar(value_of(option), kFloat64);
    }
    for (const ParamState& param : groups_[g].states) {
      state[state_key(index, "step")] = scalar(static_cast<double>(param.step), kInt64);
      for (std::size_t s = 0; s < param.slots.size(); ++s) {
        if (param.slots[s].defined()) {
          state[state_key(index, slot_names()[s])] = copy_of(param.slots[s]);
        }
      }
      for (std::size_t s = 0; s < param.scalars.size(); ++s) {
        state[state_key(index, scalar_names()[s])] = scalar(param.scalars[s], kFloat64);
      }
      ++index;
    }
  }
  return state;
}

void Optimizer::load_state_dict(const StateDict& state) {
  StateReader reader(state);
  std::vector<std::vector<double>> options(groups_.size());
  std::vector<std::vector<ParamState>> states(groups_.size());
  std::size_t index = 0;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    for (const auto& [name, option] : options_of(g)) {
      options[g].push_back(reader.number(group_key(g, name)));
    }
    for (const Tensor& param : groups_[g].params) {
      ParamState& loaded = states[g].emplace_back();
      loaded.step = static_cast<std::int64_t>(reader.number(state_key(index, "step")));
      for (const char* name : slot_names()) {
        const Tensor* slot = reader.read(state_key(index, name), param.shape(), false);
        loaded.slots.push_back(slot != nullptr ? copy_of(*slot) : Tensor());
      }
      for (const char* name : scalar_names()) {
        loaded.scalars.push_back(reader.number(state_key(index, name)));
      }
      ++index;
    }
  }
  const std::string wrong = reader.all_wrong();
  require<ValueError>(wrong.empty(), type_name(), ": load_state_dict: the state does not fit; nothing was loaded",
                      wrong);
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const std::vector<Option> own = options_of(g);
    for (std::size_t i = 0; i < own.size(); ++i) {
      set_value(own[i].second, options[g][i]);
    }
    groups_[g].states = std::move(states[g]);
  }
}

}  // namespace normgrad
