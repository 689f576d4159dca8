// Norms by name, for the comparison of norms and for the tests that every norm must pass.
//
//   name      features [N, C] (spatial_dims 0)   images [N, C, H, W] (spatial_dims 2; 1 and 3 likewise)
//   none      Identity                           Identity
//   batch     BatchNorm1d(C)                     BatchNorm2d(C)
//   layer     LayerNorm(C)                       GroupNorm(1, C): statistics over C, H, W, parameters per channel
//   instance  not applicable                     InstanceNorm2d(C, {.affine = true})
//   group     GroupNorm(10, C)                   GroupNorm(8, C); "group:4" chooses 4 groups
//   rms       RMSNorm(C)                         GroupNorm(1, C, {.affine = scale_only, .center = false})
//   brn       BatchRenorm1d(C)                   BatchRenorm2d(C); "brn:r_max=3:d_max=5" limits it from the start
//   ghost     GhostBatchNorm1d(C)                GhostBatchNorm2d(C); "ghost:32" chooses virtual batches of 32
//   switchable SwitchableNorm1d(C)                SwitchableNorm2d(C) and 3d; not for [N, C, L]
//   power     PowerNorm(C)                       PowerNorm(C); "power:warmup=100" shortens its warmup
//   iter      IterNorm(C)                        IterNorm(C), groups of up to 64 channels; "iter:4" chooses 4 groups
//   bin       not applicable                     BatchInstanceNorm(C)
//   mobn      MeanOnlyBatchNorm(C)               MeanOnlyBatchNorm(C)
//   dyt       DynamicTanh(C), also of [*, C]     the same, along the channels; likewise the next three
//   scale     ScaleNorm(sqrt(C))                 one statistic per position
//   l2        L2Norm(C)                          one statistic per position
//   prms      PartialRMSNorm(C)                  one statistic per position
//   grn       not applicable                     GlobalResponseNorm(C)
//   frn       not applicable                     FilterResponseNorm(C), which contains its activation
//   evo-b0    not applicable                     EvoNormB0(C), which contains its activation
//   evo-s0    EvoNormS0(C) of up to 10 groups    EvoNormS0(C) of up to 32 groups, which contains its activation
//   pono      PositionalNorm(C)                  PositionalNorm(C, {.affine = true})
//   divisive  DivisiveNorm(C, {.affine = true})  the same
//   pixel     PixelNorm(), also of [*, C]        PixelNorm(): one statistic per position
//   lrn       not applicable                     LocalResponseNorm(5); "lrn:size=3:alpha=1" chooses others
//
// Options follow colons: "batch:momentum=0.01", "batch:momentum=none:eps=1e-3", "group:4:eps=1e-3". All norms but
// none, dyt, mobn and lrn accept eps; batch, brn, ghost, switchable, iter, bin, mobn and evo-b0 accept momentum (none:
// the cumulative mean), dyt alpha, l2 scale, prms partial, evo-s0 groups, divisive window, and lrn size, alpha, beta
// and k.
//
// normgrad::dist adds "sync_batch", see register_sync_batch_norm(). To add a norm to the library, add an entry to
// registry.cpp, or to registry_batches.cpp or registry_papers.cpp for a norm that PyTorch lacks; to add one in a
// program, call register_norm().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// The position of a norm in a model.
struct NormContext {
  std::int64_t num_features = 0;  ///< C
  std::int64_t spatial_dims = 0;  ///< axes after [N, C]: 0 to 3
  DType dtype = kFloat32;         ///< dtype of parameters and statistics
};

/// The part of a name after the first colon: "4" or "momentum=0.01:eps=1e-3".
struct NormArguments {
  std::string positional;  ///< the part without "=", such as the number of groups
  std::vector<std::pair<std::string, std::string>> options = {};  ///< names and values

  /// Whether an option is given.
  bool has(const std::string& name) const;
  /// Returns an option as a number. Throws ValueError if its text is not one.
  double number(const std::string& name, double otherwise) const;
  /// As number(), for a whole number.
  std::int64_t whole_number(const std::string& name, std::int64_t otherwise) const;
  /// As number(), for an option that may also be "none".
  std::optional<double> optional_number(const std::string& name, std::optional<double> otherwise) const;
};

/// How a norm reacts to a positive factor of its input, where eps does not matter.
enum class Scaling : std::uint8_t {
  invariant,    ///< y(a x) = y(x)
  equivariant,  ///< y(a x) - y(0) = a (y(x) - y(0))
  other         ///< neither
};

/// An entry of the registry.
struct NormEntry {
  std::string name;  ///< such as "batch" or "group"
  /// Empty, or the reason why the norm is not applicable at this position.
  std::function<std::string(const NormContext& context)> reason_against;
  std::function<std::unique_ptr<Module>(const NormContext& context, const NormArguments& arguments)> make;
  bool takes_argument = false;            ///< whether it accepts a positional argument
  std::vector<std::string> options = {};  ///< names of its options
  // Properties, checked by the tests.
  bool normalizes = true;  ///< false: the identity
  /// With its first parameters, y is (x - mean) / sqrt(var + eps) over disjoint sets (or x / sqrt(mean(x^2) + eps)),
  /// which the identities of docs/identities.md describe.
  bool standardizes = true;
  bool centers = true;  ///< subtracts the mean: adding a constant to x changes nothing
  /// Whether the backward in training is the derivative of the forward. False for one that its authors define as an
  /// approximation.
  bool exact_gradient = true;
  bool independent_samples = true;       ///< a sample's result does not depend on the others of its batch
  Scaling scaling = Scaling::invariant;  ///< reaction to a positive factor of x
  bool odd = true;                       ///< y(-x) + y(x) = 2 y(0)
  bool commutes_with_positions = true;   ///< permuted positions give the permuted result
};

/// All norms, "none" first.
const std::vector<NormEntry>& norm_registry();
/// Adds a norm. Call it at the start of a program: no other thread may use the registry meanwhile, and references to
/// norm_registry()'s entries end. Throws ValueError for a name that is known, is empty or has a colon, and if a
/// function is missing.
void register_norm(NormEntry entry);
/// The names of all norms, "none" first.
std::vector<std::string> norm_names();
/// Makes a norm for the given position. Throws ValueError for an unknown name or option (listing the known ones), an
/// argument that is not a number of groups, and a norm that is not applicable there.
std::unique_ptr<Module> make_norm(const std::string& spec, const NormContext& context);
/// Whether the norm is applicable at this position. Throws ValueError for an unknown name.
bool is_norm_applicable(const std::string& spec, const NormContext& context);

}  // namespace normgrad
