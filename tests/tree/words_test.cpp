// Words that the project has given up for the terms of the field, and one spelling.
#include <gtest/gtest.h>

#include <filesystem>
#include <regex>
#include <string>
#include <vector>

#include "tests/support/source_tree.hpp"

namespace normgrad::tests {
namespace NORMGRAD_TEST_FILE {

struct GoneWord {
  std::string pattern;
  std::string instead;
};

const std::vector<GoneWord> kGone = {
    {"Norm(Then|Activation)|forward_(then)|call_with_(relu)", "Epilogue, forward_fused"},
    {"past_(caches)|end_(stream)", "non_temporal, store_fence"},
    {"Pixel(Geometry)", "ChannelsLastGeometry"},
    {"k?Wi(de)|WideH(alf)", "Accumulator, kAccumulatorLanes"},
    {"lying_(with)|empty_lying_(as)|channels_(behind)", "match_format, empty_like_format, nhwc_shape"},
    {"lies_(alike)|\\w+as_it_(lies)", "formats_agree, physical_strides, is_physically_writable"},
    {"norm_(apply)(_backward)?", "norm_forward, norm_backward with given statistics"},
    {"Gemm(Pieces)|make_one_of_(all)", "GemmPartition, merge"},
    {"conv_(unfolded)", "im2col"},
    {"Pool(Winners)|kNo(Winner)", "PoolArgmax, kNoArgmax"},
    {"threads_are_(near)", "threads_share_cache"},
    {"kMo(st)\\w*|kLea(st)\\w*", "kMax..., kMin..."},
    {"\\w*[Nn]ormali(s)(e|es|ed|ing|er|ers|ation)", "normalize"},
    {"\\w*[Cc]ent(re)(s|d)?|\\w*[Cc]ent(ring)", "center"},
    {"\\w*[Ii]nitiali(s)\\w+|\\w*[Oo]ptimi(s)(e|es|ed|ing|er|ers|ation|ations)", "initialize, optimize"},
    {"\\w*[Cc]olo(ur)\\w*|\\w*[Bb]ehavio(ur)\\w*|\\w*[Nn]eighbo(ur)\\w*", "color, behavior, neighbor"},
};

TEST(Words, TermsOfTheFieldAndOneSpelling) {
  std::vector<std::string> pages = {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "normgrad.hpp"};
  for (const auto& entry : std::filesystem::recursive_directory_iterator(source_dir() / "docs")) {
    // The table of planted faults keeps the names that a fault had when it was caught.
    if (entry.path().extension() == ".md" && entry.path().filename() != "mutation.md") {
      pages.push_back(std::filesystem::relative(entry.path(), source_dir()));
    }
  }
  for (const SourceFile& file :
       source_files({"core", "layers", "optim", "data", "io", "train", "lab", "examples", "bench", "tests"})) {
    pages.push_back(file.path);
  }
  ASSERT_GT(pages.size(), 400U);
  std::string all;
  for (const GoneWord& word : kGone) {
    all += (all.empty() ? "" : "|") + word.pattern;
  }
  const std::regex any("\\b(" + all + ")\\b", std::regex::optimize);
  for (const std::string& page : pages) {
    int number = 0;
    for (const std::string& line : read_lines(source_dir() / page)) {
      ++number;
      std::smatch match;
      const bool is_title = line.find("signSGD: compressed") != std::string::npos;
      if (!page.ends_with("words_test.cpp") && !is_title && std::regex_search(line, match, any)) {
        std::string instead;
        for (const GoneWord& word : kGone) {
          if (std::regex_search(line, std::regex("\\b(" + word.pattern + ")\\b"))) {
            instead = word.instead;
          }
        }
        ADD_FAILURE() << page << ":" << number << ": '" << match[0] << "': write " << instead;
      }
    }
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad::tests
