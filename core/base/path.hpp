// Names of files and folders.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <utility>

namespace normgrad {

/// The name of a file or folder, made from a string or a std::filesystem::path, to which it also converts: functions
/// that take one may be given either. (Headers that include <filesystem> take a fifth longer to compile.)
class Path {
 public:
  // NOLINTBEGIN(google-explicit-constructor): as std::filesystem::path
  Path(const char* name) : name_(name) {}                      ///< a literal
  Path(std::string name) noexcept : name_(std::move(name)) {}  ///< a string
  Path(std::string_view name) : name_(name) {}                 ///< a part of a string
  /// A std::filesystem::path.
  template <class P>
  requires requires(const P& path) {
    { path.native() } -> std::same_as<const std::string&>;
  }
  Path(const P& path) : name_(path.native()) {}
  // NOLINTEND(google-explicit-constructor)

  const std::string& string() const noexcept { return name_; }  ///< as given
  const char* c_str() const noexcept { return name_.c_str(); }  ///< as given
  /// A std::filesystem::path.
  template <class P>
  requires std::same_as<typename P::string_type, std::string> && requires { typename P::format; }
  operator P() const {  // NOLINT(google-explicit-constructor)
    return P(name_);
  }

 private:
  std::string name_;
};

}  // namespace normgrad
