// What stands behind a DataLoader's loop: the batches of one epoch, and the threads that make them ahead of time.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "normgrad/core/base/fork.hpp"
#include "normgrad/data/loader.hpp"

namespace normgrad::detail {

/// The batches of an epoch, as a function of their number.
struct EpochPlan {
  DatasetPtr dataset;
  BatchTransform transform;
  std::vector<std::int64_t> order;
  std::int64_t batch_size = 1;
  std::uint64_t seed = 0;
  std::int64_t epoch = 0;

  /// Batch `number`; an error is told with the example that it comes from.
  Batch batch(std::int64_t number) const;
};

/// Makes the batches first, ..., count - 1 of a plan on threads of its own, at most `ahead` times as many as there are
/// workers before the one that was asked for last. Ends its threads when it dies, waiting for the batches at hand.
/// Where the system refuses threads, those that it granted do the work, or the one that asks, and a warning is logged.
class Prefetcher {
 public:
  Prefetcher(std::shared_ptr<const EpochPlan> plan, std::int64_t first, std::int64_t count, int workers, int ahead);
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;
  ~Prefetcher();

  /// Waits for a batch; throws what its making threw. Those before it are forgotten, and made anew if asked for again.
  Batch batch(std::int64_t number);

 private:
  struct Made {
    Batch batch;
    std::exception_ptr error;
  };

  void work();

  const std::shared_ptr<const EpochPlan> plan_;
  const std::int64_t count_;
  const std::int64_t room_;
  const std::uint32_t generation_ = fork_generation();  // of the process that has the threads
  std::mutex mutex_;
  std::condition_variable is_made_;
  std::condition_variable has_room_;
  std::map<std::int64_t, Made> made_;
  std::int64_t next_;    // to be made
  std::int64_t wanted_;  // asked for last
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

/// The same, for a process that may fork: a child has neither the threads nor what they hold. It makes the batches
/// itself, and leaves what it was copied of the workers alone.
std::shared_ptr<Prefetcher> make_prefetcher(std::shared_ptr<const EpochPlan> plan, std::int64_t first,
                                            std::int64_t count, int workers, int ahead);

}  // namespace normgrad::detail
