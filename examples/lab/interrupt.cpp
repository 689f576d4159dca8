#include "examples/lab/interrupt.hpp"

#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <ctime>

namespace lab {

namespace {

int received = 0;
pid_t owner = 0;

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
  owner = getpid();
}

int interrupted() noexcept {
  if (received == 0) {
    const sigset_t set = signals();
    const timespec at_once = {};
    const int number = sigtimedwait(&set, nullptr, &at_once);
    if (number > 0) {
      received = number;
      if (getpid() == owner) {  // a worker may be told twice: by the terminal and by its program
        pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
      }
    }
  }
  return received;
}

}  // namespace lab
