#include "normgrad/data/csv.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "tests/support/files.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/temporary_folder.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;

class CsvTest : public testing::Test {
 protected:
  CsvTable read(const std::string& text, const CsvOptions& options = {}) {
    tests::write_text(file_, text);
    return read_csv(file_, options);
  }
  std::string error(const std::string& text, const CsvOptions& options = {}) {
    const std::string message = error_of<IoError>([&] { read(text, options); });
    const std::string where = "read_csv: '" + file_.string() + "': ";
    EXPECT_THAT(message, testing::StartsWith(where));
    return message.substr(std::min(message.size(), where.size()));
  }

  const tests::TemporaryFolder folder_;
  const std::filesystem::path file_ = folder_ / "table.csv";
};

TEST_F(CsvTest, ReadsNumbersAndCategories) {
  const CsvTable table = read(
      "\xef\xbb\xbf"
      "a,b,kind\r\n1,-2.5e3,red\r\n\r\n +3 ,inf,\"dark, \"\"blue\"\"\"\r\n.5,0x,blue",
      {.categories = {"kind", "b"}});
  EXPECT_EQ(table.columns, (std::vector<std::string>{"a", "b", "kind"}));
  EXPECT_EQ(table.values.dtype(), kFloat64);
  EXPECT_EQ(table.values.shape(), Shape({3, 3}));
  EXPECT_EQ(table.values.to_vector<double>(), (std::vector<double>{1, 0, 2, 3, 2, 1, 0.5, 1, 0}));
  EXPECT_EQ(table.categories.at("kind"), (std::vector<std::string>{"blue", "dark, \"blue\"", "red"}));
  EXPECT_EQ(table.categories.at("b"), (std::vector<std::string>{"-2.5e3", "0x", "inf"}));
  EXPECT_EQ(table.column("a").to_vector<double>(), (std::vector<double>{1, 3, 0.5}));
  EXPECT_EQ(table.select({"kind", "a"}).to_vector<double>(), (std::vector<double>{2, 1, 1, 3, 0, 0.5}));
  EXPECT_EQ(error_of<ValueError>([&] { table.column("c"); }),
            "CsvTable: expected one of the columns a, b, kind but got 'c'");
}

TEST_F(CsvTest, OtherDelimitersNoHeaderAndMissingValues) {
  const CsvTable table = read("1;;3\n4;5;6\n", {.delimiter = ';', .header = false, .empty_is_nan = true});
  EXPECT_EQ(table.columns, (std::vector<std::string>{"0", "1", "2"}));
  const std::vector<double> values = table.values.to_vector<double>();
  EXPECT_TRUE(std::isnan(values[1]));
  EXPECT_EQ(values[5], 6.0);
  EXPECT_EQ(read("a\n7\n").column("a").item(), 7.0);
  EXPECT_EQ(read("a\n\"7\"\n8").values.shape(), Shape({2, 1}));
}

TEST_F(CsvTest, ErrorsNameLineAndColumn) {
  EXPECT_EQ(error(""), "expected a table but the file is empty");
  EXPECT_EQ(error("a,b\n"), "expected at least one row after the header");
  EXPECT_EQ(error("a,b\n1,2\n\n3,x4\n"), "line 4, column 'b': expected a number but got 'x4'");
  EXPECT_EQ(error("a,b\n1,\n"), "line 2, column 'b': expected a number but got ''");
  EXPECT_EQ(error("a,b\n1,2\n1,2,3\n"), "line 3: expected 2 fields but got 3");
  EXPECT_EQ(error("a,b\n\"1\n\",2\n1\n", {.categories = {"a"}}), "line 4: expected 2 fields but got 1");
  EXPECT_EQ(error("a,b,a\n1,2,3\n"), "expected columns with different names but there are two 'a'");
  EXPECT_EQ(error("a,b\n1,\"2\n"), "the quote that begins in line 2 is not closed");
  EXPECT_EQ(error("a,b\n\"1\"2,3\n"), "line 2, field 1: expected the end of the field but got '2'");
  EXPECT_EQ(error("a,b\n1 2,3\n"), "line 2, column 'a': expected a number but got '1 2'");
  EXPECT_EQ(error("a\n1e999\n"), "line 2, column 'a': expected a number but got '1e999'");
  EXPECT_EQ(error_of<ValueError>([&] { read("a\n1\n", {.categories = {"b"}}); }),
            "read_csv: expected one of the columns a but got 'b'");
  EXPECT_EQ(error_of<ValueError>([&] { read("a\n1\n", {.delimiter = '"'}); }),
            "read_csv: expected a delimiter that is no quote and no line end");
  EXPECT_THAT(error_of<IoError>([&] { read_csv(folder_ / "nowhere"); }), testing::HasSubstr("nowhere"));
}

// Any prefix and any changed byte gives a table or an IoError.
TEST_F(CsvTest, DamagedFiles) {
  const std::string text = "a,\"b\"\r\n1,2\n\"3\",4\n";
  const auto try_to_read = [&](const std::string& bad) {
    try {
      EXPECT_GT(read(bad).values.numel(), 0);
    } catch (const IoError&) {
    }
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    try_to_read(text.substr(0, i));
    for (const char byte : {'\0', ',', '"', '\n', '\r', '7', '\xff'}) {
      std::string bad = text;
      bad[i] = byte;
      try_to_read(bad);
    }
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
