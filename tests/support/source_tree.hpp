// The files of the source tree and what they include, for the tests of the tree itself.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace normgrad::tests {

struct SourceFile {
  std::string path;  // "core/ops/matmul.cpp"
  std::vector<std::string> lines;
  std::vector<std::string>
      includes;  // as written, without quotes or brackets: "normgrad/core/base/shape.hpp", "vector"
};

/// Folder of the sources.
std::filesystem::path source_dir();
std::vector<std::string> read_lines(const std::filesystem::path& path);
/// What a file includes.
std::vector<std::string> includes_of(const std::filesystem::path& path);
/// All .hpp and .cpp files below the named folders.
std::vector<SourceFile> source_files(const std::vector<std::string>& folders);

}  // namespace normgrad::tests
