// swap_norms: replaces the norms of a model by another one.
//
//   std::cout << swap_norms(net, "group:8");
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "normgrad/layers/module/any_module.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// Options of swap_norms().
struct SwapNormsOptions {
  /// An input of the model, which is then called once, in eval mode and without gradients, to see the shapes of the
  /// norms' inputs. Undefined: the shapes that the types of the norms imply. They do not tell whether a BatchNorm1d, a
  /// GroupNorm or a LayerNorm gets features [N, C] or a sequence, so that some replacements need an example.
  Tensor example = {};
};

/// What happened to one norm.
struct NormReplacement {
  std::string name;                  ///< full name; "" for the model itself
  std::string before;                ///< the norm as printed, such as "BatchNorm2d(16, eps=1e-05, ...)"
  std::string after;                 ///< its replacement; empty if there is none
  bool replaced = false;             ///< whether it was replaced
  std::string reason;                ///< why it was not replaced, and what to do
  std::vector<std::string> kept;     ///< parameters and buffers that the replacement took over
  std::vector<std::string> added;    ///< those that are new, with their initial values
  std::vector<std::string> dropped;  ///< those that the replacement has no use for; hooks
};

/// Result of swap_norms().
struct SwapNormsReport {
  std::vector<NormReplacement> norms;  ///< in the order of members
  /// Returns whether every norm was replaced.
  bool all_replaced() const noexcept;
};
/// Prints a table with one row per norm, followed by the reasons for those that were not replaced.
std::ostream& operator<<(std::ostream& out, const SwapNormsReport& report);

/// Replaces every norm of the model by the one that `spec` names in the registry (see registry.hpp), such as "group:8",
/// "rms:eps=1e-6" or "none". The name, the mode (train or eval) and the dtype stay, and so do parameters and buffers of
/// the same name and shape: gamma, beta, and running statistics of the same kind. They remain the same tensors, so that
/// optimizers keep their hold. Hooks are lost.
///
/// A norm can be replaced where its holder accepts any type: in a Sequential, ModuleList or ModuleDict, in an AnyModule
/// member, and in the transformer layers. A member of a concrete type, `BatchNorm2d norm{16};`, takes only another
/// norm of this type. A norm that cannot be replaced stays as it is; the report says why, and what to write instead.
/// Throws ValueError, changing nothing, for an unknown norm or option, and for a model without norms.
SwapNormsReport swap_norms(Module& model, const std::string& spec, const SwapNormsOptions& options = {});

}  // namespace normgrad
