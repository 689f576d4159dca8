// The collective calls as steps. Arguments are checked by the callers.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "normgrad/dist/detail/call.hpp"

namespace normgrad::detail {

/// all_reduce sends tensors up to this size to all ranks, and each reduces everything: half as many messages one after
/// the other.
constexpr std::size_t kDirectBytes = 8192;

/// Receive a copy of the handle and keep it; the memory is read until the call is done.
std::shared_ptr<Call> start_all_reduce(const std::shared_ptr<Comm>& comm, const Tensor& x, ReduceOp op,
                                       bool needs_grad);
std::shared_ptr<Call> start_reduce(const std::shared_ptr<Comm>& comm, const Tensor& x, int root, bool needs_grad);
std::shared_ptr<Call> start_broadcast(const std::shared_ptr<Comm>& comm, const Tensor& x, int root, bool needs_grad);
/// The x of all ranks, on all ranks (to = -1) or on one. `root` is only compared.
std::shared_ptr<Call> start_gather(const std::shared_ptr<Comm>& comm, const Tensor& x, CallKind kind, int root, int to,
                                   bool needs_grad);
std::shared_ptr<Call> start_reduce_scatter(const std::shared_ptr<Comm>& comm, const Tensor& x, ReduceOp op,
                                           const std::vector<std::int64_t>& sizes, bool needs_grad);
std::shared_ptr<Call> start_scatter(const std::shared_ptr<Comm>& comm, const Tensor& x,
                                    const std::vector<std::int64_t>& sizes, int root, bool needs_grad);
std::shared_ptr<Call> start_barrier(const std::shared_ptr<Comm>& comm);

/// Throws IndexError unless root is a rank of a group of this size.
void check_root(CallKind kind, int root, int size);
/// x's shape with another first size.
Shape with_rows(const Shape& shape, std::int64_t rows);
/// The first sizes of all ranks' tensors, in a call of start_gather().
std::vector<std::int64_t> rows_of(const Call& call);

}  // namespace normgrad::detail
