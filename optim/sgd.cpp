#include "normgrad/optim/sgd.hpp"

#include "normgrad/core/kernels/optim_step.hpp"

namespace normgrad {

SGD::SGD(std::vector<Tensor> params, SGDOptions options) { add_param_group({std::move(params), options}); }

SGD::SGD(std::vector<ParamGroup<SGDOptions>> groups) { add_param_groups(std::move(groups)); }

std::vector<Optimizer::Option> SGD::options_of(std::size_t group) {
  SGDOptions& o = options(group);
  return {{"lr", &o.lr},
          {"momentum", &o.momentum},
          {"dampening", &o.dampening},
          {"weight_decay", &o.weight_decay},
          {"nesterov", &o.nesterov},
          {"maximize", &o.maximize}};
}

void SGD::check_options(std::size_t group) const {
  const SGDOptions& o = options(group);
  require<ValueError>(o.lr >= 0.0, "SGD: expected lr >= 0 but got ", o.lr);
  require<ValueError>(o.momentum >= 0.0, "SGD: expected momentum >= 0 but got ", o.momentum);
  require<ValueError>(o.weight_decay >= 0.0, "SGD: expected weight_decay >= 0 but got ", o.weight_decay);
  require<ValueError>(!o.nesterov || (o.momentum > 0.0 && o.dampening == 0.0),
                      "SGD: nesterov needs momentum > 0 and dampening = 0 but got momentum ", o.momentum,
                      " and dampening ", o.dampening);
}

const std::vector<const char*>& SGD::slot_names() const {
  static const std::vector<const char*> kNames = {"momentum_buffer"};
  return kNames;
}

void SGD::update(std::size_t group, Tensor& param, const Tensor& grad, ParamState& state) {
  const SGDOptions& o = options(group);
  Tensor& buffer = state.slots[0];
  const bool first = !buffer.defined();
  if (o.momentum != 0.0 && first) {
    buffer = Tensor::empty(param.shape(), param.dtype());
  }
  const kernels::SgdStep step = {.lr = o.lr,
                                 .momentum = o.momentum,
                                 .dampening = o.dampening,
                                 .weight_decay = o.weight_decay,
                                 .nesterov = o.nesterov,
                                 .maximize = o.maximize,
                                 .first = first};
  dispatch_float("SGD", param.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::sgd_step<T>(param.mutable_data<T>(), grad.data<T>(),
                         o.momentum != 0.0 ? buffer.mutable_data<T>() : nullptr, param.numel(), step);
  });
}

}  // namespace normgrad
