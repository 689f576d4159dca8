#include "normgrad/train/averaged_model.hpp"

#include <cstddef>

#include "normgrad/core/autograd/grad_mode.hpp"

namespace normgrad::detail {

namespace {

void check_fits(const NamedTensors& average, const NamedTensors& model) {
  bool fits = average.size() == model.size();
  for (std::size_t i = 0; fits && i < model.size(); ++i) {
    fits = average[i].first == model[i].first && average[i].second.shape() == model[i].second.shape();
  }
  require<ValueError>(fits, "AveragedModel: expected a model with the parameters and buffers it was created with");
}

void blend(Tensor& average, std::vector<double>& exact, const Tensor& model, double weight) {
  exact.resize(static_cast<std::size_t>(average.numel()));
  const Tensor source = model.detach().to(kFloat64);
  const double* m = source.data<double>();
  dispatch_float("AveragedModel", average.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* a = average.mutable_data<T>();
    for (std::size_t i = 0; i < exact.size(); ++i) {
      if (a[i] != static_cast<T>(exact[i])) {  // the averaged model was modified since
        exact[i] = static_cast<double>(a[i]);
      }
      if (m[i] != exact[i]) {  // equal infinities, such as those of a mask, have no difference
        exact[i] += weight * (m[i] - exact[i]);
      }
      a[i] = static_cast<T>(exact[i]);
    }
  });
}

void blend_or_copy(Tensor& average, std::vector<double>& exact, const Tensor& model, double weight) {
  if (weight == 1.0 || !is_floating_point(average.dtype())) {
    average.copy_(model.detach());
  } else {
    blend(average, exact, model, weight);
  }
}

// The average of an entry, in float64 where the model's dtype is less precise.
Tensor exact_entry(const Tensor& average, const std::vector<double>& exact) {
  if (average.dtype() != kFloat32 || exact.empty()) {
    return average;
  }
  Tensor entry = average.detach().to(kFloat64);
  double* to = entry.mutable_data<double>();
  for (std::size_t i = 0; i < exact.size(); ++i) {
    if (static_cast<float>(to[i]) == static_cast<float>(exact[i])) {
      to[i] = exact[i];
    }
  }
  return entry;
}

Tensor integer(std::int64_t value) {
  Tensor tensor = Tensor::empty({}, kInt64);
  tensor.mutable_data<std::int64_t>()[0] = value;
  return tensor;
}

}  // namespace

const Module& not_cut_down(const Module& model, const std::type_info& type) {
  require<Error>(
      typeid(model) == type, "AveragedModel: expected a ", model.type_name(),
      " itself but got a class derived from it, which a copy would slice; use an AveragedModel of that class");
  return model;
}

void check_decay(const AveragedModelOptions& options) {
  require<ValueError>(!options.decay || (*options.decay >= 0.0 && *options.decay < 1.0),
                      "AveragedModel: expected decay in [0, 1) but got ", options.decay.value_or(0.0));
}

void average_into(Module& average, ExactAverages& exact, const Module& model, double weight, AveragedBuffers buffers) {
  const NoGradGuard no_grad;
  NamedTensors parameters = average.named_parameters();
  NamedTensors own_buffers = average.named_buffers();
  const NamedTensors new_parameters = model.named_parameters();
  const NamedTensors new_buffers = model.named_buffers();
  check_fits(parameters, new_parameters);
  check_fits(own_buffers, new_buffers);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    blend_or_copy(parameters[i].second, exact[parameters[i].first], new_parameters[i].second, weight);
  }
  for (std::size_t i = 0; i < own_buffers.size() && buffers != AveragedBuffers::recalibrate; ++i) {
    blend_or_copy(own_buffers[i].second, exact[own_buffers[i].first], new_buffers[i].second,
                  buffers == AveragedBuffers::copy ? 1.0 : weight);
  }
}

StateDict averaged_state(const Module& average, const ExactAverages& exact, std::int64_t count, bool calibrated) {
  // A tied parameter has its exact average under only one of its names.
  std::map<const std::byte*, const std::vector<double>*> exact_of;
  for (const NamedTensors& list : {average.named_parameters(), average.named_buffers()}) {
    for (const auto& [name, tensor] : list) {
      const auto found = exact.find(name);
      if (found != exact.end()) {
        exact_of.emplace(tensor.buffer().data(), &found->second);
      }
    }
  }
  StateDict state;
  state["n_averaged"] = integer(count);
  state["is_calibrated"] = integer(calibrated ? 1 : 0);
  for (const auto& [name, tensor] : average.state_dict()) {
    const auto found = exact_of.find(tensor.buffer().data());
    state["module." + name] = found != exact_of.end() ? exact_entry(tensor, *found->second) : tensor;
  }
  return state;
}

std::function<void()> prepare_averaged_state(Module& average, ExactAverages& exact, const StateDict& state,
                                             std::int64_t& count, bool& calibrated) {
  const std::int64_t new_count = state.at("n_averaged").item<std::int64_t>();
  const bool new_calibrated = state.at("is_calibrated").item() != 0.0;
  StateDict of_module;
  for (const auto& [name, tensor] : state) {
    const std::string prefix = "module.";
    if (name.starts_with(prefix)) {
      of_module[name.substr(prefix.size())] = tensor;
    } else if (name != "n_averaged" && name != "is_calibrated") {
      of_module[name] = tensor;  // will be reported as unexpected
    }
  }
  ExactAverages new_exact;
  for (const auto& [name, tensor] : of_module) {
    if (tensor.defined() && tensor.dtype() == kFloat64) {
      new_exact[name] = tensor.to_vector<double>();
    }
  }
  return [&exact, &count, &calibrated, load = average.prepare_state_dict(of_module), new_exact = std::move(new_exact),
          new_count, new_calibrated]() mutable {
    load();
    exact.swap(new_exact);
    count = new_count;
    calibrated = new_calibrated;
  };
}

}  // namespace normgrad::detail
