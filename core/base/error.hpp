// Exceptions. Every mistake of a caller throws a child of `Error` before anything is changed, and says where it
// happened, what was expected and what came: "linear: expected input [*, 784] but got [60, 100]".
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace normgrad {

/// Base of all exceptions of the library. `what()` is "<where>: <message>"; `where` is first the operation's name and,
/// once the error has passed through a module, that module with its path: "BatchNorm2d 'features.norm1'".
class Error : public std::runtime_error {
 public:
  explicit Error(std::string message) : std::runtime_error(message), message_(std::move(message)) {}

  const char* what() const noexcept override { return message_.c_str(); }

  /// Replaces the text; used by modules that add their path while the error passes through them.
  void set_message(std::string message) { message_ = std::move(message); }

 private:
  std::string message_;
};

/// A size or rank that does not fit.
class ShapeError : public Error {
  using Error::Error;
};
/// An argument outside its range.
class ValueError : public Error {
  using Error::Error;
};
/// A dtype that does not fit.
class DTypeError : public Error {
  using Error::Error;
};
/// An index or axis out of range.
class IndexError : public Error {
  using Error::Error;
};
/// Misuse of the autograd graph: freed graphs, changed values, gradients of the wrong shape.
class GraphError : public Error {
  using Error::Error;
};
/// A gradient that does not agree with finite differences.
class GradCheckError : public Error {
  using Error::Error;
};
/// A file that is missing, damaged, or cannot be written.
class IoError : public Error {
  using Error::Error;
};

namespace detail {

template <class... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

}  // namespace detail

/// Throws `E` with the parts streamed one after the other.
template <class E, class... Parts>
[[noreturn, gnu::cold, gnu::noinline]] void fail(const Parts&... parts) {
  throw E(detail::concat(parts...));
}

/// Throws `E` with the parts streamed one after the other unless `ok`.
template <class E, class... Parts>
inline void require(bool ok, const Parts&... parts) {
  if (!ok) [[unlikely]] {
    fail<E>(parts...);
  }
}

}  // namespace normgrad
