#include "normgrad/io/npy.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <numeric>
#include <string_view>
#include <xtensor/xnpy.hpp>

#include "normgrad/core/base/detail/input_file.hpp"
#include "normgrad/core/base/detail/io_errors.hpp"
#include "normgrad/core/base/detail/mapped_file.hpp"
#include "normgrad/core/xtensor.hpp"
#include "normgrad/io/detail/npy_format.hpp"
#include "normgrad/io/detail/output_file.hpp"

namespace normgrad {

namespace detail {

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::uint64_t kMaxHeader = 1U << 20;

struct NpyHeader {
  std::string descr;
  bool fortran_order = false;
  Shape shape;
};

// Parses {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }, a Python dict with these three keys.
class NpyHeaderReader {
 public:
  NpyHeaderReader(const std::string& where, std::string_view text) : where_(where), text_(text) {}

  NpyHeader read() {
    NpyHeader header;
    std::array<bool, 3> have{};
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted();
      expect(':');
      std::size_t which = 0;
      if (key == "descr") {
        header.descr = quoted();
      } else if (key == "fortran_order") {
        which = 1;
        header.fortran_order = truth();
      } else {
        require<IoError>(key == "shape", where_, "unknown entry '", key, "' in the header");
        which = 2;
        header.shape = tuple();
      }
      require<IoError>(!std::exchange(have[which], true), where_, "'", key, "' appears twice in the header");
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_blanks();
    require<IoError>(at_ == text_.size() && have[0] && have[1] && have[2], where_,
                     "expected a header of 'descr', 'fortran_order' and 'shape'");
    return header;
  }

 private:
  void skip_blanks() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) {
      ++at_;
    }
  }
  bool accept(char c) {
    skip_blanks();
    if (at_ < text_.size() && text_[at_] == c) {
      ++at_;
      return true;
    }
    return false;
  }
  void expect(char c) { require<IoError>(accept(c), where_, "expected '", c, "' at byte ", at_, " of the header"); }
  std::string quoted() {
    const char quote = accept('"') ? '"' : '\'';
    if (quote == '\'') {
      expect(quote);
    }
    const std::size_t end = text_.find(quote, at_);
    require<IoError>(end != std::string_view::npos, where_, "the header ends within a string");
    const std::size_t begin = std::exchange(at_, end + 1);
    return std::string(text_.substr(begin, end - begin));
  }
  bool truth() {
    skip_blanks();
    for (const bool value : {false, true}) {
      const std::string_view word = value ? "True" : "False";
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return value;
      }
    }
    fail<IoError>(where_, "expected True or False at byte ", at_, " of the header");
  }
  std::int64_t number() {
    skip_blanks();
    const std::size_t begin = at_;
    std::int64_t value = 0;
    bool overflow = false;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      overflow |= __builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, text_[at_] - '0', &value);
    }
    require<IoError>(at_ > begin && !overflow, where_, "expected a size at byte ", begin, " of the header");
    return value;
  }
  Shape tuple() {
    Shape shape;
    expect('(');
    while (!accept(')')) {
      require<IoError>(shape.rank() < Shape::kMaxDims, where_, "expected at most ", Shape::kMaxDims,
                       " axes but got more");
      shape.push_back(number());
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return shape;
  }

  const std::string& where_;
  std::string_view text_;
  std::size_t at_ = 0;
};

const ElementInfo& element_type_of(const std::string& where, const std::string& descr) {
  static constexpr std::array<std::pair<std::string_view, ElementType>, 12> kDescriptors = {
      {{"<f2", ElementType::F16},
       {"<f4", ElementType::F32},
       {"<f8", ElementType::F64},
       {"|i1", ElementType::I8},
       {"|u1", ElementType::U8},
       {"<i2", ElementType::I16},
       {"<u2", ElementType::U16},
       {"<i4", ElementType::I32},
       {"<u4", ElementType::U32},
       {"<i8", ElementType::I64},
       {"<u8", ElementType::U64},
       {"|b1", ElementType::BOOL}}};
  for (const auto& [name, type] : kDescriptors) {
    if (descr == name) {
      return info_of(type);
    }
  }
  fail<IoError>(where, "holds elements of type '", descr,
                "'; expected little-endian floats of 2, 4 or 8 bytes, integers, or bools");
}

// Converts to row-major an array that was read as row-major with its axes reversed.
Tensor reverse_axes(const Tensor& reversed) {
  std::vector<std::int64_t> axes(reversed.shape().rank());
  std::iota(axes.rbegin(), axes.rend(), std::int64_t{0});
  return reversed.permute(axes);
}

}  // namespace

NpyLayout read_npy_layout(const std::string& where, std::uint64_t size, const void* context, ReadBytes read) {
  std::array<unsigned char, 12> start{};
  read(context, 0, start.data(), static_cast<std::size_t>(std::min<std::uint64_t>(size, start.size())));
  const unsigned major = start[6];
  require<IoError>(
      size >= start.size() && std::equal(kMagic.begin(), kMagic.end(), start.begin(),
                                         [](char a, unsigned char b) { return static_cast<unsigned char>(a) == b; }),
      where, "is not a .npy file");
  require<IoError>(major >= 1 && major <= 3, where, "expected version 1, 2 or 3 of the format but got ", major);
  std::uint64_t length = start[8] | std::uint64_t{start[9]} << 8;
  if (major > 1) {
    length |= std::uint64_t{start[10]} << 16 | std::uint64_t{start[11]} << 24;
  }
  const std::uint64_t data = (major == 1 ? 10 : 12) + length;
  require<IoError>(data <= size && length <= kMaxHeader, where, "expected a header of ", length, " bytes but got only ",
                   size);
  std::string text(length, '\0');
  read(context, data - length, text.data(), text.size());
  const NpyHeader header = NpyHeaderReader(where, text).read();

  const ElementInfo& info = element_type_of(where, header.descr);
  const std::uint64_t bytes = bytes_of(where, header.shape, info.size);
  require<IoError>(bytes == size - data, where, "expected ", bytes, " bytes for the shape ", header.shape, " of '",
                   header.descr, "' but got ", size - data);
  return {&info, header.shape, header.fortran_order && header.shape.rank() > 1, data, bytes};
}

Tensor parse_npy(const std::string& where, std::uint64_t size, const void* context, ReadBytes read) {
  const NpyLayout layout = read_npy_layout(where, size, context, read);
  Shape shape = layout.shape;
  if (layout.fortran_order) {
    for (std::size_t axis = 0; axis < shape.rank(); ++axis) {
      shape[axis] = layout.shape[shape.rank() - 1 - axis];
    }
  }
  const Tensor y = read_elements(where, *layout.info, shape, [&](std::uint64_t offset, void* to, std::size_t count) {
    read(context, layout.data + offset, to, count);
  });
  return layout.fortran_order ? reverse_axes(y) : y;
}

std::string npy_bytes(const Tensor& tensor) {
  return dispatch_all(tensor.dtype(), [&](auto zero) { return xt::dump_npy(as_xtensor<decltype(zero)>(tensor)); });
}

}  // namespace detail

void save_npy(const FilePath& path, const Tensor& tensor) {
  detail::with_io_errors("save_npy: '" + path.string() + "': ", [&] {
    const std::string bytes = detail::npy_bytes(tensor);
    detail::OutputFile file("save_npy", path);
    file.write(bytes);
    file.commit();
  });
}

Tensor load_npy(const FilePath& path) {
  return detail::with_io_errors("load_npy: '" + path.string() + "': ", [&] {
    const detail::InputFile file("load_npy", path);
    return detail::parse_npy(file.where(), file.size(),
                             [&](std::uint64_t offset, void* to, std::size_t count) { file.read(offset, to, count); });
  });
}

Tensor map_npy(const FilePath& path) {
  return detail::with_io_errors("map_npy: '" + path.string() + "': ", [&] {
    const detail::InputFile file("map_npy", path);
    const detail::NpyLayout layout = detail::read_npy_layout(
        file.where(), file.size(),
        [&](std::uint64_t offset, void* to, std::size_t count) { file.read(offset, to, count); });
    require<IoError>(!layout.fortran_order, file.where(), "expected an array in C order to map but it is in Fortran ",
                     "order; load_npy() reads it");
    const detail::ElementInfo& info = *layout.info;
    require<IoError>(info.type == detail::info_of(info.dtype).type && info.dtype != kBool, file.where(),
                     "expected elements of float32, float64, int64, int32 or uint8 to map but got ", info.name,
                     "; load_npy() converts them");
    require<IoError>(layout.data % info.size == 0, file.where(), "expected elements at a multiple of ", info.size,
                     " bytes to map but they begin at byte ", layout.data);
    return Tensor::from_buffer(detail::map_bytes(file, layout.data, static_cast<std::size_t>(layout.bytes)),
                               layout.shape, info.dtype);
  });
}

}  // namespace normgrad
