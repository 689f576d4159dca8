// Layers: the gradients of the input and of all parameters are checked.
#include <memory>

#include "tests/gradcheck_report/cases.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/conv.hpp"
#include "normgrad/layers/dropout.hpp"
#include "normgrad/layers/embedding.hpp"
#include "normgrad/layers/flatten.hpp"
#include "normgrad/layers/gated.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/group_norm.hpp"
#include "normgrad/layers/norm/instance_norm.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"
#include "normgrad/layers/norm/local_response_norm.hpp"
#include "normgrad/layers/norm/registry.hpp"
#include "normgrad/layers/norm/rms_norm.hpp"
#include "normgrad/layers/norm/running_stats.hpp"
#include "normgrad/layers/piecewise.hpp"
#include "normgrad/layers/pooling.hpp"

namespace normgrad::tests {

void add_layer(CaseList& list, const std::string& name, const std::shared_ptr<Module>& layer, const Tensor& x,
               bool train) {
  Inputs inputs = {x};
  for (const Tensor& parameter : layer->parameters()) {
    const Tensor values = list.normal(parameter.shape(), 0.5, 0.5);
    const NoGradGuard no_grad;
    Tensor(parameter).copy_(values);
    inputs.push_back(parameter);
  }
  for (auto& [buffer_name, buffer] : layer->named_buffers()) {
    if (buffer.dtype() == kFloat64) {
      buffer.copy_(list.uniform(buffer.shape(), 0.05, 0.2).detach());
    }
  }
  layer->train(train);
  list.add(
      name + (train ? ", train" : ", eval"),
      [layer](const Inputs& in) {
        const FreezeStatisticsGuard freeze;
        return (*layer)(in[0]);
      },
      inputs);
}

namespace {

template <class Layer, class... Arguments>
void add_both_modes(CaseList& list, const std::string& name, const Tensor& x, const Arguments&... arguments) {
  for (const bool train : {true, false}) {
    add_layer(list, name, std::make_shared<Layer>(arguments...), x.detach().clone().requires_grad_(), train);
  }
}

}  // namespace

void add_norm_layers(CaseList& list) {
  list.start_family("norm layers");
  struct Kind {
    const char* name;
    Affine affine;
  };
  for (const Kind& kind : {Kind{"affine", true},
                           {"scale only", Affine::scale_only},
                           {"bias only", Affine::bias_only},
                           {"no affine", false}}) {
    const auto name = [&](const char* layer) { return std::string(layer) + ", " + kind.name; };
    const BatchNormOptions batch = {.affine = kind.affine, .dtype = kFloat64};
    add_both_modes<BatchNorm1d>(list, name("BatchNorm1d"), list.normal({5, 3}), 3, batch);
    add_both_modes<BatchNorm1d>(list, name("BatchNorm1d"), list.normal({3, 2, 3}), 2, batch);
    add_both_modes<BatchNorm2d>(list, name("BatchNorm2d"), list.normal({2, 3, 2, 2}), 3, batch);
    add_both_modes<BatchNorm3d>(list, name("BatchNorm3d"), list.normal({2, 2, 2, 1, 2}), 2, batch);
    const InstanceNormOptions instance = {.affine = kind.affine, .track_running_stats = true, .dtype = kFloat64};
    add_both_modes<InstanceNorm1d>(list, name("InstanceNorm1d"), list.normal({2, 2, 4}), 2, instance);
    add_both_modes<InstanceNorm2d>(list, name("InstanceNorm2d"), list.normal({2, 2, 2, 2}), 2, instance);
    add_both_modes<InstanceNorm2d>(list, name("InstanceNorm2d unbatched"), list.normal({2, 2, 3}), 2, instance);
    add_both_modes<InstanceNorm3d>(list, name("InstanceNorm3d"), list.normal({1, 2, 2, 2, 2}), 2, instance);
    const LayerNormOptions layer = {.elementwise_affine = kind.affine, .dtype = kFloat64};
    add_both_modes<LayerNorm>(list, name("LayerNorm"), list.normal({3, 4}), Shape{4}, layer);
    add_both_modes<LayerNorm>(list, name("LayerNorm"), list.normal({2, 2, 2, 2}), Shape{2, 2, 2}, layer);
    LayerNormOptions over_channels = layer;
    over_channels.axes = {1};
    add_both_modes<LayerNorm>(list, name("LayerNorm axes={1}"), list.normal({2, 4, 2, 2}), Shape{4}, over_channels);
    const GroupNormOptions group = {.affine = kind.affine, .dtype = kFloat64};
    add_both_modes<GroupNorm>(list, name("GroupNorm"), list.normal({3, 6}), 2, 6, group);
    add_both_modes<GroupNorm>(list, name("GroupNorm"), list.normal({2, 4, 2, 2}), 2, 4, group);
    GroupNormOptions uncentered = group;
    uncentered.center = false;
    add_both_modes<GroupNorm>(list, name("GroupNorm center=false"), list.normal({2, 4, 2, 2}), 1, 4, uncentered);
  }
  for (const bool affine : {true, false}) {
    const RMSNormOptions rms = {.elementwise_affine = affine, .dtype = kFloat64};
    const std::string name = affine ? "RMSNorm, scale only" : "RMSNorm, no affine";
    add_both_modes<RMSNorm>(list, name, list.normal({3, 4}), Shape{4}, rms);
    add_both_modes<RMSNorm>(list, name, list.normal({2, 2, 3}), Shape{2, 3}, rms);
  }
  add_both_modes<LocalResponseNorm>(list, "LocalResponseNorm", list.normal({1, 5, 2, 2}), 3,
                                    LocalResponseNormOptions{.alpha = 0.5});
  for (const NormEntry& entry : norm_registry()) {
    const std::string& name = entry.name;
    for (const std::int64_t spatial : {0, 1, 2, 3}) {
      const NormContext context = {.num_features = 40, .spatial_dims = spatial, .dtype = kFloat64};
      if (name == "none" || !is_norm_applicable(name, context)) {
        continue;
      }
      Shape shape = {3, 40};
      for (std::int64_t axis = 0; axis < spatial; ++axis) {
        shape.push_back(axis == 0 ? 2 : 1);
      }
      add_layer(list, "registry: " + name, std::shared_ptr<Module>(make_norm(name, context)), list.normal(shape),
                entry.exact_gradient);
      list.cases.back().max_order = 1;  // 120 elements and more; second order is checked above
    }
  }
}

void add_layers(CaseList& list) {
  list.start_family("layers");
  for (const bool bias : {true, false}) {
    const LinearOptions options = {.bias = bias, .dtype = kFloat64};
    add_layer(list, bias ? "Linear" : "Linear without bias", std::make_shared<Linear>(4, 3, options),
              list.normal({2, 4}));
    add_layer(list, bias ? "Linear" : "Linear without bias", std::make_shared<Linear>(3, 2, options),
              list.normal({2, 2, 3}));
  }
  const Shape shape = {2, 5};
  add_layer(list, "ReLU", std::make_shared<ReLU>(), list.away_from_zero(shape));
  add_layer(list, "LeakyReLU", std::make_shared<LeakyReLU>(0.2), list.away_from_zero(shape));
  add_layer(list, "ELU", std::make_shared<ELU>(), list.away_from_zero(shape));
  add_layer(list, "SELU", std::make_shared<SELU>(), list.away_from_zero(shape));
  add_layer(list, "GELU", std::make_shared<GELU>(), list.normal(shape));
  add_layer(list, "SiLU", std::make_shared<SiLU>(), list.normal(shape));
  add_layer(list, "Sigmoid", std::make_shared<Sigmoid>(), list.normal(shape));
  add_layer(list, "Tanh", std::make_shared<Tanh>(), list.normal(shape));
  add_layer(list, "Softplus", std::make_shared<Softplus>(2.0), list.normal(shape));
  add_layer(list, "Softmax", std::make_shared<Softmax>(1), list.normal(shape));
  add_layer(list, "LogSoftmax", std::make_shared<LogSoftmax>(0), list.normal(shape));
  add_layer(list, "Hardtanh", std::make_shared<Hardtanh>(-0.1, 2.0), list.away_from_zero(shape));
  add_layer(list, "ReLU6", std::make_shared<ReLU6>(), list.away_from_zero(shape));
  add_layer(list, "Hardsigmoid", std::make_shared<Hardsigmoid>(), list.away_from_zero(shape));
  add_layer(list, "Hardswish", std::make_shared<Hardswish>(), list.away_from_zero(shape));
  add_layer(list, "Hardshrink", std::make_shared<Hardshrink>(0.1), list.away_from_zero(shape));
  add_layer(list, "Softshrink", std::make_shared<Softshrink>(0.1), list.away_from_zero(shape));
  add_layer(list, "Threshold", std::make_shared<Threshold>(0.0, 0.5), list.away_from_zero(shape));
  add_layer(list, "PReLU", std::make_shared<PReLU>(PReLUOptions{.num_parameters = 5, .dtype = kFloat64}),
            list.away_from_zero(shape));
  add_layer(list, "RReLU", std::make_shared<RReLU>(), list.away_from_zero(shape), false);
  add_layer(list, "Mish", std::make_shared<Mish>(), list.normal(shape));
  add_layer(list, "CELU", std::make_shared<CELU>(), list.away_from_zero(shape));
  add_layer(list, "LogSigmoid", std::make_shared<LogSigmoid>(), list.normal(shape));
  add_layer(list, "Softsign", std::make_shared<Softsign>(), list.away_from_zero(shape));
  add_layer(list, "Tanhshrink", std::make_shared<Tanhshrink>(), list.normal(shape));
  add_layer(list, "Softmin", std::make_shared<Softmin>(1), list.normal(shape));
  add_layer(list, "GLU", std::make_shared<GLU>(), list.normal({2, 6}));
  add_layer(list, "Dropout", std::make_shared<Dropout>(0.5), list.normal(shape), false);
  add_layer(list, "Flatten", std::make_shared<Flatten>(), list.normal({2, 2, 3}));
  add_layer(list, "Embedding", std::make_shared<Embedding>(5, 3, EmbeddingOptions{.dtype = kFloat64}),
            list.indices({2, 4}, 5));
  add_layer(list, "MaxPool1d", std::make_shared<MaxPool1d>(2), list.distinct({2, 2, 6}));
  add_layer(list, "MaxPool2d", std::make_shared<MaxPool2d>(2), list.distinct({2, 2, 4, 4}));
  add_layer(list, "AvgPool1d", std::make_shared<AvgPool1d>(2), list.normal({2, 2, 6}));
  add_layer(list, "AvgPool2d", std::make_shared<AvgPool2d>(2), list.normal({2, 2, 4, 4}));
  add_layer(list, "AdaptiveAvgPool2d", std::make_shared<AdaptiveAvgPool2d>(2), list.normal({1, 2, 3, 4}));
  for (const bool bias : {true, false}) {
    const std::string suffix = bias ? "" : " without bias";
    const ConvLayerOptions plain = {.bias = bias, .dtype = kFloat64};
    const ConvLayerOptions strided = {.stride = 2, .padding = 1, .groups = 2, .bias = bias, .dtype = kFloat64};
    add_layer(list, "Conv1d" + suffix, std::make_shared<Conv1d>(2, 3, 3, plain), list.normal({2, 2, 5}));
    add_layer(list, "Conv2d" + suffix, std::make_shared<Conv2d>(2, 2, 2, plain), list.normal({2, 2, 3, 3}));
    add_layer(list, "Conv2d stride padding groups" + suffix, std::make_shared<Conv2d>(4, 2, 3, strided),
              list.normal({1, 4, 4, 3}));
    add_layer(list, "Conv3d" + suffix, std::make_shared<Conv3d>(1, 2, 2, plain), list.normal({1, 1, 3, 2, 3}));
    add_layer(list, "ConvTranspose2d" + suffix,
              std::make_shared<ConvTranspose2d>(2, 2, 2, ConvTransposeLayerOptions{.bias = bias, .dtype = kFloat64}),
              list.normal({1, 2, 2, 3}));
  }
  for (const bool train : {true, false}) {
    add_layer(list, "Sequential: Linear, BatchNorm1d, Tanh, Linear",
              std::make_shared<Sequential>(Linear(3, 4, {.dtype = kFloat64}), BatchNorm1d(4, {.dtype = kFloat64}),
                                           Tanh(), Linear(4, 2, {.dtype = kFloat64})),
              list.normal({5, 3}), train);
    add_layer(
        list, "Sequential: Conv2d, GroupNorm, GELU, Flatten, Linear, LayerNorm",
        std::make_shared<Sequential>(Conv2d(1, 2, 2, {.dtype = kFloat64}), GroupNorm(1, 2, {.dtype = kFloat64}), GELU(),
                                     Flatten(), Linear(8, 3, {.dtype = kFloat64}), LayerNorm(3, {.dtype = kFloat64})),
        list.normal({2, 1, 3, 3}), train);
  }
}

}  // namespace normgrad::tests
