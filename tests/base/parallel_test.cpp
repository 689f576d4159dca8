#include "normgrad/core/base/parallel.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <utility>
#include <vector>

#include "tests/support/raises.hpp"
#include "normgrad/core/base/error.hpp"

namespace normgrad {
namespace {

class Threads : public testing::TestWithParam<int> {
 protected:
  void SetUp() override { set_num_threads(GetParam()); }
  void TearDown() override { set_num_threads(before_); }

 private:
  int before_ = get_num_threads();
};

TEST_P(Threads, EachTaskRunsOnce) {
  std::vector<std::atomic<int>> runs(1000);
  parallel_tasks(1000, [&](std::int64_t i) { ++runs[static_cast<std::size_t>(i)]; });
  for (const std::atomic<int>& count : runs) {
    ASSERT_EQ(count, 1);
  }
  parallel_tasks(0, [](std::int64_t) { FAIL(); });
}

TEST_P(Threads, BlocksDependOnSizeAlone) {
  for (const std::int64_t n : {1, 99, 100, 101, 1000, 1001}) {
    std::vector<std::pair<std::int64_t, std::int64_t>> blocks(static_cast<std::size_t>((n + 99) / 100), {-1, -1});
    parallel_for(n, 100, [&](std::int64_t begin, std::int64_t end) {
      blocks[static_cast<std::size_t>(begin / 100)] = {begin, end};
    });
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const auto begin = static_cast<std::int64_t>(i) * 100;
      EXPECT_EQ(blocks[i], (std::pair{begin, std::min(begin + 100, n)})) << "of " << n;
    }
  }
  parallel_for(0, 100, [](std::int64_t, std::int64_t) { FAIL(); });
  parallel_for(-3, 100, [](std::int64_t, std::int64_t) { FAIL(); });
}

TEST_P(Threads, PassesAnExceptionOn) {
  const std::string text = testing_support::error_of<ValueError>(
      [] { parallel_tasks(64, [](std::int64_t i) { require<ValueError>(i != 37, "task ", i, " fails"); }); });
  EXPECT_EQ(text, "task 37 fails");
  // And works on afterwards.
  std::atomic<int> runs = 0;
  parallel_tasks(64, [&](std::int64_t) { ++runs; });
  EXPECT_EQ(runs, 64);
}

TEST_P(Threads, NestedTasksRunOnTheTasksOwnThread) {
  std::atomic<int> runs = 0;
  parallel_tasks(4, [&](std::int64_t) { parallel_tasks(8, [&](std::int64_t) { ++runs; }); });
  EXPECT_EQ(runs, 32);
  EXPECT_EQ(get_num_threads(), GetParam()) << "a task changed the number of threads";
}

INSTANTIATE_TEST_SUITE_P(Parallel, Threads, testing::Values(1, 2, 4), testing::PrintToStringParamName());

TEST(SetNumThreads, RefusesLessThanOne) {
  const int before = get_num_threads();
  EXPECT_EQ(testing_support::error_of<ValueError>([] { set_num_threads(0); }),
            "set_num_threads: expected at least 1 thread but got 0");
  EXPECT_EQ(get_num_threads(), before);
}

}  // namespace
}  // namespace normgrad
