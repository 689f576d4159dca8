// A scope in which libraries that the calling thread calls do not start threads of their own.
#pragma once

#include <omp.h>

namespace normgrad::detail {

/// While it exists, parallel regions of OpenMP that this thread opens have one thread.
class OneOpenMpThread {
 public:
  OneOpenMpThread() noexcept : before_(omp_get_max_threads()) {
    if (before_ != 1) {
      omp_set_num_threads(1);
    }
  }
  OneOpenMpThread(const OneOpenMpThread&) = delete;
  OneOpenMpThread& operator=(const OneOpenMpThread&) = delete;
  ~OneOpenMpThread() {
    if (before_ != 1) {
      omp_set_num_threads(before_);
    }
  }

 private:
  int before_;
};

}  // namespace normgrad::detail
