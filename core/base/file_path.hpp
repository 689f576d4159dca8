// Names of files and folders.
#pragma once

#include <concepts>
#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>

namespace normgrad {

/// The name of a file or folder, made from a string, a std::filesystem::path or a std::filesystem::directory_entry. It
/// converts to a std::filesystem::path, whose header would take a good part of the time that programs take to compile.
class FilePath {
 public:
  FilePath() = default;
  // NOLINTBEGIN(google-explicit-constructor): as std::filesystem::path
  FilePath(const char* name) : name_(name) {}                      ///< a literal
  FilePath(std::string name) noexcept : name_(std::move(name)) {}  ///< a string
  FilePath(std::string_view name) : name_(name) {}                 ///< a part of a string
  /// A std::filesystem::path.
  template <class P>
  requires requires(const P& path) {
    { path.native() } -> std::same_as<const std::string&>;
  }
  FilePath(const P& path) : name_(path.native()) {}
  /// A std::filesystem::directory_entry.
  template <class Entry>
  requires requires(const Entry& entry) {
    { entry.path().native() } -> std::same_as<const std::string&>;
  }
  FilePath(const Entry& entry) : name_(entry.path().native()) {}
  // NOLINTEND(google-explicit-constructor)

  const std::string& string() const noexcept { return name_; }  ///< as given
  const char* c_str() const noexcept { return name_.c_str(); }  ///< as given
  /// A std::filesystem::path.
  template <class P>
  requires std::same_as<typename P::string_type, std::string> && requires { typename P::format; }
  operator P() const {  // NOLINT(google-explicit-constructor)
    return P(name_);
  }
  // Templates, so that a comparison with a std::filesystem::path is that of two of these.
  template <std::same_as<FilePath> A, std::same_as<FilePath> B>
  friend bool operator==(const A& a, const B& b) {  ///< whether the names are the same
    return a.string() == b.string();
  }
  template <std::same_as<FilePath> A, std::same_as<FilePath> B>
  friend bool operator<(const A& a, const B& b) {  ///< the order of the names
    return a.string() < b.string();
  }

 private:
  std::string name_;
};

std::ostream& operator<<(std::ostream& out, const FilePath& path);  ///< the name

}  // namespace normgrad
