#include "tests/support/browser.hpp"

#include <filesystem>
#include <sstream>

#include "tests/support/run_program.hpp"
#include "tests/support/temporary_folder.hpp"

namespace normgrad::tests {

std::optional<std::string> find_browser() {
  for (const char* path : {"/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"}) {
    if (std::filesystem::exists(path)) {
      return path;
    }
  }
  return std::nullopt;
}

BrowserResult open_in_browser(const std::filesystem::path& file, const std::string& fragment) {
  const TemporaryFolder profile;
  const std::string address = "file://" + std::filesystem::absolute(file).string() + "#" + fragment;
  const ProgramResult result =
      run_program({find_browser().value(), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                   "--no-first-run", "--disable-extensions", "--disable-background-networking",
                   "--proxy-server=127.0.0.1:9", "--user-data-dir=" + (profile / "profile").string(),
                   "--enable-logging=stderr", "--v=0", "--virtual-time-budget=20000", "--dump-dom", address});
  BrowserResult page;
  page.document = result.out;
  std::istringstream lines(result.err);
  for (std::string line; std::getline(lines, line);) {
    if (line.find(":CONSOLE") != std::string::npos) {
      page.console += line + "\n";
    }
  }
  return page;
}

}  // namespace normgrad::tests
