#include "normgrad/dist/sharded_optimizer.hpp"

#include <algorithm>
#include <numeric>
#include <string>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"

namespace normgrad::detail {

namespace {

// "state.12.exp_avg" is an entry of parameter 12; -1 for other keys.
std::int64_t index_in(const std::string& key) {
  const std::string prefix = "state.";
  if (!key.starts_with(prefix)) {
    return -1;
  }
  return std::stoll(key.substr(prefix.size()));
}

std::string with_index(const std::string& key, std::size_t index) {
  return "state." + std::to_string(index) + key.substr(key.find('.', std::string("state.").size()));
}

Tensor index_tensor(std::size_t index) { return full({}, static_cast<std::int64_t>(index), {.dtype = kInt64}); }

}  // namespace

OptimizerShards::OptimizerShards(const ParameterList& parameters, const ProcessGroup& group)
    : parameters_(parameters), group_(group), rank_of_(parameters.size()) {
  require<ValueError>(!parameters.empty(), "ShardedOptimizer: expected parameters but got an empty list");
  // The largest first, each to the rank with the fewest elements so far.
  std::vector<std::size_t> order(parameters.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return parameters[a].numel() > parameters[b].numel(); });
  std::vector<std::int64_t> elements(static_cast<std::size_t>(group.size()), 0);
  for (const std::size_t i : order) {
    const auto least = std::min_element(elements.begin(), elements.end());
    *least += parameters[i].numel();
    rank_of_[i] = static_cast<int>(least - elements.begin());
  }
}

ParameterList OptimizerShards::own() const {
  std::vector<std::pair<std::string, Tensor>> named;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (rank_of_[i] == group_.rank()) {
      named.emplace_back(parameters_.name(i), parameters_[i]);
    }
  }
  return named;
}

void OptimizerShards::share_parameters() const {
  const NoGradGuard no_grad;
  std::vector<Work> works;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    works.push_back(group_.broadcast_async(parameters_[i], rank_of_[i]));
  }
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor values = works[i].wait();
    if (rank_of_[i] != group_.rank()) {
      Tensor parameter = parameters_[i];
      parameter.copy_(values);
    }
  }
}

StateDict OptimizerShards::whole_state(const Optimizer* own) const {
  const std::vector<StateDict> states = group_.all_gather_object(own != nullptr ? own->state_dict() : StateDict());
  StateDict whole;
  for (int rank = 0; rank < group_.size(); ++rank) {
    std::vector<std::size_t> places;  // of this rank's parameters in the whole list
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      if (rank_of_[i] == rank) {
        places.push_back(i);
      }
    }
    for (const auto& [key, value] : states[static_cast<std::size_t>(rank)]) {
      if (const std::int64_t index = index_in(key); index >= 0) {
        whole[with_index(key, places.at(static_cast<std::size_t>(index)))] = value;
      } else if (key.starts_with("param.")) {
        whole[key] = index_tensor(places.at(static_cast<std::size_t>(value.item<std::int64_t>())));
      } else {
        whole[key] = value;  // an option, the same on all ranks
      }
    }
  }
  return whole;
}

StateDict OptimizerShards::own_state(const StateDict& whole) const {
  std::vector<std::int64_t> place_of(parameters_.size(), -1);
  std::int64_t count = 0;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    place_of[i] = rank_of_[i] == group_.rank() ? count++ : -1;
  }
  StateDict own;
  for (const auto& [key, value] : whole) {
    const bool is_name = key.starts_with("param.");
    const std::int64_t index = is_name ? value.item<std::int64_t>() : index_in(key);
    if (index < 0) {
      own[key] = value;
      continue;
    }
    require<ValueError>(index < static_cast<std::int64_t>(parameters_.size()),
                        "ShardedOptimizer: load_state_dict: expected a state of ", parameters_.size(),
                        " parameters but got one with parameter ", index);
    if (const std::int64_t place = place_of[static_cast<std::size_t>(index)]; place >= 0) {
      own[is_name ? key : with_index(key, static_cast<std::size_t>(place))] =
          is_name ? index_tensor(static_cast<std::size_t>(place)) : value;
    }
  }
  return own;
}

void OptimizerShards::zero_grad() {
  for (Tensor& parameter : parameters_) {
    parameter.set_grad({});
  }
}

}  // namespace normgrad::detail
