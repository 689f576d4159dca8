#include "normgrad/data/idx.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <iomanip>
#include <limits>
#include <sstream>
#include <string>

#include "normgrad/core/base/detail/input_file.hpp"
#include "normgrad/core/base/detail/io_errors.hpp"

namespace normgrad {

namespace {

constexpr std::uint8_t kUnsignedBytes = 0x08;
constexpr std::size_t kIdxChunk = std::size_t{1} << 16;

std::string hex(std::uint32_t value, int digits) {
  std::ostringstream out;
  out << "0x" << std::hex << std::setfill('0') << std::setw(digits) << value;
  return out.str();
}

/// Reads the contents of a file sequentially, decompressing gzip.
class IdxReader {
 public:
  IdxReader(const FilePath& path, std::uint64_t max_bytes)
      : file_("read_idx", path), limit_(file_.unpack_limit(max_bytes)) {
    refill();
    packed_ = starts_gzip();
    if (packed_) {
      constexpr int kGzipWindow = 16 + MAX_WBITS;  // accept gzip's header and checksum
      require<IoError>(inflateInit2(&stream_, kGzipWindow) == Z_OK, where(), "cannot be unpacked");
      end_.stream = &stream_;
    }
  }

  const std::string& where() const noexcept { return file_.where(); }

  /// Reads up to `count` bytes; fewer only at the end of the file.
  std::size_t read(std::uint8_t* to, std::size_t count) {
    const std::size_t got = packed_ ? unpack(to, count) : copy(to, count);
    given_ += got;
    require<IoError>(given_ <= limit_, where(), "expected at most ", limit_,
                     " bytes of contents but there are more; max_bytes raises the limit");
    return got;
  }

  std::uint32_t read_header_word(const char* what) {
    std::array<std::uint8_t, 4> bytes{};
    const std::size_t got = read(bytes.data(), bytes.size());
    require<IoError>(got == bytes.size(), where(), "expected ", what, " but the file ends there");
    return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3];
  }

 private:
  struct End {
    z_stream* stream = nullptr;
    ~End() {
      if (stream != nullptr) {
        inflateEnd(stream);
      }
    }
  };

  /// Reads the next chunk. Returns whether there was one.
  bool refill() {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(kIdxChunk, file_.size() - at_));
    input_.resize(count);
    file_.read(at_, input_.data(), count);
    at_ += count;
    stream_.next_in = input_.data();
    stream_.avail_in = static_cast<uInt>(count);
    return count > 0;
  }
  bool has_input() { return stream_.avail_in > 0 || refill(); }
  bool starts_gzip() const { return stream_.avail_in >= 2 && stream_.next_in[0] == 0x1f && stream_.next_in[1] == 0x8b; }

  std::size_t copy(std::uint8_t* to, std::size_t count) {
    std::size_t done = 0;
    while (done < count && has_input()) {
      const std::size_t some = std::min<std::size_t>(count - done, stream_.avail_in);
      std::copy_n(stream_.next_in, some, to + done);
      stream_.next_in += some;
      stream_.avail_in -= static_cast<uInt>(some);
      done += some;
    }
    return done;
  }

  std::size_t unpack(std::uint8_t* to, std::size_t count) {
    stream_.next_out = to;
    stream_.avail_out = static_cast<uInt>(count);
    while (stream_.avail_out > 0 && !ended_) {
      require<IoError>(has_input(), where(), "the compressed file is truncated");
      const int code = inflate(&stream_, Z_NO_FLUSH);
      require<IoError>(code == Z_OK || code == Z_STREAM_END, where(),
                       "cannot be read: ", stream_.msg != nullptr ? stream_.msg : zError(code));
      if (code == Z_STREAM_END) {
        next_member();
      }
    }
    return count - stream_.avail_out;
  }

  /// A gzip file may consist of several members.
  void next_member() {
    if (!has_input()) {
      ended_ = true;
      return;
    }
    if (stream_.avail_in == 1 && at_ < file_.size()) {  // only one of the two magic bytes is buffered
      --at_;
      refill();
    }
    require<IoError>(starts_gzip() && inflateReset(&stream_) == Z_OK, where(),
                     "expected nothing after the compressed contents but there are ",
                     stream_.avail_in + (file_.size() - at_), " more bytes");
  }

  detail::InputFile file_;
  std::uint64_t limit_;
  std::uint64_t given_ = 0;
  std::uint64_t at_ = 0;
  std::vector<Bytef> input_;
  z_stream stream_ = {};
  End end_;
  bool packed_ = false;
  bool ended_ = false;
};

Shape read_header(IdxReader& reader, const std::string& where, int min_rank, int max_rank) {
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

/// Number of elements; the largest 64-bit number on overflow.
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

/// Whether the strides of the shape fit in 63 bits.
bool countable_without_zeros(const Shape& shape) {
  std::int64_t count = 1;
  return std::none_of(shape.begin(), shape.end(),
                      [&](std::int64_t size) { return size != 0 && __builtin_mul_overflow(count, size, &count); });
}

IdxArray read_idx_file(const FilePath& file, int min_rank, int max_rank, std::uint64_t max_bytes) {
  IdxReader reader(file, max_bytes);
  const std::string& where = reader.where();
  IdxArray array;
  array.shape = read_header(reader, where, min_rank, max_rank);
  const std::uint64_t expected = saturating_numel(array.shape);
  require<IoError>(expected > 0 || countable_without_zeros(array.shape), where, "the shape ", array.shape,
                   " has more elements than can be counted");
  std::uint64_t have = 0;
  while (have < expected) {
    const std::size_t want = std::min<std::uint64_t>(kIdxChunk, expected - have);
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

}  // namespace

IdxArray read_idx(const FilePath& file, int min_rank, int max_rank, std::uint64_t max_bytes) {
  return detail::with_io_errors("read_idx: '" + file.string() + "': ",
                                [&] { return read_idx_file(file, min_rank, max_rank, max_bytes); });
}

}  // namespace normgrad
