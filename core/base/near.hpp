// Latency between the threads of a parallel region.
#pragma once

#include <cstdint>

namespace normgrad {

/// Returns whether another thread starts soon after a region is opened, judging by recent regions: false where the
/// processors share no cache or the thread has gone to sleep. Use it only to choose which thread runs a piece of work,
/// never how work is cut: results must not depend on it. Occasionally returns true regardless, so that the delay is
/// measured again.
bool threads_share_cache() noexcept;

namespace detail {
/// Records the start delay of a region's second thread, on which threads_share_cache() is based.
void note_region_delay(std::int64_t nanoseconds) noexcept;
}  // namespace detail

}  // namespace normgrad
