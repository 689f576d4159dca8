// Exceptions. Every incorrect call throws a subclass of `Error` before changing anything. The message names the
// operation, the expected value and the actual one: "linear: expected input [*, 784] but got [60, 100]".
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace normgrad {

/// Base class of all exceptions of the library. `what()` is "<operation>: <message>". Once the error has passed through
/// a module, it is preceded by that module and its path: "Linear 'head.fc1': linear: expected ...".
class Error : public std::runtime_error {
 public:
  /// Constructs the error with the whole message.
  explicit Error(const std::string& message) : std::runtime_error(message) {}

  const char* what() const noexcept override { return text_.empty() ? message() : text_.c_str(); }
  /// Returns the original message, without module and path.
  const char* message() const noexcept { return std::runtime_error::what(); }

  /// Return the innermost module the error came from: its type, and its path relative to the outermost module passed.
  /// Empty for errors from outside of modules.
  const std::string& module_type() const noexcept { return module_type_; }
  const std::string& module_path() const noexcept { return module_path_; }
  /// Returns the outermost module passed, for lookup among its parent's children. Never dereferenced.
  const void* passed_module() const noexcept { return passed_module_; }

  /// Called by each module the error passes, innermost first. The first call sets the type, later ones prepend to the
  /// path.
  void pass_module(const void* module, const std::string& type, const std::string& path) {
    passed_module_ = module;
    if (module_type_.empty()) {
      module_type_ = type;
    }
    if (!path.empty()) {
      module_path_ = module_path_.empty() ? path : path + "." + module_path_;
    }
    std::string_view rest = message();
    if (rest.starts_with(module_type_ + ": ")) {  // thrown by the module itself, which already named itself
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

/// A size or rank that does not match.
class ShapeError : public Error {
  using Error::Error;
};
/// An argument outside its range.
class ValueError : public Error {
  using Error::Error;
};
/// An unsupported or mismatched dtype.
class DTypeError : public Error {
  using Error::Error;
};
/// An index or axis out of range.
class IndexError : public Error {
  using Error::Error;
};
/// Misuse of the autograd graph: a freed graph, a value changed in place, a gradient of the wrong shape.
class GraphError : public Error {
  using Error::Error;
};
/// A gradient that disagrees with finite differences.
class GradCheckError : public Error {
  using Error::Error;
};
/// The system has no memory for a tensor.
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
