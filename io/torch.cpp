#include "normgrad/io/torch.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "normgrad/core/base/detail/input_file.hpp"
#include "normgrad/core/base/detail/io_errors.hpp"
#include "normgrad/io/detail/pickle.hpp"
#include "normgrad/io/detail/zip_archive.hpp"

namespace normgrad {

namespace {

using detail::PickleValue;
using Kind = PickleValue::Kind;

constexpr const char* kLoadTorch = "load_torch";
constexpr std::string_view kPickleEntry = "data.pkl";
constexpr int kMaxLevels = 64;

std::string where_of_torch(const FilePath& path) { return std::string(kLoadTorch) + ": '" + path.string() + "': "; }

/// Returns the archive's folder, with a slash. Rejects the other formats of PyTorch by name.
std::string folder_of_pickle(const std::string& where, const detail::ZipArchive& archive) {
  for (std::uint64_t i = 0; i < archive.size(); ++i) {
    std::string name = archive.name(i);
    const std::size_t slash = name.find('/');
    if (slash == std::string::npos || std::string_view(name).substr(slash + 1) != kPickleEntry) {
      continue;
    }
    name.resize(slash + 1);
    require<IoError>(!archive.find(name + "constants.pkl"), where,
                     "is a TorchScript archive, which contains code: expected torch.save(model.state_dict(), ...)");
    return name;
  }
  fail<IoError>(where, "expected an archive of torch.save() but it has no ", kPickleEntry);
}

class TorchReader {
 public:
  TorchReader(const detail::InputFile& file, const FilePath& path, const LoadTorchOptions& options)
      : where_(file.where()), options_(options), archive_(open(file, path, options)) {
    folder_ = folder_of_pickle(where_, archive_);
    if (const auto order = archive_.find(folder_ + "byteorder")) {
      const std::string text = archive_.unpack(where_, *order);
      require<IoError>(text == "little", where_, "expected little-endian elements but got '", text, "'");
    }
    const std::string here = where_ + std::string(kPickleEntry) + ": ";
    const std::string bytes = archive_.unpack(here, *archive_.find(folder_ + std::string(kPickleEntry)));
    pickle_ = detail::read_pickle(here, bytes, [&](std::uint64_t count) { archive_.charge(here, count); });
  }

  TorchFile read() {
    TorchFile result;
    flatten(pickle_.root, "", 0, result);
    for (const auto& [name, value] : chosen_) {
      ++uses_[storage_of(*value).text];
    }
    for (const auto& [name, value] : chosen_) {
      result.tensors[name] = read_tensor(where_ + "tensor '" + name + "': ", *value);
    }
    require<ValueError>(options_.prefix.empty() || !chosen_.empty() || !result.values.empty(), where_,
                        "expected names that begin with '", options_.prefix, "' but the file has ", outer_names());
    return result;
  }

  /// Returns the keys of the outermost dict, quoted.
  std::string outer_names() const {
    constexpr std::size_t kShown = 8;
    const PickleValue& root = pickle_.at(pickle_.root);
    std::string text;
    for (std::size_t i = 0; root.kind == Kind::dict && i < root.items.size() && i < 2 * kShown; i += 2) {
      text += (text.empty() ? "'" : ", '") + key_text(pickle_.at(root.items[i]), "") + "'";
    }
    return text.empty() ? "none" : text + (root.items.size() > 2 * kShown ? ", ..." : "");
  }
  /// Returns the first key of the outermost dict whose value is a dict with tensors, as in a checkpoint; or "".
  std::string part() const {
    const PickleValue& root = pickle_.at(pickle_.root);
    for (std::size_t i = 0; root.kind == Kind::dict && i < root.items.size(); i += 2) {
      const PickleValue& inner = pickle_.at(root.items[i + 1]);
      if (inner.kind == Kind::dict && inner.items.size() >= 2 && pickle_.at(inner.items[1]).kind == Kind::tensor) {
        return key_text(pickle_.at(root.items[i]), "");
      }
    }
    return {};
  }

 private:
  static detail::ZipArchive open(const detail::InputFile& file, const FilePath& path, const LoadTorchOptions& options) {
    unsigned char first = 0;
    if (file.size() > 0) {
      file.read(0, &first, 1);
    }
    require<IoError>(first != 0x80, file.where(),
                     "is a pickle without an archive, as PyTorch before 1.6 writes: expected a file of torch.save() of "
                     "1.6 or later, with _use_new_zipfile_serialization=True");
    return detail::ZipArchive(file.where(), path, file.unpack_limit(options.max_bytes));
  }

  std::string key_text(const PickleValue& key, const std::string& name) const {
    switch (key.kind) {
      case Kind::text:
        return key.text;
      case Kind::integer:
        return std::to_string(key.integer);
      case Kind::boolean:
        return key.integer != 0 ? "True" : "False";
      default:
        fail<IoError>(where_, "'", name, "': expected keys of type str, int or bool");
    }
  }

  // Each visit is charged, because lists that contain one list several times can have any number of values.
  void flatten(std::uint32_t ref, const std::string& name, int level, TorchFile& result) {
    const PickleValue& value = pickle_.at(ref);
    const std::string here = where_ + "'" + name + "': ";
    require<IoError>(level <= kMaxLevels, here, "expected at most ", kMaxLevels, " levels");
    archive_.charge(here, sizeof(PickleValue) + name.size());
    const auto inside = [&](const std::string& key) { return level == 0 ? key : name + "." + key; };
    switch (value.kind) {
      case Kind::dict:
        for (std::size_t i = 0; i < value.items.size(); i += 2) {
          flatten(value.items[i + 1], inside(key_text(pickle_.at(value.items[i]), name)), level + 1, result);
        }
        return;
      case Kind::list:
      case Kind::tuple:
        for (std::size_t i = 0; i < value.items.size(); ++i) {
          flatten(value.items[i], inside(std::to_string(i)), level + 1, result);
        }
        return;
      case Kind::global:
      case Kind::storage:
        fail<IoError>(here, "expected a tensor or a plain value but got ",
                      value.kind == Kind::global ? "'" + value.text + "'" : "a storage");
      default:
        break;
    }
    if (!name.starts_with(options_.prefix)) {
      return;
    }
    std::string own = name.substr(options_.prefix.size());
    require<IoError>(names_.insert(own).second, here, "the name appears twice");
    if (value.kind == Kind::tensor) {
      chosen_.emplace_back(std::move(own), &value);
    } else {
      result.values[own] = plain(value);
    }
  }

  static TorchValue plain(const PickleValue& value) {
    switch (value.kind) {
      case Kind::boolean:
        return value.integer != 0;
      case Kind::integer:
        return value.integer;
      case Kind::real:
        return value.real;
      case Kind::text:
        return value.text;
      default:
        return std::monostate();
    }
  }

  const PickleValue& storage_of(const PickleValue& tensor) const { return pickle_.at(tensor.items[0]); }
  std::vector<std::int64_t> numbers_of(const PickleValue& tuple) const {
    std::vector<std::int64_t> numbers;
    for (const std::uint32_t item : tuple.items) {
      numbers.push_back(pickle_.at(item).integer);
    }
    return numbers;
  }

  /// Returns the bytes of a storage, which are kept until its last tensor has been read.
  const std::string& storage_bytes(const std::string& here, const PickleValue& storage) {
    const auto found = storages_.find(storage.text);
    if (found != storages_.end()) {
      return found->second;
    }
    const auto entry = archive_.find(folder_ + "data/" + storage.text);
    require<IoError>(entry.has_value(), here, "its storage '", storage.text, "' is missing");
    return storages_[storage.text] = archive_.unpack(here, *entry);
  }

  Tensor read_tensor(const std::string& here, const PickleValue& value) {
    const PickleValue& storage = storage_of(value);
    const detail::ElementInfo& info = *storage.element;
    const std::int64_t offset = pickle_.at(value.items[1]).integer;
    const std::vector<std::int64_t> sizes = numbers_of(pickle_.at(value.items[2]));
    const std::vector<std::int64_t> strides = numbers_of(pickle_.at(value.items[3]));
    require<IoError>(sizes.size() == strides.size() && sizes.size() <= Shape::kMaxDims, here, "expected at most ",
                     Shape::kMaxDims, " axes with as many strides but got ", sizes.size(), " sizes and ",
                     strides.size(), " strides");
    const auto is_negative = [](std::int64_t n) { return n < 0; };
    require<IoError>(offset >= 0 && std::none_of(sizes.begin(), sizes.end(), is_negative) &&
                         std::none_of(strides.begin(), strides.end(), is_negative),
                     here, "expected an offset, sizes and strides that are not negative");
    const Shape shape(sizes);
    static_cast<void>(detail::bytes_of(here, shape, sizeof(double)));  // reports overflow, also of the tensor made here
    const std::string& bytes = storage_bytes(here, storage);
    require<IoError>(storage.integer >= 0 && bytes.size() % info.size == 0 &&
                         bytes.size() / info.size == static_cast<std::uint64_t>(storage.integer),
                     here, "expected a storage of ", storage.integer, " elements of ", info.size, " bytes but got ",
                     bytes.size(), " bytes");
    check_reach(here, shape, strides, offset, storage.integer);

    const std::string identity =
        detail::concat(storage.text, " ", info.name, " ", offset, " ", shape, " ", Shape(strides));
    Tensor& tensor = read_[identity];
    if (!tensor.defined()) {
      archive_.charge(here, static_cast<std::uint64_t>(shape.numel()) * dtype_size(info.dtype));
      const std::string gathered = gather(bytes, info.size, shape, strides, static_cast<std::size_t>(offset));
      const bool in_place = gathered.empty() && shape.numel() > 0;
      const char* from = in_place ? bytes.data() + static_cast<std::size_t>(offset) * info.size : gathered.data();
      tensor = detail::read_elements(here, info, shape, [&](std::uint64_t at, void* to, std::size_t count) {
        std::copy_n(from + at, count, static_cast<char*>(to));
      });
    }
    if (--uses_[storage.text] == 0) {
      storages_.erase(storage.text);
    }
    return tensor;
  }

  static void check_reach(const std::string& here, const Shape& shape, const std::vector<std::int64_t>& strides,
                          std::int64_t offset, std::int64_t elements) {
    if (shape.numel() == 0) {
      return;
    }
    std::int64_t last = offset;
    bool fits = true;
    for (std::size_t axis = 0; axis < shape.rank(); ++axis) {
      std::int64_t reach = 0;
      fits = fits && !__builtin_mul_overflow(shape[axis] - 1, strides[axis], &reach) &&
             !__builtin_add_overflow(last, reach, &last);
    }
    require<IoError>(fits && last < elements, here, "expected elements within a storage of ", elements,
                     " elements but got the shape ", shape, " with strides ", Shape(strides), " from element ", offset);
    require<IoError>(shape.numel() <= elements, here, "is expanded: it has the shape ", shape, " over ", elements,
                     " elements; write its contiguous() instead");
  }

  /// Returns the elements in row-major order, or "" if they already are contiguous.
  static std::string gather(const std::string& bytes, std::size_t size, const Shape& shape,
                            const std::vector<std::int64_t>& strides, std::size_t offset) {
    const auto contiguous = strides_of(shape);
    bool is_contiguous = true;
    for (std::size_t axis = 0; axis < shape.rank(); ++axis) {
      is_contiguous = is_contiguous && (shape[axis] == 1 || strides[axis] == contiguous[axis]);
    }
    if (is_contiguous || shape.numel() == 0) {
      return {};
    }
    std::string result;
    result.reserve(static_cast<std::size_t>(shape.numel()) * size);
    std::vector<std::int64_t> index(shape.rank(), 0);
    std::size_t at = offset;
    for (std::int64_t i = 0; i < shape.numel(); ++i) {
      result.append(bytes, at * size, size);
      for (std::size_t axis = shape.rank(); axis-- > 0;) {
        at += static_cast<std::size_t>(strides[axis]);
        if (++index[axis] < shape[axis]) {
          break;
        }
        at -= static_cast<std::size_t>(strides[axis]) * static_cast<std::size_t>(shape[axis]);
        index[axis] = 0;
      }
    }
    return result;
  }

  const std::string& where_;
  const LoadTorchOptions& options_;
  detail::ZipArchive archive_;
  std::string folder_;
  detail::Pickle pickle_;
  std::vector<std::pair<std::string, const PickleValue*>> chosen_;
  std::unordered_set<std::string> names_;
  std::unordered_map<std::string, std::string> storages_;
  std::unordered_map<std::string, std::size_t> uses_;  // tensors of a storage that are still to be read
  std::unordered_map<std::string, Tensor> read_;
};

}  // namespace

TorchFile load_torch(const FilePath& path, LoadTorchOptions options) {
  return detail::with_io_errors(where_of_torch(path), [&] {
    const detail::InputFile file(kLoadTorch, path);
    return TorchReader(file, path, options).read();
  });
}

LoadReport load_torch(const FilePath& path, Module& model, LoadOptions options, std::uint64_t max_bytes) {
  const std::string where = where_of_torch(path);
  std::string part;
  const StateDict state = detail::with_io_errors(where, [&] {
    const detail::InputFile file(kLoadTorch, path);
    const LoadTorchOptions selection{.prefix = std::exchange(options.prefix, ""), .max_bytes = max_bytes};
    TorchReader reader(file, path, selection);
    StateDict tensors = reader.read().tensors;
    part = selection.prefix.empty() ? reader.part() : "";
    return tensors;
  });
  try {
    return model.load_state_dict(state, options);
  } catch (const ValueError& error) {
    fail<ValueError>(where, error.what(),
                     part.empty() ? "" : "\n{.prefix = \"" + part + ".\"} loads one part of the file");
  }
}

}  // namespace normgrad
