// What the README shows is what the tests compile and run.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "tests/support/source_tree.hpp"

namespace normgrad::tests {
namespace {

/// The fenced blocks of one language.
std::vector<std::string> code_blocks(const std::string& file, const std::string& language) {
  std::vector<std::string> blocks;
  bool inside = false;
  for (const std::string& line : read_lines(source_dir() / file)) {
    if (inside && line == "```") {
      inside = false;
    } else if (inside) {
      blocks.back() += line + "\n";
    } else if (line == "```" + language) {
      inside = true;
      blocks.emplace_back();
    }
  }
  return blocks;
}

TEST(Readme, TrainingScriptIsTheExampleThatIsBuiltAndRun) {
  std::ifstream in(source_dir() / "examples/readme_training.cpp");
  std::stringstream example;
  example << in.rdbuf();
  ASSERT_FALSE(example.str().empty());
  const std::vector<std::string> blocks = code_blocks("README.md", "cpp");
  ASSERT_FALSE(blocks.empty());
  EXPECT_EQ(blocks.front(), example.str());
}

}  // namespace
}  // namespace normgrad::tests
