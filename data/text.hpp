// Text as tokens, and the windows of a stream of tokens from which a language model learns.
//
//   const std::string text = read_text("shakespeare.txt");
//   const CharVocabulary vocabulary(text);
//   const TokenSplits tokens = split_tokens(vocabulary.encode(text));
//   DataLoader batches(TokenWindows(tokens.train, 128), {.batch_size = 16, .shuffle = true});
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "normgrad/core/base/file_path.hpp"
#include "normgrad/data/dataset.hpp"

namespace normgrad {

/// Reads a file of UTF-8 text. Throws IoError, naming the file, if it cannot be read, is empty or is a pipe or a
/// device; and, naming line and byte, if it is not UTF-8.
std::string read_text(const FilePath& file);

/// Characters (Unicode code points) and their numbers, the tokens.
class CharVocabulary {
 public:
  /// The distinct characters of a UTF-8 text, numbered by increasing code point. Throws ValueError for an empty text,
  /// and, naming line and byte, for one that is not UTF-8.
  explicit CharVocabulary(std::string_view text);
  /// All 256 bytes, for files of any kind: the token of a byte is its value.
  static CharVocabulary bytes();

  /// Returns the number of different tokens.
  std::int64_t size() const noexcept { return static_cast<std::int64_t>(characters_.size()); }
  /// Returns the character of a token, in UTF-8. Throws IndexError for a token outside [0, size()).
  const std::string& character(std::int64_t token) const;
  /// Returns the tokens of a text: int64 [n]. Throws ValueError, naming line and byte, for a character that is not in
  /// the vocabulary.
  Tensor encode(std::string_view text) const;
  /// Returns the text of tokens: integers of any shape, in row-major order. Throws DTypeError for another dtype, and
  /// IndexError for a token outside [0, size()).
  std::string decode(const Tensor& tokens) const;

 private:
  CharVocabulary() = default;

  std::vector<std::uint32_t> codes_;     // in increasing order
  std::vector<std::string> characters_;  // of the same tokens
  bool bytes_ = false;
};

/// The parts of a stream of tokens.
struct TokenSplits {
  Tensor train;       ///< the first tokens
  Tensor validation;  ///< the rest
};

/// Splits a stream of tokens, integers [n]: the last `validation` of it, a fraction, is held out, rounded down to whole
/// tokens. Throws DTypeError and ShapeError for other tensors, and ValueError unless the fraction is in (0, 1) and both
/// parts have a token.
TokenSplits split_tokens(const Tensor& tokens, double validation = 0.1);

/// Options of TokenWindows.
struct TokenWindowsOptions {
  std::optional<std::int64_t> stride = {};  ///< from the start of a window to that of the next; by default its length
};

/// Windows of a stream of tokens, for predicting the next one. Example i has the inputs tokens[i * stride] to
/// tokens[i * stride + length - 1], and as labels the tokens one place later: batches are int64 [n, length] and
/// [n, length].
class TokenWindows final : public Dataset {
 public:
  /// Shares memory with `tokens`, uint8, int32 or int64 [n]; those after the last whole window are not used. Throws
  /// DTypeError and ShapeError for other tensors, and ValueError unless length and stride are positive and n > length.
  TokenWindows(const Tensor& tokens, std::int64_t length, const TokenWindowsOptions& options = {});
  std::int64_t size() const override { return size_; }
  Batch batch(std::span<const std::int64_t> indices) const override;
  /// Returns the number of tokens in a window.
  std::int64_t length() const noexcept { return length_; }

 private:
  Tensor tokens_;
  std::int64_t length_;
  std::int64_t stride_;
  std::int64_t size_;
};

}  // namespace normgrad
