#include "normgrad/train/recalibrate.hpp"

#include <algorithm>
#include <optional>
#include <ostream>

#include "normgrad/core/autograd/anomaly_check.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/norm/norm.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/norm/instance_norm.hpp"
#include "normgrad/train/channel_moments.hpp"
#include "normgrad/train/detail/model_mode.hpp"

namespace normgrad {

namespace detail {

namespace {

struct Target {
  std::string name;
  RunningStatsNorm* norm = nullptr;
  ChannelMoments moments;   // for a batch norm
  ChannelMoments averages;  // for an instance norm: averages the means and variances of samples
  std::int64_t batches = 0;
  std::int64_t non_finite = 0;
  std::int64_t empty = 0;
  bool collects = false;
  bool done = false;
};

void assign(StateBuffer& buffer, const std::vector<double>& values) {
  dispatch_float("recalibrate", buffer.dtype(), [&](auto zero) {
    using T = decltype(zero);
    std::transform(values.begin(), values.end(), buffer.mutable_data<T>(), [](double v) { return static_cast<T>(v); });
  });
}

bool is_instance_norm(const Target& target) { return dynamic_cast<const InstanceNorm*>(target.norm) != nullptr; }

// Number of values per sample and channel for an instance norm, else per channel.
std::int64_t values_to_normalize(const Target& target, const Tensor& x) {
  const std::int64_t channels = target.norm->num_features();
  const bool has_samples = is_instance_norm(target) && x.dim() == static_cast<const InstanceNorm*>(target.norm)->rank();
  return x.numel() / std::max<std::int64_t>(has_samples ? x.size(0) * channels : channels, 1);
}

void collect(Target& target, const Tensor& x) {
  if (x.numel() == 0) {
    ++target.empty;
    return;
  }
  const bool instance = is_instance_norm(target);
  const Tensor batched =
      instance && x.dim() < static_cast<const InstanceNorm*>(target.norm)->rank() ? unsqueeze(x, 0) : x;
  const bool one_position = instance && values_to_normalize(target, x) == 1;
  NormResult batch = instance && !one_position ? instance_norm_training(batched) : batch_statistics(batched);
  if (one_position) {  // a sample's mean is its value, its variance 0
    batch.var = zeros_like(batch.var);
    batch.count = 1;
  }
  if (!is_all_finite(batch.mean.to(x.dtype())) || !is_all_finite(batch.var.to(x.dtype()))) {
    ++target.non_finite;
    return;
  }
  ++target.batches;
  if (!instance) {
    target.moments.merge(batch.mean, batch.var, batch.count);
    return;
  }
  const std::int64_t samples = batched.size(0);
  const bool unbiased = target.norm->variance() == Variance::unbiased && batch.count > 1;
  const double n = static_cast<double>(batch.count);
  target.moments.merge(batch.mean, batch.var, samples);
  target.averages.merge(batch.var * (unbiased ? n / (n - 1.0) : 1.0), batch.var, samples);
}

void apply(Target& target) {
  if (target.batches == 0) {
    return;
  }
  RunningStatsNorm& norm = *target.norm;
  assign(norm.running_mean, target.moments.mean());
  if (is_instance_norm(target)) {
    assign(norm.running_var, target.averages.mean());
    return;
  }
  assign(norm.running_var,
         norm.variance() == Variance::unbiased ? target.moments.unbiased_var() : target.moments.biased_var());
  norm.num_batches_tracked.mutable_data<std::int64_t>()[0] = target.batches;
}

// Fewer than two values have no variance to normalize with; the statistics of all batches so far are used instead.
void choose_statistics(Target& target, const Tensor& x) {
  const bool by_itself = values_to_normalize(target, x) > 1;
  if (!by_itself) {
    apply(target);
  }
  target.norm->set_statistics(by_itself ? Statistics::batch : Statistics::running);
}

}  // namespace

struct Recalibration::State {
  State(Module& model, RecalibrateOptions how) : options(how), modes(model) {}

  RecalibrateOptions options;
  NoGradGuard no_grad;
  ModelModeGuard modes;
  std::vector<std::unique_ptr<Target>> targets;
  std::vector<std::string> left;
  std::vector<StateDict> before;  // restored if a forward throws
  std::vector<Target*> order;     // in which the first batch reached them
  std::vector<ScopedHook> hooks;
  std::int64_t batches = 0;
  std::int64_t passes = 0;
  bool finished = false;
};

Recalibration::Recalibration(Module& model, RecalibrateOptions options)
    : state_(std::make_unique<State>(model, options)) {
  State& s = *state_;
  for (const auto& [name, module] : model.named_modules()) {
    auto* norm = dynamic_cast<RunningStatsNorm*>(module);
    if (norm == nullptr || !norm->tracks_running_stats()) {
      continue;
    }
    if (norm->is_frozen() || !norm->has_input_moments()) {
      s.left.push_back(name);
      continue;
    }
    s.targets.push_back(std::make_unique<Target>());
    Target* target = s.targets.back().get();
    target->name = name;
    target->norm = norm;
    StateDict& kept = s.before.emplace_back();
    for (const auto& [key, tensor] : norm->state_dict()) {
      kept[key] = tensor.clone();
    }
  }
  require<ValueError>(!s.targets.empty(), "recalibrate: expected norms with running statistics that are not frozen in ",
                      model.type_name(), " but got none");
  model.eval();
  for (const auto& owned : s.targets) {
    Target* target = owned.get();
    target->norm->set_statistics(Statistics::running);  // with one pass the hook chooses for each batch
    s.hooks.emplace_back(target->norm->register_forward_pre_hook([target, state = &s](Module&, const Tensor& x) {
      if (std::find(state->order.begin(), state->order.end(), target) == state->order.end()) {
        state->order.push_back(target);
        // The first norm reached depends on no other one.
        target->collects = !state->options.layer_by_layer || state->order.size() == 1;
      }
      if (target->collects) {
        collect(*target, x);
      }
      if (!state->options.layer_by_layer) {
        choose_statistics(*target, x);
      }
      return Tensor();
    }));
  }
}

Recalibration::~Recalibration() {
  for (std::size_t i = 0; !state_->finished && i < state_->targets.size(); ++i) {
    state_->targets[i]->norm->load_state_dict(state_->before[i]);
  }
}

bool Recalibration::next_pass() {
  State& s = *state_;
  require<ValueError>(s.passes == 0 || s.batches > 0, "recalibrate: expected batches but got none");
  ++s.passes;
  s.batches = 0;
  if (s.passes == 1) {
    return true;
  }
  for (Target* target : s.order) {
    if (target->collects && !target->done) {
      apply(*target);
      target->done = true;
      target->collects = false;
    }
  }
  for (Target* target : s.order) {
    if (!target->done) {
      target->collects = true;
      return true;
    }
  }
  return false;
}

void Recalibration::count_batch() noexcept { ++state_->batches; }

RecalibrationReport Recalibration::finish() {
  State& s = *state_;
  const auto had_only_empty = [](const auto& target) {
    return target->batches == 0 && target->non_finite == 0 && target->empty > 0;
  };
  for (const auto& target : s.targets) {
    require<ValueError>(!had_only_empty(target), "recalibrate: expected batches with values but all ", target->empty,
                        " that reached '", target->name, "' were empty");
  }
  RecalibrationReport report;
  for (const auto& target : s.targets) {
    if (target->batches > 0) {
      report.norms.push_back(
          {target->name, target->batches, target->moments.count(), target->non_finite, target->empty});
    } else {
      s.left.push_back(target->name);
    }
  }
  report.left = s.left;
  s.finished = true;
  return report;
}

}  // namespace detail

std::ostream& operator<<(std::ostream& out, const RecalibrationReport& report) {
  for (const RecalibrationReport::Entry& entry : report.norms) {
    out << entry.name << ": " << entry.batches << " batches, " << entry.values << " values per channel";
    if (entry.non_finite_batches > 0) {
      out << "; " << entry.non_finite_batches << " batches with NaN or infinite values were kept out";
    }
    if (entry.empty_batches > 0) {
      out << "; " << entry.empty_batches << " batches were empty";
    }
    out << "\n";
  }
  for (const std::string& name : report.left) {
    out << name << ": left as it is\n";
  }
  return out;
}

}  // namespace normgrad
