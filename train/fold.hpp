// fold: merges batch norms into the preceding layers, for evaluation.
//
//   net.eval();
//   std::cout << fold(net, images);   // finds the pairs automatically
//   fold_into(net.conv1, net.norm1);  // or folds a given pair
#pragma once

#include <concepts>
#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/layers/module/module.hpp"
#include "normgrad/layers/norm/running_stats.hpp"

namespace normgrad {

/// Folds a norm into a layer. With running mean m, variance v, weight gamma and bias beta of the norm and s = gamma /
/// sqrt(v + eps), per channel: weight *= s, bias = (bias - m) s + beta (the layer gets a bias if it has none). The norm
/// becomes the identity: mean 0, variance 1 - eps, weight 1, bias 0. In eval mode and without gradients it then returns
/// its input itself at no cost. (Not a copy: changing the result in place changes the layer's result, which has no
/// other use.) Names and state dicts are unchanged, and an earlier state can be loaded again.
///
/// `layer` is a Linear (with inputs [N, features]), Conv1d, Conv2d, Conv3d or ConvTranspose2d, with any groups. Throws
/// ValueError with the reason, changing nothing, for another type of layer or norm (including derived classes, which
/// may override forward); hooks on either; a norm that is in training mode, has no running statistics, or normalizes
/// with batch statistics; different numbers of channels or dtypes; and non-finite values. The caller must ensure that
/// the norm receives the layer's result and nothing else does.
void fold_into(Module& layer, RunningStatsNorm& norm);

/// Result of fold(): for each norm, with or without running statistics, whether and why (not) it was folded.
struct FoldReport {
  /// The result for one norm.
  struct Entry {
    std::string norm;     ///< full name
    std::string layer;    ///< empty if none was found
    bool folded = false;  ///< whether the norm is now the identity
    std::string reason;   ///< why it was not folded
  };
  std::vector<Entry> norms;  ///< in the order of members
  /// Returns the number of folded norms.
  int folded() const noexcept;
};
std::ostream& operator<<(std::ostream& out, const FoldReport& report);

/// Folds every norm that directly follows a convolution in a Sequential, anywhere in the model. Handwritten forwards
/// and the input shape of linear layers cannot be inspected; such norms are reported as needing an example. Tied
/// parameters are not changed. Throws ValueError for a model in training mode.
FoldReport fold(Module& model);

namespace detail {
/// Folds the pairs found by calling `run`: the norm received the layer's result, each was called once, and the model's
/// result is the same afterwards.
FoldReport fold_traced(Module& model, const std::function<Tensor()>& run);
}  // namespace detail

/// Finds pairs by calling the model with an example, also in models with a handwritten forward. A norm is folded if its
/// input is the result of a convolution or linear layer, both were called once, and the model's result for the example
/// stays the same up to rounding. (It does not if the layer's result is also used elsewhere; such a pair is undone and
/// reported.) Use an example with typical values, such as a few images. If a call of the model throws, the model is
/// left unchanged.
template <std::derived_from<Module> M>
FoldReport fold(M& model, const Tensor& example) {
  return detail::fold_traced(model, [&]() -> Tensor { return model(example); });
}

}  // namespace normgrad
