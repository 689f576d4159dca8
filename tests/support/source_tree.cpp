#include "tests/support/source_tree.hpp"

#include <algorithm>
#include <fstream>
#include <regex>

namespace normgrad::tests {

namespace fs = std::filesystem;

fs::path source_dir() { return NORMGRAD_SOURCE_DIR; }

std::vector<std::string> read_lines(const fs::path& path) {
  std::vector<std::string> lines;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
  }
  return lines;
}

std::vector<SourceFile> source_files(const std::vector<std::string>& folders) {
  static const std::regex include_line(R"re(\s*#\s*include\s*["<]([^">]+)[">].*)re");
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
      SourceFile file{fs::relative(entry.path(), source_dir()), read_lines(entry.path()), {}};
      for (const std::string& line : file.lines) {
        if (std::smatch match; std::regex_match(line, match, include_line)) {
          file.includes.push_back(match[1]);
        }
      }
      files.push_back(std::move(file));
    }
  }
  std::sort(files.begin(), files.end(), [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return files;
}

}  // namespace normgrad::tests
