#include "normgrad/io/progress.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <pty.h>
#include <unistd.h>

#include <array>
#include <functional>

#include "tests/support/raises.hpp"
#include "normgrad/core/base/log.hpp"

namespace normgrad {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::MatchesRegex;

/// What `f` writes to standard error, which is no terminal then.
std::string written(const std::function<void()>& f) {
  testing::internal::CaptureStderr();
  f();
  return testing::internal::GetCapturedStderr();
}

/// What `f` writes to a terminal.
std::string drawn(const std::function<void()>& f) {
  int master = -1;
  int slave = -1;
  EXPECT_EQ(openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  const int before = dup(STDERR_FILENO);
  dup2(slave, STDERR_FILENO);
  f();
  dup2(before, STDERR_FILENO);
  close(before);
  close(slave);
  std::string text;
  std::array<char, 4096> buffer{};
  for (ssize_t got = 0; (got = read(master, buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  close(master);
  return text;
}

TEST(ProgressTest, WritesOneLineAtTheEndElsewhere) {
  const std::string text = written([] {
    Progress bar("epoch 1/2", 3);
    bar.advance({{"loss", 1.0}});
    bar.advance(2, {{"loss", 0.123456}, {"accuracy", 0.5}});
  });
  EXPECT_THAT(text, MatchesRegex("epoch 1/2: 3/3, [0-9]+ steps/s, in 0:00, loss 0.1235, accuracy 0.5\n"));
}

TEST(ProgressTest, WritesLinesInBetween) {
  const std::string text = written([] {
    Progress bar("run", 100, {.unit = "images", .line_every = 0.0});
    usleep(1000);
    bar.advance(20, {{"loss", 2.0}});
    bar.advance(30);
  });
  EXPECT_THAT(text, MatchesRegex("run: 20/100, [0-9]+ images/s, 0:0[01] left, loss 2\n"
                                 "run: 50/100, [0-9]+ images/s, 0:0[01] left, loss 2\n"
                                 "run: 50/100, [0-9]+ images/s, in 0:00, loss 2\n"));
}

TEST(ProgressTest, CountsTheRateFromWhereItBegan) {
  const std::string text = written([] {
    Progress bar("run", 10, {.done = 8});
    usleep(100'000);
    bar.advance();
  });
  EXPECT_THAT(text, MatchesRegex("run: 9/10, [0-9]\\.[0-9]+ steps/s, in 0:00\n")) << "at most 10 a second";
  EXPECT_EQ(written([] { Progress("run", 10, {.done = 8}).finish(); }), "run: 8/10, in 0:00\n");
}

TEST(ProgressTest, DrawsABarOnATerminal) {
  const std::string text = drawn([] {
    Progress bar("epoch 1", 4);
    usleep(110'000);
    bar.advance({{"loss", 0.5}});
    log(LogLevel::info, "a message");
    bar.finish();
    bar.finish();
  });
  EXPECT_THAT(text, testing::StartsWith("\r\x1b[Kepoch 1 [........................] 0/4\r\x1b[K"));
  EXPECT_THAT(text, HasSubstr("epoch 1 [######..................] 1/4, "));
  EXPECT_THAT(text, ContainsRegex("steps/s, 0:0[0-9] left, loss 0.5\r\x1b\\[K\\[[^\n]*a message\r\n"))
      << "the message did not take the bar's place";
  EXPECT_THAT(text, ContainsRegex("\nepoch 1: 1/4, [0-9.]+ steps/s, in 0:00, loss 0.5\r\n$"));
}

TEST(ProgressTest, IsSilentWhenMessagesAre) {
  set_log_level("warn");
  EXPECT_EQ(written([] { Progress("run", 3).advance(3); }), "");
  set_log_level("info");
}

TEST(ProgressTest, CanBeMovedAndRefusesNonsense) {
  const std::string text = written([] {
    Progress one("one", 1);
    Progress two = std::move(one);
    one.advance();  // NOLINT(bugprone-use-after-move): says nothing, and does nothing
    two = Progress("two", 2);
    two.advance(5);
  });
  EXPECT_THAT(text, MatchesRegex("one: 0/1, in 0:00\ntwo: 2/2, [0-9]+ steps/s, in 0:00\n"));
  EXPECT_EQ(testing_support::error_of<ValueError>([] { Progress("run", 3, {.done = 4}); }),
            "Progress: expected 0 <= done <= total but got 4 and 3");
}

}  // namespace
}  // namespace normgrad
