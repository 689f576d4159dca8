// Registers, removes, copies and assigns parametrizations.
#include <algorithm>
#include <typeinfo>
#include <utility>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/layers/module/any_module.hpp"
#include "normgrad/layers/module/detail/own_parameters.hpp"
#include "normgrad/layers/module/detail/parametrized.hpp"

namespace normgrad {

namespace {

using detail::Parametrized;

using Place = Parametrized::Place;

Parameter* find_own(Module& module, const std::string& name) {
  for (const auto& [own_name, parameter] : detail::own_parameters(module)) {
    if (own_name == name) {
      return parameter;
    }
  }
  return nullptr;
}

// A parameter of the module itself or of one below it; null if there is none.
Place find_below(Module& module, const std::string& name) {
  for (const auto& [path, below] : module.named_modules()) {
    if (path.empty() || name.starts_with(path + ".")) {
      if (Parameter* parameter = find_own(*below, name.substr(path.empty() ? 0 : path.size() + 1))) {
        return {below, parameter};
      }
    }
  }
  return {};
}

void check_same(const char* where, const std::string& name, const Tensor& wanted, const Tensor& got) {
  require<ValueError>(got.defined() && got.shape() == wanted.shape() && got.dtype() == wanted.dtype(), where,
                      ": expected a parametrization that gives '", name, "' its shape and dtype ", wanted.dtype(), " ",
                      wanted.shape(), " but it gave ",
                      got.defined() ? detail::concat(got.dtype(), " ", got.shape()) : "an undefined tensor",
                      "; {.unsafe = true} allows it");
}

std::vector<Tensor> inverse_of(const AnyModule& holder, const Tensor& value) {
  auto* parametrization = holder.as<Parametrization>();
  return parametrization != nullptr ? parametrization->right_inverse(value) : std::vector<Tensor>();
}

// A tensor of the same values that no graph or other handle sees.
Tensor own_copy(const Tensor& x) { return x.detach().clone(); }

bool is_same_kind(const Tensor& a, const Tensor& b) { return a.shape() == b.shape() && a.dtype() == b.dtype(); }

}  // namespace

Parametrized::Place Parametrized::find(const char* where, Module& module, const std::string& name) {
  const Place place = find_below(module, name);
  if (place.parameter == nullptr) {
    std::string known;
    for (const auto& [known_name, tensor] : module.named_parameters()) {
      known += (known.empty() ? "" : ", ") + known_name;
    }
    fail<ValueError>(where, ": expected a parameter of ", module.type_name(), " but got '", name,
                     "'; there are: ", known.empty() ? "none" : known);
  }
  return place;
}

void Parametrized::add(Module& module, const std::string& name, AnyModule parametrization, bool unsafe) {
  constexpr const char* kWhere = "register_parametrization";
  require<ValueError>(static_cast<bool>(parametrization), kWhere, ": expected a parametrization for '", name,
                      "' but got an empty holder");
  const auto [owner, parameter] = find(kWhere, module, name);
  const NoGradGuard no_grad;
  parametrization->train(owner->is_training());
  if (parameter->is_parametrized()) {
    ParametrizationList& list = list_of(*parameter);
    ParametrizationList longer(list);  // a copy shows what it would give
    longer.parametrizations_.push_back(parametrization);
    longer.eval();
    const Tensor before = value_of(*parameter);
    const Tensor after = compute(longer);
    if (!unsafe) {
      check_same(kWhere, name, before, after);
    }
    list.parametrizations_.push_back(std::move(parametrization));
    list.unsafe_ = list.unsafe_ || unsafe;
    static_cast<Tensor&>(*parameter) = after.detach();
    return;
  }
  const Tensor value = own_copy(*parameter);
  std::vector<Tensor> inverse = inverse_of(parametrization, value);
  if (inverse.empty()) {
    inverse = {value};
  }
  std::vector<Parameter> originals;
  for (const Tensor& tensor : inverse) {
    originals.emplace_back(own_copy(tensor)).requires_grad_(parameter->requires_grad());
  }
  std::shared_ptr<ParametrizationList> list(new ParametrizationList(std::move(originals), unsafe));
  list->parametrizations_.push_back(std::move(parametrization));
  list->train(owner->is_training());
  Parameter probe;
  probe.parametrizations_ = list;
  Tensor given = value_of(probe);
  if (!unsafe) {
    check_same(kWhere, name, value, given);
  }
  if (Parameter& original = list->originals_[0]; list->num_originals() == 1 && is_same_kind(original, *parameter)) {
    Tensor kept = *parameter;  // optimizers may hold it
    kept.copy_(original.detach());
    static_cast<Tensor&>(original) = std::move(kept);
  }
  static_cast<Tensor&>(*parameter) = std::move(given);
  parameter->parametrizations_ = std::move(list);
  owner->computes_.store(true);
}

void Parametrized::remove(Module& module, const std::string& name, bool leave_parametrized) {
  constexpr const char* kWhere = "remove_parametrizations";
  const Place place = find(kWhere, module, name);
  Parameter& parameter = *place.parameter;
  require<ValueError>(parameter.is_parametrized(), kWhere, ": expected a parametrized parameter but '", name, "' of ",
                      module.type_name(), " is not");
  ParametrizationList& list = list_of(parameter);
  require<ValueError>(leave_parametrized || list.num_originals() == 1, kWhere, ": expected leave_parametrized = true ",
                      "for '", name, "', which is computed from ", list.num_originals(), " tensors");
  const NoGradGuard no_grad;
  bool learns = false;
  for (const Parameter& original : list.originals_) {
    learns = learns || original.requires_grad();
  }
  Tensor tensor = list.num_originals() == 1 ? static_cast<Tensor&>(list.originals_[0]) : Tensor();
  if (leave_parametrized) {
    const Tensor value = own_copy(value_of(parameter));
    if (!tensor.defined()) {
      tensor = value;
      tensor.requires_grad_(learns);
    } else if (is_same_kind(tensor, value)) {
      tensor.copy_(value);
    } else {
      tensor.set_data(value);
    }
  }
  static_cast<Tensor&>(parameter) = std::move(tensor);
  parameter.parametrizations_.reset();
  place.module->computes_.store(is_parametrized(*place.module));
}

void Parametrized::assign(Parameter& to, const Parameter& from) {
  if (!from.defined()) {
    to.parametrizations_.reset();
    static_cast<Tensor&>(to) = Tensor();
    return;
  }
  ParametrizationList& list = list_of(to);
  if (from.is_parametrized()) {
    const ParametrizationList& source = list_of(from);
    const bool same_structure =
        std::equal(list.parametrizations_.begin(), list.parametrizations_.end(), source.parametrizations_.begin(),
                   source.parametrizations_.end(), [](const AnyModule& a, const AnyModule& b) {
                     const Module& own = *a;
                     const Module& other = *b;
                     return typeid(own) == typeid(other);
                   });
    if (same_structure && list.num_originals() == source.num_originals()) {
      for (std::size_t i = 0; i < source.originals_.size(); ++i) {
        list.originals_[i] = source.originals_[i];
      }
      for (std::size_t i = 0; i < source.parametrizations_.size(); ++i) {
        list.parametrizations_[i] = source.parametrizations_[i];
      }
      static_cast<Tensor&>(to) = own_copy(from);
      return;
    }
  }
  // As an assignment to a parametrized parameter in PyTorch.
  std::vector<Tensor> values = {from.is_parametrized() ? value_of(from) : own_copy(from)};
  for (std::size_t i = list.parametrizations_.size(); i-- > 0;) {
    require<ValueError>(values.size() == 1, "Parameter: expected a right_inverse that gives one tensor for each ",
                        "parametrization but the first but got ", values.size(), " from that of ",
                        list.parametrizations_[i + 1 < list.parametrizations_.size() ? i + 1 : i]->type_name());
    values = inverse_of(list.parametrizations_[i], values[0]);
    require<ValueError>(!values.empty(),
                        "Parameter: expected an assignment to a parameter whose parametrizations have ",
                        "a right_inverse but ", list.parametrizations_[i]->type_name(), " has none; assign to ",
                        "parametrizations(module, name).original()");
  }
  require<ValueError>(values.size() == list.originals_.size(), "Parameter: expected ", list.originals_.size(),
                      " tensors of right_inverse but got ", values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    list.originals_[i] = Parameter(own_copy(values[i]));
  }
  static_cast<Tensor&>(to) = value_of(to);
}

void Parametrized::adopt(Module& to, const Module& from) {
  const detail::OwnParameterList own = detail::own_parameters(to);
  for (const auto& [name, source] : detail::own_parameters(const_cast<Module&>(from))) {
    if (!source->is_parametrized()) {
      continue;
    }
    to.computes_.store(true);
    const auto found =
        std::find_if(own.begin(), own.end(), [&wanted = name](const auto& entry) { return entry.first == wanted; });
    if (found == own.end() || found->second->is_parametrized()) {
      continue;
    }
    Parameter& parameter = *found->second;
    std::shared_ptr<ParametrizationList> list = copy_of(*source);
    for (Parameter& original : list->originals_) {
      original.requires_grad_(parameter.requires_grad());
    }
    if (list->num_originals() == 1 && is_same_kind(list->originals_[0], parameter)) {
      static_cast<Tensor&>(list->originals_[0]) = parameter;  // optimizers may hold it
    }
    static_cast<Tensor&>(parameter) = own_copy(*source);
    parameter.parametrizations_ = std::move(list);
  }
}

Module& register_parametrization(Module& module, const std::string& name, AnyModule parametrization,
                                 const RegisterParametrizationOptions& options) {
  Parametrized::add(module, name, std::move(parametrization), options.unsafe);
  return module;
}

Module& remove_parametrizations(Module& module, const std::string& name, bool leave_parametrized) {
  Parametrized::remove(module, name, leave_parametrized);
  return module;
}

bool is_parametrized(const Module& module, const std::string& name) {
  Module& root = const_cast<Module&>(module);  // members() is not const, but nothing is changed here
  if (!name.empty()) {
    const Place place = find_below(root, name);
    return place.parameter != nullptr && place.parameter->is_parametrized();
  }
  const detail::OwnParameterList own = detail::own_parameters(root);
  return std::any_of(own.begin(), own.end(), [](const auto& entry) { return entry.second->is_parametrized(); });
}

ParametrizationList& parametrizations(Module& module, const std::string& name) {
  Parameter& parameter = *Parametrized::find("parametrizations", module, name).parameter;
  require<ValueError>(parameter.is_parametrized(), "parametrizations: expected a parametrized parameter but '", name,
                      "' of ", module.type_name(), " is not");
  return Parametrized::list_of(parameter);
}

}  // namespace normgrad
