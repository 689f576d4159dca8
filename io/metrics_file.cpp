#include "normgrad/io/metrics_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "normgrad/io/input_file.hpp"

namespace normgrad {

namespace {

std::string shortest(double value) {
  if (std::abs(value) < 1e15 && value == std::trunc(value)) {
    return std::to_string(static_cast<std::int64_t>(value));  // 100000, not 1e+05
  }
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) {
    return text;
  }
  std::string quoted = "\"";
  for (const char c : text) {
    quoted += c == '"' ? "\"\"" : std::string(1, c);
  }
  return quoted + "\"";
}

}  // namespace

struct MetricsFile::Impl {
  std::string where;
  std::filesystem::path path;
  bool append;
  int descriptor = -1;
  std::uint64_t bytes = 0;
  std::string heading;

  [[noreturn]] void fail_with(const char* what) const {
    const int reason = errno;
    fail<IoError>(where, what, ": ", std::strerror(reason));
  }

  /// Opens the file and keeps the first `size` bytes of it.
  void open_at(std::uint64_t size) {
    if (descriptor < 0) {
      descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    }
    if (descriptor < 0 || ftruncate(descriptor, static_cast<off_t>(size)) != 0) {
      fail_with("cannot be written");
    }
    bytes = size;
  }

  /// Up to the end of the last whole line; also takes note of the first.
  std::uint64_t whole_lines(std::uint64_t limit) {
    heading.clear();
    if (limit == 0) {
      return 0;
    }
    const detail::InputFile file(where.substr(0, where.find(':')).c_str(), path);
    require<IoError>(limit <= file.size() || limit == UINT64_MAX, where, "expected at least ", limit,
                     " bytes, which it had, but got ", file.size());
    std::string text(static_cast<std::size_t>(std::min(limit, file.size())), '\0');
    file.read(0, text.data(), text.size());
    heading = text.substr(0, text.find('\n'));
    return text.rfind('\n') + 1;  // none: 0
  }
};

MetricsFile::MetricsFile(std::string name, const std::filesystem::path& path, MetricsFileOptions options)
    : impl_(std::make_unique<Impl>(Impl{.where = std::move(name) + ": '" + path.string() + "': ",
                                        .path = path,
                                        .append = options.append,
                                        .heading = {}})) {
  require<IoError>(path.has_filename() && !std::filesystem::is_directory(path), impl_->where,
                   "expected the name of a file but it is a folder");
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  require<IoError>(std::filesystem::is_directory(folder), impl_->where, "the folder does not exist");
}

MetricsFile::~MetricsFile() {
  if (impl_->descriptor >= 0) {
    close(impl_->descriptor);
  }
}

void MetricsFile::write(const Metrics& row) {
  Impl& file = *impl_;
  const bool keep = file.append && std::filesystem::exists(file.path);
  const std::uint64_t start = file.descriptor >= 0 ? file.bytes : keep ? file.whole_lines(UINT64_MAX) : 0;
  std::string text;
  try {
    text = line_of(row, start == 0, file.heading);
  } catch (const ValueError& error) {
    fail<ValueError>(file.where, error.what());
  }
  if (file.descriptor < 0) {
    file.open_at(start);
  }
  if (start == 0) {
    file.heading = text.substr(0, text.find('\n'));
  }
  // One call: a program that is killed has written the row or not.
  const ssize_t written = ::write(file.descriptor, text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size())) {
    const int reason = written < 0 ? errno : ENOSPC;
    file.open_at(start);
    errno = reason;
    file.fail_with("cannot be written");
  }
  file.bytes += text.size();
}

StateDict MetricsFile::state_dict() const {
  Tensor bytes = Tensor::empty({}, kInt64);
  *bytes.mutable_data<std::int64_t>() = static_cast<std::int64_t>(impl_->bytes);
  return {{"bytes", bytes}};
}

void MetricsFile::load_state_dict(const StateDict& state) {
  const Tensor bytes = state.at("bytes");
  require<ValueError>(
      state.size() == 1 && bytes.numel() == 1 && bytes.dtype() == kInt64 && *bytes.data<std::int64_t>() >= 0,
      impl_->where, "load_state_dict: expected 'bytes', a whole number, and nothing else");
  const auto limit = static_cast<std::uint64_t>(*bytes.data<std::int64_t>());
  if (limit == 0 && impl_->descriptor < 0) {
    return;  // nothing was written yet, and the first row will begin the file
  }
  impl_->open_at(impl_->whole_lines(limit));
}

std::string CsvFile::line_of(const Metrics& row, bool is_first, const std::string& first) const {
  std::string names;
  std::string values;
  for (const auto& [name, value] : row) {
    names.append(values.empty() ? "" : ",").append(csv_field(name));
    values.append(values.empty() ? "" : ",").append(shortest(value));
  }
  if (is_first) {
    return names + "\n" + values + "\n";
  }
  require<ValueError>(names == first, "expected the columns ", first, " but got ", names);
  return values + "\n";
}

std::string JsonLinesFile::line_of(const Metrics& row, bool /*is_first*/, const std::string& /*first*/) const {
  std::string text = "{";
  for (const auto& [name, value] : row) {
    text.append(text.size() > 1 ? ", " : "").append(nlohmann::json(name).dump()).append(": ");
    text.append(std::isfinite(value) ? shortest(value) : "null");
  }
  return text + "}\n";
}

}  // namespace normgrad
