// A forked process that must end by itself.
#pragma once

#include <functional>

namespace normgrad::testing_support {

/// Forks; the child calls `f` and ends at once, without destructors of static objects. Returns 0 when f returned true,
/// 1 when it returned false, 2 when it threw, 100 + n when signal n ended it; -1 when it still ran after a minute, and
/// had to be killed.
int result_of_child(const std::function<bool()>& f);

/// Whether this program was built with the thread or the address sanitizer, which have limits of their own.
bool is_sanitized();

}  // namespace normgrad::testing_support
