#include "normgrad/train/norm_aware_groups.hpp"

#include <algorithm>
#include <array>
#include <iomanip>
#include <ostream>

#include "normgrad/core/base/detail/with_commas.hpp"
#include "normgrad/layers/conv.hpp"
#include "normgrad/layers/embedding.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/module/detail/own_parameters.hpp"
#include "normgrad/layers/module/parametrize.hpp"
#include "normgrad/layers/norm/conditional_batch_norm.hpp"
#include "normgrad/layers/norm/is_norm.hpp"

namespace normgrad {

namespace {

// Whether `name` is `prefix` or below it; everything is below the model itself, "".
bool is_below(const std::string& name, const std::string& prefix) {
  return prefix.empty() || name == prefix || name.starts_with(prefix + ".");
}

bool is_below_any(const std::string& name, const std::vector<std::string>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](const auto& prefix) { return is_below(name, prefix); });
}

// [1, C, 1, 1] also counts as a vector.
bool is_vector(const Tensor& parameter) {
  const Shape& shape = parameter.shape();
  return std::count_if(shape.begin(), shape.end(), [](std::int64_t size) { return size > 1; }) < 2;
}

// Whether its weight is a matrix or table regardless of its sizes: that of Linear(64, 1) is [1, 64].
bool has_matrix(const Module& module) {
  return dynamic_cast<const Linear*>(&module) != nullptr ||
         dynamic_cast<const detail::ConvLayer*>(&module) != nullptr ||
         dynamic_cast<const Embedding*>(&module) != nullptr;
}

DecayRole role_of(const std::string& name, const Tensor& parameter, const std::vector<std::string>& norms,
                  const std::vector<std::string>& matrices, const std::vector<std::string>& named) {
  if (is_below_any(name, named)) {
    return DecayRole::named;
  }
  if (is_below_any(name, norms)) {
    return DecayRole::norm;
  }
  if (name == "bias" || name.ends_with(".bias") || name.find("parametrizations.bias.") != std::string::npos) {
    return DecayRole::bias;
  }
  const bool is_matrix = std::find(matrices.begin(), matrices.end(), name) != matrices.end();
  return is_vector(parameter) && !is_matrix ? DecayRole::vector : DecayRole::weight;
}

ParameterList parameters_of(const std::vector<DecaySplit::Entry>& entries, bool decays) {
  NamedTensors parameters;
  for (const DecaySplit::Entry& entry : entries) {
    if (entry.decays() == decays) {
      parameters.emplace_back(entry.name, entry.parameter);
    }
  }
  return parameters;
}

std::int64_t values_in(const std::vector<Tensor>& tensors) {
  std::int64_t count = 0;
  for (const Tensor& tensor : tensors) {
    count += tensor.numel();
  }
  return count;
}

void print_role(std::ostream& out, const DecaySplit& split, DecayRole role) {
  std::int64_t values = 0;
  std::string names;
  for (const DecaySplit::Entry& entry : split.entries) {
    if (entry.role == role) {
      values += entry.parameter.numel();
      names.append(names.empty() ? "" : ", ").append(entry.name);
    }
  }
  if (!names.empty()) {
    const std::string name = decay_role_name(role);
    const std::string count = detail::with_commas(values);
    out << "  " << name << std::string(8 - name.size(), ' ')
        << std::string(count.size() < 10 ? 10 - count.size() : 0, ' ') << count << " values  " << names << "\n";
  }
}

}  // namespace

const char* decay_role_name(DecayRole role) noexcept {
  constexpr std::array kNames = {"weight", "norm", "bias", "vector", "named"};
  return kNames[static_cast<std::size_t>(role)];
}

ParameterList DecaySplit::decayed() const { return parameters_of(entries, true); }

ParameterList DecaySplit::spared() const { return parameters_of(entries, false); }

DecaySplit decay_split(Module& model, const std::vector<std::string>& also_spare) {
  std::vector<std::string> norms;
  std::vector<std::string> matrices;
  for (const auto& [name, module] : model.named_modules()) {
    if (is_norm(*module) || dynamic_cast<const ConditionalBatchNorm2d*>(module) != nullptr) {
      norms.push_back(name);
    } else if (has_matrix(*module)) {
      const std::string prefix = name.empty() ? "" : name + ".";
      matrices.push_back(prefix + "weight");
      for (const auto& [own_name, weight] : detail::own_parameters(*module)) {
        if (own_name == "weight" && weight->is_parametrized()) {  // by tensors of its shape
          for (const auto& [original, tensor] : parametrizations(*module, "weight").named_parameters()) {
            if (tensor.shape() == weight->shape()) {
              matrices.push_back(prefix + "parametrizations.weight." + original);
            }
          }
        }
      }
    }
  }
  const NamedTensors parameters = model.named_parameters();
  for (const std::string& name : also_spare) {
    require<ValueError>(std::any_of(parameters.begin(), parameters.end(),
                                    [&](const auto& parameter) { return is_below(parameter.first, name); }),
                        "decay_split: expected names of parameters or modules but got '", name, "', which is neither");
  }
  DecaySplit split;
  for (const auto& [name, parameter] : parameters) {
    split.entries.push_back({name, parameter, role_of(name, parameter, norms, matrices, also_spare)});
  }
  return split;
}

std::ostream& operator<<(std::ostream& out, const DecaySplit& split) {
  const std::vector<Tensor> decayed = split.decayed();
  const std::vector<Tensor> spared = split.spared();
  out << "weight decay: " << decayed.size() << " parameters (" << detail::with_commas(values_in(decayed))
      << " values) of " << split.entries.size() << "\n";
  print_role(out, split, DecayRole::weight);
  out << "without: " << spared.size() << " parameters (" << detail::with_commas(values_in(spared)) << " values)\n";
  for (const DecayRole role : {DecayRole::norm, DecayRole::bias, DecayRole::vector, DecayRole::named}) {
    print_role(out, split, role);
  }
  return out;
}

}  // namespace normgrad
