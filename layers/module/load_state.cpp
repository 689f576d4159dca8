#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/layers/module/detail/member_walk.hpp"
#include "normgrad/layers/module/detail/parametrized.hpp"

namespace normgrad {

namespace {

// Prefixes that wrappers of whole models add to each key.
constexpr std::array<std::string_view, 2> kWrapperPrefixes = {"module.", "_orig_mod."};

std::string some_keys(const StateDict& state) {
  constexpr std::size_t kShown = 5;
  std::string text;
  std::size_t shown = 0;
  for (const auto& [key, tensor] : state) {
    text += (shown == 0 ? "'" : ", '") + key + "'";
    if (++shown == kShown && state.size() > kShown) {
      return text + " and " + std::to_string(state.size() - kShown) + " more";
    }
  }
  return text.empty() ? "none" : text;
}

StateDict without_wrappers(StateDict state, const NamedTensors& own) {
  for (bool found = true; found;) {
    found = false;
    for (const std::string_view prefix : kWrapperPrefixes) {
      const auto wrapped = [&](const auto& named) { return named.first.starts_with(prefix); };
      if (state.empty() || !std::all_of(state.begin(), state.end(), wrapped) ||
          std::any_of(own.begin(), own.end(), wrapped)) {
        continue;
      }
      StateDict inner;
      for (const auto& [key, tensor] : state) {
        inner[key.substr(prefix.size())] = tensor;
      }
      state = std::move(inner);
      found = true;
    }
  }
  return state;
}

// Returns the state under the model's keys.
StateDict under_own_keys(const std::string& model, const StateDict& state, const LoadOptions& options,
                         const NamedTensors& own) {
  StateDict chosen;
  if (options.prefix.empty()) {
    chosen = without_wrappers(state, own);
  } else {
    for (const auto& [key, tensor] : state) {
      if (key.starts_with(options.prefix)) {
        chosen[key.substr(options.prefix.size())] = tensor;
      }
    }
    require<ValueError>(!chosen.empty(), model, ": load_state_dict: expected keys that begin with '", options.prefix,
                        "' but the state has ", some_keys(state));
  }
  if (!options.rename) {
    return chosen;
  }
  StateDict renamed;
  for (const auto& [key, tensor] : chosen) {
    const std::string name = options.rename(key);
    if (name.empty()) {
      continue;
    }
    require<ValueError>(!renamed.contains(name), model, ": load_state_dict: rename maps several keys to '", name,
                        "', including '", key, "'");
    renamed[name] = tensor;
  }
  return renamed;
}

bool is_batch_count(const std::string& name) {
  constexpr std::string_view kName = "num_batches_tracked";
  return name == kName || name.ends_with("." + std::string(kName));
}

bool fits(const Tensor& own, const Tensor& given) {
  return own.shape() == given.shape() || (own.dim() == 0 && given.shape() == Shape{1});
}

bool equal_values(const Tensor& a, const Tensor& b) {
  const std::vector<double> x = a.to_vector<double>();
  const std::vector<double> y = b.to_vector<double>();
  return std::equal(x.begin(), x.end(), y.begin(), y.end(),
                    [](double u, double v) { return u == v || (u != u && v != v); });
}

/// A tensor of the model and its source, which has the same shape and dtype after preparation.
struct TensorLoad {
  std::string name;
  Tensor own;
  Tensor source;
};

struct PreparedLoad {
  Module* model = nullptr;
  LoadReport report = {};
  std::vector<TensorLoad> loads = {};

  void commit() {
    const NoGradGuard no_grad;
    for (TensorLoad& load : loads) {
      load.own.copy_(load.source);
    }
    detail::Parametrized::refresh(*model);
  }
};

// Finds the tensors that share bytes with another one.
class MemoryOf {
 public:
  explicit MemoryOf(const NamedTensors& tensors) {
    for (const auto& [name, tensor] : tensors) {
      const std::byte* begin = tensor.buffer().data();
      ranges_.push_back({begin, begin + tensor.buffer().bytes(), nullptr, &tensor});
    }
    std::sort(ranges_.begin(), ranges_.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
    const std::byte* reach = nullptr;
    for (Range& range : ranges_) {
      range.reach = reach = std::max(reach, range.end);
    }
  }

  /// Whether a tensor other than `except` shares bytes with x.
  bool overlaps(const Tensor& x, const Tensor& except) const {
    const std::byte* begin = x.buffer().data();
    const std::byte* end = begin + x.buffer().bytes();
    auto at = std::partition_point(ranges_.begin(), ranges_.end(), [end](const Range& r) { return r.begin < end; });
    while (at != ranges_.begin() && (--at)->reach > begin) {
      if (at->end > begin && !is_same(*at->tensor, except)) {
        return true;
      }
    }
    return false;
  }

 private:
  struct Range {
    const std::byte* begin;
    const std::byte* end;
    const std::byte* reach;  // the end of those that begin no later
    const Tensor* tensor;
  };
  std::vector<Range> ranges_;  // by their begin
};

/// Does everything that may fail, without changing the model: converts dtypes, and copies sources that another load
/// would overwrite (a state of this very module under other names).
void prepare_sources(std::vector<TensorLoad>& loads, const NamedTensors& own) {
  const NoGradGuard no_grad;
  const MemoryOf memory(own);
  for (TensorLoad& load : loads) {
    const Tensor source = load.source.detach();
    const bool is_overwritten = memory.overlaps(source, load.own);
    load.source = is_overwritten ? source.clone().to(load.own.dtype()) : source.to(load.own.dtype());
    if (load.source.shape() != load.own.shape()) {
      load.source = load.source.alias(load.own.shape());
    }
  }
}

PreparedLoad prepare_load(Module& model, const StateDict& state, const LoadOptions& options) {
  NamedTensors own;
  detail::StateWalk([&](const std::string& name, Tensor& tensor) { own.emplace_back(name, tensor); }).run(model);
  const StateDict given = under_own_keys(model.type_name(), state, options, own);

  PreparedLoad prepared{.model = &model};
  LoadReport& report = prepared.report;
  std::vector<TensorLoad>& loads = prepared.loads;
  std::string wrong;
  StateDict known;
  std::unordered_map<const void*, std::size_t> load_of;  // by identity: a tied tensor has several names
  for (const auto& [name, tensor] : own) {
    known[name] = tensor;
    const auto found = given.find(name);
    if (found == given.end()) {
      continue;
    }
    if (!found->second.defined()) {
      wrong += "\n  without a value: " + name;
    } else if (!fits(tensor, found->second) && options.ignore_mismatched_sizes) {
      report.mismatched_keys.push_back(name);
    } else if (!fits(tensor, found->second)) {
      wrong += detail::concat("\n  of another shape: ", name, ": expected ", tensor.shape(), " but got ",
                              found->second.shape());
    } else if (const auto [at, is_first] = load_of.emplace(detail::identity_of(tensor), loads.size()); is_first) {
      loads.push_back({name, tensor, found->second});
    } else if (const TensorLoad& first = loads[at->second];
               !is_same(first.source, found->second) && !equal_values(first.source, found->second)) {
      wrong += "\n  tied, but with different values: " + first.name + " and " + name;
    }
  }
  for (const auto& [name, tensor] : own) {
    if (!given.contains(name) && !load_of.contains(detail::identity_of(tensor)) && !is_batch_count(name)) {
      report.missing_keys.push_back(name);
    }
  }
  for (const auto& [name, tensor] : given) {
    if (!known.contains(name)) {
      report.unexpected_keys.push_back(name);
    }
  }
  const bool loose_helps = wrong.empty();
  if (options.strict) {
    for (const std::string& name : report.missing_keys) {
      wrong += "\n  missing: " + name;
    }
    for (const std::string& name : report.unexpected_keys) {
      wrong += "\n  unexpected: " + name;
    }
  }
  require<ValueError>(wrong.empty(), model.type_name(), ": load_state_dict: the state does not fit; nothing was loaded",
                      wrong, loose_helps ? "\n{.strict = false} loads what fits and reports the rest" : "");
  prepare_sources(loads, own);
  return prepared;
}

}  // namespace

LoadReport Module::load_state_dict(const StateDict& state, LoadOptions options) {
  PreparedLoad load = prepare_load(*this, state, options);
  load.commit();
  return std::move(load.report);
}

std::function<void()> Module::prepare_state_dict(const StateDict& state, LoadOptions options) {
  return [load = prepare_load(*this, state, options)]() mutable { load.commit(); };
}

}  // namespace normgrad
