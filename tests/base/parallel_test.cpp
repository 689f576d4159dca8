#include "normgrad/core/base/parallel.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <atomic>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/raises.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/core/base/near.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

class ParallelTest : public testing::Test {
 protected:
  ~ParallelTest() override { set_num_threads(before_); }

 private:
  int before_ = get_num_threads();
};

TEST_F(ParallelTest, RunsEveryTaskOnce) {
  for (const int threads : {1, 2, 5}) {
    set_num_threads(threads);
    EXPECT_EQ(get_num_threads(), threads);
    std::vector<std::atomic<int>> runs(1000);
    parallel_tasks(1000, [&](std::int64_t i) { ++runs[static_cast<std::size_t>(i)]; });
    for (const auto& count : runs) {
      EXPECT_EQ(count, 1);
    }
  }
}

TEST_F(ParallelTest, UsesSeveralThreads) {
  set_num_threads(4);
  std::atomic<int> arrived{0};
  std::atomic<bool> met{false};
  parallel_tasks(2, [&](std::int64_t) {
    ++arrived;
    for (int i = 0; i < 2000000000 && arrived < 2; ++i) {
      std::this_thread::yield();
    }
    met = met || arrived == 2;
  });
  EXPECT_TRUE(met);
}

// However late the second thread arrived, regions are opened from time to time; otherwise an improvement would go
// unnoticed.
TEST_F(ParallelTest, AsksAgainHowFarThreadsAre) {
  const auto near_of_128 = [] {
    int near = 0;
    for (int i = 0; i < 128; ++i) {
      near += threads_share_cache() ? 1 : 0;
    }
    return near;
  };
  const auto note = [](std::int64_t nanoseconds) {
    for (int i = 0; i < 64; ++i) {
      detail::note_region_delay(nanoseconds);
    }
  };
  note(1000000000);
  EXPECT_EQ(near_of_128(), 2);
  note(100);
  EXPECT_EQ(near_of_128(), 128);
  note(2000);
  EXPECT_EQ(near_of_128(), 2);
}

TEST_F(ParallelTest, BlocksDoNotDependOnTheThreads) {
  const auto blocks = [](std::int64_t n, std::int64_t grain) {
    std::mutex mutex;
    std::set<std::pair<std::int64_t, std::int64_t>> found;
    parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
      const std::lock_guard lock(mutex);
      EXPECT_TRUE(found.emplace(begin, end).second);
    });
    return found;
  };
  for (const std::int64_t n : {0, 1, 99, 100, 101, 1000, 1001}) {
    set_num_threads(1);
    const auto alone = blocks(n, 100);
    std::int64_t at = 0;
    for (const auto& [begin, end] : alone) {
      EXPECT_EQ(begin, at);
      EXPECT_LE(end - begin, 100);
      at = end;
    }
    EXPECT_EQ(at, n);
    for (const int threads : {2, 3, 8}) {
      set_num_threads(threads);
      EXPECT_EQ(blocks(n, 100), alone) << n << " " << threads;
    }
  }
}

TEST_F(ParallelTest, PassesExceptionsOn) {
  for (const int threads : {1, 2, 4}) {
    set_num_threads(threads);
    EXPECT_THROW(parallel_tasks(64,
                                [](std::int64_t i) {
                                  if (i == 37) {
                                    throw std::runtime_error("no");
                                  }
                                }),
                 std::runtime_error);
    EXPECT_EQ(omp_get_max_threads(), threads);  // also after an error
    std::atomic<int> runs{0};
    parallel_tasks(8, [&](std::int64_t) { ++runs; });
    EXPECT_EQ(runs, 8);
  }
}

TEST_F(ParallelTest, NestedTasksStayOnTheirThread) {
  for (const int threads : {1, 4}) {
    set_num_threads(threads);
    std::atomic<int> runs{0};
    parallel_tasks(6, [&](std::int64_t) {
      const std::thread::id mine = std::this_thread::get_id();
      EXPECT_TRUE(omp_get_max_threads() == 1 || omp_in_parallel() != 0);
      parallel_tasks(5, [&](std::int64_t) {
        EXPECT_EQ(std::this_thread::get_id(), mine);
        ++runs;
      });
    });
    EXPECT_EQ(runs, 30);
    EXPECT_EQ(omp_get_max_threads(), threads);
  }
}

TEST_F(ParallelTest, WorksFromSeveralThreadsAtOnce) {
  set_num_threads(2);
  std::atomic<int> runs{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] { parallel_tasks(100, [&](std::int64_t) { ++runs; }); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(runs, 300);
}

TEST_F(ParallelTest, RefusesNoThreads) {
  EXPECT_EQ(tests::error_of<ValueError>([] { set_num_threads(0); }),
            "set_num_threads: expected at least 1 thread but got 0");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
