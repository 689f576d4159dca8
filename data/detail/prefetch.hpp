// Internals of a loader's loop: the batches of one epoch, and the threads that prefetch them.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "normgrad/core/base/detail/fork.hpp"
#include "normgrad/data/loader_base.hpp"

namespace normgrad::detail {

/// The batches of an epoch, as a function of their index.
struct EpochPlan {
  const char* loader = "";  // begins the messages
  std::shared_ptr<const BatchSource> source;
  std::vector<std::int64_t> order;
  std::int64_t batch_size = 1;
  std::uint64_t seed = 0;
  std::int64_t epoch = 0;

  /// Returns batch `number`. Errors name the example that caused them.
  std::shared_ptr<const void> batch(std::int64_t number) const;
};

/// Makes the batches first, ..., count - 1 of a plan on its own threads, at most `ahead` * workers batches beyond the
/// last one requested. The destructor waits for batches in progress and joins the threads. If the system refuses
/// threads, a warning is logged and the work is done by those that started or, if none did, by the caller.
class Prefetcher {
 public:
  Prefetcher(std::shared_ptr<const EpochPlan> plan, std::int64_t first, std::int64_t count, int workers, int ahead);
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;
  ~Prefetcher();

  /// Waits for a batch. Rethrows an error from making it. Earlier batches are dropped and made anew if requested again.
  std::shared_ptr<const void> batch(std::int64_t number);

 private:
  struct Made {
    std::shared_ptr<const void> batch;
    std::exception_ptr error;
  };

  void work();

  const std::shared_ptr<const EpochPlan> plan_;
  const std::int64_t count_;
  const std::int64_t room_;
  const std::uint32_t generation_ = fork_generation();  // of the process that owns the threads
  std::mutex mutex_;
  std::condition_variable is_made_;
  std::condition_variable has_room_;
  std::map<std::int64_t, Made> made_;
  std::int64_t next_;    // next to be made
  std::int64_t wanted_;  // last one requested
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

/// Creates a Prefetcher that is safe in a process that may fork. A child has neither the threads nor the locks they
/// hold, so it makes batches itself and never destroys the copied Prefetcher.
std::shared_ptr<Prefetcher> make_prefetcher(std::shared_ptr<const EpochPlan> plan, std::int64_t first,
                                            std::int64_t count, int workers, int ahead);

}  // namespace normgrad::detail
