// Norms beside the six common kinds, most of them composed of operations.
#include <optional>
#include <type_traits>

#include "tests/gradcheck_report/cases.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/norm/masked.hpp"
#include "normgrad/layers/norm/ada_ln.hpp"
#include "normgrad/layers/norm/adaptive_instance_norm.hpp"
#include "normgrad/layers/norm/batch_instance_norm.hpp"
#include "normgrad/layers/norm/batch_renorm.hpp"
#include "normgrad/layers/norm/conditional_batch_norm.hpp"
#include "normgrad/layers/norm/film.hpp"
#include "normgrad/layers/norm/ghost_batch_norm.hpp"
#include "normgrad/layers/norm/iter_norm.hpp"
#include "normgrad/layers/norm/mean_only_batch_norm.hpp"
#include "normgrad/layers/norm/power_norm.hpp"
#include "normgrad/layers/norm/spade.hpp"
#include "normgrad/layers/norm/switchable_norm.hpp"

namespace normgrad::tests {

namespace {

// The layer in training and in evaluation.
template <class Layer, class... Arguments>
void add_both_modes(CaseList& list, const std::string& name, const Tensor& x, const Arguments&... arguments) {
  for (const bool train : {true, false}) {
    add_layer(list, name, std::make_shared<Layer>(arguments...), x.detach().clone().requires_grad_(), train);
  }
}

// Means of 9 and running means of 0.1 are beyond the limits of r and d, where these are constants of x. Within the
// limits the gradient is not the derivative by definition; there tests/layers/batch_renorm_test.cpp compares it with
// PyTorch's.
void add_batch_renorms(CaseList& list) {
  const auto input = [&](const Shape& shape) { return list.normal(shape, 9.0, 2.0); };
  for (const Affine affine : {Affine(true), Affine(Affine::scale_only), Affine(Affine::bias_only), Affine(false)}) {
    const BatchRenormOptions options = {.affine = affine, .r_max = 1.25, .d_max = 0.5, .dtype = kFloat64};
    const auto name = [&](const char* layer) { return std::string(layer) + ", affine=" + to_string(affine); };
    add_both_modes<BatchRenorm1d>(list, name("BatchRenorm1d"), input({5, 3}), 3, options);
    add_both_modes<BatchRenorm1d>(list, name("BatchRenorm1d"), input({3, 2, 3}), 2, options);
    add_both_modes<BatchRenorm2d>(list, name("BatchRenorm2d"), input({2, 3, 2, 2}), 3, options);
    add_both_modes<BatchRenorm3d>(list, name("BatchRenorm3d"), input({2, 2, 2, 1, 2}), 2, options);
  }
  add_layer(list, "BatchRenorm1d, to order 4",
            std::make_shared<BatchRenorm1d>(2, BatchRenormOptions{.r_max = 1.25, .d_max = 0.5, .dtype = kFloat64}),
            input({4, 2}));
  list.cases.back().max_order = 4;
}

void add_ghosts(CaseList& list) {
  for (const Affine affine : {Affine(true), Affine(Affine::scale_only), Affine(Affine::bias_only), Affine(false)}) {
    const GhostBatchNormOptions options = {.virtual_batch_size = 2, .affine = affine, .dtype = kFloat64};
    const auto name = [&](const char* layer) { return std::string(layer) + ", affine=" + to_string(affine); };
    add_both_modes<GhostBatchNorm1d>(list, name("GhostBatchNorm1d"), list.normal({7, 2}), 2, options);
    add_both_modes<GhostBatchNorm2d>(list, name("GhostBatchNorm2d"), list.normal({5, 2, 2, 1}), 2, options);
    add_both_modes<GhostBatchNorm3d>(list, name("GhostBatchNorm3d"), list.normal({4, 1, 2, 1, 2}), 1, options);
  }
  add_layer(list, "GhostBatchNorm1d, to order 4",
            std::make_shared<GhostBatchNorm1d>(2, GhostBatchNormOptions{.virtual_batch_size = 3, .dtype = kFloat64}),
            list.normal({6, 2}));
  list.cases.back().max_order = 4;
}

void add_composed(CaseList& list) {
  list.start_family("switchable norm");
  for (const Variance variance : {Variance::unbiased, Variance::biased}) {
    const SwitchableNormOptions options = {.variance = variance, .dtype = kFloat64};
    const auto name = [&](const char* layer) {
      return std::string(layer) + (variance == Variance::biased ? " biased" : "");
    };
    add_both_modes<SwitchableNorm1d>(list, name("SwitchableNorm1d"), list.normal({4, 3}), 3, options);
    add_both_modes<SwitchableNorm2d>(list, name("SwitchableNorm2d"), list.normal({2, 3, 2, 2}), 3, options);
    add_both_modes<SwitchableNorm3d>(list, name("SwitchableNorm3d"), list.normal({2, 2, 2, 1, 2}), 2, options);
  }
  add_layer(list, "SwitchableNorm2d, to order 4",
            std::make_shared<SwitchableNorm2d>(2, SwitchableNormOptions{.affine = false, .dtype = kFloat64}),
            list.normal({2, 2, 2, 1}));
  list.cases.back().max_order = 4;

  list.start_family("IterNorm");
  for (const std::int64_t groups : {1, 2}) {
    const IterNormOptions options = {.num_groups = groups, .dtype = kFloat64};
    const std::string name = "IterNorm num_groups=" + std::to_string(groups);
    add_both_modes<IterNorm>(list, name, list.normal({7, 4}), 4, options);
    add_both_modes<IterNorm>(list, name, list.normal({3, 4, 2, 2}), 4, options);
  }
  add_layer(list, "IterNorm T=2, to order 4",
            std::make_shared<IterNorm>(2, IterNormOptions{.T = 2, .affine = false, .dtype = kFloat64}),
            list.normal({4, 2}));
  list.cases.back().max_order = 4;
}

// A gate of 0.7 and one of 0.2, within the limits; beyond them the gradient of the gate is 0.
void add_gated(CaseList& list) {
  list.start_family("BatchInstanceNorm");
  const auto layer_with = [](Affine affine, std::initializer_list<double> gates) {
    auto layer = std::make_shared<BatchInstanceNorm>(2, BatchInstanceNormOptions{.affine = affine, .dtype = kFloat64});
    layer->gate.copy_(from_vector(std::vector<double>(gates), {2}));
    return layer;
  };
  const auto add_with = [&](const std::string& name, const std::shared_ptr<BatchInstanceNorm>& layer, const Tensor& x,
                            bool train) {
    layer->running_mean.fill_(0.1);
    layer->train(train);
    Inputs inputs = {x, layer->gate};
    if (layer->weight.defined()) {
      const NoGradGuard no_grad;
      layer->weight.copy_(list.normal({2}, 0.5, 0.5));
      layer->bias.copy_(list.normal({2}));
      inputs.push_back(layer->weight);
      inputs.push_back(layer->bias);
    }
    list.add(
        name + (train ? ", train" : ", eval"),
        [layer](const Inputs& in) {
          const FreezeStatisticsGuard freeze;
          return (*layer)(in[0]);
        },
        inputs);
  };
  const NoGradGuard no_grad;  // of the gates
  for (const bool train : {true, false}) {
    for (const Shape& shape : {Shape{2, 2, 3}, Shape{2, 2, 2, 2}, Shape{2, 2, 2, 1, 2}}) {
      add_with("BatchInstanceNorm", layer_with(true, {0.7, 0.2}), list.normal(shape), train);
    }
    add_with("BatchInstanceNorm, no affine", layer_with(false, {0.7, 0.2}), list.normal({2, 2, 3}), train);
    add_with("BatchInstanceNorm, gates beyond the limits", layer_with(true, {1.4, -0.3}), list.normal({2, 2, 3}),
             train);
  }
  add_with("BatchInstanceNorm, to order 4", layer_with(false, {0.7, 0.2}), list.normal({2, 2, 3}), true);
  list.cases.back().max_order = 4;
}

void add_mean_only(CaseList& list) {
  list.start_family("MeanOnlyBatchNorm");
  for (const bool bias : {true, false}) {
    const MeanOnlyBatchNormOptions options = {.bias = bias, .dtype = kFloat64};
    const std::string name = bias ? "MeanOnlyBatchNorm" : "MeanOnlyBatchNorm without bias";
    add_both_modes<MeanOnlyBatchNorm>(list, name, list.normal({4, 3}), 3, options);
    add_both_modes<MeanOnlyBatchNorm>(list, name, list.normal({2, 3, 2, 2}), 3, options);
  }
}

// In training PowerNorm's backward is an approximation. It is the derivative after the warmup where ema_gz is 0 and the
// running mean square is the batch's.
void add_power_norms(CaseList& list) {
  list.start_family("PowerNorm");
  for (const std::optional<std::int64_t> groups : {std::optional<std::int64_t>(), {1}, {2}}) {
    const PowerNormOptions options = {.warmup_iters = 0, .group_num = groups, .dtype = kFloat64};
    const std::string name = "PowerNorm group_num=" + (groups ? std::to_string(*groups) : "none");
    for (const Shape& shape : {Shape{5, 4}, Shape{2, 4, 3}}) {
      add_layer(list, name, std::make_shared<PowerNorm>(4, options), list.normal(shape), false);
      const Tensor x = list.normal(shape);
      PowerNormOptions of_batch = options;
      of_batch.alpha_fwd = 0.0;
      PowerNorm measured(4, of_batch);
      measured(x.detach());
      const auto layer = std::make_shared<PowerNorm>(4, options);
      layer->running_var.copy_(measured.running_var);
      list.add(name + " at its fixed point, train",
               [layer](const Inputs& in) {
                 const FreezeStatisticsGuard freeze;
                 return (*layer)(in[0]);
               },
               {x, layer->weight, layer->bias});
      list.cases.back().max_order = 1;
    }
  }
}

// With parameters and the condition as inputs.
template <class Layer>
void add_conditional(CaseList& list, const std::string& name, const std::shared_ptr<Layer>& layer, Inputs inputs) {
  for (const Tensor& parameter : layer->parameters()) {
    const Tensor values = list.normal(parameter.shape(), 0.3, 0.5);
    const NoGradGuard no_grad;
    Tensor(parameter).copy_(values);
    inputs.push_back(parameter);
  }
  list.add(
      name,
      [layer](const Inputs& in) {
        const FreezeStatisticsGuard freeze;
        if constexpr (std::is_same_v<Layer, AdaLNZero>) {
          const auto [y, gate] = (*layer)(in[0], in[1]);
          return in[0] + gate * y;
        } else {
          return (*layer)(in[0], in[1]);
        }
      },
      std::move(inputs));
}

void add_conditional_norms(CaseList& list) {
  list.start_family("conditional norms");
  add_conditional(list, "ConditionalBatchNorm2d",
                  std::make_shared<ConditionalBatchNorm2d>(2, 3, ConditionalBatchNormOptions{.dtype = kFloat64}),
                  {list.normal({4, 2, 2, 1}), list.indices({4}, 3)});
  add_conditional(list, "AdaptiveInstanceNorm", std::make_shared<AdaptiveInstanceNorm>(),
                  {list.normal({2, 2, 3}), list.normal({2, 2, 4})});
  list.cases.back().max_order = 4;
  add_conditional(list, "FiLM", std::make_shared<FiLM>(2, 3, FiLMOptions{.dtype = kFloat64}),
                  {list.normal({2, 2, 3}), list.normal({2, 3})});
  for (const char* norm : {"batch", "instance"}) {
    // A seed whose hidden values are away from the kink of ReLU.
    add_conditional(
        list, std::string("SPADE norm=") + norm,
        std::make_shared<SPADE>(2, 1, SPADEOptions{.norm = norm, .hidden = 2, .kernel_size = 1, .dtype = kFloat64}),
        {list.normal({2, 2, 2, 2}), list.uniform({2, 1, 1, 2}, 2.0, 3.0)});
  }
  add_conditional(list, "AdaLN", std::make_shared<AdaLN>(3, 2, AdaLNOptions{.dtype = kFloat64}),
                  {list.normal({2, 2, 3}), list.normal({2, 2})});
  add_conditional(list, "AdaLNZero", std::make_shared<AdaLNZero>(3, 2, AdaLNOptions{.dtype = kFloat64}),
                  {list.normal({2, 2, 3}), list.normal({2, 2})});
}

void add_masked_norms(CaseList& list) {
  list.start_family("masked norms");
  for (const Shape& shape : {Shape{5, 4}, Shape{2, 4, 3}, Shape{2, 4, 2, 2}}) {
    const Tensor mask = list.mask(shape);
    const auto add = [&](const std::string& name, const Shape& parameter, const auto& norm) {
      for (const bool affine : {true, false}) {
        Inputs inputs = {list.normal(shape, 3.0, 1.0)};
        if (affine) {
          inputs.push_back(list.normal(parameter, 1.0, 0.5));
          inputs.push_back(list.normal(parameter));
        }
        list.add(
            name + (affine ? ", affine" : ", no affine"),
            [=](const Inputs& in) { return norm(in[0], mask, affine ? in[1] : Tensor(), affine ? in[2] : Tensor()); },
            std::move(inputs));
      }
    };
    const Shape channels = {4};
    add("masked_batch_norm_training", channels, [](const auto& x, const auto& m, const auto& w, const auto& b) {
      return masked_batch_norm_training(x, m, w, b).y;
    });
    add("masked_layer_norm", {shape.back()},
        [](const auto& x, const auto& m, const auto& w, const auto& b) { return masked_layer_norm(x, m, -1, w, b); });
    for (const bool center : {true, false}) {
      add(center ? "masked_group_norm" : "masked_group_norm center=false", channels,
          [=](const auto& x, const auto& m, const auto& w, const auto& b) {
            return masked_group_norm(x, m, 2, w, b, 1e-5, center);
          });
    }
    add("masked_instance_norm", channels,
        [](const auto& x, const auto& m, const auto& w, const auto& b) { return masked_instance_norm(x, m, w, b); });
  }
  const Tensor mask = list.mask({3, 2, 3});
  list.add("masked_batch_norm_training, to order 4",
           [=](const Inputs& in) { return masked_batch_norm_training(in[0], mask, in[1]).y; },
           {list.normal({3, 2, 3}), list.normal({2}, 1.0, 0.5)})
      .max_order = 4;
}

}  // namespace

void add_norm_variants(CaseList& list) {
  list.start_family("batch renorm");
  add_batch_renorms(list);
  list.start_family("ghost batch norm");
  add_ghosts(list);
  add_composed(list);
  add_gated(list);
  add_mean_only(list);
  add_power_norms(list);
  add_conditional_norms(list);
  add_masked_norms(list);
}

}  // namespace normgrad::tests
