#include "lab/interrupt.hpp"

#include <unistd.h>

#include <csignal>

namespace lab {

namespace {

volatile std::sig_atomic_t received_signal = 0;
volatile pid_t owner_process = 0;

void note_signal(int number) {
  if (received_signal == 0) {
    received_signal = number;
    if (getpid() == owner_process) {  // a worker may be signaled twice: by the terminal and by its parent
      std::signal(SIGINT, SIG_DFL);
      std::signal(SIGTERM, SIG_DFL);
    }
  }
}

}  // namespace

void catch_interrupts() {
  owner_process = getpid();
  struct sigaction action = {};
  action.sa_handler = note_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaddset(&action.sa_mask, SIGINT);
  sigaddset(&action.sa_mask, SIGTERM);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

int interrupted() noexcept { return received_signal; }

}  // namespace lab
