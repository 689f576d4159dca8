#include <algorithm>
#include <charconv>
#include <optional>

#include "normgrad/layers/norm/batch_instance_norm.hpp"
#include "normgrad/layers/norm/batch_renorm.hpp"
#include "normgrad/layers/norm/detail/registry_batches.hpp"
#include "normgrad/layers/norm/ghost_batch_norm.hpp"
#include "normgrad/layers/norm/iter_norm.hpp"
#include "normgrad/layers/norm/mean_only_batch_norm.hpp"
#include "normgrad/layers/norm/power_norm.hpp"
#include "normgrad/layers/norm/switchable_norm.hpp"

namespace normgrad {

namespace {

std::string at_any_position(const NormContext& /*context*/) { return {}; }

/// Parses the argument of a name such as "ghost:32", a positive number of `what`.
std::int64_t parse_count(const std::string& text, const char* what, const char* norm, const char* example) {
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  require<ValueError>(error == std::errc() && end == text.data() + text.size() && count > 0,
                      "make_norm: expected a number of ", what, ", as in \"", norm, ":", example, "\", but got \"",
                      norm, ":", text, "\"");
  return count;
}

Momentum momentum_of(const NormArguments& arguments, double otherwise) {
  const std::optional<double> momentum = arguments.optional_number("momentum", otherwise);
  return momentum ? Momentum(*momentum) : Momentum(std::nullopt);
}

/// The layer for the number of axes of the inputs.
template <class OneD, class TwoD, class ThreeD, class Options>
std::unique_ptr<Module> make_by_rank(const NormContext& c, const Options& options) {
  switch (c.spatial_dims) {
    case 2:
      return std::make_unique<TwoD>(c.num_features, options);
    case 3:
      return std::make_unique<ThreeD>(c.num_features, options);
    default:
      return std::make_unique<OneD>(c.num_features, options);
  }
}

std::unique_ptr<Module> make_brn(const NormContext& c, const NormArguments& arguments) {
  BatchRenormOptions options{
      .eps = arguments.number("eps", 1e-3), .momentum = momentum_of(arguments, 0.01), .dtype = c.dtype};
  if (arguments.has("r_max")) {
    options.r_max = arguments.number("r_max", 1.0);
  }
  if (arguments.has("d_max")) {
    options.d_max = arguments.number("d_max", 0.0);
  }
  return make_by_rank<BatchRenorm1d, BatchRenorm2d, BatchRenorm3d>(c, options);
}

std::unique_ptr<Module> make_ghost(const NormContext& c, const NormArguments& arguments) {
  const std::string& size = arguments.positional;
  return make_by_rank<GhostBatchNorm1d, GhostBatchNorm2d, GhostBatchNorm3d>(
      c, GhostBatchNormOptions{
             .virtual_batch_size = size.empty() ? 128 : parse_count(size, "samples per virtual batch", "ghost", "32"),
             .eps = arguments.number("eps", 1e-5),
             .momentum = momentum_of(arguments, 0.1),
             .dtype = c.dtype});
}

std::string features_or_images(const NormContext& context) {
  return context.spatial_dims == 1 ? "switchable has a form for features [N, C] and one for images, but none for "
                                     "sequences [N, C, L]"
                                   : "";
}

std::unique_ptr<Module> make_switchable(const NormContext& c, const NormArguments& arguments) {
  return make_by_rank<SwitchableNorm1d, SwitchableNorm2d, SwitchableNorm3d>(
      c, SwitchableNormOptions{
             .eps = arguments.number("eps", 1e-5), .momentum = momentum_of(arguments, 0.1), .dtype = c.dtype});
}

std::unique_ptr<Module> make_power(const NormContext& c, const NormArguments& arguments) {
  return std::make_unique<PowerNorm>(c.num_features,
                                     PowerNormOptions{.eps = arguments.number("eps", 1e-5),
                                                      .warmup_iters = arguments.whole_number("warmup", 10000),
                                                      .dtype = c.dtype});
}

std::unique_ptr<Module> make_iter(const NormContext& c, const NormArguments& arguments) {
  std::int64_t each = std::min<std::int64_t>(64, c.num_features);
  while (c.num_features % each != 0) {
    --each;
  }
  const std::string& groups = arguments.positional;
  return std::make_unique<IterNorm>(
      c.num_features,
      IterNormOptions{.num_groups = groups.empty() ? c.num_features / each : parse_count(groups, "groups", "iter", "4"),
                      .T = arguments.whole_number("T", 5),
                      .eps = arguments.number("eps", 1e-5),
                      .momentum = momentum_of(arguments, 0.1),
                      .dtype = c.dtype});
}

std::string bin_reason(const NormContext& context) {
  return context.spatial_dims > 0 ? ""
                                  : "bin needs positions for the statistics of a sample's channel, and features [N, C] "
                                    "have one value per sample and channel";
}

std::unique_ptr<Module> make_bin(const NormContext& c, const NormArguments& arguments) {
  return std::make_unique<BatchInstanceNorm>(
      c.num_features,
      BatchInstanceNormOptions{
          .eps = arguments.number("eps", 1e-5), .momentum = momentum_of(arguments, 0.1), .dtype = c.dtype});
}

std::unique_ptr<Module> make_mobn(const NormContext& c, const NormArguments& arguments) {
  return std::make_unique<MeanOnlyBatchNorm>(
      c.num_features, MeanOnlyBatchNormOptions{.momentum = momentum_of(arguments, 0.1), .dtype = c.dtype});
}

}  // namespace

std::vector<NormEntry> detail::entries_of_batch_norms() {
  return {
      {.name = "brn",
       .reason_against = at_any_position,
       .make = make_brn,
       .options = {"eps", "momentum", "r_max", "d_max"},
       .independent_samples = false},
      {.name = "ghost",
       .reason_against = at_any_position,
       .make = make_ghost,
       .takes_argument = true,
       .options = {"eps", "momentum"},
       .independent_samples = false},
      {.name = "switchable",
       .reason_against = features_or_images,
       .make = make_switchable,
       .options = {"eps", "momentum"},
       .standardizes = false,
       .independent_samples = false},
      {.name = "power",
       .reason_against = at_any_position,
       .make = make_power,
       .options = {"eps", "warmup"},
       .standardizes = false,
       .centers = false,
       .exact_gradient = false,
       .independent_samples = false},
      {.name = "iter",
       .reason_against = at_any_position,
       .make = make_iter,
       .takes_argument = true,
       .options = {"eps", "momentum", "T"},
       .standardizes = false,
       .independent_samples = false},
      {.name = "bin",
       .reason_against = bin_reason,
       .make = make_bin,
       .options = {"eps", "momentum"},
       .standardizes = false,
       .independent_samples = false},
      {.name = "mobn",
       .reason_against = at_any_position,
       .make = make_mobn,
       .options = {"momentum"},
       .standardizes = false,
       .independent_samples = false,
       .scaling = Scaling::equivariant},
  };
}

}  // namespace normgrad
