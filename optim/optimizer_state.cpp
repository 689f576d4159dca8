// Saving and loading of an optimizer's state.
#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "normgrad/optim/detail/option_checks.hpp"
#include "normgrad/optim/optimizer.hpp"

namespace normgrad {

namespace {

const std::string kParamPrefix = "param.";    // prefix of the keys that hold names
const std::string kCommonPrefix = "all.";     // of the entries that belong to no single parameter
const std::string kModulePrefix = "module.";  // prefix that wrapper modules add to names

Tensor state_number(double value, DType dtype) {
  Tensor tensor = Tensor::empty({}, dtype);
  return tensor.fill_(value);
}

Tensor copy_of_slot(const Tensor& slot, DType dtype) {
  Tensor copy = Tensor::empty(slot.shape(), dtype);
  return copy.copy_(slot.detach().to(dtype));
}

std::string state_key(std::size_t param, const std::string& name) {
  return "state." + std::to_string(param) + "." + name;
}

std::string group_key(std::size_t group, const std::string& name) {
  return "group." + std::to_string(group) + "." + name;
}

// Reads entries of a state and collects the mismatches.
class OptimizerStateReader {
 public:
  explicit OptimizerStateReader(const StateDict& state) : state_(state) {}

  // Returns the entry, or null when it is missing (a mismatch if `required`) or has another shape (a mismatch).
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
  std::optional<double> number(const std::string& key, bool required = true) {
    const Tensor* entry = read(key, {}, required);
    return entry != nullptr ? std::optional(entry->item()) : std::nullopt;
  }
  std::int64_t count(const std::string& key) {
    const double value = number(key).value_or(0.0);
    if (!(value >= 0.0 && value < 0x1p63 && value == std::floor(value))) {
      wrong_ += detail::concat("\n  out of range: ", key, ": expected a whole number of at least 0 but got ", value);
      return 0;
    }
    return static_cast<std::int64_t>(value);
  }
  void add_wrong(const std::string& text) { wrong_ += "\n  " + text; }
  void use(const std::string& key) { used_.insert(key); }
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

// Replaces the longest prefix of a name that is in the map and ends at a dot or at the name's end.
std::string mapped_name(const std::string& name, const std::map<std::string, std::string>& key_map) {
  for (std::size_t end = name.size(); end != std::string::npos && end > 0; end = name.rfind('.', end - 1)) {
    if (const auto found = key_map.find(name.substr(0, end)); found != key_map.end()) {
      return found->second + name.substr(end);
    }
  }
  return name;
}

bool all_begin_with(const std::vector<std::string>& names, const std::string& prefix) {
  return std::all_of(names.begin(), names.end(),
                     [&](const std::string& name) { return name.empty() || name.starts_with(prefix); });
}

// Index of each parameter in the state, found by name after the state's names are mapped to this optimizer's.
class StatePlaces {
 public:
  StatePlaces(const StateDict& state, const std::vector<std::string>& own, const OptimizerLoadOptions& options,
              OptimizerStateReader& reader)
      : own_(own), reader_(reader) {
    std::vector<std::string> names;
    for (const auto& [key, tensor] : state) {
      if (key.starts_with(kParamPrefix)) {
        names.push_back(key.substr(kParamPrefix.size()));
        positions_.push_back(static_cast<std::size_t>(reader.count(key)));
      }
    }
    by_name_ = !names.empty() && std::any_of(own.begin(), own.end(), [](const auto& name) { return !name.empty(); });
    const bool wrapped = by_name_ && all_begin_with(names, kModulePrefix);
    const bool own_wrapped = by_name_ && all_begin_with(own, kModulePrefix);
    for (std::size_t i = 0; i < names.size(); ++i) {
      std::string name = names[i];
      if (!options.prefix.empty()) {
        name = name.starts_with(options.prefix) ? name.substr(options.prefix.size()) : name;
      } else if (wrapped && !own_wrapped) {
        name = name.substr(kModulePrefix.size());
      } else if (own_wrapped && !wrapped) {
        name = kModulePrefix + name;
      }
      name = mapped_name(name, options.key_map);
      if (!numbers_.emplace(name, positions_[i]).second) {
        reader.add_wrong("twice: parameter '" + name + "'");
      }
    }
  }

  bool state_has_names() const { return !positions_.empty(); }

  /// Index in the state of this optimizer's parameter i.
  std::optional<std::size_t> of(std::size_t i) {
    if (!by_name_) {
      return i;
    }
    if (own_[i].empty()) {
      if (std::find(positions_.begin(), positions_.end(), i) != positions_.end()) {
        reader_.add_wrong(detail::concat("parameter ", i, " has a name in the state but none here"));
        return std::nullopt;
      }
      return i;
    }
    const auto found = numbers_.find(own_[i]);
    if (found == numbers_.end()) {
      reader_.add_wrong("missing: parameter '" + own_[i] + "'");
      return std::nullopt;
    }
    const std::size_t position = found->second;
    taken_.insert(found->first);
    return position;
  }

  /// Records names that no parameter here has. Their entries are not reported again.
  void note_unexpected(const StateDict& state) {
    for (const auto& [name, position] : numbers_) {
      if (by_name_ && !taken_.contains(name)) {
        reader_.add_wrong("unexpected: parameter '" + name + "'");
        const std::string prefix = state_key(position, "");
        for (const auto& [key, tensor] : state) {
          if (key.starts_with(prefix)) {
            reader_.use(key);
          }
        }
      }
    }
  }

 private:
  const std::vector<std::string>& own_;
  OptimizerStateReader& reader_;
  bool by_name_ = false;
  std::vector<std::size_t> positions_;
  std::map<std::string, std::size_t> numbers_;
  std::unordered_set<std::string> taken_;
};

}  // namespace

std::vector<std::string> Optimizer::unique_names() const {
  std::unordered_map<std::string, int> times;
  std::vector<std::string> names;
  for (const Entry& group : groups_) {
    for (const std::string& name : group.names) {
      names.push_back(name);
      ++times[name];
    }
  }
  for (std::string& name : names) {
    if (times[name] > 1) {
      name.clear();
    }
  }
  return names;
}

StateDict Optimizer::state_dict() const {
  StateDict state;
  const std::vector<std::string> names = unique_names();
  std::size_t index = 0;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    for (const auto& [name, option] : const_cast<Optimizer*>(this)->options_of(g)) {
      state[group_key(g, name)] = state_number(detail::option_value(option), kFloat64);
    }
    if (groups_[g].initial_lr) {
      state[group_key(g, "initial_lr")] = state_number(*groups_[g].initial_lr, kFloat64);
    }
    for (const ParamState& param : groups_[g].states) {
      if (!names[index].empty()) {
        state[kParamPrefix + names[index]] = state_number(static_cast<double>(index), kInt64);
      }
      state[state_key(index, "step")] = state_number(static_cast<double>(param.step), kInt64);
      for (std::size_t s = 0; s < param.slots.size(); ++s) {
        if (param.slots[s].defined()) {
          state[state_key(index, slot_names()[s])] = copy_of_slot(param.slots[s], param.slots[s].dtype());
        }
      }
      for (std::size_t s = 0; s < param.scalars.size(); ++s) {
        state[state_key(index, scalar_names()[s])] = state_number(param.scalars[s], kFloat64);
      }
      ++index;
    }
  }
  for (auto& [key, value] : common_state()) {
    state[kCommonPrefix + key] = value;
  }
  return state;
}

void Optimizer::load_state_dict(const StateDict& state, const OptimizerLoadOptions& options) {
  prepare_state_dict(state, options)();
}

std::function<void()> Optimizer::prepare_state_dict(const StateDict& state, const OptimizerLoadOptions& load) {
  OptimizerStateReader reader(state);
  const std::vector<std::string> names = unique_names();
  StatePlaces places(state, names, load, reader);
  require<ValueError>(
      places.state_has_names() || (load.prefix.empty() && load.key_map.empty()), type_name(),
      ": load_state_dict: expected a state with parameter names for prefix and key_map but got one without");
  std::vector<Option> options;
  std::vector<double> before;
  std::vector<double> after;
  std::vector<std::optional<double>> initial_lrs;
  std::vector<std::vector<ParamState>> states(groups_.size());
  StateDict common;
  for (const auto& [key, value] : state) {
    if (key.starts_with(kCommonPrefix)) {
      common[key.substr(kCommonPrefix.size())] = value;
    }
  }
  const bool has_common = !common_state().empty();
  std::size_t index = 0;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    for (const Option& option : options_of(g)) {
      options.push_back(option);
      before.push_back(detail::option_value(option.second));
      after.push_back(reader.number(group_key(g, option.first)).value_or(0.0));
    }
    initial_lrs.push_back(reader.number(group_key(g, "initial_lr"), false));
    for (const Tensor& param : groups_[g].params) {
      ParamState& loaded = states[g].emplace_back();
      loaded.slots.resize(slot_names().size());
      loaded.scalars.resize(scalar_names().size());
      const std::optional<std::size_t> place = places.of(index++);
      if (!place) {
        continue;
      }
      if (has_common && *place != index - 1) {
        reader.add_wrong(detail::concat("of another order: parameter ", index - 1, " is ", *place, " in the state"));
      }
      loaded.step = reader.count(state_key(*place, "step"));
      for (std::size_t s = 0; s < loaded.slots.size(); ++s) {
        const Tensor* slot = reader.read(state_key(*place, slot_names()[s]), slot_shape(s, param.shape()), false);
        loaded.slots[s] = slot != nullptr ? copy_of_slot(*slot, param.dtype()) : Tensor();
      }
      for (std::size_t s = 0; s < loaded.scalars.size(); ++s) {
        loaded.scalars[s] = reader.number(state_key(*place, scalar_names()[s])).value_or(0.0);
      }
    }
  }
  places.note_unexpected(state);
  std::function<void()> load_common;
  if (has_common) {
    for (const auto& [key, value] : common) {
      reader.use(kCommonPrefix + key);
    }
    try {
      load_common = prepare_common(common);
    } catch (const ValueError& error) {
      reader.add_wrong(error.what());
    }
  }
  const std::string wrong = reader.all_wrong();
  require<ValueError>(wrong.empty(), type_name(), ": load_state_dict: the state does not fit; nothing was loaded",
                      wrong);
  const auto set = [options = std::move(options)](const std::vector<double>& values) {
    for (std::size_t i = 0; i < options.size(); ++i) {
      detail::set_option_value(options[i].second, values[i]);
    }
  };
  // Options can only be checked in place.
  set(after);
  try {
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      check_options(g);
      detail::check_at_least_zero(type_name(), "initial_lr", initial_lrs[g].value_or(0.0));
    }
  } catch (const ValueError& error) {
    set(before);
    fail<ValueError>(type_name(), ": load_state_dict: the state does not fit; nothing was loaded\n  ", error.what());
  } catch (...) {
    set(before);
    throw;
  }
  set(before);
  return [this, set, after = std::move(after), initial_lrs = std::move(initial_lrs), states = std::move(states),
          load_common = std::move(load_common)]() mutable {
    set(after);
    if (load_common) {
      load_common();
    }
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      groups_[g].states.swap(states[g]);
      groups_[g].initial_lr = initial_lrs[g] ? initial_lrs[g] : groups_[g].initial_lr;
      groups_[g].start_lr.reset();
    }
  };
}

}  // namespace normgrad
