// Threads, on OpenMP: the runtime that oneDNN uses too, so that the two never compete.
#pragma once

#include <cstdint>
#include <type_traits>

namespace normgrad {

/// Threads that operations may use; the default is OMP_NUM_THREADS or the number of processors, and always 1 for a
/// thread that has computed on several threads and then, by fork(), become the only thread of a process: the others
/// were not copied. Throws ValueError for n < 1.
void set_num_threads(int n);
int get_num_threads() noexcept;

namespace detail {
void run_parallel(std::int64_t tasks, void* context, void (*task)(void*, std::int64_t));
}  // namespace detail

/// Runs `f(i)` for i in [0, tasks), each once, on up to get_num_threads() threads. Tasks must be independent. How the
/// work is cut into tasks is the caller's, and must not depend on the number of threads: then no result does either.
/// Within a task oneDNN and further parallel_tasks() run on the task's own thread. Exceptions of a task are passed on.
template <class F>
void parallel_tasks(std::int64_t tasks, F&& f) {
  detail::run_parallel(tasks, const_cast<void*>(static_cast<const void*>(&f)),
                       [](void* context, std::int64_t i) { (*static_cast<std::remove_reference_t<F>*>(context))(i); });
}

/// Runs `f(begin, end)` over [0, n) in blocks of `grain` (the last one shorter); one call f(0, n) when n <= grain.
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
