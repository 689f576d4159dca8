#include "normgrad/train/swap_norms.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <typeinfo>
#include <utility>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/layers/identity.hpp"
#include "normgrad/layers/module/detail/own_parameters.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/batch_statistics_norm.hpp"
#include "normgrad/layers/norm/group_norm.hpp"
#include "normgrad/layers/norm/instance_norm.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"
#include "normgrad/layers/norm/registry.hpp"
#include "normgrad/layers/norm/rms_norm.hpp"
#include "normgrad/layers/recurrent/cells.hpp"
#include "normgrad/layers/transformer/decoder.hpp"
#include "normgrad/train/detail/model_mode.hpp"

namespace normgrad {

namespace {

// A norm of the model, and where it is held.
struct NormPlace {
  std::string name;
  NormLayer* norm = nullptr;
  AnyModule* holder = nullptr;  // null: a member of its own type
  Module* parent = nullptr;     // null: the model itself
  Shape input;                  // of the example; empty: not known
};

class NormPlaces : public MemberVisitor {
 public:
  explicit NormPlaces(Module& model) : parent_(&model) {
    if (auto* norm = dynamic_cast<NormLayer*>(&model)) {
      list.push_back({"", norm, nullptr, nullptr, {}});
    } else {
      model.members(*this);
    }
  }
  void parameter(const std::string&, Parameter&) override {}
  void buffer(const std::string&, StateBuffer&) override {}
  void child(const std::string& name, Module& child) override { visit(name, child, nullptr); }
  void held(const std::string& name, AnyModule& holder) override { visit(name, *holder, &holder); }

  std::vector<NormPlace> list;

 private:
  void visit(const std::string& name, Module& module, AnyModule* holder) {
    if (auto* norm = dynamic_cast<NormLayer*>(&module)) {
      list.push_back({prefix_ + name, norm, holder, parent_, {}});
      return;
    }
    const std::size_t before = prefix_.size();
    Module* parent = std::exchange(parent_, &module);
    prefix_ += name + ".";
    module.members(*this);
    prefix_.resize(before);
    parent_ = parent;
  }

  Module* parent_;
  std::string prefix_;
};

// The library's own modules give these norms features [N, C].
bool gives_features(const Module* parent) {
  const auto is = [parent]<class... Ms>() { return (... || (dynamic_cast<const Ms*>(parent) != nullptr)); };
  return is.operator()<TransformerEncoderLayer, TransformerDecoderLayer, TransformerEncoder, TransformerDecoder,
                       MultiheadAttention, RecurrentCell>();
}

void see_inputs(Module& model, const Tensor& example, std::vector<NormPlace>& places) {
  const NoGradGuard no_grad;
  const detail::ModelModeGuard modes(model);
  std::vector<std::unique_ptr<detail::ScopedHook>> hooks;
  for (NormPlace& place : places) {
    hooks.push_back(
        std::make_unique<detail::ScopedHook>(place.norm->register_forward_pre_hook([&place](Module&, const Tensor& x) {
          place.input = x.shape();
          return Tensor();
        })));
  }
  model.eval();
  model(example);
}

// Where a norm stands: channels on axis 1 of [N, C, *], or last.
struct Position {
  std::int64_t channels = 0;
  std::optional<std::int64_t> spatial_dims;  // axes after [N, C]; nullopt: not known
  bool channels_last = false;                // [*, C], where * may have several axes
  std::string trouble;                       // why nothing else can stand there
};

Position features_last(std::int64_t channels, const NormPlace& place) {
  if (gives_features(place.parent) || place.input.rank() == 2) {
    return {channels, 0, false, {}};
  }
  return {channels, {}, true, {}};
}

bool takes_channels_last(const NormLayer& norm, std::int64_t channels) {
  const NoGradGuard no_grad;
  const Tensor x = norm.by_channel(zeros({1, 2, channels}));
  return x.defined() && x.shape() == Shape{2, channels};
}

Position position_of(const NormPlace& place) {
  const Module& norm = *place.norm;
  const auto rank = static_cast<std::int64_t>(place.input.rank());
  const std::optional<std::int64_t> seen = rank >= 2 ? std::optional(rank - 2) : std::nullopt;
  const std::optional<std::int64_t> here = gives_features(place.parent) ? std::optional<std::int64_t>(0) : seen;
  const std::string no_batch = "its input has no batch axis, which other norms need";
  if (const auto* batch = dynamic_cast<const BatchNorm*>(&norm)) {
    const bool is_1d = dynamic_cast<const BatchNorm1d*>(&norm) != nullptr;
    const bool is_2d = dynamic_cast<const BatchNorm2d*>(&norm) != nullptr;
    return {batch->num_features(), is_1d ? here : std::optional<std::int64_t>(is_2d ? 2 : 3), false, {}};
  }
  if (const auto* instance = dynamic_cast<const InstanceNorm*>(&norm)) {
    return {instance->num_features(), instance->rank() - 2, false,
            rank > 0 && rank != instance->rank() ? no_batch : ""};
  }
  if (const auto* group = dynamic_cast<const GroupNorm*>(&norm)) {
    return {group->num_channels(), here, false, {}};
  }
  if (const auto* layer = dynamic_cast<const LayerNorm*>(&norm); layer != nullptr && !layer->axes().empty()) {
    const bool over_channels = layer->axes() == std::vector<std::int64_t>{1};
    return {layer->normalized_shape()[0], seen, false,
            over_channels ? "" : "its axes are not those of channels; only {1} is"};
  }
  const auto* layer = dynamic_cast<const LayerNorm*>(&norm);
  const auto* rms = dynamic_cast<const RMSNorm*>(&norm);
  if (layer != nullptr || rms != nullptr) {
    const Shape& sizes = layer != nullptr ? layer->normalized_shape() : rms->normalized_shape();
    const auto axes = static_cast<std::int64_t>(sizes.rank());
    if (axes == 1) {
      return features_last(sizes[0], place);
    }
    return {sizes[0], axes - 1, false, rank > 0 && rank != axes + 1 ? no_batch : ""};
  }
  // Another norm: by_channel() and the parameters tell.
  if (rank >= 2) {
    const NoGradGuard no_grad;
    const Tensor x = place.norm->by_channel(zeros(place.input));
    if (x.defined() && x.dim() >= 2) {
      return x.shape() == place.input ? Position{x.size(1), seen, false, {}} : features_last(x.size(1), place);
    }
  }
  if (const auto* running = dynamic_cast<const RunningStatsNorm*>(&norm)) {
    return {running->num_features(), here, false, {}};
  }
  for (const auto& [name, parameter] : detail::own_parameters(*place.norm)) {
    if (const std::int64_t channels = parameter->numel(); parameter->dim() == 1 && channels > 1) {
      return takes_channels_last(*place.norm, channels) ? features_last(channels, place)
                                                        : Position{channels, here, false, {}};
    }
  }
  return {0, {}, false, "its number of channels is not known; pass an input as .example"};
}

DType dtype_of_norm(Module& norm, const Module& model) {
  for (const auto& [name, parameter] : detail::own_parameters(norm)) {
    return parameter->dtype();
  }
  for (const Tensor& parameter : model.parameters()) {
    return parameter.dtype();
  }
  return kFloat32;
}

// The replacement, or the reason why there is none.
std::unique_ptr<Module> replacement(const std::string& spec, const NormPlace& place, DType dtype, std::string& reason) {
  const Position at = position_of(place);
  reason = at.trouble;
  if (!reason.empty()) {
    return nullptr;
  }
  const auto made = [&](std::int64_t spatial_dims) -> std::unique_ptr<Module> {
    try {
      return make_norm(spec, {.num_features = at.channels, .spatial_dims = spatial_dims, .dtype = dtype});
    } catch (const Error& error) {
      reason = error.what();
      return nullptr;
    }
  };
  if (at.spatial_dims && !at.channels_last) {
    return made(*at.spatial_dims);
  }
  std::unique_ptr<Module> norm = made(at.channels_last ? 0 : 1);
  if (norm == nullptr || dynamic_cast<Identity*>(norm.get()) != nullptr) {
    return norm;
  }
  if (at.channels_last) {
    const auto* layer = dynamic_cast<const NormLayer*>(norm.get());
    if (layer != nullptr && takes_channels_last(*layer, at.channels)) {
      return norm;
    }
    reason = place.input.rank() > 0 ? detail::concat("its input ", place.input, " has the channels last, and a ",
                                                     norm->type_name(), " takes them from axis 1")
                                    : detail::concat("a ", norm->type_name(), " takes the channels from axis 1, and a ",
                                                     place.norm->type_name(),
                                                     " from the last axis, unless the input is [N, C]; pass an "
                                                     "input of the model as .example");
    return nullptr;
  }
  if (dynamic_cast<const GroupNorm*>(norm.get()) != nullptr) {
    return norm;  // takes any number of axes
  }
  reason = detail::concat("the number of axes of its input is not known; pass an input of the model as .example");
  return nullptr;
}

using NamedMembers = std::map<std::string, Tensor*>;

// Parameters and buffers of the module itself, by name.
NamedMembers tensors_of(Module& module) {
  class Collector : public MemberVisitor {
   public:
    void parameter(const std::string& name, Parameter& parameter) override { list[name] = &parameter; }
    void buffer(const std::string& name, StateBuffer& buffer) override { list[name] = &buffer; }
    void child(const std::string&, Module&) override {}
    NamedMembers list;
  } own;
  module.members(own);
  return std::move(own.list);
}

// Whether running_mean and running_var are the mean and the variance of each channel, as in BatchNorm.
bool has_moments(const Module& norm) {
  return dynamic_cast<const BatchStatisticsNorm*>(&norm) != nullptr ||
         dynamic_cast<const InstanceNorm*>(&norm) != nullptr;
}

// The replacement takes over the tensors that fit.
void take_over(NormLayer& from, Module& to, NormReplacement& result) {
  const NamedMembers old = tensors_of(from);
  NamedMembers now = tensors_of(to);
  const Module& before = from;
  const bool same_statistics = typeid(before) == typeid(to) || (has_moments(from) && has_moments(to));
  const auto is_state = [](Module& module, const Tensor& tensor) {
    const NamedTensors buffers = module.named_buffers();
    return std::any_of(buffers.begin(), buffers.end(),
                       [&](const auto& buffer) { return is_same(buffer.second, tensor); });
  };
  for (auto& [name, tensor] : now) {
    const auto found = old.find(name);
    if (found != old.end() && found->second->shape() == tensor->shape() &&
        (same_statistics || !is_state(to, *tensor))) {
      *tensor = *found->second;
      result.kept.push_back(name);
    } else {
      result.added.push_back(name);
    }
  }
  for (const auto& [name, tensor] : old) {
    if (std::find(result.kept.begin(), result.kept.end(), name) == result.kept.end()) {
      result.dropped.push_back(name);
    }
  }
  if (from.has_hooks()) {
    result.dropped.emplace_back("hooks");
  }
  to.train(from.is_training());
  const auto* old_mode = dynamic_cast<const RunningStatsNorm*>(&from);
  auto* new_mode = dynamic_cast<RunningStatsNorm*>(&to);
  if (old_mode != nullptr && new_mode != nullptr && new_mode->tracks_running_stats()) {
    new_mode->set_statistics(old_mode->statistics());
    new_mode->set_updates(old_mode->updates());
    if (old_mode->is_frozen()) {
      new_mode->freeze();
    }
  }
}

std::string printed(const Module& module) { return module.type_name() + "(" + module.extra_repr() + ")"; }

// Why a member of a concrete type cannot hold the replacement.
std::string advice_for(const NormPlace& place, const Module& norm) {
  const std::string type = place.norm->type_name();
  if (place.parent == nullptr) {
    return "the model itself is the norm; assign make_norm() to the variable that holds it";
  }
  const std::string member = place.name.substr(place.name.rfind('.') + 1);
  const bool in_list = member.find_first_not_of("0123456789") == std::string::npos;
  return detail::concat(
      "a member of type ", type, " cannot become a ", norm.type_name(), "; write ",
      in_list ? "std::vector<AnyModule>" : "AnyModule " + member, " in ", place.parent->type_name(),
      in_list ? " for the list" : detail::concat(", as in `AnyModule ", member, " = ", type, "(...);`"));
}

NormReplacement replace_norm(const NormPlace& place, const std::string& spec, const Module& model) {
  NormReplacement result;
  result.name = place.name;
  result.before = printed(*place.norm);
  for (const auto& [name, parameter] : detail::own_parameters(*place.norm)) {
    if (parameter->is_parametrized()) {
      result.reason = "its " + name + " is parametrized; call remove_parametrizations() first";
      return result;
    }
  }
  std::unique_ptr<Module> norm = replacement(spec, place, dtype_of_norm(*place.norm, model), result.reason);
  if (norm == nullptr) {
    return result;
  }
  const Module& old = *place.norm;
  const Module& now = *norm;
  if (place.holder == nullptr && typeid(old) != typeid(now)) {
    result.reason = advice_for(place, now);
    return result;
  }
  result.after = printed(now);
  take_over(*place.norm, *norm, result);
  if (place.holder != nullptr) {
    *place.holder = AnyModule(std::move(norm));
  } else {
    place.norm->assign_from(*norm);
  }
  result.replaced = true;
  return result;
}

}  // namespace

SwapNormsReport swap_norms(Module& model, const std::string& spec, const SwapNormsOptions& options) {
  is_norm_applicable(spec, {.num_features = 1, .spatial_dims = 2});  // throws for an unknown norm or option
  std::vector<NormPlace> places = NormPlaces(model).list;
  require<ValueError>(!places.empty(), "swap_norms: expected a model with norms but ", model.type_name(), " has none");
  if (options.example.defined()) {
    see_inputs(model, options.example, places);
  }
  SwapNormsReport report;
  for (const NormPlace& place : places) {
    report.norms.push_back(replace_norm(place, spec, model));
  }
  return report;
}

}  // namespace normgrad
