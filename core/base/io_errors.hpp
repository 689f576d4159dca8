// The border at which errors of the system and of other libraries become the library's own.
#pragma once

#include <string>
#include <utility>

#include "normgrad/core/base/error.hpp"

namespace normgrad::detail {

/// Within a handler: what is being handled, in words.
std::string text_of_current_exception();
/// Within a handler: throws what is being handled as an IoError that begins with `where`. What is no std::exception
/// goes on as it is.
[[noreturn]] void rethrow_as_io_error(const std::string& where);

/// Runs `f`, out of which only children of Error come then: a public function that deals with files is one such call.
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
