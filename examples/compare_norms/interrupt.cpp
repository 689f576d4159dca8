#include "examples/compare_norms/interrupt.hpp"

#include <pthread.h>

#include <csignal>
#include <ctime>

namespace compare_norms {

namespace {

int received = 0;

sigset_t signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

// The signals are asked for instead of handled: oneDNN's sgemm puts its stack pointer at the lower end of a heap block
// while it computes, and what a signal handler is given on the stack would overwrite the heap below it.
void catch_interrupts() {
  const sigset_t set = signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

int interrupted() noexcept {
  if (received == 0) {
    const sigset_t set = signals();
    const timespec at_once = {};
    const int number = sigtimedwait(&set, nullptr, &at_once);
    if (number > 0) {
      received = number;
      pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    }
  }
  return received;
}

}  // namespace compare_norms
