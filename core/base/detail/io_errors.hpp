// Converts errors of the system and of other libraries to the library's own.
#pragma once

#include <string>
#include <utility>

#include "normgrad/core/base/error.hpp"

namespace normgrad::detail {

/// Returns a description of the current exception. Call only in a handler.
std::string text_of_current_exception();
/// Rethrows the current exception as an IoError that begins with `where`. An exception that is not a std::exception is
/// rethrown unchanged. Call only in a handler.
[[noreturn]] void rethrow_as_io_error(const std::string& where);

/// Runs `f` and converts every std::exception that is not an Error to an IoError. Public functions that access files
/// are wrapped in one such call.
template <class F>
decltype(auto) with_io_errors(const std::string& where, F&& f) {
  try {
    return std::forward<F>(f)();
  } catch (const Error&) {
    throw;
  } catch (...) {
    rethrow_as_io_error(where);
  }
}

}  // namespace normgrad::detail
