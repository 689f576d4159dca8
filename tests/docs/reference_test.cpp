// Every public symbol has a text in the reference.
#include <gtest/gtest.h>

#include <filesystem>
#include <regex>

#include "tests/support/run_program.hpp"
#include "tests/support/source_tree.hpp"

namespace normgrad::tests {
namespace NORMGRAD_TEST_FILE {

/// Whether a symbol needs its own text. All types, functions, fields, constants, aliases and constructors do; member
/// functions may share the text of their group (docs/doxygen/filter.awk). Exceptions: copy, move and destruction;
/// operators with their usual meaning; the aliases that the standard library requires of iterators and generators;
/// overrides, which are documented in the base; and specializations.
bool needs_text(const std::string& warning) {
  static const std::regex copy(R"(Member (\w+)\((const )?\1 &&?( ?\w+)?\))");
  static const std::regex special(R"(Member (operator(=|==|\[\]|->|\*| bool)\(|~))");
  static const std::regex alias(R"(Member (\w+_type|iterator_concept|const_iterator) \(typedef\))");
  static const std::regex specialisation(R"(Compound .*< )");
  return warning.find(" override") == std::string::npos && !std::regex_search(warning, copy) &&
         !std::regex_search(warning, special) && !std::regex_search(warning, alias) &&
         !std::regex_search(warning, specialisation);
}

TEST(Reference, EveryPublicSymbolIsDocumented) {
  const std::string doxygen = NORMGRAD_DOXYGEN;
  if (doxygen.empty()) {
    GTEST_SKIP() << "doxygen is not installed";
  }
  const std::filesystem::path build = NORMGRAD_BINARY_DIR;
  const auto ran = tests::run_program({doxygen, (build / "Doxyfile").string()});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_TRUE(std::filesystem::exists(build / "site" / "index.html"));
  EXPECT_TRUE(std::filesystem::exists(build / "site" / "classnormgrad_1_1BatchNorm2d.html"));
  std::size_t unneeded = 0;
  for (const std::string& warning : read_lines(build / "site" / "warnings.txt")) {
    if (warning.find("is not documented") != std::string::npos) {
      EXPECT_FALSE(needs_text(warning)) << warning;
      ++unneeded;
    }
  }
  EXPECT_GT(unneeded, 20U) << "hardly a warning: does doxygen still look for what is not documented?";
}

TEST(Reference, TellsWhatNeedsText) {
  const auto needed = [](const std::string& symbol) {
    return needs_text("a.hpp:1: warning: " + symbol + " is not documented.");
  };
  EXPECT_TRUE(needed("Member sum(const Tensor &x) (function) of namespace normgrad"));
  EXPECT_TRUE(needed("Member size() const noexcept (function) of class normgrad::Shape"));
  EXPECT_TRUE(needed("Compound normgrad::SGDOptions"));
  EXPECT_TRUE(needed("Member kBool (variable) of namespace normgrad"));
  EXPECT_TRUE(needed("Member lr (variable) of struct normgrad::SGDOptions"));
  EXPECT_TRUE(needed("Member SGD(int) (function) of class normgrad::SGD"));
  EXPECT_TRUE(needed("Member Error(const std::string &message) (function) of class normgrad::Error"));
  EXPECT_TRUE(needed("Member operator()(const Tensor &x) const (function) of struct normgrad::Normalize"));
  EXPECT_TRUE(needed("Member operator<<(std::ostream &out, const Shape &shape) (function) of namespace normgrad"));
  EXPECT_TRUE(needed("Member Kind (enumeration) of class normgrad::Affine"));
  EXPECT_FALSE(needed("Member Module(const Module &)=default (function) of class normgrad::Module"));
  EXPECT_FALSE(needed("Member Module(Module &&other) noexcept (function) of class normgrad::Module"));
  EXPECT_FALSE(needed("Member operator=(Module &&other) noexcept (function) of class normgrad::Module"));
  EXPECT_FALSE(needed("Member operator[](std::size_t i) const noexcept (function) of class normgrad::Shape"));
  EXPECT_FALSE(needed("Member value_type (typedef) of class normgrad::StateDict"));
  EXPECT_FALSE(needed("Member lr_at(std::int64_t epoch) const override (function) of class normgrad::StepLR"));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad::tests
