#include "normgrad/layers/module/summary.hpp"

#include <algorithm>
#include <array>
#include <iomanip>
#include <ostream>
#include <sstream>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/autograd/watch.hpp"
#include "normgrad/core/base/detail/with_commas.hpp"
#include "normgrad/layers/module/detail/eval_mode.hpp"
#include "normgrad/layers/module/detail/member_walk.hpp"

namespace normgrad {

namespace {

// Names of operations, as they are recorded.
constexpr std::array<std::string_view, 16> kMoves = {
    "cat",    "clone", "expand", "gather",      "index_select",     "narrow",    "permute", "reshape",
    "select", "slice", "pad",    "scatter_add", "locally_constant", "embedding", "to",      "module_input"};
constexpr std::array<std::string_view, 7> kReductions = {"sum", "mean", "max", "min", "prod", "var", "sum_to"};

std::int64_t bytes_of(const Tensor& tensor) {
  return tensor.numel() * static_cast<std::int64_t>(dtype_size(tensor.dtype()));
}

std::int64_t flops_of(std::string_view name, const Tensor& y, const std::vector<Tensor>& inputs) {
  const auto has = [&](std::size_t i) { return i < inputs.size() && inputs[i].defined(); };
  const std::int64_t bias = has(2) ? y.numel() : 0;
  if (name == "linear") {
    return 2 * y.numel() * inputs[0].size(-1) + bias;
  }
  if (name == "scaled_dot_product_attention") {  // per query and key: two products and the softmax
    const std::int64_t features = inputs[0].size(-1) + inputs[2].size(-1);
    return y.numel() / std::max<std::int64_t>(y.size(-1), 1) * inputs[1].size(-2) * (2 * features + 5);
  }
  if (name == "lstm" || name == "gru" || name == "rnn") {  // inputs: gates, h, c, weight_hh, bias_hh, weight_hr
    const std::int64_t steps = inputs[0].size(0) * inputs[0].size(1);
    const std::int64_t weights = inputs[3].numel() + (has(5) ? inputs[5].numel() : 0);
    return 2 * steps * weights + (has(4) ? 3 : 2) * inputs[0].numel();
  }
  if (name == "matmul") {
    return 2 * y.numel() * inputs[0].size(-1);
  }
  if (name.starts_with("conv")) {
    // Every weight is applied at every position of the result (of the input, if transposed) once per image.
    const bool transposed = name.starts_with("conv_transpose");
    const Tensor& over = transposed ? inputs[0] : y;
    return 2 * (over.numel() / std::max<std::int64_t>(inputs[1].size(0), 1)) * inputs[1].numel() + bias;
  }
  if (name == "batch_norm") {
    return 2 * y.numel();
  }
  if (name.ends_with("_norm")) {
    return (name.find("rms") != std::string_view::npos ? 5 : 8) * y.numel();
  }
  if (name.find("softmax") != std::string_view::npos) {
    return 5 * y.numel();
  }
  if (name.find("pool") != std::string_view::npos ||
      std::find(kReductions.begin(), kReductions.end(), name) != kReductions.end()) {
    return has(0) ? inputs[0].numel() : 0;
  }
  return std::find(kMoves.begin(), kMoves.end(), name) != kMoves.end() ? 0 : y.numel();
}

class Accountant : public detail::Watcher {
 public:
  explicit Accountant(ModelSummary& result) : result_(result) {
    for (LayerSummary& layer : result.layers) {
      by_path_.emplace(layer.path, &layer);
    }
  }

  void computed(const char* name, const Tensor& y, const std::vector<Tensor>& inputs) override {
    const std::int64_t flops = flops_of(name, y, inputs);
    result_.flops += flops;
    result_.activation_bytes += bytes_of(y);
    if (!detail::module_places().empty()) {
      current().flops += flops;
    }
  }

  void returned(const Tensor& y) override {
    LayerSummary& layer = current();
    layer.output_shape = y.shape();
    layer.has_output = true;
    layer.bytes += bytes_of(y);
    ++layer.calls;
  }

 private:
  LayerSummary& current() { return *by_path_.at(detail::module_places().back().path); }

  ModelSummary& result_;
  std::unordered_map<std::string, LayerSummary*> by_path_;
};

// Counts a module's own parameters, not its children's.
class OwnParameters : public MemberVisitor {
 public:
  OwnParameters(LayerSummary& layer, std::unordered_set<const void*>& seen) : layer_(layer), seen_(seen) {}
  void parameter(const std::string&, Parameter& parameter) override {
    if (!seen_.insert(detail::identity_of(parameter)).second) {
      return;  // tied to a parameter that is already counted
    }
    layer_.parameters += parameter.numel();
    layer_.trainable += parameter.requires_grad() ? parameter.numel() : 0;
  }
  void buffer(const std::string&, StateBuffer&) override {}
  void child(const std::string&, Module&) override {}

 private:
  LayerSummary& layer_;
  std::unordered_set<const void*>& seen_;
};

}  // namespace

ModelSummary detail::summary_of_run(Module& model, const Shape& input_shape, const std::function<void()>& run) {
  ModelSummary result;
  result.input_shape = input_shape;
  std::unordered_set<const void*> seen;
  for (const auto& [path, module] : model.named_modules()) {
    LayerSummary layer;
    layer.path = path;
    layer.type = module->type_name();
    OwnParameters own(layer, seen);
    module->members(own);
    result.parameters += layer.parameters;
    result.trainable += layer.trainable;
    result.layers.push_back(std::move(layer));
  }
  for (const Tensor& tensor : model.parameters()) {
    result.parameter_bytes += bytes_of(tensor);
  }
  for (const Tensor& buffer : model.buffers()) {
    result.parameter_bytes += bytes_of(buffer);
  }
  const NoGradGuard no_grad;
  const detail::EvalModeGuard eval(model);
  Accountant accountant(result);
  run();
  return result;
}

ModelSummary summary(Module& model, const Shape& input_shape, std::optional<DType> dtype) {
  const std::vector<Tensor> parameters = model.parameters();
  Tensor x = Tensor::empty(input_shape, dtype.value_or(parameters.empty() ? kFloat32 : parameters.front().dtype()));
  {
    const NoGradGuard no_grad;
    x.zero_();
  }
  return detail::summary_of_run(model, input_shape, [&] { model(x); });
}

namespace {

std::string label_of(const LayerSummary& layer) {
  if (layer.path.empty()) {
    return layer.type;
  }
  const auto depth = static_cast<std::size_t>(std::count(layer.path.begin(), layer.path.end(), '.')) + 1;
  return std::string(2 * depth, ' ') + layer.path.substr(layer.path.rfind('.') + 1) + ": " + layer.type;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const ModelSummary& summary) {
  std::vector<std::array<std::string, 5>> rows = {{"layer", "output shape", "parameters", "FLOPs", "bytes"}};
  for (const LayerSummary& layer : summary.layers) {
    rows.push_back({label_of(layer), layer.has_output ? detail::concat(layer.output_shape) : "-",
                    detail::with_commas(layer.parameters), detail::with_commas(layer.flops),
                    detail::with_commas(layer.bytes)});
  }
  std::array<std::size_t, 5> widths{};
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::ostringstream text;  // a separate stream: the caller's format flags are neither used nor changed
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      text << (i == 0 ? "" : "  ") << (i < 2 ? std::left : std::right) << std::setw(static_cast<int>(widths[i]))
           << row[i];
    }
    text << "\n";
  }
  text << "total for input " << summary.input_shape << ": " << detail::with_commas(summary.parameters)
       << " parameters (" << detail::with_commas(summary.trainable) << " trainable, "
       << detail::with_commas(summary.parameter_bytes) << " bytes with buffers), " << detail::with_commas(summary.flops)
       << " FLOPs, " << detail::with_commas(summary.activation_bytes) << " bytes of results\n";
  return out << text.str();
}

std::string to_string(const ModelSummary& summary) { return detail::concat(summary); }

}  // namespace normgrad
