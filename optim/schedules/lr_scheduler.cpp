#include "normgrad/optim/schedules/lr_scheduler.hpp"

#include "normgrad/optim/detail/option_checks.hpp"

#include <algorithm>
#include <cmath>

namespace normgrad {

namespace detail {

namespace {

Shape shape_of(const StateField& field) {
  const auto* const* several = std::get_if<std::vector<double>*>(&field.second);
  return several != nullptr ? Shape{static_cast<std::int64_t>((*several)->size())} : Shape{};
}

void assign(const StateField& field, const std::vector<double>& values) {
  if (auto* const* several = std::get_if<std::vector<double>*>(&field.second)) {
    **several = values;
  } else if (auto* const* number = std::get_if<double*>(&field.second)) {
    **number = values[0];
  } else {
    *std::get<std::int64_t*>(field.second) = static_cast<std::int64_t>(values[0]);
  }
}

Tensor tensor_of(const StateField& field) {
  if (const auto* const* integer = std::get_if<std::int64_t*>(&field.second)) {
    Tensor tensor = Tensor::empty({}, kInt64);
    tensor.mutable_data<std::int64_t>()[0] = **integer;
    return tensor;
  }
  Tensor tensor = Tensor::empty(shape_of(field), kFloat64);
  if (const auto* const* several = std::get_if<std::vector<double>*>(&field.second)) {
    std::copy((*several)->begin(), (*several)->end(), tensor.mutable_data<double>());
  } else {
    tensor.mutable_data<double>()[0] = *std::get<double*>(field.second);
  }
  return tensor;
}

// Lists hold rates or momenta; int64 fields hold counts.
std::string out_of_range(const StateField& field, const std::vector<double>& values) {
  const bool is_number = std::holds_alternative<double*>(field.second);
  const bool is_count = std::holds_alternative<std::int64_t*>(field.second);
  const bool is_momentum = field.first.ends_with("last_momentum");
  for (const double value : values) {
    const bool fits = is_number  ? !std::isnan(value)
                      : is_count ? value >= 0.0 && value < 0x1p63 && value == std::floor(value)
                                 : value >= 0.0 && std::isfinite(value) && (value < 1.0 || !is_momentum);
    if (!fits) {
      return concat("\n  out of range: ", field.first, ": ", value);
    }
  }
  return {};
}

}  // namespace

std::vector<std::vector<double>> read_fields(const char* where, const std::vector<StateField>& fields,
                                             const StateDict& state) {
  std::string wrong;
  std::vector<std::vector<double>> values(fields.size());
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const auto found = state.find(fields[i].first);
    if (found == state.end() || !found->second.defined()) {
      wrong += "\n  missing: " + fields[i].first;
    } else if (found->second.shape() != shape_of(fields[i])) {
      wrong += concat("\n  of another shape: ", fields[i].first, ": expected ", shape_of(fields[i]), " but got ",
                      found->second.shape());
    } else {
      values[i] = found->second.to_vector<double>();
      wrong += out_of_range(fields[i], values[i]);
    }
  }
  for (const auto& [name, tensor] : state) {
    if (std::none_of(fields.begin(), fields.end(), [&name = name](const auto& field) { return field.first == name; })) {
      wrong += "\n  unexpected: " + name;
    }
  }
  require<ValueError>(wrong.empty(), where, ": load_state_dict: the state does not fit; nothing was loaded", wrong);
  return values;
}

std::vector<std::vector<double>> values_of(const std::vector<StateField>& fields) {
  std::vector<std::vector<double>> values;
  for (const StateField& field : fields) {
    values.push_back(tensor_of(field).to_vector<double>());
  }
  return values;
}

void set_values(const std::vector<StateField>& fields, const std::vector<std::vector<double>>& values) {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    assign(fields[i], values[i]);
  }
}

StateDict state_of(const std::vector<StateField>& fields) {
  StateDict state;
  for (const StateField& field : fields) {
    state[field.first] = tensor_of(field);
  }
  return state;
}

}  // namespace detail

std::vector<double> PerGroup::resolve(const char* where, const char* what, std::size_t groups) const {
  if (values_.size() == 1) {
    return std::vector<double>(groups, values_[0]);
  }
  require<ValueError>(values_.size() == groups, where, ": expected one ", what, ", or one for each of ", groups,
                      " groups, but got ", values_.size());
  return values_;
}

LRScheduler::LRScheduler(Optimizer& optimizer) : optimizer_(&optimizer) {
  for (std::size_t g = 0; g < optimizer.num_groups(); ++g) {
    base_lrs_.push_back(optimizer.initial_lr(g));
    last_lr_.push_back(optimizer.lr(g));
  }
}

// Everything that can throw comes before the first change.
template <class Rate>
void LRScheduler::go_to(std::int64_t epoch, Rate rate) {
  check_epoch(epoch);
  std::vector<double> rates;
  for (std::size_t g = 0; g < base_lrs_.size(); ++g) {
    rates.push_back(rate(g));
    require<ValueError>(rates.back() >= 0.0 && std::isfinite(rates.back()), type_name(),
                        ": expected a learning rate >= 0 in epoch ", epoch, " but got ", rates.back());
  }
  enter_epoch(epoch);
  for (std::size_t g = 0; g < rates.size(); ++g) {
    optimizer_->set_lr(rates[g], g);
  }
  last_lr_ = std::move(rates);
  epoch_ = epoch;
}

void LRScheduler::step() {
  go_to(epoch_ + 1, [this](std::size_t g) {
    const double lr = optimizer_->lr(g);
    return is_recursive() && lr == lr_at(epoch_, g) ? lr_at(epoch_ + 1, g) : next_lr(epoch_ + 1, lr, g);
  });
}

void LRScheduler::set_epoch(std::int64_t epoch) {
  require<ValueError>(epoch >= 0, type_name(), ": expected epoch >= 0 but got ", epoch);
  go_to(epoch, [&](std::size_t g) { return lr_at(epoch, g); });
}

std::vector<double> LRScheduler::initial_lrs() const {
  std::vector<double> initial;
  for (std::size_t g = 0; g < base_lrs_.size(); ++g) {
    initial.push_back(optimizer_->initial_lr(g));
  }
  return initial;
}

void LRScheduler::set_initial_lrs(const std::vector<double>& initial) {
  for (std::size_t g = 0; g < initial.size(); ++g) {
    optimizer_->set_initial_lr(initial[g], g);
  }
}

void LRScheduler::start() { start(initial_lrs()); }

void LRScheduler::start(const std::vector<double>& initial) {
  go_to(0, [&](std::size_t g) {
    const double lr = optimizer_->lr(g);
    return next_lr(0, optimizer_->groups_[g].start_lr == lr ? lr : initial[g], g);
  });
  set_initial_lrs(initial);
  mark_start();
}

bool LRScheduler::optimizer_has_initial_lr() const {
  return std::all_of(optimizer_->groups_.begin(), optimizer_->groups_.end(),
                     [](const auto& group) { return group.initial_lr.has_value(); });
}

void LRScheduler::mark_start() {
  for (std::size_t g = 0; g < base_lrs_.size(); ++g) {
    optimizer_->groups_[g].start_lr = optimizer_->lr(g);
  }
}

void LRScheduler::begin() {
  const std::vector<double> initial = initial_lrs();
  go_to(0, [this](std::size_t g) { return next_lr(0, optimizer_->lr(g), g); });
  set_initial_lrs(initial);
}

void LRScheduler::restart() { LRScheduler::set_epoch(0); }

std::vector<detail::StateField> LRScheduler::fields() {
  return {{"last_epoch", &epoch_}, {"base_lrs", &base_lrs_}, {"last_lr", &last_lr_}};
}

void LRScheduler::set_unchecked(const std::string& option, double value, std::size_t group) {
  detail::set_option_value(optimizer_->find_option(option, group).second, value);
}

void LRScheduler::tell_optimizer() {
  for (std::size_t g = 0; g < last_lr_.size(); ++g) {
    optimizer_->set_lr(last_lr_[g], g);
  }
}

StateDict LRScheduler::state_dict() const { return detail::state_of(const_cast<LRScheduler*>(this)->fields()); }

std::function<void()> LRScheduler::prepare_state_dict(const StateDict& state) {
  return [this, own = fields(), values = detail::read_fields(type_name(), fields(), state)] {
    detail::set_values(own, values);
    tell_optimizer();
  };
}

}  // namespace normgrad
