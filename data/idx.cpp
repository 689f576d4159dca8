#include "normgrad/data/idx.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iomanip>
#include <limits>
#include <memory>
#include <sstream>
#include <string>

#include "normgrad/core/base/error.hpp"

namespace normgrad {

namespace {

constexpr std::uint8_t kUnsignedBytes = 0x08;
constexpr std::size_t kChunk = std::size_t{1} << 16;

std::string quoted(const std::filesystem::path& file) { return "read_idx: '" + file.string() + "': "; }

std::string hex(std::uint32_t value, int digits) {
  std::ostringstream out;
  out << "0x" << std::hex << std::setfill('0') << std::setw(digits) << value;
  return out.str();
}

/// A file being read; zlib passes uncompressed ones through.
class Reader {
 public:
  explicit Reader(const std::filesystem::path& file) : where_(quoted(file)) {
    std::error_code error;
    const auto status = std::filesystem::status(file, error);
    require<IoError>(std::filesystem::exists(status), where_, "no such file");
    require<IoError>(!std::filesystem::is_directory(status), where_, "expected a file but it is a folder");
    file_.reset(gzopen(file.c_str(), "rb"));
    require<IoError>(file_ != nullptr, where_, "cannot be opened: ", std::strerror(errno));
    gzbuffer(file_.get(), 1U << 16);
  }

  /// Reads up to `count` bytes; fewer only at the end of the file.
  std::size_t read(std::uint8_t* to, std::size_t count) {
    const int got = gzread(file_.get(), to, static_cast<unsigned>(count));
    int code = Z_OK;
    const char* message = gzerror(file_.get(), &code);
    // Z_BUF_ERROR: the compressed stream ends too early.
    require<IoError>(code != Z_BUF_ERROR, where_, "the compressed file is truncated");
    require<IoError>(got >= 0 && code == Z_OK, where_,
                     "cannot be read: ", code == Z_ERRNO ? std::strerror(errno) : message);
    return static_cast<std::size_t>(got);
  }

  std::uint32_t read_header_word(const char* what) {
    std::array<std::uint8_t, 4> bytes{};
    const std::size_t got = read(bytes.data(), bytes.size());
    require<IoError>(got == bytes.size(), where_, "expected ", what, " but the file ends there");
    return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3];
  }

 private:
  struct Close {
    void operator()(gzFile_s* file) const { gzclose(file); }
  };
  std::string where_;
  std::unique_ptr<gzFile_s, Close> file_;
};

Shape read_header(Reader& reader, const std::string& where, int min_rank, int max_rank) {
  const std::uint32_t magic = reader.read_header_word("a magic number");
  const auto type = static_cast<std::uint8_t>(magic >> 8);
  const int rank = static_cast<int>(magic & 0xffU);
  require<IoError>(magic >> 16 == 0, where, "expected the magic number of an IDX file, ", hex(0x0800U, 8),
                   " + rank, but got ", hex(magic, 8));
  require<IoError>(type == kUnsignedBytes, where, "expected elements of type ", hex(kUnsignedBytes, 2),
                   " (unsigned bytes) but got type ", hex(type, 2));
  require<IoError>(rank >= min_rank && rank <= max_rank, where, "expected ", min_rank,
                   min_rank == max_rank ? "" : " to " + std::to_string(max_rank), " axes but got ", rank);
  Shape shape;
  for (int axis = 0; axis < rank; ++axis) {
    shape.push_back(reader.read_header_word("the sizes of the axes"));
  }
  return shape;
}

/// The number of elements, or the largest number when it is larger still.
std::uint64_t saturating_numel(const Shape& shape) {
  std::uint64_t count = 1;
  bool overflow = false;
  for (const std::int64_t size : shape) {
    overflow |= __builtin_mul_overflow(count, static_cast<std::uint64_t>(size), &count);
    if (size == 0) {
      return 0;
    }
  }
  return overflow ? std::numeric_limits<std::uint64_t>::max() : count;
}

}  // namespace

IdxArray read_idx(const std::filesystem::path& file, int min_rank, int max_rank) {
  const std::string where = quoted(file);
  Reader reader(file);
  IdxArray array;
  array.shape = read_header(reader, where, min_rank, max_rank);
  const std::uint64_t expected = saturating_numel(array.shape);
  std::uint64_t have = 0;
  while (have < expected) {
    const std::size_t want = std::min<std::uint64_t>(kChunk, expected - have);
    array.values.resize(have + want);
    const std::size_t got = reader.read(array.values.data() + have, want);
    have += got;
    require<IoError>(
        got == want, where, "expected ", array.shape, " elements (",
        expected == std::numeric_limits<std::uint64_t>::max() ? "more than 2^64" : std::to_string(expected),
        ") but the file holds only ", have);
  }
  std::uint8_t extra = 0;
  require<IoError>(reader.read(&extra, 1) == 0, where, "expected ", array.shape, " elements (", expected,
                   ") but the file holds more");
  return array;
}

}  // namespace normgrad
