// Support for fork() in a library with threads: the child must not inherit a lock held by a thread it does not have.
#pragma once

#include <cstdint>
#include <mutex>

namespace normgrad::detail {

/// A mutex of static storage duration. fork() acquires it beforehand and releases it afterwards in both processes, so
/// that the child finds it unlocked and the guarded data consistent. Never destroyed while the process can fork.
class ForkSafeMutex {
 public:
  /// Order in which one thread may lock several of them.
  enum class Rank { ties, names, primitives, lapack, graph, row_major_copy, pool, shared_memory, bar, log };

  explicit ForkSafeMutex(Rank rank);
  ForkSafeMutex(const ForkSafeMutex&) = delete;
  ForkSafeMutex& operator=(const ForkSafeMutex&) = delete;
  ~ForkSafeMutex() = default;

  void lock() { mutex_.lock(); }      ///< waits for the lock
  void unlock() { mutex_.unlock(); }  ///< releases the lock

 private:
  std::mutex mutex_;
};

/// Makes what `use` uses before main(). A static object of a function is otherwise made by the first thread that needs
/// it, and a child that another thread forks meanwhile would wait forever for that thread, which it does not have.
struct BeforeMain {
  explicit BeforeMain(void (*use)()) { use(); }  ///< calls use(), once per program
};

/// Returns the number of forks between the first process that used the library and this one: 0, plus one in each child.
/// Threads, and objects that wait for them, belong to the process that started them.
std::uint32_t fork_generation() noexcept;

}  // namespace normgrad::detail
