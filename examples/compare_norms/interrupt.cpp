#include "examples/compare_norms/interrupt.hpp"

#include <csignal>

namespace compare_norms {

namespace {
volatile std::sig_atomic_t received = 0;
}

extern "C" {
static void note_signal(int number) { received = number; }
}

void catch_interrupts() {
  struct sigaction action = {};
  action.sa_handler = note_signal;
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

int interrupted() noexcept { return received; }

}  // namespace compare_norms
