#include "normgrad/train/fold.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <ostream>
#include <typeinfo>
#include <unordered_map>
#include <utility>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/conv.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/module/parametrize.hpp"
#include "normgrad/layers/norm/is_norm.hpp"
#include "normgrad/train/detail/known_norm.hpp"
#include "normgrad/train/detail/model_mode.hpp"

namespace normgrad {

namespace {

// The parameters of a layer into which a norm can be folded.
struct Foldable {
  Parameter* weight = nullptr;
  Parameter* bias = nullptr;
  std::int64_t channels = 0;
  bool transposed = false;
};

// Requires the exact types, because a derived class may override forward.
Foldable foldable(Module& layer) {
  const std::type_info& type = typeid(layer);
  if (type == typeid(Linear)) {
    auto& linear = static_cast<Linear&>(layer);
    return {&linear.weight, &linear.bias, linear.out_features(), false};
  }
  if (type == typeid(Conv1d) || type == typeid(Conv2d) || type == typeid(Conv3d) || type == typeid(ConvTranspose2d)) {
    auto& conv = static_cast<detail::ConvLayer&>(layer);
    return {&conv.weight, &conv.bias, conv.out_channels(), type == typeid(ConvTranspose2d)};
  }
  return {};
}

// Scale and shift of every channel.
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

bool fits_channels(const Tensor& parameter, std::int64_t channels) {
  return !parameter.defined() || parameter.shape() == Shape{channels};
}

// Returns the reason why the norm cannot be folded into the layer; empty if it can.
std::string reason_against(Module& layer, const RunningStatsNorm& norm) {
  const Foldable target = foldable(layer);
  const std::string name = norm.type_name();
  if (target.weight == nullptr) {
    return "a " + layer.type_name() + " is not a convolution or linear layer of the library";
  }
  if (detail::known_norm(const_cast<RunningStatsNorm&>(norm)) == nullptr) {
    return norm.reason_against_folding();
  }
  for (const Module* module : {static_cast<const Module*>(&layer), static_cast<const Module*>(&norm)}) {
    if (module->has_hooks() || is_parametrized(*module)) {
      return module->type_name() + (module->has_hooks()
                                        ? " has hooks, which observe or change the tensor between the two"
                                        : " is parametrized; call remove_parametrizations() first");
    }
  }
  if (norm.is_training()) {
    return name + " is in training mode: call eval() first";
  }
  if (!norm.tracks_running_stats()) {
    return name + " has no running statistics";
  }
  if (norm.statistics() == Statistics::batch && !norm.is_frozen()) {
    return name + " normalizes with the statistics of each batch";
  }
  if (target.channels != norm.num_features()) {
    return detail::concat(layer.type_name(), " gives ", target.channels, " channels but ", name, " expects ",
                          norm.num_features());
  }
  norm.check_buffers();
  if (!target.weight->defined() || !fits_channels(norm.weight, target.channels) ||
      !fits_channels(norm.bias, target.channels) || !fits_channels(*target.bias, target.channels)) {
    return detail::concat("weight and bias are not those of ", target.channels, " channels");
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
  // A transposed weight is [in, out / groups, kernel...]; its rows are divided into the groups.
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

bool is_folded(const RunningStatsNorm& norm) { return norm.tracks_running_stats() && norm.is_identity(); }

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
    out << "  " << (entry.norm.empty() ? "(model)" : entry.norm)
        << (entry.folded ? " into " + entry.layer : ": " + entry.reason) << "\n";
  }
  return out;
}

namespace {

// Restores the tensors of a layer and a norm unless keep() is called.
class Undo {
 public:
  Undo(Module& layer, RunningStatsNorm& norm) : bias_(foldable(layer).bias), had_bias_(bias_->defined()) {
    for (const Module* module : {static_cast<const Module*>(&layer), static_cast<const Module*>(&norm)}) {
      for (const auto& [name, tensor] : module->state_dict()) {
        before_.emplace_back(tensor, tensor.clone());
      }
    }
  }
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;
  ~Undo() {
    if (bias_ == nullptr) {
      return;
    }
    const NoGradGuard no_grad;
    for (auto& [tensor, value] : before_) {
      tensor.copy_(value);  // same dtype, so it cannot fail
    }
    if (!had_bias_) {
      *bias_ = Parameter();
    }
  }
  void keep() noexcept { bias_ = nullptr; }

 private:
  Parameter* bias_;
  bool had_bias_;
  std::vector<std::pair<Tensor, Tensor>> before_;
};

std::string name_in(const NamedModules& modules, const Module& module) {
  return std::find_if(modules.begin(), modules.end(), [&](const auto& m) { return m.second == &module; })->first;
}

// Whether parameters of the pair are also used elsewhere.
bool is_tied(Module& model, const Module& layer, const RunningStatsNorm& norm) {
  std::unordered_map<const void*, int> uses;
  for (const auto& [name, tensor] : model.state_dict()) {
    ++uses[tensor.buffer().data()];
  }
  for (const Module* module : {&layer, static_cast<const Module*>(&norm)}) {
    for (const Tensor& parameter : module->parameters()) {
      if (uses[parameter.buffer().data()] > 1) {
        return true;
      }
    }
  }
  return false;
}

bool try_fold(FoldReport::Entry& entry, Module& model, const NamedModules& modules, Module& layer,
              RunningStatsNorm& norm) {
  entry.layer = name_in(modules, layer);
  entry.reason = reason_against(layer, norm);
  if (entry.reason.empty() && is_tied(model, layer, norm)) {
    entry.reason = "its parameters or those of '" + entry.layer + "' are tied to others";
  }
  if (entry.reason.empty()) {
    fold_into(layer, norm);
    entry.folded = true;
  }
  return entry.folded;
}

// Lists all norms, with a reason for those that no example can make foldable; returns the others.
std::vector<RunningStatsNorm*> list_norms(const Module& model, const NamedModules& modules, FoldReport& report) {
  require<ValueError>(!model.is_training(), "fold: expected a model in eval mode: call eval() first");
  std::vector<RunningStatsNorm*> norms;
  for (const auto& [name, module] : modules) {
    if (!is_norm(*module)) {
      continue;
    }
    FoldReport::Entry& entry = report.norms.emplace_back();
    entry.norm = name;
    RunningStatsNorm* norm = detail::known_norm(*module);
    norms.push_back(nullptr);
    if (norm == nullptr) {
      entry.reason = dynamic_cast<const NormLayer&>(*module).reason_against_folding();
    } else if (is_folded(*norm)) {
      entry.reason = "changes nothing: it was folded before";
    } else {
      norms.back() = norm;
    }
  }
  return norms;
}

// The module before the norm in its Sequential.
struct Neighbor {
  bool in_sequence = false;
  Module* before = nullptr;
};

Neighbor before_in_sequence(const NamedModules& modules, const RunningStatsNorm& norm) {
  for (const auto& [name, module] : modules) {
    const auto* sequence = dynamic_cast<const Sequential*>(module);  // a final class
    for (std::int64_t i = 0; sequence != nullptr && i < sequence->size(); ++i) {
      if (&(*sequence)[i] == &norm) {
        return {!module->has_hooks(), i == 0 ? nullptr : &(*sequence)[i - 1]};
      }
    }
  }
  return {};
}

// A call of a layer or norm during a forward: its result or argument.
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
    difference = d <= difference ? difference : d;  // propagates NaN
    size = std::max(size, std::fabs(x[i]));
  }
  return difference / std::max(size, 1e-30);
}

// Calls of layers and norms during one forward, indexed like `modules`.
std::vector<Call> trace(const NamedModules& modules, const std::function<Tensor()>& run, Tensor& result) {
  std::vector<Call> calls(modules.size());
  std::vector<detail::ScopedHook> hooks;
  for (std::size_t i = 0; i < modules.size(); ++i) {
    Call* call = &calls[i];
    const auto note = [call](const Tensor& tensor) {
      ++call->count;
      call->tensor = tensor;
      return Tensor();
    };
    if (foldable(*modules[i].second).weight != nullptr) {
      hooks.emplace_back(modules[i].second->register_forward_hook(
          [note](Module&, const Tensor&, const Tensor& y) { return note(y); }));
    } else if (detail::known_norm(*modules[i].second) != nullptr) {
      hooks.emplace_back(
          modules[i].second->register_forward_pre_hook([note](Module&, const Tensor& x) { return note(x); }));
    }
  }
  result = run();
  return calls;
}

// The layer whose result the norm received; null, with a reason, if it cannot be folded.
Module* traced_layer(const NamedModules& modules, const std::vector<Call>& calls, const RunningStatsNorm& norm,
                     std::string& reason) {
  const auto at = std::find_if(modules.begin(), modules.end(), [&](const auto& m) { return m.second == &norm; });
  const Call& to_norm = calls[static_cast<std::size_t>(at - modules.begin())];
  if (to_norm.count != 1) {
    reason = detail::concat("was called ", to_norm.count, " times with the example, not once");
    return nullptr;
  }
  reason = "its input was not the result of a convolution or linear layer";
  for (std::size_t i = 0; i < modules.size(); ++i) {
    Module& layer = *modules[i].second;
    if (foldable(layer).weight == nullptr || calls[i].count == 0 || !is_same(calls[i].tensor, to_norm.tensor)) {
      continue;
    }
    if (calls[i].count != 1) {
      reason = detail::concat("'", modules[i].first, "' before it was called ", calls[i].count, " times, not once");
    } else if (typeid(layer) == typeid(Linear) && (!detail::takes_features(norm) || to_norm.tensor.dim() != 2)) {
      reason = detail::concat("'", modules[i].first, "' gives ", to_norm.tensor.shape(),
                              ", whose last axis is not the norm's channels");
    } else {
      return &layer;
    }
    break;
  }
  return nullptr;
}

}  // namespace

FoldReport fold(Module& model) {
  FoldReport report;
  const NamedModules modules = model.named_modules();
  const std::vector<RunningStatsNorm*> norms = list_norms(model, modules, report);
  for (std::size_t i = 0; i < norms.size(); ++i) {
    if (norms[i] == nullptr) {
      continue;
    }
    FoldReport::Entry& entry = report.norms[i];
    const auto [in_sequence, before] = before_in_sequence(modules, *norms[i]);
    if (!in_sequence) {
      entry.reason =
          "is called in a custom forward: pass an example, fold(model, example), or call fold_into(layer, norm)";
    } else if (before == nullptr) {
      entry.reason = "comes first in its Sequential";
    } else if (foldable(*before).weight == nullptr) {
      entry.reason = "comes after a " + before->type_name() + ", not directly after a convolution or linear layer";
    } else if (typeid(*before) == typeid(Linear)) {
      entry.reason =
          "it is unknown whether the linear layer before it gives [N, features]: pass an example, fold(model, "
          "example)";
    } else {
      try_fold(entry, model, modules, *before, *norms[i]);
    }
  }
  return report;
}

FoldReport detail::fold_traced(Module& model, const std::function<Tensor()>& run) {
  FoldReport report;
  const NamedModules modules = model.named_modules();
  const std::vector<RunningStatsNorm*> norms = list_norms(model, modules, report);
  const NoGradGuard no_grad;
  Tensor result;
  const std::vector<Call> calls = trace(modules, run, result);
  result = result.clone();  // the model may return a tensor that it keeps and changes
  std::deque<Undo> done;    // undone if a forward throws
  for (std::size_t i = 0; i < norms.size(); ++i) {
    if (norms[i] == nullptr) {
      continue;
    }
    FoldReport::Entry& entry = report.norms[i];
    Module* layer = traced_layer(modules, calls, *norms[i], entry.reason);
    if (layer == nullptr) {
      const Module* before = before_in_sequence(modules, *norms[i]).before;
      if (before != nullptr && foldable(const_cast<Module&>(*before)).weight == nullptr) {
        entry.reason = "comes after a " + before->type_name() + ", not directly after a convolution or linear layer";
      }
      continue;
    }
    done.emplace_back(*layer, *norms[i]);
    if (!try_fold(entry, model, modules, *layer, *norms[i])) {
      done.back().keep();
      continue;
    }
    const Tensor now = run();
    if (largest_difference(result, now) <= (now.dtype() == kFloat64 ? 1e-10 : 1e-4)) {
      continue;
    }
    done.pop_back();
    entry.folded = false;
    entry.reason = "the result of '" + entry.layer + "' is used elsewhere, too: the model's result would change";
  }
  for (Undo& undo : done) {
    undo.keep();
  }
  return report;
}

}  // namespace normgrad
