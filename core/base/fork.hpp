// What fork() asks of a library with threads: no lock may be left held by a thread that the child does not have.
#pragma once

#include <cstdint>
#include <mutex>

namespace normgrad::detail {

/// A mutex of static duration that the thread which forks takes before, and gives back after, in both processes: the
/// child finds it free, and what it guards whole. Never destroyed while the process can fork.
class ForkSafeMutex {
 public:
  /// In the order in which one thread may take several of them.
  enum class Rank { names, primitives, row_major_copy, pool, bar, log };

  explicit ForkSafeMutex(Rank rank);
  ForkSafeMutex(const ForkSafeMutex&) = delete;
  ForkSafeMutex& operator=(const ForkSafeMutex&) = delete;
  ~ForkSafeMutex() = default;

  void lock() { mutex_.lock(); }      ///< waits for it
  void unlock() { mutex_.unlock(); }  ///< gives it back

 private:
  std::mutex mutex_;
};

/// How many forks lie between the first process that used the library and this one: 0, and one more in each child.
/// Threads, and what waits for them, belong to the process that started them.
std::uint32_t fork_generation() noexcept;

}  // namespace normgrad::detail
