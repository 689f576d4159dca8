// Parameter groups that keep weight decay away from norms and biases.
//
//   AdamW optimizer(norm_aware_groups(net, AdamWOptions{.lr = 1e-3, .weight_decay = 0.05}));
//   std::cout << decay_split(net);   // which is which
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/layers/module.hpp"
#include "normgrad/optim/optimizer.hpp"

namespace normgrad {

/// Why weight decay is, or is not, for a parameter.
enum class DecayRole : std::uint8_t {
  weight,  ///< decays
  norm,    ///< of a normalization layer, see is_norm()
  bias,    ///< its name is "bias" or ends in ".bias"
  vector,  ///< has fewer than 2 axes longer than 1, such as a learned scale [C] or [1, C, 1, 1], and is not the weight
           ///< of a Linear, convolution or Embedding: decay would pull it to 0, not make it simpler
  named    ///< the caller said so
};
/// "weight", "norm" and so on.
const char* decay_role_name(DecayRole role) noexcept;

/// A model's parameters, in their order, each with its role.
struct DecaySplit {
  /// One parameter.
  struct Entry {
    std::string name;  ///< full name
    Tensor parameter;  ///< the model's own
    DecayRole role;    ///< why it decays or not
    /// Whether weight decay is for it.
    bool decays() const noexcept { return role == DecayRole::weight; }
  };
  std::vector<Entry> entries;  ///< one for each parameter

  /// Those that decay, and those that do not.
  ParameterList decayed() const;
  ParameterList spared() const;
};

/// Sorts a model's parameters. `also_spare` are full names of parameters, or of modules with all that is in them, that
/// shall not decay either ("pos_embed", "head"). Throws ValueError for a name that fits nothing.
DecaySplit decay_split(Module& model, const std::vector<std::string>& also_spare = {});

/// What decays and what does not, by role, with counts and names:
///
///   weight decay: 2 parameters (79,400 values) of 6
///     weight  79,400 values  fc1.weight, fc2.weight
///   without:    4 parameters (310 values)
///     norm       200 values  norm1.weight, norm1.bias
///     bias       110 values  fc1.bias, fc2.bias
std::ostream& operator<<(std::ostream& out, const DecaySplit& split);

/// Two groups with the same options: the parameters that decay first, then the others with weight_decay = 0. A group
/// that would be empty is left out. For the options of every optimizer.
template <class Options>
std::vector<ParamGroup<Options>> norm_aware_groups(const DecaySplit& split, const Options& options) {
  std::vector<ParamGroup<Options>> groups;
  Options without = options;
  without.weight_decay = 0.0;
  if (ParameterList decayed = split.decayed(); !decayed.empty()) {
    groups.push_back({std::move(decayed), options});
  }
  if (ParameterList spared = split.spared(); !spared.empty()) {
    groups.push_back({std::move(spared), without});
  }
  return groups;
}
template <class Options>
std::vector<ParamGroup<Options>> norm_aware_groups(Module& model, const Options& options,
                                                   const std::vector<std::string>& also_spare = {}) {
  return norm_aware_groups(decay_split(model, also_spare), options);
}

}  // namespace normgrad
