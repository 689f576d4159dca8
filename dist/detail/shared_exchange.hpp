// all_reduce among the ranks of one machine: they read each other's memory and send only notes about it.
#pragma once

#include <cstdint>
#include <memory>

#include "normgrad/dist/detail/call.hpp"

namespace normgrad::detail {

/// x is row-major and outside of any graph. The communicator has processes(). The elements of a tensor from
/// empty_for_reduction() are undefined afterwards, unless the group has two ranks.
std::shared_ptr<Call> start_shared_all_reduce(const std::shared_ptr<Comm>& comm, const CallHeader& header,
                                              const Tensor& x, ReduceOp op);

/// Returns an uninitialized tensor [n] to be reduced over the group: one that all_reduce need not copy.
Tensor empty_for_reduction(const Comm& comm, std::int64_t n, DType dtype);

}  // namespace normgrad::detail
