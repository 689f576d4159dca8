// fold: takes batch norms into the layers before them, for evaluation.
//
//   net.eval();
//   std::cout << fold(net, images);   // looks for pairs itself
//   fold_into(net.conv1, net.norm1);  // or one pair, by hand
#pragma once

#include <concepts>
#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/layers/module.hpp"
#include "normgrad/layers/norm/running_stats.hpp"

namespace normgrad {

/// With running mean m, variance v, weight gamma and bias beta of the norm and s = gamma / sqrt(v + eps), per channel:
/// weight *= s, bias = (bias - m) s + beta (the layer gets a bias if it has none). The norm becomes the identity: mean
/// 0, variance 1 - eps, weight 1, bias 0; in eval mode and without gradients it then gives back its input as it is, at
/// no cost. (Not a copy of it: what changes the result in place changes the layer's result, which nobody else uses.) So
/// names and state dicts stay, and a state from before can be loaded again.
///
/// `layer` is a Linear (with inputs [N, features]), Conv1d, Conv2d, Conv3d or ConvTranspose2d, of any groups. Throws
/// ValueError, changing nothing, with the reason: another type of layer or norm (a class derived from one may have a
/// forward of its own), hooks on either, a norm in training mode, without running
/// statistics or that normalises with those of the batch, other numbers of channels, other dtypes, values that are not
/// finite. That the norm gets the layer's result, and nobody else does, is for the caller to know.
void fold_into(Module& layer, RunningStatsNorm& norm);

/// What fold() did, or why not, for each norm with or without running statistics.
struct FoldReport {
  /// One norm.
  struct Entry {
    std::string norm;     ///< full name
    std::string layer;    ///< empty when none was found
    bool folded = false;  ///< whether it is the identity now
    std::string reason;   ///< why it was not
  };
  std::vector<Entry> norms;  ///< in the order of members
  /// How many were folded.
  int folded() const noexcept;
};
std::ostream& operator<<(std::ostream& out, const FoldReport& report);

/// Folds every norm that stands directly after a convolution in a Sequential, wherever that is in the model. What a
/// forward written by hand does cannot be seen, nor whether a linear layer gives [N, features]: such norms are reported
/// as asking for an example. Parameters that are tied to others stay. Throws ValueError for a model in training mode.
FoldReport fold(Module& model);

namespace detail {
/// Folds the pairs that `run` shows: the layer's result came to the norm, each was called once, and the model's results
/// are the same afterwards.
FoldReport fold_traced(Module& model, const std::function<Tensor()>& run);
}  // namespace detail

/// Finds pairs, in models with a forward of their own, too, by calling the model with an example: a norm is folded when
/// what comes to it is what a convolution or linear layer gave, both were called once, and the model's result with the
/// example stays the same within rounding (which it does not when the layer's result is used elsewhere, too; such a
/// pair is undone and reported). Take an example of ordinary values, such as a few images. When a call of the model
/// throws, the model is as it was.
template <std::derived_from<Module> M>
FoldReport fold(M& model, const Tensor& example) {
  return detail::fold_traced(model, [&]() -> Tensor { return model(example); });
}

}  // namespace normgrad
