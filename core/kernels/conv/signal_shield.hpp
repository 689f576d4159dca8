// Blocks signals during code in which a signal handler would corrupt the heap.
#pragma once

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <csignal>
#include <cstdint>

namespace normgrad::kernels::onednn {

/// Blocks asynchronous signals on this thread for its lifetime. The matrix products within convolutions of oneDNN 2.6
/// keep their stack pointer in a heap block, and the stack frame of a signal handler would overwrite the heap below it.
/// Signals that report an error in the code itself stay unblocked, so that crash handlers can report them.
class SignalShield {
 public:
  SignalShield() noexcept {
    std::uint64_t closed = ~std::uint64_t{0};
    for (const int open : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) {
      closed &= ~(std::uint64_t{1} << (open - 1));
    }
    set(closed, &before_);
  }
  SignalShield(const SignalShield&) = delete;
  SignalShield& operator=(const SignalShield&) = delete;
  ~SignalShield() { set(before_, nullptr); }

 private:
  static void set(std::uint64_t mask, std::uint64_t* before) noexcept {
#if defined(__linux__)
    // pthread_sigmask() would leave the C library's two internal signals unblocked.
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, before, sizeof(mask));
#endif
  }

  std::uint64_t before_ = 0;
};

}  // namespace normgrad::kernels::onednn
