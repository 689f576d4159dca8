// The documents keep up with the code.
#include <gtest/gtest.h>

#include <cctype>
#include <filesystem>
#include <set>

#include "tests/support/source_tree.hpp"

namespace normgrad::tests {
namespace {

/// Names of the functions that a header declares at the start of a line with a Tensor or NormResult as their result.
std::set<std::string> declared_operations(const SourceFile& file) {
  std::set<std::string> names;
  for (const std::string& line : file.lines) {
    for (const std::string result : {"Tensor ", "NormResult ", "std::vector<Tensor> "}) {
      const std::size_t paren = line.find('(');
      if (!line.starts_with(result) || paren == std::string::npos) {
        continue;
      }
      const std::string name = line.substr(result.size(), paren - result.size());
      if (std::isalpha(static_cast<unsigned char>(name.front())) != 0 && !name.starts_with("operator")) {
        names.insert(name);
      }
    }
  }
  return names;
}

std::string text_of(const std::string& path) {
  std::string text;
  for (const std::string& line : read_lines(source_dir() / path)) {
    text += line + "\n";
  }
  return text;
}

TEST(Docs, EveryOperationIsInTheTable) {
  const std::string table = text_of("docs/operations.md");
  std::size_t count = 0;
  for (const SourceFile& file : source_files({"core/ops"})) {
    // Creation is not an operation on tensors, and internal headers are not for users.
    const bool internal = [&] {
      for (const std::string& line : file.lines) {
        if (line.starts_with("namespace normgrad::detail")) {
          return true;
        }
      }
      return false;
    }();
    if (!file.path.ends_with(".hpp") || internal || file.path.ends_with("/creation.hpp")) {
      continue;
    }
    for (const std::string& name : declared_operations(file)) {
      ++count;
      EXPECT_TRUE(table.find("`" + name + "`") != std::string::npos ||
                  table.find("`" + name + "(") != std::string::npos)
          << name << " of " << file.path << " is missing in docs/operations.md";
    }
  }
  EXPECT_GT(count, 80U);
}

TEST(Docs, LinksLeadToFiles) {
  int links = 0;
  std::vector<std::string> pages = {"README.md", "CONTRIBUTING.md", "CHANGELOG.md"};
  for (const auto& entry : std::filesystem::directory_iterator(source_dir() / "docs")) {
    if (entry.path().extension() == ".md") {
      pages.push_back(std::filesystem::relative(entry.path(), source_dir()));
    }
  }
  for (const std::string& page : pages) {
    const std::string text = text_of(page);
    const std::filesystem::path folder = (source_dir() / page).parent_path();
    for (std::size_t at = text.find("]("); at != std::string::npos; at = text.find("](", at + 1)) {
      const std::string target = text.substr(at + 2, text.find_first_of(")#", at + 2) - at - 2);
      if (!target.empty() && target.find("://") == std::string::npos && target.find(' ') == std::string::npos) {
        ++links;
        EXPECT_TRUE(std::filesystem::exists(folder / target)) << page << " links to " << target;
      }
    }
  }
  EXPECT_GT(links, 10);
}

}  // namespace
}  // namespace normgrad::tests
