#include "normgrad/io/progress.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <functional>

#include "tests/support/raises.hpp"
#include "normgrad/core/base/log.hpp"
#include "normgrad/io/terminal_line.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::MatchesRegex;

/// The output of `f` on standard error, which is not a terminal.
std::string written(const std::function<void()>& f) {
  testing::internal::CaptureStderr();
  f();
  return testing::internal::GetCapturedStderr();
}

/// Sets the width of the terminal on standard error.
void resize(unsigned short columns) {
  winsize size{};
  size.ws_row = 24;
  size.ws_col = columns;
  EXPECT_EQ(ioctl(STDERR_FILENO, TIOCSWINSZ, &size), 0);
}

/// The output of `f` on a terminal of `columns` columns; 0: a terminal of unknown size.
std::string drawn(const std::function<void()>& f, unsigned short columns = 0) {
  int master = -1;
  int slave = -1;
  winsize size{};
  size.ws_col = columns;
  EXPECT_EQ(openpty(&master, &slave, nullptr, nullptr, &size), 0);
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
  EXPECT_THAT(text, MatchesRegex("epoch 1/2: 3/3, [0-9.]+ steps/s, in [0-9]+:[0-9]{2}, loss 0.1235, accuracy 0.5\n"));
}

TEST(ProgressTest, WritesLinesInBetween) {
  const std::string text = written([] {
    Progress bar("run", 100, {.unit = "images", .line_every = 0.0});
    usleep(1000);
    bar.advance(20, {{"loss", 2.0}});
    bar.advance(30);
  });
  EXPECT_THAT(text, MatchesRegex("run: 20/100, [0-9.]+ images/s, [0-9]+:[0-9]{2} left, loss 2\n"
                                 "run: 50/100, [0-9.]+ images/s, [0-9]+:[0-9]{2} left, loss 2\n"
                                 "run: 50/100, [0-9.]+ images/s, in [0-9]+:[0-9]{2}, loss 2\n"));
}

TEST(ProgressTest, CountsTheRateFromWhereItBegan) {
  const std::string text = written([] {
    Progress bar("run", 10, {.done = 8});
    usleep(100'000);
    bar.advance();
  });
  EXPECT_THAT(text, MatchesRegex("run: 9/10, [0-9]\\.[0-9]+ steps/s, in [0-9]+:[0-9]{2}\n")) << "at most 10 a second";
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
  EXPECT_THAT(text, ContainsRegex("steps/s, [0-9]+:[0-9]{2} left, loss 0.5\r\x1b\\[K\\[[^\n]*a message\r\n"))
      << "the message did not take the bar's place";
  EXPECT_THAT(text, ContainsRegex("\nepoch 1: 1/4, [0-9.]+ steps/s, in [0-9]+:[0-9]{2}, loss 0.5\r\n$"));
}

/// The last line that a bar with three metrics draws in `columns` columns.
std::string bar_in(unsigned short columns, const std::string& label = "epoch 12/20") {
  std::string text = drawn(
      [&] {
        Progress bar(label, 938);
        usleep(110'000);
        bar.advance(401, {{"loss", 0.25}, {"accuracy", 0.875}, {"lr", 0.001}});
        TerminalLine().erase();  // does nothing: the line belongs to another
        std::fputs("|", stderr);
        usleep(1000);
      },
      columns);
  text = text.substr(0, text.find('|'));
  return text.substr(text.rfind("\x1b[K") + 3);
}

TEST(ProgressTest, FitsIntoTheTerminal) {
  const std::string rate = ", [0-9.]+ steps/s";
  const std::string left = ", [0-9]+:[0-9]{2} left";
  const std::string all = ", loss 0.25, accuracy 0.875, lr 0.001";
  EXPECT_THAT(bar_in(120), MatchesRegex("epoch 12/20 \\[#{10}\\.{14}\\] 401/938" + rate + left + all));
  EXPECT_THAT(bar_in(95), MatchesRegex("epoch 12/20 \\[#+\\.+\\] 401/938" + rate + left + all));
  EXPECT_THAT(bar_in(80), MatchesRegex("epoch 12/20: 401/938" + left + all));
  EXPECT_THAT(bar_in(60), MatchesRegex("epoch 12/20: 401/938" + left + ", loss 0.25, accuracy 0.875"));
  EXPECT_THAT(bar_in(46), MatchesRegex("epoch 12/20: 401/938" + left + ", loss 0.25"));
  EXPECT_EQ(bar_in(36), "epoch 12/20: 401/938, loss 0.25");
  EXPECT_EQ(bar_in(25), "epoch 12/20: 401/938");
  EXPECT_EQ(bar_in(10), "epoch 12/");
  EXPECT_EQ(bar_in(2), "e");
  EXPECT_EQ(bar_in(1), "e");
  for (const auto columns : std::initializer_list<unsigned short>{20, 48, 70, 90}) {
    EXPECT_LT(text_columns(bar_in(columns)), columns);
  }
}

TEST(ProgressTest, CountsCharactersNotBytes) {
  EXPECT_EQ(text_columns("\u00e9poque"), 6U);
  EXPECT_EQ(bar_in(4, "\u00e9\u00e9\u00e9\u00e9\u00e9"), "\u00e9\u00e9\u00e9");
}

TEST(ProgressTest, FollowsTheTerminalsWidth) {
  const std::string text = drawn(
      [] {
        TerminalLine line;
        EXPECT_EQ(TerminalLine::columns(), 99U);
        line.write(std::string(150, 'a'));
        resize(40);  // a terminal wraps the line into 40, 40 and 19
        EXPECT_EQ(TerminalLine::columns(), 39U);
        line.write(std::string(150, 'b'));
        resize(200);
        line.write(std::string(150, 'c'));
        line.erase();
        line.erase();
      },
      100);
  EXPECT_EQ(text, "\r\x1b[K" + std::string(99, 'a') + "\r\x1b[2A\x1b[J\r\x1b[K" + std::string(39, 'b') +
                      "\r\x1b[K\r\x1b[K" + std::string(150, 'c') + "\r\x1b[K");
  EXPECT_EQ(drawn([] { EXPECT_EQ(TerminalLine::columns(), 79U); }), "");
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
  EXPECT_THAT(text, MatchesRegex("one: 0/1, in [0-9]+:[0-9]{2}\ntwo: 2/2, [0-9.]+ steps/s, in [0-9]+:[0-9]{2}\n"));
  EXPECT_EQ(tests::error_of<ValueError>([] { Progress("run", 3, {.done = 4}); }),
            "Progress: expected 0 <= done <= total but got 4 and 3");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
