// The text of the error that a call throws.
#pragma once

#include <gtest/gtest.h>

#include <string>

namespace normgrad::testing_support {

/// Runs `f`; the what() of the E that it throws, or a failure of the test.
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

}  // namespace normgrad::testing_support
