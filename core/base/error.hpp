// Exceptions. Every mistake of a caller throws a child of `Error` before anything is changed, and says where it
// happened, what was expected and what came: "linear: expected input [*, 784] but got [60, 100]".
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace normgrad {

/// Base of all exceptions of the library. `what()` is "<operation>: <message>"; once the error has passed through a
/// module it is preceded by that module and its path: "Linear 'head.fc1': linear: expected ...".
class Error : public std::runtime_error {
 public:
  /// The whole message.
  explicit Error(const std::string& message) : std::runtime_error(message) {}

  const char* what() const noexcept override { return text_.empty() ? message() : text_.c_str(); }
  /// The text that the error was thrown with.
  const char* message() const noexcept { return std::runtime_error::what(); }

  /// The innermost module that the error came from, by type and by name as seen from the outermost module that it has
  /// passed; empty for errors from outside of modules.
  const std::string& module_type() const noexcept { return module_type_; }
  const std::string& module_path() const noexcept { return module_path_; }
  /// The outermost module passed, to be found again among its parent's children; never dereferenced.
  const void* passed_module() const noexcept { return passed_module_; }

  /// Called by each module that the error passes, innermost first: the first gives its type, the others what comes
  /// before the path.
  void pass_module(const void* module, const std::string& type, const std::string& path) {
    passed_module_ = module;
    if (module_type_.empty()) {
      module_type_ = type;
    }
    if (!path.empty()) {
      module_path_ = module_path_.empty() ? path : path + "." + module_path_;
    }
    std::string_view rest = message();
    if (rest.starts_with(module_type_ + ": ")) {  // thrown by the module itself, which has named itself
      rest.remove_prefix(module_type_.size() + 2);
    }
    text_ = module_type_ + (module_path_.empty() ? "" : " '" + module_path_ + "'") + ": " + std::string(rest);
  }

 private:
  std::string module_type_;
  std::string module_path_;
  std::string text_;
  const void* passed_module_ = nullptr;
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
/// The system gave no memory for a tensor.
class OutOfMemoryError : public Error {
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
