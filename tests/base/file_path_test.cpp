#include "normgrad/core/base/file_path.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>
#include <string>
#include <string_view>

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

std::string taken(const FilePath& path) { return path.string(); }
std::string taken_by_standard(const std::filesystem::path& path) { return path.string(); }

TEST(FilePathTest, ComesFromStringsAndPaths) {
  EXPECT_EQ(taken("a/b"), "a/b");
  EXPECT_EQ(taken(std::string("a/b")), "a/b");
  EXPECT_EQ(taken(std::string_view("a/b")), "a/b");
  EXPECT_EQ(taken(std::filesystem::path("a") / "b"), "a/b");
  EXPECT_EQ(taken(std::filesystem::directory_entry("a/b")), "a/b");
  EXPECT_STREQ(FilePath("a/b").c_str(), "a/b");
}

TEST(FilePathTest, ComparesAndPrints) {
  EXPECT_EQ(FilePath("a"), FilePath(std::string("a")));
  EXPECT_LT(FilePath("a"), FilePath("b"));
  EXPECT_FALSE(FilePath("b") < FilePath("a"));
  EXPECT_EQ(FilePath("a/b"), std::filesystem::path("a") / "b");
  EXPECT_EQ(std::filesystem::path("a") / "b", FilePath("a/b"));
  EXPECT_EQ(FilePath().string(), "");
  std::ostringstream out;
  out << FilePath("a b");
  EXPECT_EQ(out.str(), "a b");
}

TEST(FilePathTest, BecomesAPath) {
  const FilePath path = "a/b";
  EXPECT_EQ(taken_by_standard(path), "a/b");
  const std::filesystem::path copied = path;
  EXPECT_EQ(copied.filename(), "b");
  EXPECT_EQ(std::filesystem::path(path).parent_path(), "a");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
