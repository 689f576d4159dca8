// Ctrl-C ends a program cleanly.
#pragma once

namespace lab {

/// From now on the first SIGINT or SIGTERM is only noted, by interrupted(); a second one ends the program at once.
/// Processes that are forked later note all of them.
void catch_interrupts();
/// The signal that came, or 0.
int interrupted() noexcept;

}  // namespace lab
