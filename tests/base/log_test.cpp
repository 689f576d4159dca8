#include "normgrad/core/base/log.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <regex>

#include "tests/support/files.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/temporary_folder.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

class Log : public testing::Test {
 protected:
  void TearDown() override { set_log_level("info"); }
};

std::string logged(LogLevel level) {
  testing::internal::CaptureStderr();
  log(level, "epoch ", 3, " of ", 7);
  return testing::internal::GetCapturedStderr();
}

TEST_F(Log, WritesWhatItsLevelAllows) {
  set_log_level("warn");
  EXPECT_EQ(logged(LogLevel::info), "");
  EXPECT_NE(logged(LogLevel::warn).find("epoch 3 of 7"), std::string::npos);
  EXPECT_NE(logged(LogLevel::error).find("[error] epoch 3 of 7"), std::string::npos);
  set_log_level("trace");
  EXPECT_NE(logged(LogLevel::trace).find("[trace] epoch 3 of 7"), std::string::npos);
  set_log_level("off");
  EXPECT_EQ(logged(LogLevel::error), "");
}

TEST_F(Log, AddsToAFileToo) {
  const tests::TemporaryFolder folder;
  const std::filesystem::path file = folder / "run.log";
  for (const char* message : {"one", "two"}) {
    set_log_file(file);
    testing::internal::CaptureStderr();
    log(LogLevel::warn, message);
    EXPECT_NE(testing::internal::GetCapturedStderr().find(message), std::string::npos);
  }
  const std::string text = tests::file_text(file);
  EXPECT_TRUE(std::regex_match(text, std::regex("[-0-9]{10} [:.0-9]{12} \\[warning\\] one\n"
                                                "[-0-9]{10} [:.0-9]{12} \\[warning\\] two\n")))
      << text;
  EXPECT_NE(tests::error_of<IoError>([&] {
              set_log_file(folder.path());
            }).find("log file: '" + folder.path().string() + "' cannot be written"),
            std::string::npos);
  set_log_file("");
  logged(LogLevel::warn);
  EXPECT_EQ(tests::file_text(file), text);
}

TEST_F(Log, RefusesAnUnknownLevelAndKeepsTheOld) {
  set_log_level("error");
  EXPECT_EQ(tests::error_of<ValueError>([] { set_log_level("loud"); }),
            "log level: expected trace, debug, info, warn, error or off but got 'loud'");
  EXPECT_FALSE(log_enabled(LogLevel::warn));
  EXPECT_TRUE(log_enabled(LogLevel::error));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
