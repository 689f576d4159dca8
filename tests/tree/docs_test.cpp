// The documents agree with the code.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <regex>
#include <set>

#include "tests/support/source_tree.hpp"

namespace normgrad::tests {
namespace NORMGRAD_TEST_FILE {

/// Names of the functions that a header declares at the start of a line with a Tensor or NormResult result.
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
    // Functions that create tensors are not operations, and internal headers are not public.
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

/// The captures of `pattern` in the lines of a file.
std::set<std::string> captured(const SourceFile& file, const std::string& pattern) {
  const std::regex regex(pattern);
  std::set<std::string> names;
  for (const std::string& line : file.lines) {
    for (std::sregex_iterator match(line.begin(), line.end(), regex); match != std::sregex_iterator(); ++match) {
      names.insert((*match)[1]);
    }
  }
  return names;
}

// A section is a heading or a paragraph that starts with the name: "**GroupNorm**", "**BatchNorm1d/2d/3d**", "###
// RMSNorm".
TEST(Docs, EveryNormOfTheRegistryHasASection) {
  std::vector<std::string> page = read_lines(source_dir() / "docs/norms.md");
  const std::vector<std::string> others = read_lines(source_dir() / "docs/norms_of_the_literature.md");
  page.insert(page.end(), others.begin(), others.end());
  std::set<std::string> norms;
  for (const std::string name : {"registry.cpp", "registry_batches.cpp", "registry_papers.cpp"}) {
    const SourceFile registry = {"", read_lines(source_dir() / "layers/norm" / name), {}};
    norms.merge(captured(registry, R"(make_unique<(\w+?)(?:[123]d)?>)"));
    norms.merge(captured(registry, R"(make_by_rank<(\w+?)1d,)"));
  }
  norms.erase("Identity");
  norms.erase("OneD");
  norms.erase("TwoD");
  norms.erase("ThreeD");
  EXPECT_GE(norms.size(), 20U);
  for (const std::string& norm : norms) {
    const std::regex start(R"((\*\*|#+ )`?)" + norm + R"((\b|[123]d).*)");
    EXPECT_TRUE(
        std::any_of(page.begin(), page.end(), [&](const std::string& line) { return std::regex_match(line, start); }))
        << norm << " of the registry has no section in docs/norms.md or docs/norms_of_the_literature.md";
  }
}

TEST(Docs, EveryOptimizerIsNamed) {
  const std::string page = text_of("docs/training_tools.md");
  std::size_t count = 0;
  for (const SourceFile& file : source_files({"optim"})) {
    if (!file.path.ends_with(".hpp")) {
      continue;
    }
    // Not the bases, which are templates: "class AdamLike : public OptimizerOf<Options>".
    for (const std::string& name :
         captured(file, R"(^class (\w+)(?: final)? : public (?:OptimizerOf|detail::\w+)<\w+Options>)")) {
      ++count;
      EXPECT_NE(page.find("`" + name + "`"), std::string::npos)
          << name << " of " << file.path << " is missing in docs/training_tools.md";
    }
  }
  EXPECT_GE(count, 10U);
}

TEST(Docs, LinksLeadToFiles) {
  int links = 0;
  std::vector<std::string> pages = {"README.md", "CONTRIBUTING.md", "CHANGELOG.md"};
  for (const auto& entry : std::filesystem::recursive_directory_iterator(source_dir() / "docs")) {
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

// docs/identities.md and the tests have the same identities, with the same names.
TEST(Docs, EveryIdentityHasItsTests) {
  std::set<std::string> in_page;
  std::set<int> numbers;
  for (const std::string& line : read_lines(source_dir() / "docs/identities.md")) {
    if (line.starts_with("| ") && std::isdigit(static_cast<unsigned char>(line[2])) != 0) {
      numbers.insert(std::stoi(line.substr(2)));
    }
    for (std::size_t at = line.find("Identity.N"); at != std::string::npos; at = line.find("Identity.N", at + 1)) {
      in_page.insert(line.substr(at + 9, line.find('`', at) - at - 9));
    }
  }
  std::set<std::string> in_tests;
  for (const SourceFile& file : source_files({"tests/layers"})) {
    for (const std::string& line : file.lines) {
      const std::size_t at = line.find("Identity, N");
      if (line.starts_with("TEST") && at != std::string::npos) {
        in_tests.insert(line.substr(at + 10, line.find(')') - at - 10));
      }
    }
  }
  EXPECT_EQ(in_page, in_tests);
  EXPECT_GE(numbers.size(), 25U);
  for (const int number : numbers) {
    const std::string prefix = (number < 10 ? "N0" : "N") + std::to_string(number) + "_";
    EXPECT_TRUE(std::any_of(in_tests.begin(), in_tests.end(), [&](const auto& name) {
      return name.starts_with(prefix);
    })) << number;
  }
}

// Under pipefail, a reader that leaves before the end lets its pipe fail by luck: the writer is ended by a signal.
TEST(Scripts, ReadPipesToTheirEnd) {
  const std::regex leaves_early("\\| *(grep +-[a-zA-Z]*q|head\\b)");
  std::size_t scripts = 0;
  for (const auto& entry : std::filesystem::directory_iterator(source_dir() / "scripts")) {
    if (entry.path().extension() != ".sh") {
      continue;
    }
    ++scripts;
    for (const std::string& line : read_lines(entry.path())) {
      EXPECT_FALSE(std::regex_search(line, leaves_early) && line.find("|| true") == std::string::npos)
          << entry.path().filename() << ": " << line;
    }
  }
  EXPECT_GT(scripts, 5U);
}

// summary() counts FLOPs by the names of operations; a name that no operation records would count nothing.
TEST(Summary, ItsOperationsExist) {
  std::string recorded;
  for (const SourceFile& file : source_files({"core/ops", "core/autograd", "layers/module"})) {
    for (const std::string& line : file.lines) {
      recorded += file.path == "layers/module/summary.cpp" ? "" : line + "\n";
    }
  }
  const std::string summary = text_of("layers/module/summary.cpp");
  const std::size_t begin = summary.find("kMoves = {");
  const std::string tables = summary.substr(begin, summary.find("std::int64_t bytes_of") - begin);
  const std::regex quoted("\"[a-z_]+\"");
  int names = 0;
  for (std::sregex_iterator name(tables.begin(), tables.end(), quoted); name != std::sregex_iterator(); ++name) {
    ++names;
    EXPECT_TRUE(recorded.find(name->str()) != std::string::npos) << name->str() << " is no operation";
  }
  EXPECT_GT(names, 15);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad::tests
