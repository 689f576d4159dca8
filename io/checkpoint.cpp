#include "normgrad/io/checkpoint.hpp"

#include <algorithm>
#include <bit>
#include <cctype>
#include <filesystem>
#include <map>
#include <system_error>

#include "normgrad/core/base/detail/io_errors.hpp"
#include "normgrad/core/base/log.hpp"
#include "normgrad/core/kernels/gemm/onednn_gemm.hpp"
#include "normgrad/core/simd/dispatch.hpp"
#include "normgrad/io/detail/safetensors_format.hpp"

namespace normgrad {

namespace {

constexpr const char* kSave = "save_checkpoint";
constexpr const char* kLoad = "load_checkpoint";
constexpr const char* kDifferences = "checkpoint_differences";
constexpr const char* kFormat = "normgrad checkpoint 1";
constexpr const char* kRandom = "default_generator";
constexpr const char* kCondition = "condition.";
constexpr const char* kProperty = "property.";

template <class T>
Tensor scalar_of(T value) {
  Tensor tensor = Tensor::empty({}, dtype_of<T>);
  *tensor.mutable_data<T>() = value;
  return tensor;
}

template <class T>
T scalar_in(const std::string& part, const StateDict& state, const std::string& key) {
  const auto found = state.find(key);
  require<ValueError>(found != state.end() && found->second.numel() == 1 && found->second.dtype() == dtype_of<T>, "'",
                      part, "': expected one ", dtype_name(dtype_of<T>), " '", key, "'");
  return *found->second.data<T>();
}

template <class T>
StateDict number_state(T value) {
  return {{"value", scalar_of(value)}};
}

// A part may change its tensors as soon as it continues.
StateDict copy_of(const StateDict& state) {
  StateDict copy;
  for (const auto& [name, tensor] : state) {
    if (tensor.defined()) {
      copy[name] = Tensor::empty(tensor.shape(), tensor.dtype());
      copy[name].copy_(tensor.detach());
    }
  }
  return copy;
}

std::string names_of(const CheckpointParts& parts) {
  std::string names;
  for (const CheckpointPart& part : parts) {
    names += (names.empty() ? "" : ",") + part.name();
  }
  return names;
}

// Appends the default generator to the caller's parts.
CheckpointParts with_generator(const char* operation, const FilePath& path, CheckpointParts parts, bool generator) {
  if (generator) {
    parts.emplace_back(kRandom, default_generator());
  }
  for (auto part = parts.begin(); part != parts.end(); ++part) {
    const bool twice =
        std::any_of(parts.begin(), part, [&](const CheckpointPart& other) { return other.name() == part->name(); });
    require<ValueError>(!twice, operation, ": '", path.string(), "': two parts are named '", part->name(), "'");
  }
  return parts;
}

std::string where_of(const char* operation, const FilePath& path) {
  return std::string(operation) + ": '" + path.string() + "': ";
}

std::string text_in(const Metadata& metadata, const std::string& key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? std::string() : found->second;
}

/// Metadata of a checkpoint besides its parts: conditions and properties of the run.
Metadata conditions_of(const CheckpointParts& parts) {
  Metadata conditions;
  for (const auto& [name, value] : run_conditions()) {
    conditions[kCondition + name] = value;
  }
  for (const CheckpointPart& part : parts) {
    if (part.property()) {
      conditions[kProperty + part.name()] = part.property()->value;
    }
  }
  return conditions;
}

std::string differences_of(const Metadata& metadata, const CheckpointParts& parts) {
  std::string differences;
  for (const auto& [key, is] : conditions_of(parts)) {
    const auto found = metadata.find(key);
    const std::string was = found == metadata.end() ? "not recorded" : found->second;
    if (was != is) {
      differences += "\n  " + key.substr(key.find('.') + 1) + ": was " + was + ", is " + is;
    }
  }
  return differences;
}

void check_format(const std::string& where, const Metadata& metadata) {
  const std::string format = text_in(metadata, "format");
  require<IoError>(format == kFormat, where, "is not a checkpoint of this library: expected the format '", kFormat,
                   "' but got '", format, "'");
}

void check_parts(const std::string& where, const Metadata& metadata, const CheckpointParts& parts, bool some) {
  check_format(where, metadata);
  const std::string names = text_in(metadata, "parts");
  const std::string have = detail::concat(',', names, ',');
  const bool all_there = std::all_of(parts.begin(), parts.end(), [&](const CheckpointPart& part) {
    return have.find(detail::concat(',', part.name(), ',')) != std::string::npos;
  });
  const bool same_number = std::count(have.begin(), have.end(), ',') == static_cast<std::ptrdiff_t>(parts.size()) + 1;
  require<ValueError>(all_there && (same_number || some), where, "expected the parts ", names_of(parts),
                      " but the file has ", names);
}

std::vector<StateDict> states_in(const Safetensors& file, const CheckpointParts& parts) {
  std::vector<StateDict> states(parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::string prefix = parts[i].name() + ".";
    for (const auto& [name, tensor] : file.tensors) {
      if (name.starts_with(prefix)) {
        states[i][name.substr(prefix.size())] = tensor;
      }
    }
  }
  return states;
}

/// Prepares the parts. Returns a function for each that loads it without throwing, or an empty one for a part that is
/// loaded in its turn and restored if a later one fails. If one part cannot prepare, no part that can be restored does:
/// the load of that part may change the others, as a function that adds layers to a model does.
std::vector<std::function<void()>> prepare_all(const CheckpointParts& parts, const std::vector<StateDict>& states,
                                               std::size_t& at) {
  std::vector<std::function<void()>> commits(parts.size());
  bool all = std::all_of(parts.begin(), parts.end(), [](const CheckpointPart& part) { return part.prepares(); });
  for (at = 0; at < parts.size(); ++at) {
    if (all || parts[at].commits_last()) {
      commits[at] = parts[at].prepare(states[at]);
      all = all && commits[at];
    }
  }
  for (std::size_t i = 0; i < parts.size() && !all; ++i) {
    if (!parts[i].commits_last()) {
      commits[i] = {};
    }
  }
  return commits;
}

/// Prepares the parts, which changes nothing; loads those whose load may throw; then commits those that cannot.
void load_all(const std::string& where, const CheckpointParts& parts, const std::vector<StateDict>& states) {
  std::vector<std::function<void()>> commits;
  std::vector<StateDict> before(parts.size());
  std::vector<std::size_t> loaded;  // the last one possibly only in part
  loaded.reserve(parts.size());
  std::size_t at = 0;
  try {
    commits = prepare_all(parts, states, at);
    for (at = 0; at < parts.size(); ++at) {
      if (!commits[at]) {
        before[at] = copy_of(parts[at].save());
      }
    }
    for (at = 0; at < parts.size(); ++at) {
      if (!commits[at]) {
        loaded.push_back(at);
        parts[at].load(states[at]);
      }
    }
  } catch (...) {
    std::string problem = detail::concat("part '", parts[at].name(), "': ", detail::text_of_current_exception());
    for (const std::size_t i : loaded) {
      try {
        parts[i].load(before[i]);
      } catch (...) {
        if (i != at) {  // a part that rejected one state may reject every state
          problem += detail::concat("\npart '", parts[i].name(),
                                    "' could not be restored: ", detail::text_of_current_exception());
        }
      }
    }
    fail<ValueError>(where, problem);
  }
  for (const std::function<void()>& commit : commits) {
    if (commit) {
      commit();
    }
  }
}

}  // namespace

CheckpointPart::CheckpointPart(std::string name, std::function<StateDict()> save,
                               std::function<void(const StateDict&)> load)
    : name_(std::move(name)), save_(std::move(save)), load_(std::move(load)) {
  const bool plain = std::all_of(name_.begin(), name_.end(),
                                 [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '-'; });
  require<ValueError>(!name_.empty() && plain,
                      "CheckpointPart: expected a name of letters, digits, '_' and '-' but got '", name_, "'");
}

CheckpointPart::CheckpointPart(std::string name, std::function<StateDict()> save,
                               std::function<Commit(const StateDict&)> prepare, std::optional<RunProperty> property)
    : CheckpointPart(std::move(name), std::move(save), [prepare](const StateDict& state) { prepare(state)(); }) {
  prepare_ = std::move(prepare);
  property_ = std::move(property);
  commits_last_ = true;
}

CheckpointPart::CheckpointPart(const std::string& name, Generator& generator)
    : CheckpointPart(
          name,
          [&generator] {
            return StateDict{{"seed", scalar_of(std::bit_cast<std::int64_t>(generator.seed()))},
                             {"position", scalar_of(std::bit_cast<std::int64_t>(generator.position()))}};
          },
          [name, &generator](const StateDict& state) -> Commit {
            const auto seed = scalar_in<std::int64_t>(name, state, "seed");
            const auto position = scalar_in<std::int64_t>(name, state, "position");
            return [&generator, seed, position] {
              generator.manual_seed(std::bit_cast<std::uint64_t>(seed));
              generator.set_position(std::bit_cast<std::uint64_t>(position));
            };
          },
          std::nullopt) {}

CheckpointPart::CheckpointPart(std::string name, std::int64_t& number)
    : CheckpointPart(
          name, [&number] { return number_state(number); },
          [name, &number](const StateDict& state) -> Commit {
            return [&number, value = scalar_in<std::int64_t>(name, state, "value")] { number = value; };
          },
          std::nullopt) {}

CheckpointPart::CheckpointPart(std::string name, double& number)
    : CheckpointPart(
          name, [&number] { return number_state(number); },
          [name, &number](const StateDict& state) -> Commit {
            return [&number, value = scalar_in<double>(name, state, "value")] { number = value; };
          },
          std::nullopt) {}

CheckpointPart::CheckpointPart(std::string name, RunProperty property)
    : CheckpointPart(
          std::move(name), [] { return StateDict(); }, [](const StateDict&) -> Commit { return [] {}; },
          std::optional<RunProperty>(std::move(property))) {}

std::map<std::string, std::string> run_conditions() {
  return {{"library", NORMGRAD_VERSION},
          {"instruction_set", simd_name(simd_level())},
          {"onednn", kernels::onednn::version()}};
}

void save_checkpoint(const FilePath& path, const CheckpointParts& parts) {
  detail::with_io_errors(where_of(kSave, path), [&] {
    const CheckpointParts all = with_generator(kSave, path, parts, true);
    StateDict tensors;
    for (const CheckpointPart& part : all) {
      for (const auto& [key, tensor] : part.save()) {
        tensors[part.name() + "." + key] = tensor;
      }
    }
    Metadata metadata = conditions_of(all);
    metadata["format"] = kFormat;
    metadata["parts"] = names_of(all);
    detail::write_safetensors(kSave, path, tensors, metadata, detail::Checksum::yes);
  });
}

void load_checkpoint(const FilePath& path, const CheckpointParts& parts, CheckpointOptions options) {
  const std::string where = where_of(kLoad, path);
  detail::with_io_errors(where, [&] {
    const CheckpointParts all = with_generator(kLoad, path, parts, !options.partial);
    const Safetensors file = detail::read_safetensors(kLoad, path, detail::Checksum::yes);
    check_parts(where, file.metadata, all, options.partial);
    const std::string differences = options.partial ? std::string() : differences_of(file.metadata, all);
    require<ValueError>(differences.empty() || options.anyway, where,
                        "the run was started under other conditions and would not continue bit for bit:", differences,
                        "\n{.anyway = true} continues it anyway");
    load_all(where, all, states_in(file, all));
    if (!differences.empty()) {
      log(LogLevel::warn, where, "the run was started under other conditions:", differences);
    }
  });
}

bool resume_checkpoint(const FilePath& path, const CheckpointParts& parts, CheckpointOptions options) {
  std::error_code error;
  if (std::filesystem::status(path, error).type() == std::filesystem::file_type::not_found) {
    return false;
  }
  load_checkpoint(path, parts, options);
  return true;
}

std::string checkpoint_differences(const FilePath& path, const CheckpointParts& parts) {
  const std::string where = where_of(kDifferences, path);
  return detail::with_io_errors(where, [&] {
    const Metadata metadata = detail::read_safetensors(kDifferences, path, detail::Checksum::yes).metadata;
    check_format(where, metadata);
    return differences_of(metadata, parts);
  });
}

}  // namespace normgrad
