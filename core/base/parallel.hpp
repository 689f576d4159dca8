// Threads, based on OpenMP. oneDNN uses the same runtime, so the two do not compete for processors.
#pragma once

#include <cstdint>
#include <type_traits>

namespace normgrad {

/// Sets the number of threads that operations may use. The default is OMP_NUM_THREADS or the number of processors. It
/// is always 1 in a fork()ed child whose only thread had already computed on several threads, because the others were
/// not copied. Throws ValueError for n < 1.
void set_num_threads(int n);
int get_num_threads() noexcept;

namespace detail {
void run_parallel(std::int64_t tasks, void* context, void (*task)(void*, std::int64_t));
}  // namespace detail

/// Runs `f(i)` once for each i in [0, tasks), on up to get_num_threads() threads. Tasks must be independent. The caller
/// must cut the work into tasks independently of the number of threads, so that results do not depend on it. Within a
/// task, oneDNN and nested parallel_tasks() run on the task's own thread. An exception thrown by a task is rethrown.
template <class F>
void parallel_tasks(std::int64_t tasks, F&& f) {
  detail::run_parallel(tasks, const_cast<void*>(static_cast<const void*>(&f)),
                       [](void* context, std::int64_t i) { (*static_cast<std::remove_reference_t<F>*>(context))(i); });
}

/// Runs `f(begin, end)` over [0, n) in blocks of `grain` (the last one may be shorter); one call f(0, n) if n <= grain.
/// The blocks do not depend on the number of threads.
template <class F>
void parallel_for(std::int64_t n, std::int64_t grain, F&& f) {
  if (n <= 0) {
    return;
  }
  if (n <= grain) {
    f(std::int64_t{0}, n);
    return;
  }
  parallel_tasks((n + grain - 1) / grain, [&](std::int64_t i) {
    const std::int64_t begin = i * grain;
    f(begin, begin + grain < n ? begin + grain : n);
  });
}

}  // namespace normgrad
