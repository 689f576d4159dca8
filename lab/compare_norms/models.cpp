#include "lab/compare_norms/models.hpp"
#include "lab/compare_norms/model_parts.hpp"

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <numeric>

namespace compare_norms {

using namespace normgrad;

namespace {

constexpr std::int64_t kHidden = 100;
constexpr std::int64_t kDeepHidden = 128;
constexpr std::int64_t kMaxDepth = 1000;
constexpr std::int64_t kChannels1 = 32;
constexpr std::int64_t kChannels2 = 64;

/// Returns DEPTH of "deep-mlp:DEPTH"; 0 for other models.
std::int64_t depth_of(const std::string& model) {
  const std::string prefix = "deep-mlp:";
  if (!model.starts_with(prefix)) {
    return 0;
  }
  std::int64_t depth = 0;
  const char* end = model.data() + model.size();
  const auto [stop, error] = std::from_chars(model.data() + prefix.size(), end, depth);
  require<ValueError>(error == std::errc() && stop == end && depth >= 1 && depth <= kMaxDepth,
                      "--models: expected a depth from 1 to ", kMaxDepth, ", as in \"deep-mlp:20\", but got \"", model,
                      "\"");
  return depth;
}

/// The positions of the norms in a model.
std::vector<NormContext> places(const std::string& model) {
  if (model == "mlp") {
    return {{.num_features = kHidden}};
  }
  if (model == "cnn") {
    return {{.num_features = kChannels1, .spatial_dims = 2}, {.num_features = kChannels2, .spatial_dims = 2}};
  }
  if (model == "lenet") {
    return {{.num_features = 6, .spatial_dims = 2},
            {.num_features = 16, .spatial_dims = 2},
            {.num_features = 120},
            {.num_features = 84}};
  }
  if (model == "resnet") {
    return {{.num_features = 8, .spatial_dims = 2},
            {.num_features = 16, .spatial_dims = 2},
            {.num_features = 32, .spatial_dims = 2}};
  }
  if (model == "unet") {
    return {{.num_features = 8, .spatial_dims = 2},
            {.num_features = 16, .spatial_dims = 2},
            {.num_features = 32, .spatial_dims = 2}};
  }
  if (model == "dcgan") {
    return {{.num_features = 64, .spatial_dims = 2}, {.num_features = 32, .spatial_dims = 2}};
  }
  if (has_placements(model)) {
    return {{.num_features = transformer_width(model)}};
  }
  return {{.num_features = kDeepHidden}};
}

/// See make_tap().
class Tap final : public Module {
 public:
  Tap(std::string next, std::shared_ptr<TapLog> log, bool positions_first)
      : next_(std::move(next)), log_(std::move(log)), positions_first_(positions_first) {}
  NORMGRAD_MEMBERS(Tap)
  Tensor forward(const Tensor& x) override {
    if (log_->armed) {
      log_->entries.push_back({next_, positions_first_ ? x.detach().transpose(1, -1) : x.detach()});
    }
    return x;
  }

 private:
  std::string next_;
  std::shared_ptr<TapLog> log_;
  bool positions_first_;
};

struct Activation {
  std::function<AnyModule()> make;
  ActivationFunction function;
};

const std::map<std::string, Activation>& activations() {
  static const std::map<std::string, Activation> table = {
      {"sigmoid", {[] { return AnyModule(Sigmoid()); }, [](const Tensor& x) { return sigmoid(x); }}},
      {"tanh", {[] { return AnyModule(Tanh()); }, [](const Tensor& x) { return tanh(x); }}},
      {"relu", {[] { return AnyModule(ReLU()); }, [](const Tensor& x) { return relu(x); }}},
      {"leaky_relu", {[] { return AnyModule(LeakyReLU()); }, [](const Tensor& x) { return leaky_relu(x); }}},
      {"elu", {[] { return AnyModule(ELU()); }, [](const Tensor& x) { return elu(x); }}},
      {"selu", {[] { return AnyModule(SELU()); }, [](const Tensor& x) { return selu(x); }}},
      {"gelu", {[] { return AnyModule(GELU()); }, [](const Tensor& x) { return gelu(x); }}},
      {"silu", {[] { return AnyModule(SiLU()); }, [](const Tensor& x) { return silu(x); }}}};
  return table;
}

void add_norm(Sequential& net, const ModelSpec& spec, const std::string& i, const NormContext& place) {
  if (spec.norm != "none") {
    if (spec.taps) {
      net.push_back("to_norm" + i, make_tap("norm" + i, spec.taps));
    }
    net.push_back("norm" + i, make_norm(fitting(spec.norm, place), place));
  }
}

void add_activation(Sequential& net, const ModelSpec& spec, const std::string& i) {
  if (spec.taps) {
    net.push_back("to_act" + i, make_tap("act" + i, spec.taps));
  }
  net.push_back("act" + i, activations().at(spec.activation).make());
}

Sequential make_mlp(const ModelSpec& spec, std::int64_t depth, std::int64_t hidden, bool he) {
  Sequential net;
  net.push_back("flatten", Flatten());
  for (std::int64_t k = 1; k <= depth; ++k) {
    const std::string i = std::to_string(k);
    Linear layer(k == 1 ? spec.image_shape.numel() : hidden, hidden);
    if (he) {
      kaiming_normal_(layer.weight, {.nonlinearity = Nonlinearity::relu});
      zeros_(layer.bias);
    }
    net.push_back("fc" + i, std::move(layer));
    add_norm_and_activation(net, spec, i, places(spec.model)[0]);
  }
  net.push_back("fc" + std::to_string(depth + 1), Linear(hidden, spec.num_classes));
  return net;
}

Sequential make_cnn(const ModelSpec& spec) {
  const std::vector<NormContext> norms = places("cnn");
  Sequential net;
  const auto add_block = [&](const std::string& i, std::int64_t in, const NormContext& place) {
    net.push_back("conv" + i, Conv2d(in, place.num_features, 3, {.padding = 1}));
    add_norm_and_activation(net, spec, i, place);
    net.push_back("pool" + i, MaxPool2d(2));
  };
  add_block("1", spec.image_shape[0], norms[0]);
  add_block("2", kChannels1, norms[1]);
  net.push_back("flatten", Flatten());
  net.push_back("fc1", Linear(kChannels2 * (spec.image_shape[1] / 4) * (spec.image_shape[2] / 4), 128));
  add_activation(net, spec, "3");
  net.push_back("fc2", Linear(128, spec.num_classes));
  return net;
}

/// y = act(norm(conv(act(norm(conv(x))))) + skip(x)), where skip is a 1x1 convolution if the shape changes.
class ResidualBlock final : public Module {
 public:
  ResidualBlock(const ModelSpec& spec, const std::string& i, std::int64_t in, const NormContext& place,
                std::int64_t stride) {
    const std::int64_t out = place.num_features;
    branch.push_back("conv1", Conv2d(in, out, 3, {.stride = stride, .padding = 1}));
    add_norm_and_activation(branch, spec, i + "a", place);
    branch.push_back("conv2", Conv2d(out, out, 3, {.padding = 1}));
    add_norm(branch, spec, i + "b", place);
    if (stride != 1 || in != out) {
      skip.push_back("conv", Conv2d(in, out, 1, {.stride = stride}));
      add_norm(skip, spec, i + "s", place);
    }
    add_activation(after, spec, i + "b");
  }
  Sequential branch;
  Sequential skip;
  Sequential after;
  NORMGRAD_MEMBERS(ResidualBlock, branch, skip, after)
  Tensor forward(const Tensor& x) override { return after(branch(x) + skip(x)); }
};

Sequential make_resnet(const ModelSpec& spec) {
  const std::vector<NormContext> norms = places("resnet");
  Sequential net;
  net.push_back("conv1", Conv2d(spec.image_shape[0], 8, 3, {.padding = 1}));
  add_norm_and_activation(net, spec, "1", norms[0]);
  net.push_back("block1", ResidualBlock(spec, "2", 8, norms[0], 1));
  net.push_back("block2", ResidualBlock(spec, "3", 8, norms[1], 2));
  net.push_back("block3", ResidualBlock(spec, "4", 16, norms[2], 2));
  net.push_back("mean", AdaptiveAvgPool2d(1));
  net.push_back("flatten", Flatten());
  net.push_back("fc", Linear(32, spec.num_classes));
  return net;
}

void require_size(const ModelSpec& spec, std::int64_t least) {
  require<ShapeError>(spec.image_shape[1] >= least && spec.image_shape[2] >= least, spec.model,
                      ": expected images of at least ", least, "x", least, " but got ", spec.image_shape);
}

}  // namespace

void add_norm_and_activation(Sequential& net, const ModelSpec& spec, const std::string& i, const NormContext& place) {
  add_norm(net, spec, i, place);
  add_activation(net, spec, i);
}

std::string fitting(const std::string& norm, const NormContext& place) {
  if (norm != "group") {
    return norm;
  }
  return "group:" + std::to_string(std::gcd(place.spatial_dims == 0 ? 10 : 8, place.num_features));
}

AnyModule make_tap(const std::string& next, std::shared_ptr<TapLog> log, bool positions_first) {
  return Tap(next, std::move(log), positions_first);
}

ActivationFunction activation_function(const std::string& name) { return activations().at(name).function; }

void check_model_name(const std::string& model) {
  require<ValueError>(model == "mlp" || model == "cnn" || model == "lenet" || model == "resnet" ||
                          has_placements(model) || !has_classes(model) || depth_of(model) > 0,
                      "--models: expected mlp, cnn, lenet, resnet, vit, gpt, unet, dcgan or deep-mlp:DEPTH but got \"",
                      model, "\"");
}

bool has_placements(const std::string& model) { return model == "vit" || model == "gpt"; }

std::string placement_in_words(const std::string& placement) {
  return placement == "deepnorm" ? "DeepNorm" : placement == "none" ? "no norms" : placement + "-norm";
}

bool has_classes(const std::string& model) { return model != "unet" && model != "dcgan"; }

bool reads_text(const std::string& model) { return model == "gpt"; }

const std::vector<std::string>& placement_names() {
  static const std::vector<std::string> names = {"pre", "post", "sandwich", "deepnorm", "none"};
  return names;
}

Defaults defaults_of(const std::string& model) {
  if (has_placements(model)) {
    return {.steps = 500,
            .batch_size = model == "vit" ? 64 : 16,
            .eval_every = 100,
            .lr = 0.05,
            .momentum = 0.9,
            .activation = "gelu",
            .optimizer = "adamw"};
  }
  if (!has_classes(model)) {
    return {.steps = 500,
            .batch_size = 64,
            .eval_every = 50,
            .lr = 0.05,
            .momentum = 0.9,
            .activation = "relu",
            .optimizer = "adam"};
  }
  if (model == "mlp") {
    return {.steps = 5000, .batch_size = 60, .eval_every = 250, .lr = 0.1, .momentum = 0.0, .activation = "sigmoid"};
  }
  if (model == "lenet") {
    return {.steps = 1000, .batch_size = 256, .eval_every = 100, .lr = 0.9, .momentum = 0.0, .activation = "sigmoid"};
  }
  if (depth_of(model) > 0) {
    return {.steps = 1000, .batch_size = 128, .eval_every = 100, .lr = 0.05, .momentum = 0.0, .activation = "relu"};
  }
  return {.steps = 500, .batch_size = 64, .eval_every = 100, .lr = 0.05, .momentum = 0.9, .activation = "relu"};
}

double work_of(const std::string& model) {
  if (const std::int64_t depth = depth_of(model); depth > 0) {
    return 0.4 * static_cast<double>(depth) + 1.0;
  }
  if (has_placements(model)) {
    return model == "vit" ? 60.0 : 800.0;
  }
  if (!has_classes(model)) {
    return model == "unet" ? 100.0 : 60.0;
  }
  return model == "mlp" ? 1.0 : model == "lenet" ? 8.0 : model == "cnn" ? 40.0 : 30.0;
}

const std::vector<std::string>& activation_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const auto& [name, make] : activations()) {
      all.push_back(name);
    }
    return all;
  }();
  return names;
}

std::string why_not_applicable(const std::string& model, const std::string& norm) {
  for (const NormContext& place : places(model)) {
    if (!is_norm_applicable(norm, place)) {
      const std::string name = norm.substr(0, norm.find(':'));
      const auto entry = std::find_if(norm_registry().begin(), norm_registry().end(),
                                      [&](const NormEntry& candidate) { return candidate.name == name; });
      return entry->reason_against(place);
    }
    make_norm(fitting(norm, place), place);  // throws for an argument that does not fit
  }
  return {};
}

Sequential make_lenet(const ModelSpec& spec, std::int64_t padding) {
  const std::vector<NormContext> norms = places("lenet");
  Sequential net;
  const auto add_block = [&](const std::string& i, std::int64_t in, const NormContext& place, std::int64_t pad) {
    net.push_back("conv" + i, Conv2d(in, place.num_features, 5, {.padding = pad}));
    add_norm_and_activation(net, spec, i, place);
    net.push_back("pool" + i, AvgPool2d(2));
  };
  add_block("1", spec.image_shape[0], norms[0], padding);
  add_block("2", 6, norms[1], 0);
  net.push_back("flatten", Flatten());
  const auto left = [&](std::int64_t size) { return ((size + 2 * padding - 4) / 2 - 4) / 2; };
  net.push_back("fc1", Linear(16 * left(spec.image_shape[1]) * left(spec.image_shape[2]), 120));
  add_norm_and_activation(net, spec, "3", norms[2]);
  net.push_back("fc2", Linear(120, 84));
  add_norm_and_activation(net, spec, "4", norms[3]);
  net.push_back("fc3", Linear(84, spec.num_classes));
  return net;
}

Sequential make_model(const ModelSpec& spec) {
  check_model_name(spec.model);
  if (spec.model == "mlp") {
    return make_mlp(spec, 3, kHidden, false);
  }
  if (const std::int64_t depth = depth_of(spec.model); depth > 0) {
    return make_mlp(spec, depth, kDeepHidden, true);
  }
  if (spec.model == "lenet") {
    require_size(spec, 12);
    return make_lenet(spec, 2);
  }
  if (spec.model == "gpt") {
    return make_gpt(spec);
  }
  require_size(spec, 4);
  if (spec.model == "vit") {
    return make_vit(spec);
  }
  if (spec.model == "unet") {
    return make_unet(spec);
  }
  if (spec.model == "dcgan") {
    require_size(spec, 8);
    return make_dcgan(spec);
  }
  return spec.model == "cnn" ? make_cnn(spec) : make_resnet(spec);
}

}  // namespace compare_norms
