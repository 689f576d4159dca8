#include "tests/support/source_tree.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>

namespace normgrad::tests {

namespace fs = std::filesystem;

namespace {

/// Returns the file named in an `#include` line; empty for other lines.
std::string included_name(std::string_view line) {
  constexpr std::string_view kStart = "#include ";
  if (!line.starts_with(kStart) || line.size() < kStart.size() + 2) {
    return {};
  }
  const std::string_view rest = line.substr(kStart.size());
  const std::size_t end = rest.find(rest.front() == '<' ? '>' : '"', 1);
  return end == std::string_view::npos ? std::string() : std::string(rest.substr(1, end - 1));
}

}  // namespace

fs::path source_dir() {
  const char* named = std::getenv("NORMGRAD_SOURCE_DIR");
  return named != nullptr && *named != '\0' ? named : NORMGRAD_SOURCE_DIR;
}

std::vector<std::string> read_lines(const fs::path& path) {
  std::vector<std::string> lines;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
  }
  return lines;
}

std::vector<std::string> includes_of(const fs::path& path) {
  std::vector<std::string> includes;
  for (const std::string& line : read_lines(path)) {
    if (std::string name = included_name(line); !name.empty()) {
      includes.push_back(std::move(name));
    }
  }
  return includes;
}

std::vector<SourceFile> source_files(const std::vector<std::string>& folders) {
  std::vector<SourceFile> files;
  for (const std::string& folder : folders) {
    if (!fs::exists(source_dir() / folder)) {
      continue;
    }
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(source_dir() / folder)) {
      const std::string extension = entry.path().extension();
      if (extension != ".hpp" && extension != ".cpp") {
        continue;
      }
      files.push_back({fs::relative(entry.path(), source_dir()), read_lines(entry.path()), includes_of(entry.path())});
    }
  }
  std::sort(files.begin(), files.end(), [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return files;
}

}  // namespace normgrad::tests
