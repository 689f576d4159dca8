// Ctrl-C ends compare_norms cleanly.
#pragma once

namespace compare_norms {

/// From now on the first SIGINT or SIGTERM is only noted, by interrupted(); a second one ends the program at once. To
/// be called before there are other threads.
void catch_interrupts();
/// The signal that came, or 0.
int interrupted() noexcept;

}  // namespace compare_norms
