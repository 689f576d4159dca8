#include "normgrad/layers/norm/registry.hpp"

#include <charconv>

#include "normgrad/layers/identity.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/group_norm.hpp"
#include "normgrad/layers/norm/instance_norm.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"
#include "normgrad/layers/norm/rms_norm.hpp"

namespace normgrad {

namespace {

std::string always(const NormContext& /*context*/) { return {}; }

std::string needs_positions(const NormContext& context) {
  return context.spatial_dims == 0 ? "instance needs positions to take statistics over, and features [N, C] have one "
                                     "value per sample and channel"
                                   : "";
}

std::int64_t parse_groups(const std::string& text) {
  std::int64_t groups = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), groups);
  require<ValueError>(error == std::errc() && end == text.data() + text.size() && groups > 0,
                      "make_norm: expected a number of groups, as in \"group:8\", but got \"group:", text, "\"");
  return groups;
}

std::unique_ptr<Module> make_batch(const NormContext& c, const std::string& /*argument*/) {
  switch (c.spatial_dims) {
    case 2:
      return std::make_unique<BatchNorm2d>(c.num_features, BatchNormOptions{.dtype = c.dtype});
    case 3:
      return std::make_unique<BatchNorm3d>(c.num_features, BatchNormOptions{.dtype = c.dtype});
    default:
      return std::make_unique<BatchNorm1d>(c.num_features, BatchNormOptions{.dtype = c.dtype});
  }
}

std::unique_ptr<Module> make_instance(const NormContext& c, const std::string& /*argument*/) {
  const InstanceNormOptions options{.affine = true, .dtype = c.dtype};
  switch (c.spatial_dims) {
    case 2:
      return std::make_unique<InstanceNorm2d>(c.num_features, options);
    case 3:
      return std::make_unique<InstanceNorm3d>(c.num_features, options);
    default:
      return std::make_unique<InstanceNorm1d>(c.num_features, options);
  }
}

std::unique_ptr<Module> make_layer(const NormContext& c, const std::string& /*argument*/) {
  if (c.spatial_dims == 0) {
    return std::make_unique<LayerNorm>(c.num_features, LayerNormOptions{.dtype = c.dtype});
  }
  return std::make_unique<GroupNorm>(1, c.num_features, GroupNormOptions{.dtype = c.dtype});
}

std::unique_ptr<Module> make_group(const NormContext& c, const std::string& argument) {
  const std::int64_t groups = argument.empty() ? (c.spatial_dims == 0 ? 10 : 8) : parse_groups(argument);
  return std::make_unique<GroupNorm>(groups, c.num_features, GroupNormOptions{.dtype = c.dtype});
}

std::unique_ptr<Module> make_rms(const NormContext& c, const std::string& /*argument*/) {
  if (c.spatial_dims == 0) {
    return std::make_unique<RMSNorm>(c.num_features, RMSNormOptions{.dtype = c.dtype});
  }
  return std::make_unique<GroupNorm>(1, c.num_features,
                                     GroupNormOptions{.affine = Affine::scale_only, .centre = false, .dtype = c.dtype});
}

std::unique_ptr<Module> make_none(const NormContext& /*context*/, const std::string& /*argument*/) {
  return std::make_unique<Identity>();
}

struct Spec {
  const NormEntry& entry;
  std::string argument;
};

Spec parse(const std::string& spec, const NormContext& context) {
  require<ValueError>(context.num_features > 0, "make_norm: expected num_features > 0 but got ", context.num_features);
  require<ValueError>(context.spatial_dims >= 0 && context.spatial_dims <= 3,
                      "make_norm: expected spatial_dims from 0 to 3 but got ", context.spatial_dims);
  const std::size_t colon = spec.find(':');
  const std::string name = spec.substr(0, colon);
  std::string known;
  for (const NormEntry& entry : norm_registry()) {
    if (entry.name == name) {
      require<ValueError>(colon == std::string::npos || entry.takes_argument, "make_norm: expected \"", name,
                          "\" without an argument but got \"", spec, "\"");
      require<ValueError>(colon == std::string::npos || colon + 1 < spec.size(),
                          "make_norm: expected a number after \"", name, ":\" but got none");
      return {entry, colon == std::string::npos ? std::string() : spec.substr(colon + 1)};
    }
    known += (known.empty() ? "" : ", ") + entry.name;
  }
  fail<ValueError>("make_norm: expected one of ", known, " but got \"", spec, "\"");
}

}  // namespace

const std::vector<NormEntry>& norm_registry() {
  static const std::vector<NormEntry> entries = {
      {.name = "none", .reason_against = always, .make = make_none, .normalises = false, .centres = false},
      {.name = "batch", .reason_against = always, .make = make_batch, .independent_samples = false},
      {.name = "layer", .reason_against = always, .make = make_layer},
      {.name = "instance", .reason_against = needs_positions, .make = make_instance},
      {.name = "group", .reason_against = always, .make = make_group, .takes_argument = true},
      {.name = "rms", .reason_against = always, .make = make_rms, .centres = false},
  };
  return entries;
}

std::vector<std::string> norm_names() {
  std::vector<std::string> names;
  for (const NormEntry& entry : norm_registry()) {
    names.push_back(entry.name);
  }
  return names;
}

std::unique_ptr<Module> make_norm(const std::string& spec, const NormContext& context) {
  const Spec parsed = parse(spec, context);
  const std::string reason = parsed.entry.reason_against(context);
  require<ValueError>(reason.empty(), "make_norm: ", reason);
  return parsed.entry.make(context, parsed.argument);
}

bool is_norm_applicable(const std::string& spec, const NormContext& context) {
  return parse(spec, context).entry.reason_against(context).empty();
}

}  // namespace normgrad
