#include "normgrad/layers/norm/detail/registry_papers.hpp"

#include <algorithm>
#include <cmath>

#include "normgrad/layers/norm/detail/channel_axis.hpp"
#include "normgrad/layers/norm/divisive_norm.hpp"
#include "normgrad/layers/norm/dynamic_tanh.hpp"
#include "normgrad/layers/norm/evo_norm_b0.hpp"
#include "normgrad/layers/norm/evo_norm_s0.hpp"
#include "normgrad/layers/norm/filter_response_norm.hpp"
#include "normgrad/layers/norm/global_response_norm.hpp"
#include "normgrad/layers/norm/l2_norm.hpp"
#include "normgrad/layers/norm/local_response_norm.hpp"
#include "normgrad/layers/norm/partial_rms_norm.hpp"
#include "normgrad/layers/norm/pixel_norm.hpp"
#include "normgrad/layers/norm/positional_norm.hpp"
#include "normgrad/layers/norm/scale_norm.hpp"

namespace normgrad::detail {

namespace {

/// The axis of the features: the last one of [N, C], so that [*, C] is accepted as well, and axis 1 of [N, C, *].
std::int64_t channel_axis(const NormContext& c) { return c.spatial_dims == 0 ? -1 : 1; }

std::string anywhere(const NormContext& /*context*/) { return {}; }

std::string grn_reason(const NormContext& c) {
  return c.spatial_dims > 0 ? ""
                            : "grn needs positions to take the norm of a channel over, and features [N, C] have "
                              "one value per sample and channel";
}

std::string frn_reason(const NormContext& c) {
  return c.spatial_dims > 0 ? ""
                            : "frn needs positions to take the mean square over, and of one value per sample and "
                              "channel only the sign would remain";
}

std::string evo_b0_reason(const NormContext& c) {
  return c.spatial_dims > 0 ? ""
                            : "evo-b0 needs positions for the deviation of a sample's channel, and features "
                              "[N, C] have one value per sample and channel";
}

/// The largest number of groups up to 10, as for "group", that leaves at least 2 features to each; 0 if there is none.
std::int64_t feature_groups(std::int64_t num_features) {
  std::int64_t groups = std::min<std::int64_t>(10, num_features / 2);
  while (groups > 1 && num_features % groups != 0) {
    --groups;
  }
  return groups;
}

std::string evo_s0_reason(const NormContext& c) {
  return c.spatial_dims > 0 || c.num_features > 1 ? ""
                                                  : "evo-s0 needs positions or several features to take a "
                                                    "variance over, and one feature has none";
}

std::string pono_reason(const NormContext& c) {
  return c.num_features > 1 ? "" : "pono needs several channels to take a variance over, and one channel has none";
}

std::unique_ptr<Module> make_dyt(const NormContext& c, const NormArguments& arguments) {
  return std::make_unique<DynamicTanh>(
      c.num_features,
      DynamicTanhOptions{
          .alpha_init_value = arguments.number("alpha", 0.5), .axis = channel_axis(c), .dtype = c.dtype});
}

std::unique_ptr<Module> make_scale(const NormContext& c, const NormArguments& arguments) {
  const double root = std::sqrt(static_cast<double>(c.num_features));
  return std::make_unique<ScaleNorm>(
      root, ScaleNormOptions{.eps = arguments.number("eps", 1e-5), .axis = channel_axis(c), .dtype = c.dtype});
}

std::unique_ptr<Module> make_l2(const NormContext& c, const NormArguments& arguments) {
  return std::make_unique<L2Norm>(c.num_features, L2NormOptions{.scale = arguments.number("scale", 20.0),
                                                                .eps = arguments.number("eps", 1e-10),
                                                                .axis = channel_axis(c),
                                                                .dtype = c.dtype});
}

std::unique_ptr<Module> make_prms(const NormContext& c, const NormArguments& arguments) {
  return std::make_unique<PartialRMSNorm>(c.num_features,
                                          PartialRMSNormOptions{.partial = arguments.number("partial", 0.0625),
                                                                .eps = arguments.number("eps", 1e-8),
                                                                .axis = channel_axis(c),
                                                                .dtype = c.dtype});
}

std::unique_ptr<Module> make_grn(const NormContext& c, const NormArguments& arguments) {
  return std::make_unique<GlobalResponseNorm>(
      c.num_features, GlobalResponseNormOptions{.eps = arguments.number("eps", 1e-6), .dtype = c.dtype});
}

std::unique_ptr<Module> make_frn(const NormContext& c, const NormArguments& arguments) {
  return std::make_unique<FilterResponseNorm>(
      c.num_features, FilterResponseNormOptions{.eps = arguments.number("eps", 1e-6), .dtype = c.dtype});
}

std::unique_ptr<Module> make_evo_b0(const NormContext& c, const NormArguments& arguments) {
  const std::optional<double> momentum = arguments.optional_number("momentum", 0.1);
  return std::make_unique<EvoNormB0>(
      c.num_features, EvoNormB0Options{.eps = arguments.number("eps", 1e-5),
                                       .momentum = momentum ? Momentum(*momentum) : Momentum(std::nullopt),
                                       .dtype = c.dtype});
}

std::unique_ptr<Module> make_evo_s0(const NormContext& c, const NormArguments& arguments) {
  const std::int64_t otherwise =
      c.spatial_dims == 0 ? feature_groups(c.num_features) : automatic_groups(c.num_features);
  return std::make_unique<EvoNormS0>(c.num_features,
                                     EvoNormS0Options{.num_groups = arguments.whole_number("groups", otherwise),
                                                      .eps = arguments.number("eps", 1e-5),
                                                      .dtype = c.dtype});
}

std::unique_ptr<Module> make_pono(const NormContext& c, const NormArguments& arguments) {
  return std::make_unique<PositionalNorm>(
      c.num_features, PositionalNormOptions{.eps = arguments.number("eps", 1e-5), .affine = true, .dtype = c.dtype});
}

std::unique_ptr<Module> make_divisive(const NormContext& c, const NormArguments& arguments) {
  const std::int64_t window = arguments.whole_number("window", 3);
  return std::make_unique<DivisiveNorm>(c.num_features, DivisiveNormOptions{.sum_window = window,
                                                                            .sup_window = window,
                                                                            .eps = arguments.number("eps", 1.0),
                                                                            .affine = true,
                                                                            .dtype = c.dtype});
}

std::unique_ptr<Module> make_pixel(const NormContext& c, const NormArguments& arguments) {
  return std::make_unique<PixelNorm>(PixelNormOptions{.eps = arguments.number("eps", 1e-8), .axis = channel_axis(c)});
}

std::string lrn_reason(const NormContext& c) {
  return c.spatial_dims > 0 ? ""
                            : "lrn needs inputs [N, C, *] with positions, as PyTorch's LocalResponseNorm, and features "
                              "[N, C] have none";
}

std::unique_ptr<Module> make_lrn(const NormContext& /*context*/, const NormArguments& arguments) {
  return std::make_unique<LocalResponseNorm>(arguments.whole_number("size", 5),
                                             LocalResponseNormOptions{.alpha = arguments.number("alpha", 1e-4),
                                                                      .beta = arguments.number("beta", 0.75),
                                                                      .k = arguments.number("k", 1.0)});
}

}  // namespace

std::vector<NormEntry> entries_of_papers() {
  return {
      {.name = "dyt",
       .reason_against = anywhere,
       .make = make_dyt,
       .options = {"alpha"},
       .standardizes = false,
       .centers = false,
       .scaling = Scaling::other},
      {.name = "scale",
       .reason_against = anywhere,
       .make = make_scale,
       .options = {"eps"},
       .standardizes = false,
       .centers = false},
      {.name = "l2",
       .reason_against = anywhere,
       .make = make_l2,
       .options = {"scale", "eps"},
       .standardizes = false,
       .centers = false},
      {.name = "prms",
       .reason_against = anywhere,
       .make = make_prms,
       .options = {"partial", "eps"},
       .standardizes = false,
       .centers = false},
      {.name = "grn",
       .reason_against = grn_reason,
       .make = make_grn,
       .options = {"eps"},
       .standardizes = false,
       .centers = false,
       .scaling = Scaling::equivariant},
      {.name = "frn",
       .reason_against = frn_reason,
       .make = make_frn,
       .options = {"eps"},
       .standardizes = false,
       .centers = false,
       .odd = false},
      {.name = "evo-b0",
       .reason_against = evo_b0_reason,
       .make = make_evo_b0,
       .options = {"eps", "momentum"},
       .standardizes = false,
       .centers = false,
       .independent_samples = false,
       .odd = false},
      {.name = "evo-s0",
       .reason_against = evo_s0_reason,
       .make = make_evo_s0,
       .options = {"groups", "eps"},
       .standardizes = false,
       .centers = false,
       .scaling = Scaling::other,
       .odd = false},
      {.name = "pono", .reason_against = pono_reason, .make = make_pono, .options = {"eps"}, .standardizes = false},
      {.name = "divisive",
       .reason_against = anywhere,
       .make = make_divisive,
       .options = {"window", "eps"},
       .standardizes = false,
       .centers = false,
       .scaling = Scaling::other,
       .commutes_with_positions = false},
      {.name = "pixel",
       .reason_against = anywhere,
       .make = make_pixel,
       .options = {"eps"},
       .standardizes = false,
       .centers = false},
      {.name = "lrn",
       .reason_against = lrn_reason,
       .make = make_lrn,
       .options = {"size", "alpha", "beta", "k"},
       .standardizes = false,
       .centers = false,
       .scaling = Scaling::other},
  };
}

}  // namespace normgrad::detail
