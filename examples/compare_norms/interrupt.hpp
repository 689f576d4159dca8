// Ctrl-C ends compare_norms cleanly.
#pragma once

namespace compare_norms {

/// From now on the first SIGINT or SIGTERM is only noted; a second one ends the program at once.
void catch_interrupts();
/// The signal that came, or 0.
int interrupted() noexcept;

}  // namespace compare_norms
