// The files of the source tree and their includes, for tests of the tree itself.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace normgrad::tests {

struct SourceFile {
  std::string path;  // "core/ops/matmul/matmul.cpp"
  std::vector<std::string> lines;
  std::vector<std::string>
      includes;  // as written, without quotes or brackets: "normgrad/core/base/shape.hpp", "vector"
};

/// Returns the folder of the sources: the value of the environment variable NORMGRAD_SOURCE_DIR, which runs the tests
/// of the tree over another tree, or else the folder the tests were built from.
std::filesystem::path source_dir();
std::vector<std::string> read_lines(const std::filesystem::path& path);
/// Returns the names that a file includes.
std::vector<std::string> includes_of(const std::filesystem::path& path);
/// Returns all .hpp and .cpp files below the given folders.
std::vector<SourceFile> source_files(const std::vector<std::string>& folders);

}  // namespace normgrad::tests
