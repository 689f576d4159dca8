#include "normgrad/core/base/parallel.hpp"

#include <omp.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <exception>

#include "normgrad/core/base/detail/fork.hpp"
#include "normgrad/core/base/detail/one_openmp_thread.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/core/base/near.hpp"
#include "normgrad/core/base/serial.hpp"

namespace normgrad {

namespace {
std::atomic<int> thread_count{0};  // 0: not set, use OpenMP's default
thread_local bool serial = false;
thread_local bool has_team = false;   // whether this thread has opened a region with several threads
thread_local bool team_lost = false;  // whether it did so before a fork(), which copied only this thread

// In the child, OpenMP's runtime would wait for the parent's threads.
void after_fork_in_child() {
  if (has_team) {
    team_lost = true;
    omp_set_num_threads(1);
  }
}

const detail::BeforeMain handler_is_registered([] {
  // LLVM's runtime unlocks itself in a handler of its own, which it registers when it starts. Handlers of children run
  // in the order of registration, and ours calls the runtime.
  omp_get_max_threads();
  pthread_atfork(nullptr, nullptr, after_fork_in_child);
});

// Consecutive tasks assigned to one thread first. The same part of the work goes to the same processor from operation
// to operation and finds its data in that processor's caches. A thread that has finished its share takes tasks from
// other shares.
struct alignas(64) Share {
  std::atomic<std::int64_t> next;
  std::int64_t end;

  std::int64_t left() const { return end - next.load(std::memory_order_relaxed); }
};
constexpr int kMaxShares = 32;

using Clock = std::chrono::steady_clock;
// Nanoseconds from opening a region until its second thread starts, averaged over about the last 8 regions.
std::atomic<std::int64_t> delay{0};

}  // namespace

void detail::note_region_delay(std::int64_t nanoseconds) noexcept {
  constexpr std::int64_t kMax = 4000;  // limits the effect of a thread that had to be woken
  const std::int64_t before = delay.load(std::memory_order_relaxed);
  delay.store(before + (std::min(nanoseconds, kMax) - before) / 8, std::memory_order_relaxed);
}

bool threads_share_cache() noexcept {
  constexpr std::int64_t kNear = 700;
  constexpr int kAskAgain = 64;
  thread_local int asked = 0;
  return delay.load(std::memory_order_relaxed) < kNear || ++asked % kAskAgain == 0;
}

void set_num_threads(int n) {
  require<ValueError>(n >= 1, "set_num_threads: expected at least 1 thread but got ", n);
  thread_count = n;
  if (!team_lost) {
    omp_set_num_threads(n);
  }
}

SerialSection::SerialSection() noexcept : before_(serial) { serial = true; }
SerialSection::~SerialSection() { serial = before_; }

int get_num_threads() noexcept {
  if (serial || team_lost) {
    return 1;
  }
  const int set = thread_count.load(std::memory_order_relaxed);
  return set != 0 ? set : omp_get_max_threads();
}

namespace detail {

void run_parallel(std::int64_t tasks, void* context, void (*task)(void*, std::int64_t)) {
  const int threads = static_cast<int>(std::min<std::int64_t>(get_num_threads(), tasks));
  if (threads <= 1 || omp_in_parallel() != 0) {
    const OneOpenMpThread alone;  // as inside a parallel region
    for (std::int64_t i = 0; i < tasks; ++i) {
      task(context, i);
    }
    return;
  }
  has_team = true;
  std::exception_ptr error;
  std::array<Share, kMaxShares> shares;
  const int count = std::min(threads, kMaxShares);
  for (int i = 0; i < count; ++i) {
    shares[static_cast<std::size_t>(i)].next.store(tasks * i / count, std::memory_order_relaxed);
    shares[static_cast<std::size_t>(i)].end = tasks * (i + 1) / count;
  }
  const Clock::time_point opened = Clock::now();
#pragma omp parallel num_threads(threads)
  {
    const int own = omp_get_thread_num();
    const int team = omp_get_num_threads();
    if (own == 1) {
      note_region_delay(std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - opened).count());
    }
    for (int i = 0; i < count; ++i) {
      const int whose = (own + i) % count;
      Share& share = shares[static_cast<std::size_t>(whose)];
      // Leave the last task of a share to its owner, which may be about to start and has the data in its cache.
      const std::int64_t leave = i > 0 && whose < team ? 1 : 0;
      while (share.left() > leave) {
        const std::int64_t at = share.next.fetch_add(1, std::memory_order_relaxed);
        if (at >= share.end) {
          break;
        }
        try {
          task(context, at);
        } catch (...) {
#pragma omp critical(normgrad_task_error)
          if (!error) {
            error = std::current_exception();
          }
        }
      }
    }
  }
  if (error) {
    std::rethrow_exception(error);
  }
}

}  // namespace detail

}  // namespace normgrad
