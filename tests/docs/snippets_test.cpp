// Every C++ block of the README and the documents is compiled and run.
//
//   ```cpp         a fragment: runs in a function of its own with the variables of snippet_prelude.hpp at hand; or, if
//                  it has a main(), a program
//   ```cpp global  definitions that the fragments after it, in the same document, use
//   | PyTorch | normgrad |   tables with this head in guides/from_pytorch.md: the code on the right is a fragment
//   ```cpp shape   neither: a sketch with "..." in it, the only kind that is not compiled
//
// The fragments of all documents form one program. A program from examples/ is left to the test of that example.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "tests/docs/markdown.hpp"
#include "tests/support/run_program.hpp"

namespace normgrad::tests {
namespace NORMGRAD_TEST_FILE {

namespace fs = std::filesystem;

std::vector<std::string> documents() {
  std::vector<std::string> pages = {"README.md", "CONTRIBUTING.md"};
  for (const auto& entry : fs::recursive_directory_iterator(source_dir() / "docs")) {
    if (entry.path().extension() == ".md") {
      pages.push_back(fs::relative(entry.path(), source_dir()).string());
    }
  }
  std::sort(pages.begin(), pages.end());
  return pages;
}

bool is_program(const MarkdownBlock& block) { return block.text.find("int main(") != std::string::npos; }

/// Returns "#line 7 "docs/norms.md"", so that errors refer to the document.
std::string line_mark(const std::string& page, const MarkdownBlock& block) {
  return "#line " + std::to_string(block.line) + " \"" + (source_dir() / page).string() + "\"\n";
}

std::set<std::string> examples() {
  std::set<std::string> texts;
  for (const auto& entry : fs::directory_iterator(source_dir() / "examples")) {
    if (entry.path().extension() == ".cpp") {
      std::ostringstream text;
      text << std::ifstream(entry.path()).rdbuf();
      texts.insert(text.str());
    }
  }
  return texts;
}

void compile_and_run(const std::string& name, const std::string& source) {
  const fs::path folder = fs::path(NORMGRAD_BINARY_DIR) / "tests" / "snippets" / name;
  fs::remove_all(folder);  // a resuming program would continue from an older checkpoint
  fs::create_directories(folder);
  std::ofstream(folder / (name + ".cpp")) << source;
  const std::string program = (folder / name).string();
  const std::string library = fs::path(NORMGRAD_LIBRARY).parent_path().string();
  const auto compiled = tests::run_program({NORMGRAD_CXX, "-std=c++20", "-O0", "-Wall", "-Wextra", "-Wno-unused",
                                            "-I" + std::string(NORMGRAD_BINARY_DIR) + "/include",
                                            "-I" + source_dir().string(), (folder / (name + ".cpp")).string(), "-o",
                                            program, NORMGRAD_LIBRARY, "-Wl,-rpath," + library});
  ASSERT_EQ(compiled.exit_code, 0) << name << ":\n" << compiled.err;
  EXPECT_EQ(compiled.err, "") << name;
  fs::current_path(folder);  // their output files go there
  const auto ran = tests::run_program({program});
  EXPECT_EQ(ran.exit_code, 0) << name << ":\n" << ran.err << ran.out;
}

struct TableLine {
  int line = 0;
  std::string code;
};

/// Returns the code on the right of the tables "| PyTorch | normgrad |" of a document.
std::vector<TableLine> lines_beside_pytorch(const std::string& page) {
  std::vector<TableLine> result;
  bool inside = false;
  int number = 0;
  for (const std::string& line : read_lines(source_dir() / page)) {
    ++number;
    if (line == "| PyTorch | normgrad |") {
      inside = true;
    } else if (!line.starts_with("|")) {
      inside = false;
    } else if (inside && !line.starts_with("|---")) {
      const std::size_t end = line.rfind("` |");
      const std::size_t begin = line.rfind("| `", end) + 3;
      std::string code;
      for (std::size_t i = begin; i < end; ++i) {
        if (line.compare(i, 2, "\\|") != 0) {
          code += line[i];
        }
      }
      result.push_back({number, code});
    }
  }
  return result;
}

TEST(Snippets, FragmentsCompileAndRun) {
  std::ostringstream source;
  std::ostringstream calls;
  source << "#include <fstream>\n#include \"tests/docs/snippet_prelude.hpp\"\n";
  int count = 0;
  int beside_pytorch = 0;
  std::map<std::string, int> by_page;
  for (const std::string& page : documents()) {
    const std::string scope = "page" + std::to_string(by_page.size());
    by_page[page] = 0;
    source << "namespace " << scope << " {\nusing namespace snippets;\n";
    for (const MarkdownBlock& block : markdown_blocks(page)) {
      ASSERT_TRUE(!block.language.starts_with("cpp") || block.language == "cpp" || block.language == "cpp global" ||
                  block.language == "cpp shape")
          << page << ":" << block.line << ": " << block.language;
      if (block.language == "cpp global") {
        source << line_mark(page, block) << block.text;
      } else if (block.language == "cpp" && !is_program(block)) {
        const std::string name = "fragment" + std::to_string(count++);
        ++by_page[page];
        source << "void " << name << "() {\n  Prelude prelude;\n"
               << "  auto& [net, train, test, batches, optimizer, images, labels, x, w] = prelude;\n  {\n"
               << line_mark(page, block) << block.text << "  }\n}\n";
        calls << "  std::cerr << \"" << page << ":" << block.line << "\\n\";\n  " << scope << "::" << name << "();\n";
      }
    }
    const bool has_table = page == "docs/guides/from_pytorch.md";
    for (const TableLine& row : has_table ? lines_beside_pytorch(page) : std::vector<TableLine>()) {
      const std::string name = "fragment" + std::to_string(count++);
      ++beside_pytorch;
      source << "void " << name << "() {\n  Prelude prelude;\n"
             << "  auto& [net, train, test, batches, optimizer, images, labels, x_, w] = prelude;\n  {\n"
             << line_mark(page, {{}, {}, row.line, {}}) << row.code << ";\n  }\n}\n";
      calls << "  std::cerr << \"" << page << ":" << row.line << "\\n\";\n  " << scope << "::" << name << "();\n";
    }
    source << "}\n";
  }
  EXPECT_GT(count, 40);
  EXPECT_GE(beside_pytorch, 110);
  source << "int main() {\n  normgrad::manual_seed(1);\n" << calls.str() << "}\n";
  compile_and_run("fragments", source.str());
}

TEST(Snippets, ProgramsCompileAndRun) {
  const std::set<std::string> known = examples();
  int count = 0;
  for (const std::string& page : documents()) {
    for (const MarkdownBlock& block : markdown_blocks(page)) {
      if (block.language == "cpp" && is_program(block) && !known.contains(block.text)) {
        compile_and_run("program" + std::to_string(count++), line_mark(page, block) + block.text);
      }
    }
  }
  EXPECT_GT(count, 0);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad::tests
