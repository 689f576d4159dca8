// Clean termination on Ctrl-C.
#pragma once

namespace lab {

/// From now on, the first SIGINT or SIGTERM is only recorded, see interrupted(); a second one ends the program at once.
/// Processes forked later record all of them.
void catch_interrupts();
/// The received signal, or 0.
int interrupted() noexcept;

}  // namespace lab
