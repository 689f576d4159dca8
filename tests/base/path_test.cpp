#include "normgrad/core/base/path.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <string_view>

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

std::string taken(const Path& path) { return path.string(); }
std::string taken_by_standard(const std::filesystem::path& path) { return path.string(); }

TEST(PathTest, ComesFromStringsAndPaths) {
  EXPECT_EQ(taken("a/b"), "a/b");
  EXPECT_EQ(taken(std::string("a/b")), "a/b");
  EXPECT_EQ(taken(std::string_view("a/b")), "a/b");
  EXPECT_EQ(taken(std::filesystem::path("a") / "b"), "a/b");
  EXPECT_EQ(taken(std::filesystem::directory_entry("a/b").path()), "a/b");
  EXPECT_STREQ(Path("a/b").c_str(), "a/b");
}

TEST(PathTest, BecomesAPath) {
  const Path path = "a/b";
  EXPECT_EQ(taken_by_standard(path), "a/b");
  const std::filesystem::path copied = path;
  EXPECT_EQ(copied.filename(), "b");
  EXPECT_EQ(std::filesystem::path(path).parent_path(), "a");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
