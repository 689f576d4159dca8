#include "normgrad/data/text.hpp"

#include <algorithm>
#include <iomanip>
#include <sstream>

#include "normgrad/core/base/detail/input_file.hpp"
#include "normgrad/core/base/detail/io_errors.hpp"

namespace normgrad {

namespace {

constexpr std::uint32_t kNoCharacter = 0xffffffffU;

/// Line and byte of a position, both from 1: "line 3, byte 17".
std::string place_in_text(std::string_view text, std::size_t at) {
  const std::string_view before = text.substr(0, at);
  const auto lines = std::count(before.begin(), before.end(), '\n');
  const std::size_t line_start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  return detail::concat("line ", lines + 1, ", byte ", at - line_start + 1);
}

std::string hex_of(std::uint32_t value, int digits) {
  std::ostringstream out;
  out << std::hex << std::uppercase << std::setfill('0') << std::setw(digits) << value;
  return out.str();
}

/// The code point that begins at `at`, which is advanced past it; kNoCharacter, without advancing, if the bytes are not
/// UTF-8: also for overlong forms, surrogates and code points above U+10FFFF (RFC 3629).
std::uint32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])); };
  const std::uint32_t first = byte(at);
  if (first < 0x80) {
    ++at;
    return first;
  }
  const std::size_t more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
  if (first < 0xc2 || first > 0xf4 || text.size() - at <= more) {
    return kNoCharacter;
  }
  std::uint32_t code = first & (0x3fU >> more);
  for (std::size_t i = 1; i <= more; ++i) {
    if ((byte(at + i) & 0xc0U) != 0x80U) {
      return kNoCharacter;
    }
    code = code << 6U | (byte(at + i) & 0x3fU);
  }
  const bool is_overlong = code < (more == 3 ? 0x10000U : more == 2 ? 0x800U : 0x80U);
  if (is_overlong || code > 0x10ffffU || (code >= 0xd800U && code <= 0xdfffU)) {
    return kNoCharacter;
  }
  at += more + 1;
  return code;
}

/// Calls f(code point, its UTF-8) for every character. Throws E, after `where`, for text that is not UTF-8.
template <class E, class F>
void for_each_character(const std::string& where, std::string_view text, const F& f) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const std::uint32_t code = next_code_point(text, at);
    if (code == kNoCharacter) {
      fail<E>(where, "expected UTF-8 but ", place_in_text(text, begin), " is 0x",
              hex_of(static_cast<unsigned char>(text[begin]), 2));
    }
    f(code, begin, text.substr(begin, at - begin));
  }
}

void check_token_stream(const char* where, const Tensor& tokens) {
  require<DTypeError>(tokens.defined() && is_integer(tokens.dtype()), where, ": expected tokens of integers but got ",
                      tokens.defined() ? dtype_name(tokens.dtype()) : "an undefined tensor");
  require<ShapeError>(tokens.dim() == 1, where, ": expected tokens [n] but got ", tokens.shape());
}

}  // namespace

std::string read_text(const FilePath& file) {
  return detail::with_io_errors("read_text: '" + file.string() + "': ", [&] {
    const detail::InputFile input("read_text", file);
    std::string text(static_cast<std::size_t>(input.size()), '\0');
    input.read(0, text.data(), text.size());
    require<IoError>(!text.empty(), input.where(), "expected text but the file is empty");
    for_each_character<IoError>(input.where(), text, [](std::uint32_t, std::size_t, std::string_view) {});
    return text;
  });
}

CharVocabulary::CharVocabulary(std::string_view text) {
  require<ValueError>(!text.empty(), "CharVocabulary: expected text but got an empty one");
  std::vector<std::pair<std::uint32_t, std::string_view>> found;
  std::uint32_t last = kNoCharacter;
  for_each_character<ValueError>(
      "CharVocabulary: ", text, [&](std::uint32_t code, std::size_t, std::string_view character) {
        if (code == last) {
          return;
        }
        last = code;
        const auto place = std::lower_bound(found.begin(), found.end(), code,
                                            [](const auto& known, std::uint32_t c) { return known.first < c; });
        if (place == found.end() || place->first != code) {
          found.emplace(place, code, character);
        }
      });
  for (const auto& [code, character] : found) {
    codes_.push_back(code);
    characters_.emplace_back(character);
  }
}

CharVocabulary CharVocabulary::bytes() {
  CharVocabulary all;
  all.bytes_ = true;
  for (int byte = 0; byte < 256; ++byte) {
    all.characters_.emplace_back(1, static_cast<char>(byte));
  }
  return all;
}

const std::string& CharVocabulary::character(std::int64_t token) const {
  require<IndexError>(token >= 0 && token < size(), "CharVocabulary: expected tokens in [0, ", size(), ") but got ",
                      token);
  return characters_[static_cast<std::size_t>(token)];
}

Tensor CharVocabulary::encode(std::string_view text) const {
  std::vector<std::int64_t> tokens;
  tokens.reserve(text.size());
  if (bytes_) {
    for (const char byte : text) {
      tokens.push_back(static_cast<unsigned char>(byte));
    }
  } else {
    for_each_character<ValueError>(
        "CharVocabulary: ", text, [&](std::uint32_t code, std::size_t at, std::string_view character) {
          const auto place = std::lower_bound(codes_.begin(), codes_.end(), code);
          if (place == codes_.end() || *place != code) {
            fail<ValueError>("CharVocabulary: expected one of its ", size(), " characters but ",
                             place_in_text(text, at), " is U+", hex_of(code, 4), " '", character, "'");
          }
          tokens.push_back(place - codes_.begin());
        });
  }
  Tensor result = Tensor::empty({static_cast<std::int64_t>(tokens.size())}, kInt64);
  std::copy(tokens.begin(), tokens.end(), result.mutable_data<std::int64_t>());
  return result;
}

std::string CharVocabulary::decode(const Tensor& tokens) const {
  require<DTypeError>(tokens.defined() && is_integer(tokens.dtype()),
                      "CharVocabulary: expected tokens of integers but got ",
                      tokens.defined() ? dtype_name(tokens.dtype()) : "an undefined tensor");
  std::string text;
  for (const std::int64_t token : tokens.to_vector<std::int64_t>()) {
    text += character(token);
  }
  return text;
}

TokenSplits split_tokens(const Tensor& tokens, double validation) {
  check_token_stream("split_tokens", tokens);
  require<ValueError>(validation > 0.0 && validation < 1.0,
                      "split_tokens: expected a fraction between 0 and 1 but got ", validation);
  const std::int64_t n = tokens.size(0);
  const auto held_out = static_cast<std::int64_t>(static_cast<double>(n) * validation);
  require<ValueError>(held_out >= 1 && held_out < n, "split_tokens: expected a part of at least one token but ",
                      validation, " of ", n, " tokens is ", held_out);
  return {.train = tokens.narrow(0, 0, n - held_out), .validation = tokens.narrow(0, n - held_out, held_out)};
}

TokenWindows::TokenWindows(const Tensor& tokens, std::int64_t length, const TokenWindowsOptions& options)
    : tokens_(tokens), length_(length), stride_(options.stride.value_or(length)), size_(0) {
  check_token_stream("TokenWindows", tokens);
  require<ValueError>(length_ >= 1, "TokenWindows: expected a length of at least 1 but got ", length_);
  require<ValueError>(stride_ >= 1, "TokenWindows: expected a stride of at least 1 but got ", stride_);
  require<ValueError>(tokens.size(0) > length_, "TokenWindows: expected more tokens than the ", length_,
                      " of a window but got ", tokens.size(0));
  size_ = (tokens.size(0) - 1 - length_) / stride_ + 1;
}

Batch TokenWindows::batch(std::span<const std::int64_t> indices) const {
  check_indices("TokenWindows", indices, size_);
  const auto count = static_cast<std::int64_t>(indices.size());
  Batch batch{.inputs = Tensor::empty({count, length_}, kInt64), .labels = Tensor::empty({count, length_}, kInt64)};
  std::int64_t* input = batch.inputs.mutable_data<std::int64_t>();
  std::int64_t* label = batch.labels.mutable_data<std::int64_t>();
  const auto fill = [&](const auto* token) {
    for (const std::int64_t index : indices) {
      const auto* window = token + index * stride_;
      input = std::copy_n(window, length_, input);
      label = std::copy_n(window + 1, length_, label);
    }
  };
  switch (tokens_.dtype()) {
    case DType::uint8:
      fill(tokens_.data<std::uint8_t>());
      break;
    case DType::int32:
      fill(tokens_.data<std::int32_t>());
      break;
    default:
      fill(tokens_.data<std::int64_t>());
      break;
  }
  return batch;
}

}  // namespace normgrad
