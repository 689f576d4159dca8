// A browser without a window, for tests of pages.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace normgrad::testing_support {

/// Chromium's program, if it is installed.
std::optional<std::string> find_browser();

struct BrowserResult {
  std::string document;  ///< the page as HTML after its scripts have run
  std::string console;   ///< what came on the console, errors of scripts included
};

/// Opens a file without any network. `fragment` is what stands behind # in the address.
BrowserResult open_in_browser(const std::filesystem::path& file, const std::string& fragment);

}  // namespace normgrad::testing_support
