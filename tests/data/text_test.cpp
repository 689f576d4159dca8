// Text as tokens, windows of tokens, and the stories made by the library.
#include "normgrad/data/text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <sstream>

#include "tests/support/files.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/temporary_folder.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/data/stories.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::HasSubstr;
using testing::MatchesRegex;
using tests::error_of;
using tests::write_text;

using Tokens = std::vector<std::int64_t>;

Tokens tokens_of(const Tensor& tensor) { return tensor.to_vector<std::int64_t>(); }

TEST(CharVocabularyTest, NumbersCharactersByCodePoint) {
  const CharVocabulary vocabulary("b\u00e9 \u20ac\U0001F600a\u00e9b");
  EXPECT_EQ(vocabulary.size(), 6);
  EXPECT_EQ(vocabulary.character(0), " ");
  EXPECT_EQ(vocabulary.character(5), "\U0001F600");
  const Tensor tokens = vocabulary.encode("ab\u00e9\u20ac\U0001F600 ");
  EXPECT_EQ(tokens.dtype(), kInt64);
  EXPECT_EQ(tokens_of(tokens), (Tokens{1, 2, 3, 4, 5, 0}));
  EXPECT_EQ(vocabulary.decode(tokens), "ab\u00e9\u20ac\U0001F600 ");
  EXPECT_EQ(vocabulary.decode(tokens.reshape({2, 3})), "ab\u00e9\u20ac\U0001F600 ");
  EXPECT_EQ(tokens_of(vocabulary.encode("")), Tokens{});
}

TEST(CharVocabularyTest, BytesAreTheirOwnTokens) {
  const CharVocabulary bytes = CharVocabulary::bytes();
  EXPECT_EQ(bytes.size(), 256);
  const std::string any("\x00\xff\x80z", 4);
  EXPECT_EQ(tokens_of(bytes.encode(any)), (Tokens{0, 255, 128, 122}));
  EXPECT_EQ(bytes.decode(bytes.encode(any)), any);
}

TEST(CharVocabularyTest, ErrorsNameThePlace) {
  EXPECT_EQ(error_of<ValueError>([] { CharVocabulary(""); }), "CharVocabulary: expected text but got an empty one");
  const CharVocabulary vocabulary("ab\n");
  EXPECT_EQ(error_of<ValueError>([&] { vocabulary.encode("ab\nb\u00e9"); }),
            "CharVocabulary: expected one of its 3 characters but line 2, byte 2 is U+00E9 '\u00e9'");
  EXPECT_EQ(error_of<IndexError>([&] { vocabulary.character(3); }),
            "CharVocabulary: expected tokens in [0, 3) but got 3");
  EXPECT_EQ(error_of<IndexError>([&] { vocabulary.decode(full({2}, -1, {.dtype = kInt64})); }),
            "CharVocabulary: expected tokens in [0, 3) but got -1");
  EXPECT_EQ(error_of<DTypeError>([&] { vocabulary.decode(ones({2})); }),
            "CharVocabulary: expected tokens of integers but got float32");
}

// RFC 3629, and the ill-formed sequences of Unicode 15, tables 3-7 to 3-11.
TEST(CharVocabularyTest, RefusesWhatIsNotUtf8) {
  for (const std::string good : {"\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
                                 "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_EQ(CharVocabulary(good).decode(CharVocabulary(good).encode(good)), good);
  }
  for (const std::string bad : {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2g", "\xe0\x9f\xbf", "\xe1\x80",
                                "\xe1\x80g", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf0\x90\x80",
                                "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"}) {
    EXPECT_THAT(error_of<ValueError>([&] { CharVocabulary("x\nyz" + bad); }),
                HasSubstr("CharVocabulary: expected UTF-8 but line 2, byte 3 is 0x"))
        << testing::PrintToString(bad);
  }
}

TEST(ReadTextTest, ReadsAFileAndNamesWhatIsWrong) {
  const tests::TemporaryFolder folder;
  const std::string file = folder / "text.txt";
  write_text(file, "One.\nTw\u00f6.\n");
  EXPECT_EQ(read_text(file), "One.\nTw\u00f6.\n");
  write_text(file, "One.\nTw\xf6.\n");
  EXPECT_EQ(error_of<IoError>([&] { read_text(file); }),
            "read_text: '" + file + "': expected UTF-8 but line 2, byte 3 is 0xF6");
  write_text(file, "");
  EXPECT_EQ(error_of<IoError>([&] { read_text(file); }),
            "read_text: '" + file + "': expected text but the file is empty");
  for (const std::filesystem::path& bad : {folder / "nowhere", std::filesystem::path("/dev/zero"), folder.path()}) {
    EXPECT_THAT(error_of<IoError>([&] { read_text(bad); }), HasSubstr("read_text: '" + bad.string() + "'"));
  }
}

Tensor counting(std::int64_t n) { return arange(n); }

TEST(SplitTokensTest, HoldsOutTheLastOnes) {
  const TokenSplits splits = split_tokens(counting(15));
  EXPECT_EQ(splits.train.size(0), 14);
  EXPECT_EQ(tokens_of(splits.validation), Tokens{14});
  EXPECT_EQ(tokens_of(split_tokens(counting(5), 0.5).validation), (Tokens{3, 4}));
  EXPECT_EQ(error_of<ValueError>([] { split_tokens(counting(5)); }),
            "split_tokens: expected a part of at least one token but 0.1 of 5 tokens is 0");
  for (const double bad : {0.0, 1.0, -1.0, std::nan("")}) {
    EXPECT_THAT(error_of<ValueError>([&] { split_tokens(counting(5), bad); }),
                HasSubstr("split_tokens: expected a fraction between 0 and 1 but got "));
  }
  EXPECT_EQ(error_of<ShapeError>([] {
              split_tokens(counting(4).reshape({2, 2}));
            }),
            "split_tokens: expected tokens [n] but got [2, 2]");
  EXPECT_EQ(error_of<DTypeError>([] { split_tokens(ones({4})); }),
            "split_tokens: expected tokens of integers but got float32");
}

TEST(TokenWindowsTest, LabelsAreTheNextTokens) {
  const TokenWindows windows(arange(0, 30, 3), 3);
  EXPECT_EQ(windows.size(), 3);
  EXPECT_EQ(windows.length(), 3);
  const std::vector<std::int64_t> indices = {2, 0};
  const Batch batch = windows.batch(indices);
  EXPECT_EQ(batch.inputs.shape(), Shape({2, 3}));
  EXPECT_EQ(tokens_of(batch.inputs), (Tokens{18, 21, 24, 0, 3, 6}));
  EXPECT_EQ(tokens_of(batch.labels), (Tokens{21, 24, 27, 3, 6, 9}));
}

// A window needs one token after it.
TEST(TokenWindowsTest, StreamsOfSmallIntegersGiveInt64) {
  const std::vector<std::int64_t> both{0, 2};
  const Batch expected = TokenWindows(arange(0, 250, 25), 3).batch(both);
  for (const DType dtype : {kUInt8, kInt32}) {
    const Tensor tokens = arange(0, 250, 25, {.dtype = dtype});
    EXPECT_EQ(split_tokens(tokens).train.dtype(), dtype);
    const Batch batch = TokenWindows(tokens, 3).batch(both);
    EXPECT_EQ(batch.inputs.dtype(), kInt64);
    EXPECT_EQ(batch.labels.dtype(), kInt64);
    EXPECT_EQ(batch.inputs.to_vector<std::int64_t>(), expected.inputs.to_vector<std::int64_t>());
    EXPECT_EQ(batch.labels.to_vector<std::int64_t>(), expected.labels.to_vector<std::int64_t>());
  }
  EXPECT_EQ(CharVocabulary::bytes().decode(tensor({104, 105}, {.dtype = kUInt8})), "hi");
}

TEST(TokenWindowsTest, UsesAllWholeWindows) {
  for (std::int64_t n = 2; n <= 20; ++n) {
    for (std::int64_t length = 1; length < n; ++length) {
      for (std::int64_t stride = 1; stride <= 4; ++stride) {
        std::int64_t count = 0;
        while (count * stride + length + 1 <= n) {
          ++count;
        }
        const TokenWindows windows(counting(n), length, {.stride = stride});
        ASSERT_EQ(windows.size(), count) << n << " " << length << " " << stride;
        const std::int64_t last = count - 1;
        const Batch batch = windows.batch({&last, 1});
        ASSERT_EQ(tokens_of(batch.inputs).front(), last * stride);
        ASSERT_EQ(tokens_of(batch.labels).back(), last * stride + length);
      }
    }
  }
}

TEST(TokenWindowsTest, RefusesWhatDoesNotFit) {
  const auto message = [](std::int64_t n, std::int64_t length, std::int64_t stride) {
    return error_of<ValueError>([&] { TokenWindows(counting(n), length, {.stride = stride}); });
  };
  EXPECT_EQ(message(3, 3, 1), "TokenWindows: expected more tokens than the 3 of a window but got 3");
  EXPECT_EQ(message(9, 0, 1), "TokenWindows: expected a length of at least 1 but got 0");
  EXPECT_EQ(message(9, 3, 0), "TokenWindows: expected a stride of at least 1 but got 0");
  EXPECT_EQ(error_of<DTypeError>([] { TokenWindows(ones({4}), 2); }),
            "TokenWindows: expected tokens of integers but got float32");
  EXPECT_EQ(error_of<DTypeError>([] { TokenWindows({}, 2); }),
            "TokenWindows: expected tokens of integers but got an undefined tensor");
  const std::int64_t outside = 3;
  EXPECT_THAT(error_of<IndexError>([&] {
                TokenWindows(counting(10), 3).batch({&outside, 1});
              }),
              HasSubstr("TokenWindows: expected indices of examples in [0, 3) but got 3"));
}

// Every story obeys the rules of the grammar.
TEST(StoriesTest, FollowTheGrammar) {
  const std::string text = make_stories({.stories = 400, .seed = 3});
  const std::string kind = "(a (small|young|happy|black|white|quiet)|an (old|angry))";
  const std::string place =
      "(near the river|in the old town|behind the forest|at the sea|under the hill|beside the market)";
  std::set<std::string> different;
  std::istringstream lines(text);
  int stories = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) {
      continue;
    }
    ++stories;
    different.insert(line);
    const bool she = std::string("AMOR").find(line[0]) != std::string::npos;
    const std::string name = line.substr(0, line.find(' '));
    ASSERT_THAT(line, MatchesRegex(name + " is " + kind + " [a-z]+ who lives " + place + "\\. " + (she ? "She" : "He") +
                                   " has " + kind + " [a-z]+\\. .*[.]"));
    EXPECT_EQ(line.find(she ? " he " : " she "), std::string::npos) << line;
    EXPECT_THAT(line, testing::Not(testing::ContainsRegex(" (a [aeiou]|an [^aeiou])")));
  }
  EXPECT_EQ(stories, 400);
  EXPECT_GT(different.size(), 395U);
}

TEST(StoriesTest, MoreStoriesOnlyAdd) {
  const std::string ten = make_stories({.stories = 10});
  EXPECT_EQ(make_stories({.stories = 20}).substr(0, ten.size()), ten);
  EXPECT_NE(make_stories({.stories = 10, .seed = 1}), ten);
  EXPECT_THAT(ten, testing::EndsWith(".\n\n"));
  EXPECT_LT(CharVocabulary(make_stories()).size(), 60);
  EXPECT_EQ(error_of<ValueError>([] { make_stories({.stories = 0}); }),
            "make_stories: expected 1 to 2^31 stories but got 0");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
