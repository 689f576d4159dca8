#include <filesystem>

#include "normgrad/data/idx.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include "tests/support/idx_files.hpp"
#include "tests/support/temporary_folder.hpp"
#include "normgrad/core/base/error.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::AllOf;
using testing::HasSubstr;
using tests::Bytes;
using tests::idx_bytes;

class IdxTest : public testing::Test {
 protected:
  /// The error message for reading `bytes`.
  std::string error_of(const Bytes& bytes, int min_rank = 1, int max_rank = 4) {
    tests::write_file(file_, bytes);
    return error_of_file(min_rank, max_rank);
  }
  std::string error_of_file(int min_rank = 1, int max_rank = 4) {
    try {
      read_idx(file_, min_rank, max_rank);
    } catch (const IoError& error) {
      EXPECT_THAT(error.what(), HasSubstr("read_idx: '" + file_.string() + "': "));
      return error.what();
    }
    return "no error";
  }

  tests::TemporaryFolder folder_;
  std::filesystem::path file_ = folder_ / "array-idx";
};

TEST_F(IdxTest, ReadsEveryRank) {
  const Bytes values = {1, 2, 3, 250, 251, 252};
  for (const std::vector<std::uint32_t>& sizes :
       std::vector<std::vector<std::uint32_t>>{{6}, {2, 3}, {1, 2, 3}, {3, 1, 2, 1}}) {
    tests::write_file(file_, idx_bytes(0x800 + static_cast<std::uint32_t>(sizes.size()), sizes, values));
    const IdxArray array = read_idx(file_);
    EXPECT_EQ(array.shape, Shape(std::vector<std::int64_t>(sizes.begin(), sizes.end())));
    EXPECT_EQ(array.values, values);
  }
}

TEST_F(IdxTest, ReadsMoreThanOneChunk) {
  Bytes values(3'000'001);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<std::uint8_t>(i * 7 + i / 256);
  }
  const Bytes bytes = idx_bytes(0x801, {static_cast<std::uint32_t>(values.size())}, values);
  tests::write_file(file_, bytes);
  EXPECT_EQ(read_idx(file_).values, values);
  tests::write_gzip(file_, bytes);
  EXPECT_EQ(read_idx(file_).values, values);
}

TEST_F(IdxTest, ReadsEmptyArray) {
  tests::write_file(file_, idx_bytes(0x803, {0, 28, 28}, {}));
  EXPECT_EQ(read_idx(file_).shape, Shape({0, 28, 28}));
}

TEST_F(IdxTest, TellsMissingFileAndFolder) {
  EXPECT_THAT(error_of_file(), HasSubstr("no such file"));
  std::filesystem::create_directory(file_);
  EXPECT_THAT(error_of_file(), HasSubstr("expected a file but it is a folder"));
}

TEST_F(IdxTest, TellsWrongMagic) {
  EXPECT_THAT(error_of({}), HasSubstr("expected a magic number but the file ends there"));
  EXPECT_THAT(error_of({0, 0, 8}), HasSubstr("expected a magic number but the file ends there"));
  EXPECT_THAT(error_of(idx_bytes(0x12340801, {1}, {1})), AllOf(HasSubstr("magic number"), HasSubstr("got 0x12340801")));
  EXPECT_THAT(error_of(idx_bytes(0x00000D01, {1}, {1, 2, 3, 4})), HasSubstr("(unsigned bytes) but got type 0x0d"));
  EXPECT_THAT(error_of(idx_bytes(0x801, {1}, {1}), 3, 4), HasSubstr("expected 3 to 4 axes but got 1"));
  EXPECT_THAT(error_of(idx_bytes(0x803, {1, 1, 1}, {1}), 1, 1), HasSubstr("expected 1 axes but got 3"));
  EXPECT_THAT(error_of(idx_bytes(0x8ff, {1, 1, 1}, {1})), HasSubstr("expected 1 to 4 axes but got 255"));
}

TEST_F(IdxTest, TellsWrongSize) {
  EXPECT_THAT(error_of({0, 0, 8, 2, 0, 0, 0, 1, 0, 0}), HasSubstr("sizes of the axes but the file ends there"));
  EXPECT_THAT(error_of(idx_bytes(0x802, {2, 3}, {1, 2, 3, 4, 5})),
              HasSubstr("expected [2, 3] elements (6) but the file holds only 5"));
  EXPECT_THAT(error_of(idx_bytes(0x802, {2, 3}, {1, 2, 3, 4, 5, 6, 7})),
              HasSubstr("expected [2, 3] elements (6) but the file holds more"));
  EXPECT_THAT(error_of(idx_bytes(0x801, {0}, {1})), HasSubstr("(0) but the file holds more"));
}

TEST_F(IdxTest, TakesNoMoreMemoryThanTheFileHolds) {
  // 16 exabytes and more than 2^64: a reader that trusted either would run out of memory.
  EXPECT_THAT(error_of(idx_bytes(0x802, {0xffffffff, 0xffffffff}, {1, 2})), HasSubstr("holds only 2"));
  EXPECT_THAT(error_of(idx_bytes(0x804, {0xffffffff, 0xffffffff, 0xffffffff, 3}, {1, 2})),
              HasSubstr("(more than 2^64) but the file holds only 2"));
  // The product is 0 modulo 2^64.
  EXPECT_THAT(error_of(idx_bytes(0x804, {0x80000000, 0x80000000, 4, 4}, {})), HasSubstr("holds only 0"));
}

TEST_F(IdxTest, TellsTruncatedAndDamagedGzip) {
  Bytes values(50'000);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<std::uint8_t>((i * i) >> 5);
  }
  const Bytes bytes = idx_bytes(0x801, {50'000}, values);
  tests::write_gzip(file_, bytes);
  Bytes packed = tests::read_bytes(file_);
  ASSERT_EQ(read_idx(file_).values, values);

  EXPECT_THAT(error_of(Bytes(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(packed.size() / 2))),
              HasSubstr("the compressed file is truncated"));
  EXPECT_THAT(error_of(Bytes(packed.begin(), packed.end() - 4)), HasSubstr("the compressed file is truncated"));
  Bytes damaged = packed;
  damaged[packed.size() / 2] ^= 0x55;
  EXPECT_THAT(error_of(damaged), HasSubstr("cannot be read"));
}

TEST_F(IdxTest, TellsWrongCountInsideGzip) {
  tests::write_gzip(file_, idx_bytes(0x801, {5}, {1, 2, 3}));
  EXPECT_THAT(error_of_file(), HasSubstr("(5) but the file holds only 3"));
  tests::write_gzip(file_, idx_bytes(0x801, {2}, {1, 2, 3}));
  EXPECT_THAT(error_of_file(), HasSubstr("(2) but the file holds more"));
}

TEST_F(IdxTest, TellsWhatFollowsTheCompressedContents) {
  Bytes values(200'000, 7);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<std::uint8_t>((i * i) >> 7);
  }
  const Bytes bytes = idx_bytes(0x801, {200'000}, values);
  tests::write_gzip(file_, bytes);
  const Bytes packed = tests::read_bytes(file_);
  for (const Bytes& junk : {Bytes{0}, Bytes{0x1f}, Bytes{0x1f, 0x8c}, Bytes(100'000, 'x')}) {
    Bytes longer = packed;
    longer.insert(longer.end(), junk.begin(), junk.end());
    EXPECT_THAT(error_of(longer), HasSubstr("expected nothing after the compressed contents but there are " +
                                            std::to_string(junk.size()) + " more bytes"));
  }
  // gzip members may be concatenated; the second one begins at various positions of a read block.
  for (const std::size_t cut : {std::size_t{0}, std::size_t{1}, std::size_t{12}, std::size_t{100'000}, bytes.size()}) {
    const auto middle = bytes.begin() + static_cast<std::ptrdiff_t>(cut);
    tests::write_gzip(file_, Bytes(bytes.begin(), middle));
    Bytes both = tests::read_bytes(file_);
    tests::write_gzip(file_, Bytes(middle, bytes.end()));
    const Bytes second = tests::read_bytes(file_);
    both.insert(both.end(), second.begin(), second.end());
    tests::write_file(file_, both);
    EXPECT_EQ(read_idx(file_).values, values) << cut;
    both.push_back(0x1f);
    EXPECT_THAT(error_of(both), HasSubstr("expected nothing after the compressed contents but there are 1 more bytes"));
  }
}

TEST_F(IdxTest, FindsTheSecondMemberAcrossTheChunksThatAreRead) {
  // Stored blocks, so that the first member ends one byte before, at and after the end of a chunk of 64 KiB.
  for (std::size_t size = 65'480; size < 65'540; ++size) {
    const Bytes bytes = idx_bytes(0x801, {static_cast<std::uint32_t>(size)}, Bytes(size - 2, 3));
    tests::write_gzip(file_, bytes, 0);
    Bytes both = tests::read_bytes(file_);
    tests::write_gzip(file_, {3, 3}, 0);
    const Bytes second = tests::read_bytes(file_);
    both.insert(both.end(), second.begin(), second.end());
    tests::write_file(file_, both);
    ASSERT_EQ(read_idx(file_).values, Bytes(size, 3)) << size;
  }
}

TEST_F(IdxTest, UnpacksNoMoreThanItIsAllowed) {
  tests::write_gzip(file_, idx_bytes(0x802, {1000, 1000}, Bytes(1'000'000, 0)));
  ASSERT_LT(std::filesystem::file_size(file_), 3000U) << "a thousandth";
  EXPECT_EQ(read_idx(file_).values.size(), 1'000'000U);
  EXPECT_EQ(read_idx(file_, 1, 4, 1'000'012).values.size(), 1'000'000U);
  try {
    read_idx(file_, 1, 4, 1'000'011);
    ADD_FAILURE() << "threw nothing";
  } catch (const IoError& error) {
    EXPECT_THAT(error.what(), HasSubstr("expected at most 1000011 bytes of contents but there are more"));
  }
}

TEST_F(IdxTest, RefusesAPipe) {
  ASSERT_EQ(mkfifo(file_.c_str(), 0600), 0);
  EXPECT_THAT(error_of_file(), HasSubstr("expected a file but it is something else"));
}

TEST_F(IdxTest, TellsShapesThatCannotBeCounted) {
  EXPECT_THAT(error_of(idx_bytes(0x804, {0, 0xffffffff, 0xffffffff, 0xffffffff}, {})),
              HasSubstr("has more elements than can be counted"));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
