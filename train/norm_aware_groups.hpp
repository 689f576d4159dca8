// Parameter groups that exclude norms and biases from weight decay.
//
//   AdamW optimizer(norm_aware_groups(net, AdamWOptions{.lr = 1e-3, .weight_decay = 0.05}));
//   std::cout << decay_split(net);   // shows the split
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/layers/module/module.hpp"
#include "normgrad/optim/optimizer.hpp"

namespace normgrad {

/// Reason why weight decay applies to a parameter or not.
enum class DecayRole : std::uint8_t {
  weight,  ///< decays
  norm,    ///< belongs to a normalization layer, see is_norm(), or to a ConditionalBatchNorm2d
  bias,    ///< its name is "bias" or ends in ".bias"
  vector,  ///< has fewer than 2 axes longer than 1, such as a learned scale [C] or [1, C, 1, 1], and is not the weight
           ///< of a Linear, convolution or Embedding: decay would pull it to 0 without simplifying the model
  named    ///< excluded by the caller
};
/// Returns "weight", "norm" and so on.
const char* decay_role_name(DecayRole role) noexcept;

/// A model's parameters in order, each with its role.
struct DecaySplit {
  /// One parameter.
  struct Entry {
    std::string name;  ///< full name
    Tensor parameter;  ///< the model's own
    DecayRole role;    ///< reason why it decays or not
    /// Returns whether weight decay applies.
    bool decays() const noexcept { return role == DecayRole::weight; }
  };
  std::vector<Entry> entries;  ///< one for each parameter

  /// Return the parameters with and without decay.
  ParameterList decayed() const;
  ParameterList spared() const;
};

/// Assigns roles to a model's parameters. `also_spare` lists full names of further parameters, or of modules with all
/// their parameters, to exclude from decay ("pos_embed", "head"). Throws ValueError for a name that matches nothing.
DecaySplit decay_split(Module& model, const std::vector<std::string>& also_spare = {});

/// Prints the parameters with and without decay, by role, with counts and names:
///
///   weight decay: 2 parameters (79,400 values) of 6
///     weight  79,400 values  fc1.weight, fc2.weight
///   without:    4 parameters (310 values)
///     norm       200 values  norm1.weight, norm1.bias
///     bias       110 values  fc1.bias, fc2.bias
std::ostream& operator<<(std::ostream& out, const DecaySplit& split);

/// Returns two groups with the same options: first the parameters that decay, then the others with weight_decay = 0. An
/// empty group is omitted. Works with the options of every optimizer.
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
