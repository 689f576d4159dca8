#include "normgrad/core/base/detail/io_errors.hpp"

#include <exception>
#include <filesystem>
#include <new>
#include <stdexcept>
#include <system_error>

namespace normgrad::detail {

std::string text_of_current_exception() {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return "there is not enough memory";
  } catch (const std::length_error&) {
    return "it is larger than what memory can hold";
  } catch (const std::system_error& error) {  // includes std::filesystem_error
    return "cannot be used: " + error.code().message();
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "something was thrown that is no std::exception";
  }
}

void rethrow_as_io_error(const std::string& where) {
  try {
    throw;
  } catch (const std::exception&) {
    fail<IoError>(where, text_of_current_exception());
  }
}

}  // namespace normgrad::detail
