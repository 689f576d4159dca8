// The code in the README is the code that the tests compile and run.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "tests/support/source_tree.hpp"

namespace normgrad::tests {
namespace NORMGRAD_TEST_FILE {

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

TEST(Readme, ProgramsAreTheExamplesThatAreBuiltAndRun) {
  const std::vector<std::string> blocks = code_blocks("README.md", "cpp");
  std::size_t block = 0;
  for (const std::string name : {"readme_training", "training_kit"}) {
    std::ifstream in(source_dir() / "examples" / (name + ".cpp"));
    std::stringstream example;
    example << in.rdbuf();
    ASSERT_FALSE(example.str().empty());
    ASSERT_LT(block, blocks.size());
    EXPECT_EQ(blocks[block++], example.str());
    const std::string text = example.str();
    EXPECT_LE(std::count(text.begin(), text.end(), '\n'), 60) << name << " is to be read at a glance";
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad::tests
