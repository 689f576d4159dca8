#include "normgrad/train/fold.hpp"

#include <algorithm>
#include <cmath>
#include <ostream>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/layers/conv.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/norm/is_norm.hpp"
#include "normgrad/layers/sequential.hpp"
#include "normgrad/train/model_mode.hpp"

namespace normgrad {

namespace {

// The parameters of a layer that a norm can be folded into.
struct Foldable {
  Parameter* weight = nullptr;
  Parameter* bias = nullptr;
  std::int64_t channels = 0;
  bool transposed = false;
};

Foldable foldable(Module& layer) {
  if (auto* linear = dynamic_cast<Linear*>(&layer)) {
    return {&linear->weight, &linear->bias, linear->out_features(), false};
  }
  if (auto* conv = dynamic_cast<detail::ConvLayer*>(&layer)) {
    return {&conv->weight, &conv->bias, conv->out_channels(), dynamic_cast<ConvTranspose2d*>(&layer) != nullptr};
  }
  return {};
}

// What every channel is multiplied with, and what is added to it.
struct ChannelMap {
  std::vector<double> scale;
  std::vector<double> shift;
};

ChannelMap affine_of(const RunningStatsNorm& norm) {
  const std::vector<double> mean = norm.running_mean.to_vector<double>();
  const std::vector<double> var = norm.running_var.to_vector<double>();
  const std::vector<double> ones(mean.size(), 1.0);
  const std::vector<double> zeros(mean.size(), 0.0);
  const std::vector<double> gamma = norm.weight.defined() ? norm.weight.to_vector<double>() : ones;
  const std::vector<double> beta = norm.bias.defined() ? norm.bias.to_vector<double>() : zeros;
  ChannelMap result;
  for (std::size_t c = 0; c < mean.size(); ++c) {
    result.scale.push_back(gamma[c] / std::sqrt(var[c] + norm.eps()));
    result.shift.push_back(beta[c] - mean[c] * result.scale.back());
  }
  return result;
}

// Empty, or why the norm cannot go into the layer.
std::string reason_against(Module& layer, const RunningStatsNorm& norm) {
  const Foldable target = foldable(layer);
  const std::string name = norm.type_name();
  if (target.weight == nullptr) {
    return "a " + layer.type_name() + " is neither a convolution nor a linear layer";
  }
  if (norm.is_training()) {
    return name + " is in training mode: call eval() first";
  }
  if (!norm.tracks_running_stats()) {
    return name + " has no running statistics";
  }
  if (norm.statistics() == Statistics::batch && !norm.is_frozen()) {
    return name + " normalises with the statistics of each batch";
  }
  if (target.channels != norm.num_features()) {
    return detail::concat(layer.type_name(), " gives ", target.channels, " channels but ", name, " expects ",
                          norm.num_features());
  }
  for (const Tensor* parameter : {static_cast<const Tensor*>(&norm.weight), static_cast<const Tensor*>(&norm.bias)}) {
    if (parameter->defined() && parameter->dtype() != target.weight->dtype()) {
      return detail::concat("the layer is ", target.weight->dtype(), " but the norm is ", parameter->dtype());
    }
  }
  const ChannelMap affine = affine_of(norm);
  for (std::size_t c = 0; c < affine.scale.size(); ++c) {
    if (!std::isfinite(affine.scale[c]) || !std::isfinite(affine.shift[c])) {
      return detail::concat(name, " has values that are not finite in channel ", c);
    }
  }
  return {};
}

template <class T>
void scale_weight(const Foldable& target, const std::vector<double>& scale) {
  Tensor weight = *target.weight;
  T* w = weight.mutable_data<T>();
  const std::int64_t rows = weight.size(0);
  const std::int64_t columns = weight.size(1);
  const std::int64_t taps = weight.numel() / (rows * columns);
  // A transposed weight is [in, out / groups, kernel...]: its rows are cut into as many groups as there are.
  const std::int64_t groups = target.transposed ? target.channels / columns : 1;
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      const std::int64_t channel = target.transposed ? r / (rows / groups) * columns + c : r;
      for (std::int64_t k = 0; k < taps; ++k) {
        T& value = w[(r * columns + c) * taps + k];
        value = static_cast<T>(static_cast<double>(value) * scale[static_cast<std::size_t>(channel)]);
      }
    }
  }
}

bool is_used_up(const RunningStatsNorm& norm) { return norm.tracks_running_stats() && norm.is_identity(); }

}  // namespace

void fold_into(Module& layer, RunningStatsNorm& norm) {
  const std::string reason = reason_against(layer, norm);
  require<ValueError>(reason.empty(), "fold_into: ", reason);
  const NoGradGuard no_grad;
  const Foldable target = foldable(layer);
  const ChannelMap affine = affine_of(norm);
  dispatch_float("fold_into", target.weight->dtype(), [&](auto zero) {
    using T = decltype(zero);
    scale_weight<T>(target, affine.scale);
    if (!target.bias->defined()) {
      *target.bias = Parameter(zeros({target.channels}, {.dtype = target.weight->dtype()}));
    }
    T* bias = target.bias->mutable_data<T>();
    for (std::size_t c = 0; c < affine.scale.size(); ++c) {
      bias[c] = static_cast<T>(static_cast<double>(bias[c]) * affine.scale[c] + affine.shift[c]);
    }
  });
  norm.running_mean.fill_(0.0);
  norm.running_var.fill_(1.0 - norm.eps());
  for (Parameter* parameter : {&norm.weight, &norm.bias}) {
    if (parameter->defined()) {
      parameter->fill_(parameter == &norm.weight ? 1.0 : 0.0);
    }
  }
}

int FoldReport::folded() const noexcept {
  return static_cast<int>(std::count_if(norms.begin(), norms.end(), [](const Entry& e) { return e.folded; }));
}

std::ostream& operator<<(std::ostream& out, const FoldReport& report) {
  out << "folded " << report.folded() << " of " << report.norms.size() << " norms\n";
  for (const FoldReport::Entry& entry : report.norms) {
    out << "  " << (entry.norm.empty() ? "(model)" : entry.norm);
    if (entry.folded) {
      out << " into " << entry.layer << "\n";
    } else {
      out << ": " << entry.reason << "\n";
    }
  }
  return out;
}

namespace {

struct Found {
  RunningStatsNorm* norm;
  std::size_t entry;  // in the report
};

void fold_pair(FoldReport::Entry& entry, Module& layer, const std::string& layer_name, RunningStatsNorm& norm) {
  entry.layer = layer_name;
  entry.reason = reason_against(layer, norm);
  if (entry.reason.empty()) {
    fold_into(layer, norm);
    entry.folded = true;
  }
}

// Entries for all norms; those in Sequentials are folded, or have a reason. The others are returned.
std::vector<Found> fold_sequentials(Module& model, FoldReport& report) {
  require<ValueError>(!model.is_training(), "fold: expected a model in eval mode: call eval() first");
  const NamedModules modules = model.named_modules();
  std::vector<Found> others;
  for (const auto& [name, module] : modules) {
    auto* norm = dynamic_cast<RunningStatsNorm*>(module);
    if (norm == nullptr) {
      if (is_norm(*module)) {
        report.norms.push_back(
            {name, {}, false, "a " + module->type_name() + " normalises each sample with its own statistics"});
      }
      continue;
    }
    FoldReport::Entry& entry = report.norms.emplace_back();
    entry.norm = name;
    if (is_used_up(*norm)) {
      entry.reason = "changes nothing: it is folded already";
      continue;
    }
    bool in_sequence = false;
    for (const auto& [parent_name, parent] : modules) {
      auto* sequence = dynamic_cast<Sequential*>(parent);
      for (std::int64_t i = 0; sequence != nullptr && i < sequence->size(); ++i) {
        if (&(*sequence)[i] != norm) {
          continue;
        }
        in_sequence = true;
        const NamedModules children = sequence->named_children();
        const std::string prefix = parent_name.empty() ? "" : parent_name + ".";
        if (i == 0) {
          entry.reason = "comes first in its Sequential";
        } else if (Module& before = (*sequence)[i - 1]; foldable(before).weight == nullptr) {
          entry.reason = "comes after a " + before.type_name() + ", not directly after a convolution or linear layer";
        } else {
          fold_pair(entry, before, prefix + children[static_cast<std::size_t>(i - 1)].first, *norm);
        }
      }
    }
    if (!in_sequence) {
      entry.reason =
          "stands in a forward of its own: pass an example, fold(model, example), or call fold_into(layer, norm)";
      others.push_back({norm, report.norms.size() - 1});
    }
  }
  return others;
}

// A call of a layer or norm in a forward: its result or argument.
struct Call {
  Tensor tensor;
  int count = 0;
};

double largest_difference(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape()) {
    return HUGE_VAL;
  }
  const std::vector<double> x = a.to_vector<double>();
  const std::vector<double> y = b.to_vector<double>();
  double difference = 0.0;
  double size = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double d = std::fabs(x[i] - y[i]);
    difference = d <= difference ? difference : d;  // keeps NaN
    size = std::max(size, std::fabs(x[i]));
  }
  return difference / std::max(size, 1e-30);
}

}  // namespace

FoldReport fold(Module& model) {
  FoldReport report;
  fold_sequentials(model, report);
  return report;
}

FoldReport detail::fold_traced(Module& model, const std::function<Tensor()>& run) {
  FoldReport report;
  const std::vector<Found> others = fold_sequentials(model, report);
  if (others.empty()) {
    return report;
  }
  const NoGradGuard no_grad;
  const NamedModules modules = model.named_modules();
  std::vector<Call> calls(modules.size());
  std::vector<ScopedHook> hooks;
  for (std::size_t i = 0; i < modules.size(); ++i) {
    Call* call = &calls[i];
    if (foldable(*modules[i].second).weight != nullptr) {
      hooks.emplace_back(modules[i].second->register_forward_hook([call](Module&, const Tensor&, const Tensor& y) {
        ++call->count;
        call->tensor = y;
        return Tensor();
      }));
    } else if (dynamic_cast<RunningStatsNorm*>(modules[i].second) != nullptr) {
      hooks.emplace_back(modules[i].second->register_forward_pre_hook([call](Module&, const Tensor& x) {
        ++call->count;
        call->tensor = x;
        return Tensor();
      }));
    }
  }
  Tensor result = run();
  hooks.clear();
  for (const Found& found : others) {
    FoldReport::Entry& entry = report.norms[found.entry];
    const auto at = std::find_if(modules.begin(), modules.end(), [&](const auto& m) { return m.second == found.norm; });
    const Call& to_norm = calls[static_cast<std::size_t>(at - modules.begin())];
    if (to_norm.count != 1) {
      entry.reason = concat("was called ", to_norm.count, " times with the example, not once");
      continue;
    }
    entry.reason = "what came to it was not the result of a convolution or linear layer";
    for (std::size_t i = 0; i < modules.size(); ++i) {
      Module& layer = *modules[i].second;
      if (foldable(layer).weight == nullptr || calls[i].count == 0 || !is_same(calls[i].tensor, to_norm.tensor)) {
        continue;
      }
      if (calls[i].count != 1) {
        entry.reason = concat("'", modules[i].first, "' before it was called ", calls[i].count, " times, not once");
        continue;
      }
      const std::unique_ptr<Module> layer_before = layer.clone();
      const StateDict norm_before = found.norm->clone()->state_dict();
      fold_pair(entry, layer, modules[i].first, *found.norm);
      if (!entry.folded) {
        continue;
      }
      const Tensor now = run();
      if (largest_difference(result, now) <= (now.dtype() == kFloat64 ? 1e-10 : 1e-4)) {
        continue;
      }
      const Foldable old = foldable(*layer_before);
      const Foldable target = foldable(layer);
      static_cast<Tensor&>(*target.weight).copy_(*old.weight);
      if (old.bias->defined()) {
        static_cast<Tensor&>(*target.bias).copy_(*old.bias);
      } else {
        *target.bias = Parameter();
      }
      found.norm->load_state_dict(norm_before);
      entry.folded = false;
      entry.reason = "the result of '" + modules[i].first + "' is used elsewhere, too: the model's result would change";
    }
  }
  return report;
}

}  // namespace normgrad
