// Runs a function in a forked process with a time limit.
#pragma once

#include <functional>

namespace normgrad::tests {

/// Forks; the child calls `f` and exits at once, without destroying static objects. Returns 0 if f returned true, 1 if
/// it returned false, 2 if it threw, 100 + n if signal n ended it, and -1 if it was killed after running for a minute.
int result_of_child(const std::function<bool()>& f);

/// Returns whether this program was built with the thread or the address sanitizer, which have their own limits.
bool is_sanitized();

}  // namespace normgrad::tests
