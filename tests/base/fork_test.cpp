// A child of fork() has one thread, whatever the other threads were doing.
#include "normgrad/core/base/detail/fork.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/support/child_process.hpp"
#include "normgrad/core/base/buffer.hpp"
#include "normgrad/core/base/log.hpp"
#include "normgrad/core/base/parallel.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::is_sanitized;
using tests::result_of_child;

std::int64_t sum_in_parallel() {
  std::atomic<std::int64_t> sum = 0;
  parallel_tasks(64, [&](std::int64_t i) { sum += i; });
  return sum;
}

class ForkTest : public testing::Test {
 protected:
  void SetUp() override { set_num_threads(4); }
  void TearDown() override { set_num_threads(before_); }

 private:
  int before_ = get_num_threads();
};

TEST_F(ForkTest, AChildComputesOnOneThread) {
  ASSERT_EQ(sum_in_parallel(), 2016);  // OpenMP has started its threads
  EXPECT_EQ(result_of_child([] {
              const bool one = get_num_threads() == 1;
              set_num_threads(4);
              return one && get_num_threads() == 1 && sum_in_parallel() == 2016;
            }),
            0);
  EXPECT_EQ(get_num_threads(), 4);
  EXPECT_EQ(sum_in_parallel(), 2016);
}

// Threads started by the child belong to the child.
TEST_F(ForkTest, OtherThreadsOfAChildComputeOnSeveral) {
  if (is_sanitized()) {
    GTEST_SKIP() << "the thread sanitizer ends a forked process that starts threads";
  }
  ASSERT_EQ(sum_in_parallel(), 2016);
  EXPECT_EQ(result_of_child([] {
              bool several = false;
              std::thread([&] { several = get_num_threads() == 4 && sum_in_parallel() == 2016; }).join();
              return several && get_num_threads() == 1;
            }),
            0);
}

// No threads are lost if none existed: a program that forks before it computes uses all threads.
TEST_F(ForkTest, AChildOfAThreadThatComputedAloneMayUseSeveral) {
  if (is_sanitized()) {
    GTEST_SKIP() << "the thread sanitizer ends a forked process that starts threads";
  }
  int result = -2;
  std::thread([&] {
    set_num_threads(1);
    EXPECT_EQ(sum_in_parallel(), 2016);
    result = result_of_child([] {
      set_num_threads(3);
      return get_num_threads() == 3 && sum_in_parallel() == 2016;
    });
  }).join();
  EXPECT_EQ(result, 0);
}

TEST_F(ForkTest, AChildOfAChildDoesToo) {
  ASSERT_EQ(sum_in_parallel(), 2016);
  EXPECT_EQ(result_of_child([] { return result_of_child([] { return sum_in_parallel() == 2016; }) == 0; }), 0);
}

TEST_F(ForkTest, ForksAreCounted) {
  const std::uint32_t here = detail::fork_generation();
  EXPECT_EQ(result_of_child([=] { return detail::fork_generation() == here + 1; }), 0);
  EXPECT_EQ(detail::fork_generation(), here);
}

// Other threads hold the locks of the pool and of the log almost all the time.
TEST_F(ForkTest, AChildNeedsNoLockOfAThreadThatIsGone) {
  if (is_sanitized()) {
    GTEST_SKIP() << "the allocator of the address sanitizer takes no part in fork(): a child hangs at its locks";
  }
  set_log_level("off");
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      while (!stop) {
        const Buffer a(100);
        const Buffer b(5000);
        log_message(LogLevel::debug, "not shown");
      }
    });
  }
  for (int i = 0, result = 0; i < 50 && result == 0; ++i) {
    result = result_of_child([] {
      const Buffer a(100);
      const Buffer b(5000);
      log_message(LogLevel::debug, "not shown");
      return memory_stats().bytes_in_use >= a.bytes() + b.bytes() && sum_in_parallel() == 2016;
    });
    EXPECT_EQ(result, 0) << i;
  }
  stop = true;
  for (std::thread& thread : threads) {
    thread.join();
  }
  set_log_level("info");
}

TEST_F(ForkTest, MutexesAreTakenInTheOrderOfTheirRanks) {
  static auto* pool = new detail::ForkSafeMutex(detail::ForkSafeMutex::Rank::pool);
  static auto* names = new detail::ForkSafeMutex(detail::ForkSafeMutex::Rank::names);
  std::atomic<bool> stop = false;
  std::thread thread([&] {
    while (!stop) {
      const std::lock_guard outer(*names);
      const std::lock_guard inner(*pool);
    }
  });
  for (int i = 0, result = 0; i < 50 && result == 0; ++i) {
    result = result_of_child([] {
      const std::lock_guard outer(*names);
      const std::lock_guard inner(*pool);
      return true;
    });
    EXPECT_EQ(result, 0) << i;
  }
  stop = true;
  thread.join();
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
