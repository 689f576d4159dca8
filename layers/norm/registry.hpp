// Norms by name: what drives the comparison of norms and the tests that every norm has to pass.
//
//   name      features [N, C] (spatial_dims 0)   images [N, C, H, W] (spatial_dims 2; 1 and 3 likewise)
//   none      Identity                           Identity
//   batch     BatchNorm1d(C)                     BatchNorm2d(C)
//   layer     LayerNorm(C)                       GroupNorm(1, C): statistics over C, H, W, parameters per channel
//   instance  not applicable                     InstanceNorm2d(C, {.affine = true})
//   group     GroupNorm(10, C)                   GroupNorm(8, C); "group:4" chooses 4 groups
//   rms       RMSNorm(C)                         GroupNorm(1, C, {.affine = scale_only, .centre = false})
//
// Options follow after colons: "batch:momentum=0.01", "batch:momentum=none:eps=1e-3", "group:4:eps=1e-3". All but none
// know eps; batch also momentum (none: the cumulative average).
//
// A new norm is a new entry in registry.cpp.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "normgrad/layers/module.hpp"

namespace normgrad {

/// Where a norm is to stand.
struct NormContext {
  std::int64_t num_features = 0;  ///< C
  std::int64_t spatial_dims = 0;  ///< axes after [N, C]: 0 to 3
  DType dtype = kFloat32;         ///< of parameters and statistics
};

/// What follows the colon of a name: "4" or "momentum=0.01:eps=1e-3".
struct NormArguments {
  std::string positional;  ///< the part without "=", such as the number of groups
  std::vector<std::pair<std::string, std::string>> options = {};  ///< name and value

  /// An option as a number; throws ValueError for another text.
  double number(const std::string& name, double otherwise) const;
  /// The same for one that may also be "none".
  std::optional<double> optional_number(const std::string& name, std::optional<double> otherwise) const;
};

/// A norm of the registry.
struct NormEntry {
  std::string name;  ///< such as "batch" or "group"
  /// Empty, or why the norm cannot stand there.
  std::function<std::string(const NormContext& context)> reason_against;
  std::function<std::unique_ptr<Module>(const NormContext& context, const NormArguments& arguments)> make;
  bool takes_argument = false;            ///< a positional one
  std::vector<std::string> options = {};  ///< that it knows
  // What it is, for the tests that hold it to that.
  bool normalises = true;           ///< false: the identity
  bool centres = true;              ///< removes the mean
  bool independent_samples = true;  ///< a sample's result does not depend on the others of its batch
};

/// All norms, "none" first.
const std::vector<NormEntry>& norm_registry();
/// The names, "none" first.
std::vector<std::string> norm_names();
/// A norm for the given place. Throws ValueError for a name or an option that is not known (listing those that are), an
/// argument that is not a number of groups, and a norm that is not applicable there.
std::unique_ptr<Module> make_norm(const std::string& spec, const NormContext& context);
/// Whether make_norm would not throw because of the place; throws ValueError for a name that is not known.
bool is_norm_applicable(const std::string& spec, const NormContext& context);

}  // namespace normgrad
