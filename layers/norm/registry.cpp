#include "normgrad/layers/norm/registry.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <sstream>

#include "normgrad/core/base/detail/fork.hpp"
#include "normgrad/layers/identity.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/detail/registry_batches.hpp"
#include "normgrad/layers/norm/detail/registry_papers.hpp"
#include "normgrad/layers/norm/group_norm.hpp"
#include "normgrad/layers/norm/instance_norm.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"
#include "normgrad/layers/norm/rms_norm.hpp"

namespace normgrad {

namespace {

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text.empty() ? "none" : text;
}

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

std::unique_ptr<Module> make_batch(const NormContext& c, const NormArguments& arguments) {
  const std::optional<double> momentum = arguments.optional_number("momentum", 0.1);
  const BatchNormOptions options{.eps = arguments.number("eps", 1e-5),
                                 .momentum = momentum ? Momentum(*momentum) : Momentum(std::nullopt),
                                 .dtype = c.dtype};
  switch (c.spatial_dims) {
    case 2:
      return std::make_unique<BatchNorm2d>(c.num_features, options);
    case 3:
      return std::make_unique<BatchNorm3d>(c.num_features, options);
    default:
      return std::make_unique<BatchNorm1d>(c.num_features, options);
  }
}

std::unique_ptr<Module> make_instance(const NormContext& c, const NormArguments& arguments) {
  const InstanceNormOptions options{.eps = arguments.number("eps", 1e-5), .affine = true, .dtype = c.dtype};
  switch (c.spatial_dims) {
    case 2:
      return std::make_unique<InstanceNorm2d>(c.num_features, options);
    case 3:
      return std::make_unique<InstanceNorm3d>(c.num_features, options);
    default:
      return std::make_unique<InstanceNorm1d>(c.num_features, options);
  }
}

std::unique_ptr<Module> make_layer(const NormContext& c, const NormArguments& arguments) {
  const double eps = arguments.number("eps", 1e-5);
  if (c.spatial_dims == 0) {
    return std::make_unique<LayerNorm>(c.num_features, LayerNormOptions{.eps = eps, .dtype = c.dtype});
  }
  return std::make_unique<GroupNorm>(1, c.num_features, GroupNormOptions{.eps = eps, .dtype = c.dtype});
}

std::unique_ptr<Module> make_group(const NormContext& c, const NormArguments& arguments) {
  const std::string& count = arguments.positional;
  const std::int64_t groups = count.empty() ? (c.spatial_dims == 0 ? 10 : 8) : parse_groups(count);
  return std::make_unique<GroupNorm>(groups, c.num_features,
                                     GroupNormOptions{.eps = arguments.number("eps", 1e-5), .dtype = c.dtype});
}

std::unique_ptr<Module> make_rms(const NormContext& c, const NormArguments& arguments) {
  if (c.spatial_dims == 0) {
    return std::make_unique<RMSNorm>(
        c.num_features, RMSNormOptions{.eps = arguments.optional_number("eps", std::nullopt), .dtype = c.dtype});
  }
  return std::make_unique<GroupNorm>(
      1, c.num_features,
      GroupNormOptions{
          .eps = arguments.number("eps", 1e-5), .affine = Affine::scale_only, .center = false, .dtype = c.dtype});
}

std::unique_ptr<Module> make_none(const NormContext& /*context*/, const NormArguments& /*arguments*/) {
  return std::make_unique<Identity>();
}

const NormEntry& find_entry(const std::string& name, const std::string& spec) {
  std::string known;
  for (const NormEntry& entry : norm_registry()) {
    if (entry.name == name) {
      return entry;
    }
    known += (known.empty() ? "" : ", ") + entry.name;
  }
  fail<ValueError>("make_norm: expected one of ", known, " but got \"", spec, "\"");
}

/// Parses "4:eps=1e-3". `text` is the part of `spec` after the first colon.
NormArguments parse_arguments(const NormEntry& entry, const std::string& text, const std::string& spec) {
  NormArguments arguments;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ':');) {
    const std::size_t equals = part.find('=');
    if (equals == std::string::npos) {
      require<ValueError>(entry.takes_argument, "make_norm: expected \"", entry.name,
                          "\" without an argument but got \"", spec, "\"");
      require<ValueError>(arguments.positional.empty() && !part.empty(), "make_norm: expected one number after \"",
                          entry.name, ":\" but got \"", spec, "\"");
      arguments.positional = part;
      continue;
    }
    const std::string name = part.substr(0, equals);
    require<ValueError>(std::find(entry.options.begin(), entry.options.end(), name) != entry.options.end(),
                        "make_norm: \"", entry.name, "\" has no option \"", name, "\", only ", join(entry.options));
    arguments.options.emplace_back(name, part.substr(equals + 1));
  }
  return arguments;
}

std::vector<NormEntry> entries_of_pytorch() {
  return {
      {.name = "none",
       .reason_against = always,
       .make = make_none,
       .normalizes = false,
       .standardizes = false,
       .centers = false},
      {.name = "batch",
       .reason_against = always,
       .make = make_batch,
       .options = {"eps", "momentum"},
       .independent_samples = false},
      {.name = "layer", .reason_against = always, .make = make_layer, .options = {"eps"}},
      {.name = "instance", .reason_against = needs_positions, .make = make_instance, .options = {"eps"}},
      {.name = "group", .reason_against = always, .make = make_group, .takes_argument = true, .options = {"eps"}},
      {.name = "rms", .reason_against = always, .make = make_rms, .options = {"eps"}, .centers = false},
  };
}

struct Spec {
  const NormEntry& entry;
  NormArguments arguments;
};

Spec parse(const std::string& spec, const NormContext& context) {
  require<ValueError>(context.num_features > 0, "make_norm: expected num_features > 0 but got ", context.num_features);
  require<ValueError>(context.spatial_dims >= 0 && context.spatial_dims <= 3,
                      "make_norm: expected spatial_dims from 0 to 3 but got ", context.spatial_dims);
  const std::size_t colon = spec.find(':');
  const NormEntry& entry = find_entry(spec.substr(0, colon), spec);
  if (colon == std::string::npos) {
    return {entry, {}};
  }
  require<ValueError>(colon + 1 < spec.size(), "make_norm: expected a number after \"", entry.name, ":\" but got none");
  return {entry, parse_arguments(entry, spec.substr(colon + 1), spec)};
}

std::vector<NormEntry>& all_entries() {
  static std::vector<NormEntry> entries = [] {
    std::vector<NormEntry> all = entries_of_pytorch();
    for (std::vector<NormEntry>& more : std::vector{detail::entries_of_batch_norms(), detail::entries_of_papers()}) {
      std::move(more.begin(), more.end(), std::back_inserter(all));
    }
    return all;
  }();
  return entries;
}

const detail::BeforeMain entries_exist([] { all_entries(); });

}  // namespace

const std::vector<NormEntry>& norm_registry() { return all_entries(); }

void register_norm(NormEntry entry) {
  require<ValueError>(!entry.name.empty() && entry.name.find(':') == std::string::npos,
                      "register_norm: expected a name without a colon but got \"", entry.name, "\"");
  for (const NormEntry& known : all_entries()) {
    require<ValueError>(known.name != entry.name, "register_norm: expected a new name but got \"", entry.name,
                        "\", which the registry has");
  }
  require<ValueError>(entry.reason_against && entry.make, "register_norm: expected reason_against and make for \"",
                      entry.name, "\"");
  all_entries().push_back(std::move(entry));
}

bool NormArguments::has(const std::string& name) const {
  return std::any_of(options.begin(), options.end(), [&](const auto& option) { return option.first == name; });
}

std::int64_t NormArguments::whole_number(const std::string& name, std::int64_t otherwise) const {
  const double value = number(name, static_cast<double>(otherwise));
  const auto whole = static_cast<std::int64_t>(std::clamp(value, -1e15, 1e15));
  require<ValueError>(static_cast<double>(whole) == value, "make_norm: expected a whole number for \"", name,
                      "\" but got ", value);
  return whole;
}

double NormArguments::number(const std::string& name, double otherwise) const {
  const std::optional<double> value = optional_number(name, otherwise);
  require<ValueError>(value.has_value(), "make_norm: expected a number for \"", name, "\" but got none");
  return *value;
}

std::optional<double> NormArguments::optional_number(const std::string& name, std::optional<double> otherwise) const {
  for (const auto& [key, text] : options) {
    if (key == name && text == "none") {
      return std::nullopt;
    }
    if (key == name) {
      double value = 0.0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
      require<ValueError>(error == std::errc() && end == text.data() + text.size(),
                          "make_norm: expected a number for \"", name, "\" but got \"", text, "\"");
      return value;
    }
  }
  return otherwise;
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
  return parsed.entry.make(context, parsed.arguments);
}

bool is_norm_applicable(const std::string& spec, const NormContext& context) {
  return parse(spec, context).entry.reason_against(context).empty();
}

}  // namespace normgrad
