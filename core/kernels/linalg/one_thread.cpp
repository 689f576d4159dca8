#include "normgrad/core/kernels/linalg/one_thread.hpp"

#include <dlfcn.h>

#include <mutex>

#include "normgrad/core/base/detail/fork.hpp"

namespace normgrad::kernels {

namespace {

struct OpenBlas {
  int (*get_parallel)();
  int (*get_threads)();
  void (*set_threads)(int);
  detail::ForkSafeMutex mutex{detail::ForkSafeMutex::Rank::lapack};
  int users = 0;
  int threads = 1;  // before the first user

  // Its variant for OpenMP (2) asks for the number of the calling thread instead (see for_each_matrix()).
  bool has_threads_of_its_own() const {
    return get_threads != nullptr && set_threads != nullptr && (get_parallel == nullptr || get_parallel() == 1);
  }
};

OpenBlas& open_blas() {
  // Never freed, like all fork-safe locks.
  static auto* library = new OpenBlas{// NOLINT(cppcoreguidelines-owning-memory)
                                      reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "openblas_get_parallel")),
                                      reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "openblas_get_num_threads")),
                                      reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads"))};
  return *library;
}

const detail::BeforeMain library_is_known([] { open_blas(); });

}  // namespace

OneThreadedLapack::OneThreadedLapack() {
  OpenBlas& library = open_blas();
  if (library.has_threads_of_its_own()) {
    const std::lock_guard lock(library.mutex);
    if (library.users++ == 0) {
      library.threads = library.get_threads();
      library.set_threads(1);
    }
  }
}

OneThreadedLapack::~OneThreadedLapack() {
  OpenBlas& library = open_blas();
  if (library.has_threads_of_its_own()) {
    const std::lock_guard lock(library.mutex);
    if (--library.users == 0) {
      library.set_threads(library.threads);
    }
  }
}

}  // namespace normgrad::kernels
