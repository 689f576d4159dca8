// The end of a run over MPI.
//
// A process that ends with 0 says so to all others and stays until all have said it, so that no process is left in
// MPI_Finalize() while others fail: if two processes end at the same moment while a third is there, the mpirun of Open
// MPI 4.1 with PMIx 4.2 crashes or waits forever in PMIx_server_finalize(). The others, too, learn at once that nobody
// will answer them.
#pragma once

#include <vector>

namespace normgrad::detail {

/// From now on, MPI_Finalize() begins with the farewell: the calls in progress are finished, and the process waits for
/// the farewells of all others. A call that fails ends the process with code 1. All processes call this once.
void arrange_farewell();

/// The ranks in MPI_COMM_WORLD, of those given, whose farewell came more than a second ago. What they sent before has
/// arrived by then.
std::vector<int> ranks_that_left(const std::vector<int>& ranks);

}  // namespace normgrad::detail
