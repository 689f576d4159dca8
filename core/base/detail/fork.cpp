#include "normgrad/core/base/detail/fork.hpp"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <utility>
#include <vector>

namespace normgrad::detail {

namespace {

std::atomic<std::uint32_t> generation{0};

// All mutexes, by rank. Never destroyed: a program may fork during its shutdown.
class ForkRegistry {
 public:
  ForkRegistry() {
    pthread_atfork([] { registry().lock_all(); }, [] { registry().unlock_all(); },
                   [] {
                     generation.fetch_add(1, std::memory_order_relaxed);
                     registry().unlock_all();
                   });
  }

  static ForkRegistry& registry() {
    static ForkRegistry* instance = new ForkRegistry;  // NOLINT(cppcoreguidelines-owning-memory)
    return *instance;
  }

  void add(ForkSafeMutex::Rank rank, ForkSafeMutex* mutex) {
    const std::lock_guard lock(own_);
    const auto after = std::upper_bound(mutexes_.begin(), mutexes_.end(), rank,
                                        [](auto wanted, const auto& entry) { return wanted < entry.first; });
    mutexes_.insert(after, {rank, mutex});
  }

 private:
  void lock_all() {
    own_.lock();
    for (const auto& [rank, mutex] : mutexes_) {
      mutex->lock();
    }
  }

  void unlock_all() {
    for (auto entry = mutexes_.rbegin(); entry != mutexes_.rend(); ++entry) {
      entry->second->unlock();
    }
    own_.unlock();
  }

  std::mutex own_;
  std::vector<std::pair<ForkSafeMutex::Rank, ForkSafeMutex*>> mutexes_;
};

const BeforeMain registry_exists([] { ForkRegistry::registry(); });

}  // namespace

ForkSafeMutex::ForkSafeMutex(Rank rank) { ForkRegistry::registry().add(rank, this); }

std::uint32_t fork_generation() noexcept { return generation.load(std::memory_order_relaxed); }

}  // namespace normgrad::detail
