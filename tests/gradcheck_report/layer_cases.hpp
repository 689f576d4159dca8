// Cases of layers: the gradients of the input and of all parameters are checked.
#pragma once

#include <memory>
#include <string>

#include "tests/gradcheck_report/cases.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/layers/module/module.hpp"
#include "normgrad/layers/norm/running_stats.hpp"

namespace normgrad::tests {

/// Adds a layer with random parameters, running statistics of a batch like the input, and the given mode.
inline void add_layer(CaseList& list, const std::string& name, const std::shared_ptr<Module>& layer, const Tensor& x,
                      bool train = true) {
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

/// Adds a layer in training and in evaluation.
template <class Layer, class... Arguments>
void add_both_modes(CaseList& list, const std::string& name, const Tensor& x, const Arguments&... arguments) {
  for (const bool train : {true, false}) {
    add_layer(list, name, std::make_shared<Layer>(arguments...), x.detach().clone().requires_grad_(), train);
  }
}

}  // namespace normgrad::tests
