#include "normgrad/io/metrics_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <utility>
#include <nlohmann/json.hpp>

#include "normgrad/core/base/detail/input_file.hpp"
#include "normgrad/core/base/detail/io_errors.hpp"
#include "normgrad/io/detail/output_file.hpp"

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

/// A file descriptor that is closed unless ownership is taken.
struct Descriptor {
  int number = -1;
  Descriptor() = default;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number >= 0) {
      close(number);
    }
  }
};

std::string json_string(const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    fail<ValueError>("expected names in UTF-8 but got '", text, "'");
  }
}

}  // namespace

struct MetricsFile::Impl {
  std::string operation;
  std::filesystem::path path;
  bool append;
  std::string where = operation + ": '" + path.string() + "': ";
  int descriptor = -1;
  std::uint64_t bytes = 0;
  bool cut = false;  // the file may be longer than `bytes`
  std::string heading;

  struct Lines {
    std::uint64_t bytes = 0;
    std::string heading;
  };

  [[noreturn]] void fail_with(const char* what, int reason) const {
    fail<IoError>(where, what, ": ", std::strerror(reason));
  }

  int open_file(int flags) const {
    // O_NONBLOCK: do not wait if the path has become a pipe.
    const int opened = open(path.c_str(), O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | flags, 0666);
    struct stat status = {};
    const int reason = opened < 0 || fstat(opened, &status) != 0 ? errno : S_ISREG(status.st_mode) ? 0 : EINVAL;
    if (reason != 0) {
      if (opened >= 0) {
        close(opened);
      }
      fail_with("cannot be written", reason);
    }
    return opened;
  }

  /// Removes everything after `bytes`.
  void cut_off() {
    cut = true;
    if (ftruncate(descriptor, static_cast<off_t>(bytes)) != 0) {
      fail_with("cannot be written", errno);
    }
    cut = false;
  }

  /// Returns the end of the last complete line within `limit`, which must not exceed the file's size, and the first
  /// line.
  Lines whole_lines(std::uint64_t limit) const {
    if (limit == 0) {
      return {};
    }
    const detail::InputFile file(operation.c_str(), path);
    require<IoError>(limit <= file.size() || limit == UINT64_MAX, where, "expected at least the ", limit,
                     " bytes that it had but got ", file.size());
    std::string text(static_cast<std::size_t>(std::min(limit, file.size())), '\0');
    file.read(0, text.data(), text.size());
    return {.bytes = text.rfind('\n') + 1, .heading = text.substr(0, text.find('\n'))};  // without a line: 0
  }

  bool exists() const {
    struct stat status = {};
    return stat(path.c_str(), &status) == 0;
  }
};

MetricsFile::MetricsFile(std::string name, const FilePath& path, MetricsFileOptions options)
    : impl_(std::make_unique<Impl>(
          Impl{.operation = std::move(name), .path = path, .append = options.append, .heading = {}})) {
  detail::with_io_errors(impl_->where, [&] { detail::check_output_name(impl_->where, path); });
}

MetricsFile::~MetricsFile() {
  if (impl_->descriptor >= 0) {
    close(impl_->descriptor);
  }
}

void MetricsFile::write(const Metrics& row) {
  Impl& file = *impl_;
  detail::with_io_errors(file.where, [&] {
    const bool begins = file.descriptor < 0;
    Impl::Lines lines = begins ? file.whole_lines(file.append && file.exists() ? UINT64_MAX : 0)
                               : Impl::Lines{.bytes = file.bytes, .heading = file.heading};
    std::string text;
    try {
      text = line_of(row, lines.bytes == 0, lines.heading);
    } catch (const ValueError& error) {
      fail<ValueError>(file.where, error.what());
    }
    if (lines.bytes == 0) {
      lines.heading = text.substr(0, text.find('\n'));
    }
    if (begins) {
      file.descriptor = file.open_file(O_CREAT);
    }
    file.bytes = lines.bytes;
    if (begins || file.cut) {
      file.cut_off();
    }
    const ssize_t written = ::write(file.descriptor, text.data(), text.size());
    if (written != static_cast<ssize_t>(text.size())) {
      const int reason = written < 0 ? errno : ENOSPC;
      file.cut_off();
      file.fail_with("cannot be written", reason);
    }
    file.bytes += text.size();
    file.heading = std::move(lines.heading);
  });
}

StateDict MetricsFile::state_dict() const {
  Tensor bytes = Tensor::empty({}, kInt64);
  *bytes.mutable_data<std::int64_t>() = static_cast<std::int64_t>(impl_->bytes);
  return {{"bytes", bytes}};
}

void MetricsFile::load_state_dict(const StateDict& state) { prepare_state_dict(state)(); }

std::function<void()> MetricsFile::prepare_state_dict(const StateDict& state) const {
  Impl& file = *impl_;
  return detail::with_io_errors(file.where, [&]() -> std::function<void()> {
    const auto found = state.find("bytes");
    const bool fits = state.size() == 1 && found != state.end() && found->second.defined() &&
                      found->second.numel() == 1 && found->second.dtype() == kInt64;
    const std::int64_t limit = fits ? *found->second.data<std::int64_t>() : -1;
    require<ValueError>(limit >= 0, file.where, "load_state_dict: expected 'bytes', a whole number, and nothing else");
    if (limit == 0 && file.descriptor < 0) {
      return [] {};  // nothing was written yet; the first row will start the file
    }
    const auto lines = std::make_shared<Impl::Lines>(file.whole_lines(static_cast<std::uint64_t>(limit)));
    const auto opened = std::make_shared<Descriptor>();
    if (file.descriptor < 0) {
      opened->number = file.open_file(0);
    }
    return [&file, lines, opened]() noexcept {
      if (opened->number >= 0) {
        file.descriptor = std::exchange(opened->number, -1);
      }
      file.bytes = lines->bytes;
      file.heading.swap(lines->heading);
      file.cut = ftruncate(file.descriptor, static_cast<off_t>(file.bytes)) != 0;  // otherwise cut by the next row
    };
  });
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
    text.append(text.size() > 1 ? ", " : "").append(json_string(name)).append(": ");
    text.append(std::isfinite(value) ? shortest(value) : "null");
  }
  return text + "}\n";
}

}  // namespace normgrad
