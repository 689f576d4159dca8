// How far from each other the threads of a region are.
#pragma once

#include <cstdint>

namespace normgrad {

/// Whether another thread begins soon after a region is opened, going by the last regions: false where the processors
/// share no cache, or where that thread has gone to sleep. For choosing who runs a piece of work, never how it is cut:
/// results must not depend on the answer. True now and then whatever the last regions were, so that they are measured.
bool threads_are_near() noexcept;

namespace detail {
/// Takes in how long the second thread of a region took to begin, which is what threads_are_near() goes by.
void note_region_delay(std::int64_t nanoseconds) noexcept;
}  // namespace detail

}  // namespace normgrad
