#include "normgrad/io/checkpoint.hpp"

#include <algorithm>
#include <bit>
#include <cctype>
#include <system_error>

#include "normgrad/io/safetensors_format.hpp"

namespace normgrad {

namespace {

constexpr const char* kSave = "save_checkpoint";
constexpr const char* kLoad = "load_checkpoint";
constexpr const char* kFormat = "normgrad checkpoint 1";
constexpr const char* kRandom = "default_generator";

template <class T>
Tensor scalar_of(T value) {
  Tensor tensor = Tensor::empty({}, dtype_of<T>);
  *tensor.mutable_data<T>() = value;
  return tensor;
}

template <class T>
T scalar_in(const std::string& part, const StateDict& state, const std::string& key) {
  const Tensor& entry = state.at(key);
  require<ValueError>(entry.numel() == 1 && entry.dtype() == dtype_of<T>, "'", part, "': expected one ",
                      dtype_name(dtype_of<T>), " '", key, "'");
  return *entry.data<T>();
}

template <class T>
CheckpointPart number_part(std::string name, T& number) {
  return {name,
          [&number] {
            return StateDict{{"value", scalar_of(number)}};
          },
          [name, &number](const StateDict& state) { number = scalar_in<T>(name, state, "value"); }};
}

// A part's tensors are its own only while it does not go on.
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

// The default generator comes after what the caller gives.
CheckpointParts with_generator(const char* operation, const std::filesystem::path& path, CheckpointParts parts,
                               bool generator) {
  if (generator) {
    parts.emplace_back(kRandom, default_generator());
  }
  for (auto part = parts.begin(); part != parts.end(); ++part) {
    const bool twice =
        std::any_of(parts.begin(), part, [&](const CheckpointPart& other) { return other.name() == part->name(); });
    require<ValueError>(!twice, operation, ": '", path.string(), "': two parts are called '", part->name(), "'");
  }
  return parts;
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

CheckpointPart::CheckpointPart(const std::string& name, Generator& generator)
    : CheckpointPart(
          name,
          [&generator] {
            return StateDict{{"seed", scalar_of(std::bit_cast<std::int64_t>(generator.seed()))},
                             {"position", scalar_of(std::bit_cast<std::int64_t>(generator.position()))}};
          },
          [name, &generator](const StateDict& state) {
            const auto seed = scalar_in<std::int64_t>(name, state, "seed");
            const auto position = scalar_in<std::int64_t>(name, state, "position");
            generator.manual_seed(std::bit_cast<std::uint64_t>(seed));
            generator.set_position(std::bit_cast<std::uint64_t>(position));
          }) {}

CheckpointPart::CheckpointPart(std::string name, std::int64_t& number)
    : CheckpointPart(number_part(std::move(name), number)) {}

CheckpointPart::CheckpointPart(std::string name, double& number)
    : CheckpointPart(number_part(std::move(name), number)) {}

void save_checkpoint(const std::filesystem::path& path, const CheckpointParts& parts) {
  const CheckpointParts all = with_generator(kSave, path, parts, true);
  StateDict tensors;
  for (const CheckpointPart& part : all) {
    for (const auto& [key, tensor] : part.save()) {
      tensors[part.name() + "." + key] = tensor;
    }
  }
  detail::write_safetensors(kSave, path, tensors, {{"format", kFormat}, {"parts", names_of(all)}},
                            detail::Checksum::yes);
}

void load_checkpoint(const std::filesystem::path& path, const CheckpointParts& parts, CheckpointOptions options) {
  const CheckpointParts all = with_generator(kLoad, path, parts, !options.partial);
  const Safetensors file = detail::read_safetensors(kLoad, path, detail::Checksum::yes);
  const std::string where = std::string(kLoad) + ": '" + path.string() + "': ";
  const auto text = [&](const char* key) {
    const auto found = file.metadata.find(key);
    return found == file.metadata.end() ? std::string() : found->second;
  };
  require<IoError>(text("format") == kFormat, where, "is not a checkpoint of this library: expected the format '",
                   kFormat, "' but got '", text("format"), "'");
  const std::string have = detail::concat(',', text("parts"), ',');
  const bool all_there = std::all_of(all.begin(), all.end(), [&](const CheckpointPart& part) {
    return have.find(detail::concat(',', part.name(), ',')) != std::string::npos;
  });
  const bool same_number = std::count(have.begin(), have.end(), ',') == static_cast<std::ptrdiff_t>(all.size()) + 1;
  require<ValueError>(all_there && (same_number || options.partial), where, "expected the parts ", names_of(all),
                      " but the file has ", text("parts"));

  std::vector<StateDict> states(all.size());
  std::vector<StateDict> before(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string prefix = all[i].name() + ".";
    for (const auto& [name, tensor] : file.tensors) {
      if (name.starts_with(prefix)) {
        states[i][name.substr(prefix.size())] = tensor;
      }
    }
    before[i] = copy_of(all[i].save());
  }
  std::size_t next = 0;
  try {
    for (; next < all.size(); ++next) {
      all[next].load(states[next]);
    }
  } catch (const Error& error) {
    for (std::size_t i = 0; i < next; ++i) {
      all[i].load(before[i]);
    }
    fail<ValueError>(where, "part '", all[next].name(), "': ", error.what());
  }
}

bool resume_checkpoint(const std::filesystem::path& path, const CheckpointParts& parts) {
  std::error_code error;
  if (std::filesystem::status(path, error).type() == std::filesystem::file_type::not_found) {
    return false;
  }
  load_checkpoint(path, parts);
  return true;
}

}  // namespace normgrad
