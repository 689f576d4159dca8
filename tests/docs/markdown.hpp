// The fenced blocks of a Markdown document.
#pragma once

#include <string>
#include <vector>

#include "tests/support/source_tree.hpp"

namespace normgrad::tests {

struct MarkdownBlock {
  std::string language;  // info string of the fence: "cpp", "text", "cpp file"
  std::string heading;   // of the enclosing section
  int line = 0;          // of its first line of text, from 1
  std::string text;
};

inline std::vector<MarkdownBlock> markdown_blocks(const std::string& file) {
  std::vector<MarkdownBlock> blocks;
  std::string heading;
  bool inside = false;
  int number = 0;
  for (const std::string& line : read_lines(source_dir() / file)) {
    ++number;
    if (inside && line == "```") {
      inside = false;
    } else if (inside) {
      blocks.back().text += line + "\n";
    } else if (line.starts_with("```")) {
      inside = true;
      blocks.push_back({line.substr(3), heading, number + 1, ""});
    } else if (line.starts_with("#")) {
      heading = line.substr(line.find(' ') + 1);
    }
  }
  return blocks;
}

}  // namespace normgrad::tests
