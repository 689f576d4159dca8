#include "normgrad/io/detail/safetensors_format.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <nlohmann/json.hpp>

namespace normgrad::detail {

namespace {

using Json = nlohmann::json;

constexpr const char* kMetadataKey = "__metadata__";

// Consumes a header's parts as they are parsed, so that an invalid header is rejected at its first error, whatever is
// nested in it.
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderReader(SafetensorsHeader& header) : header_(header) {}

  const std::string& problem() const { return problem_; }

  bool start_object(std::size_t) override {
    switch (place_) {
      case Place::before:
        place_ = Place::root;
        return true;
      case Place::entry:
        place_ = Place::fields;
        entry_ = {};
        entry_.name = name_;
        have_ = {};
        return true;
      case Place::metadata:
        place_ = Place::texts;
        return true;
      default:
        return unexpected("object");
    }
  }

  bool key(string_t& key) override {
    if (place_ == Place::root) {
      if (!names_.insert(key).second) {
        return refuse("the name '" + key + "' appears twice");
      }
      name_ = key;
      place_ = key == kMetadataKey ? Place::metadata : Place::entry;
      return true;
    }
    if (place_ == Place::texts) {
      text_key_ = key;
      return header_.metadata.contains(key) ? refuse("the metadata '" + key + "' appears twice") : true;
    }
    static constexpr std::array<const char*, 3> kFields = {"dtype", "shape", "data_offsets"};
    const auto* field = std::find_if(kFields.begin(), kFields.end(), [&](const char* name) { return key == name; });
    if (field == kFields.end()) {
      return refuse("tensor '" + name_ + "': unknown field '" + key + "'");
    }
    field_ = static_cast<std::size_t>(field - kFields.begin());
    if (std::exchange(have_[field_], true)) {
      return refuse("tensor '" + name_ + "': '" + key + "' appears twice");
    }
    place_ = field_ == 0 ? Place::dtype : Place::array;
    return true;
  }

  bool string(string_t& value) override {
    if (place_ == Place::texts) {
      header_.metadata[text_key_] = value;
      return true;
    }
    if (place_ != Place::dtype) {
      return unexpected("string");
    }
    entry_.info = find_element_type(value);
    place_ = Place::fields;
    return entry_.info != nullptr ? true
                                  : refuse("tensor '" + name_ +
                                           "': expected dtype F16, BF16, F32, F64, I8, U8, I16, U16, I32, U32, I64, "
                                           "U64 or BOOL but got '" +
                                           value + "'");
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::array) {
      return unexpected("array");
    }
    place_ = Place::numbers;
    numbers_.clear();
    return true;
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ != Place::numbers) {
      return unexpected("number");
    }
    if (value > INT64_MAX) {
      return refuse("tensor '" + name_ + "': the number " + std::to_string(value) + " is too large");
    }
    if (numbers_.size() == (field_ == 1 ? Shape::kMaxDims : 2)) {
      return refuse("tensor '" + name_ + "': expected " +
                    (field_ == 1 ? "a shape of at most " + std::to_string(Shape::kMaxDims) + " axes"
                                 : std::string("two data_offsets")) +
                    " but got more");
    }
    numbers_.push_back(static_cast<std::int64_t>(value));
    return true;
  }

  bool end_array() override {
    place_ = Place::fields;
    if (field_ == 1) {
      entry_.shape = Shape(numbers_);
      return true;
    }
    if (numbers_.size() != 2) {
      return refuse("tensor '" + name_ + "': expected two data_offsets but got " + std::to_string(numbers_.size()));
    }
    entry_.begin = static_cast<std::uint64_t>(numbers_[0]);
    entry_.end = static_cast<std::uint64_t>(numbers_[1]);
    return true;
  }

  bool end_object() override {
    if (place_ == Place::fields) {
      if (!have_[0] || !have_[1] || !have_[2]) {
        return refuse("tensor '" + name_ + "': expected a dtype, a shape and data_offsets");
      }
      header_.entries.push_back(std::move(entry_));
    }
    place_ = place_ == Place::root ? Place::after : Place::root;
    return true;
  }

  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("boolean"); }
  bool number_integer(number_integer_t) override { return unexpected("negative number"); }
  bool number_float(number_float_t, const string_t& text) override { return unexpected("number " + text); }
  bool binary(binary_t&) override { return unexpected("bytes"); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return refuse("is not JSON from byte " + std::to_string(position) + " on");
  }

 private:
  enum class Place { before, root, entry, metadata, fields, texts, dtype, array, numbers, after };

  bool refuse(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }
  bool unexpected(const std::string& what) {
    return refuse((name_.empty() ? std::string() : "'" + name_ + "': ") + "unexpected " + what);
  }

  SafetensorsHeader& header_;
  Place place_ = Place::before;
  std::string problem_;
  std::string name_;
  std::string text_key_;
  std::unordered_set<std::string> names_;
  SafetensorsEntry entry_;
  std::array<bool, 3> have_{};
  std::size_t field_ = 0;
  std::vector<std::int64_t> numbers_;
};

// Checks that each tensor has the length of its shape, and that the tensors fill the file without gaps.
void check_places(const std::string& where, const std::vector<SafetensorsEntry>& entries, std::uint64_t data_size) {
  std::vector<const SafetensorsEntry*> sorted;
  for (const SafetensorsEntry& entry : entries) {
    const std::string here = where + "tensor '" + entry.name + "': ";
    const std::uint64_t bytes = bytes_of(here, entry.shape, entry.info->size);
    require<IoError>(entry.begin <= entry.end && entry.end <= data_size, here, "expected data_offsets within ",
                     data_size, " bytes of data but got ", entry.begin, " to ", entry.end);
    require<IoError>(entry.end - entry.begin == bytes, here, "expected ", bytes, " bytes for the shape ", entry.shape,
                     " of ", entry.info->name, " but its data_offsets are ", entry.begin, " to ", entry.end);
    sorted.push_back(&entry);
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const auto* a, const auto* b) { return a->begin != b->begin ? a->begin < b->begin : a->end < b->end; });
  std::uint64_t reached = 0;
  for (const SafetensorsEntry* entry : sorted) {
    require<IoError>(entry->begin == reached, where, "tensor '", entry->name, "': expected its data at byte ", reached,
                     ", where the one before ends, but got ", entry->begin);
    reached = entry->end;
  }
  require<IoError>(reached == data_size, where, "expected ", reached, " bytes of data but the file has ", data_size);
}

}  // namespace

SafetensorsHeader parse_safetensors_header(const std::string& where, const std::string& json, std::uint64_t data_size) {
  SafetensorsHeader header;
  HeaderReader reader(header);
  const bool valid = Json::sax_parse(json, &reader);
  require<IoError>(valid, where, "the header is not valid: ", reader.problem());
  check_places(where, header.entries, data_size);
  return header;
}

std::string dump_safetensors_header(const char* operation, const SafetensorsHeader& header) {
  const auto quoted = [operation](const std::string& text) {
    try {
      return Json(text).dump();
    } catch (const Json::exception&) {
      fail<ValueError>(operation, ": expected names and metadata in UTF-8 but got '", text, "'");
    }
  };
  std::string json = "{";
  const auto begin_entry = [&](const std::string& name) {
    json.append(json.back() == '{' ? "" : ",").append(quoted(name)).append(":");
  };
  if (!header.metadata.empty()) {
    begin_entry(kMetadataKey);
    json += "{";
    for (const auto& [key, text] : header.metadata) {
      begin_entry(key);
      json += quoted(text);
    }
    json += "}";
  }
  for (const SafetensorsEntry& entry : header.entries) {
    require<ValueError>(entry.name != kMetadataKey, operation, ": no tensor can be named '", kMetadataKey, "'");
    begin_entry(entry.name);
    const std::vector<std::int64_t> shape(entry.shape.begin(), entry.shape.end());
    json.append(R"({"dtype":")").append(entry.info->name).append(R"(","shape":)").append(Json(shape).dump());
    json.append(R"(,"data_offsets":)").append(Json({entry.begin, entry.end}).dump()).append("}");
  }
  json += "}";
  json.resize((json.size() + 7) / 8 * 8, ' ');
  require<ValueError>(json.size() <= kMaxSafetensorsHeader, operation, ": expected a header of at most ",
                      kMaxSafetensorsHeader, " bytes but the names and metadata take ", json.size());
  return json;
}

}  // namespace normgrad::detail
