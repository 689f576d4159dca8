// Whoever reads the reference finds a text for every public symbol.
#include <gtest/gtest.h>

#include <filesystem>
#include <regex>

#include "tests/support/run_program.hpp"
#include "tests/support/source_tree.hpp"

namespace normgrad::tests {
namespace {

/// Whether a symbol needs a text of its own. All types, functions, constants and aliases do, and the functions of
/// classes, by the comment of the group that they stand in if need be (docs/doxygen/filter.awk). Not: fields, which the
/// text of their struct and their defaults explain; constructors, operators and destructors without one; overrides,
/// which mean what they mean in the base.
bool needs_text(const std::string& warning) {
  static const std::regex field(R"(\((variable|typedef|friend|enumeration|enumvalue)\) of (class|struct) )");
  static const std::regex special(R"(Member (operator|~).* of (class|struct) )");
  static const std::regex constructor(R"(Member (\w+)\(.* of (class|struct) (\w+::)*\1(<.*>)? is not)");
  static const std::regex specialisation(R"(Compound .*< )");
  return warning.find(" override") == std::string::npos && !std::regex_search(warning, field) &&
         !std::regex_search(warning, special) && !std::regex_search(warning, constructor) &&
         !std::regex_search(warning, specialisation);
}

TEST(Reference, EveryPublicSymbolIsDocumented) {
  const std::string doxygen = NORMGRAD_DOXYGEN;
  if (doxygen.empty()) {
    GTEST_SKIP() << "doxygen is not installed";
  }
  const std::filesystem::path build = NORMGRAD_BINARY_DIR;
  const auto ran = testing_support::run_program({doxygen, (build / "Doxyfile").string()});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_TRUE(std::filesystem::exists(build / "site" / "index.html"));
  EXPECT_TRUE(std::filesystem::exists(build / "site" / "classnormgrad_1_1BatchNorm2d.html"));
  std::size_t fields = 0;
  for (const std::string& warning : read_lines(build / "site" / "warnings.txt")) {
    if (warning.find("is not documented") != std::string::npos) {
      EXPECT_FALSE(needs_text(warning)) << warning;
      ++fields;
    }
  }
  EXPECT_GT(fields, 20U) << "hardly a warning: does doxygen still look for what is not documented?";
}

TEST(Reference, TellsWhatNeedsText) {
  EXPECT_TRUE(
      needs_text("a.hpp:1: warning: Member sum(const Tensor &x) (function) of namespace normgrad is not documented."));
  EXPECT_TRUE(needs_text(
      "a.hpp:1: warning: Member size() const noexcept (function) of class normgrad::Shape is not documented."));
  EXPECT_TRUE(needs_text("a.hpp:1: warning: Compound normgrad::SGDOptions is not documented."));
  EXPECT_TRUE(needs_text("a.hpp:1: warning: Member kBool (variable) of namespace normgrad is not documented."));
  EXPECT_FALSE(needs_text("a.hpp:1: warning: Member lr (variable) of struct normgrad::SGDOptions is not documented."));
  EXPECT_FALSE(needs_text("a.hpp:1: warning: Member SGD(int) (function) of class normgrad::SGD is not documented."));
}

}  // namespace
}  // namespace normgrad::tests
