// Returns the message of the error thrown by a call.
#pragma once

#include <gtest/gtest.h>

#include <string>

namespace normgrad::tests {

/// Runs `f` and returns what() of the E it throws; the test fails if it throws none.
template <class E, class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "threw another type: " << error.what();
    return {};
  }
  ADD_FAILURE() << "threw nothing";
  return {};
}

}  // namespace normgrad::tests
