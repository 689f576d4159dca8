// A headless browser for tests of HTML pages.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace normgrad::tests {

/// Returns the path of Chromium, if it is installed.
std::optional<std::string> find_browser();

struct BrowserResult {
  std::string document;  ///< the page as HTML after its scripts have run
  std::string console;   ///< console output, including script errors
};

/// Opens a file without network access. `fragment` is the part of the address after #.
BrowserResult open_in_browser(const std::filesystem::path& file, const std::string& fragment);

}  // namespace normgrad::tests
