// How far from each other the threads of a region are.
#pragma once

namespace normgrad {

/// Whether another thread begins soon after a region is opened, going by the last regions: false where the processors
/// share no cache, or where that thread has gone to sleep. For choosing who runs a piece of work, never how it is cut:
/// results must not depend on the answer. True now and then whatever the last regions were, so that they are measured.
bool threads_are_near() noexcept;

}  // namespace normgrad
