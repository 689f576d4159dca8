#include "normgrad/dist/detail/exchange.hpp"

#include <cstring>
#include <numeric>
#include <utility>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/dist/detail/rank_order.hpp"
#include "normgrad/dist/detail/shared_exchange.hpp"

namespace normgrad::detail {

namespace {

std::size_t at(int rank) { return static_cast<std::size_t>(rank); }

// A row-major tensor of the same elements outside of any graph.
Tensor plain(const Tensor& x) { return x.row_major().detach(); }

std::byte* memory(const Tensor& x) { return x.buffer().data(); }

std::size_t bytes_of(const Tensor& x) { return static_cast<std::size_t>(x.numel()) * dtype_size(x.dtype()); }

void copy_bytes(std::byte* to, const std::byte* from, std::size_t bytes) {
  if (bytes != 0) {
    std::memcpy(to, from, bytes);
  }
}

// The reduction of the parts of all ranks, of `bytes` each: this rank's own, and those of the others in call.space, one
// after the other.
void reduce_parts(const Call& call, DType dtype, ReduceOp op, std::size_t bytes, const std::byte* own, std::byte* y) {
  std::vector<const std::byte*> parts;
  for (int rank = 0; rank < call.size(); ++rank) {
    parts.push_back(rank == call.rank() ? own : call.space.data() + at(rank) * bytes);
  }
  reduce_in_rank_order(parts, dtype, op, bytes, y);
}

CallHeader header_with(CallKind kind, const Tensor& x, int op, int root, bool needs_grad) {
  CallHeader header = header_of(kind, x);
  header.op = op;
  header.root = root;
  header.needs_grad = needs_grad ? 1 : 0;
  return header;
}

// Bytes before each rank's part, and all of them.
std::vector<std::size_t> offsets_of(const std::vector<std::int64_t>& rows, std::size_t row_bytes) {
  std::vector<std::size_t> offsets{0};
  for (const std::int64_t n : rows) {
    offsets.push_back(offsets.back() + static_cast<std::size_t>(n) * row_bytes);
  }
  return offsets;
}

std::size_t row_bytes_of(const Tensor& x) {
  return static_cast<std::size_t>(with_rows(x.shape(), 1).numel()) * dtype_size(x.dtype());
}

std::shared_ptr<Call> start_direct_all_reduce(const std::shared_ptr<Comm>& comm, const CallHeader& header,
                                              const Tensor& x, ReduceOp op) {
  const std::size_t bytes = bytes_of(x);
  return Call::start(comm, header, false,
                     {[x, bytes](Call& call) {
                        call.space = Buffer(bytes * at(call.size()));
                        call.for_others([&](int other) {
                          call.receive(other, call.space.data() + at(other) * bytes, bytes);
                          call.send(other, memory(x), bytes);
                        });
                      },
                      [x, op, bytes](Call& call) {
                        call.result = Tensor::empty(x.shape(), x.dtype());
                        reduce_parts(call, x.dtype(), op, bytes, memory(x), memory(call.result));
                      }});
}

}  // namespace

void check_root(CallKind kind, int root, int size) {
  require<IndexError>(root >= 0 && root < size, name_of(kind), ": expected a root in [0, ", size, ") but got ", root);
}

Shape with_rows(const Shape& shape, std::int64_t rows) {
  Shape changed = shape;
  changed[0] = rows;
  return changed;
}

std::vector<std::int64_t> rows_of(const Call& call) {
  std::vector<std::int64_t> rows;
  for (const CallHeader& header : call.headers()) {
    rows.push_back(header.sizes[0]);
  }
  return rows;
}

// Each rank reduces its part of the elements, which it receives from all, and sends the result to all.
std::shared_ptr<Call> start_all_reduce(const std::shared_ptr<Comm>& comm, const Tensor& x, ReduceOp op,
                                       bool needs_grad) {
  const Tensor own = plain(x);
  const CallHeader header = header_with(CallKind::all_reduce, x, static_cast<int>(op), -1, needs_grad);
  if (bytes_of(own) <= kDirectBytes) {
    return start_direct_all_reduce(comm, header, own, op);
  }
  if (!comm->processes().empty()) {
    return start_shared_all_reduce(comm, header, own, op);
  }
  std::vector<std::int64_t> parts;
  for (std::int64_t rank = 0; rank < comm->size(); ++rank) {
    parts.push_back(own.numel() * (rank + 1) / comm->size() - own.numel() * rank / comm->size());
  }
  const std::vector<std::size_t> offsets = offsets_of(parts, dtype_size(own.dtype()));
  const auto length = [offsets](int rank) { return offsets[at(rank) + 1] - offsets[at(rank)]; };
  return Call::start(comm, header, false,
                     {[own, offsets, length](Call& call) {
                        const std::size_t mine = length(call.rank());
                        call.space = Buffer(mine * at(call.size()));
                        call.for_others([&](int other) {
                          call.receive(other, call.space.data() + at(other) * mine, mine);
                          call.send(other, memory(own) + offsets[at(other)], length(other));
                        });
                      },
                      [own, op, offsets, length](Call& call) {
                        const std::size_t mine = length(call.rank());
                        call.result = Tensor::empty(own.shape(), own.dtype());
                        std::byte* y = memory(call.result);
                        reduce_parts(call, own.dtype(), op, mine, memory(own) + offsets[at(call.rank())],
                                     y + offsets[at(call.rank())]);
                        call.for_others([&](int other) {
                          call.receive(other, y + offsets[at(other)], length(other));
                          call.send(other, y + offsets[at(call.rank())], mine);
                        });
                      }});
}

std::shared_ptr<Call> start_reduce(const std::shared_ptr<Comm>& comm, const Tensor& x, int root, bool needs_grad) {
  const Tensor own = plain(x);
  const std::size_t bytes = bytes_of(own);
  return Call::start(
      comm, header_with(CallKind::reduce, x, static_cast<int>(ReduceOp::sum), root, needs_grad), false,
      {[own, root, bytes](Call& call) {
         if (call.rank() != root) {
           call.send(root, memory(own), bytes);
           return;
         }
         call.space = Buffer(bytes * at(call.size()));
         call.for_others([&](int other) { call.receive(other, call.space.data() + at(other) * bytes, bytes); });
       },
       [own, root, bytes](Call& call) {
         call.result = Tensor::empty(own.shape(), own.dtype());
         if (call.rank() == root) {
           reduce_parts(call, own.dtype(), ReduceOp::sum, bytes, memory(own), memory(call.result));
         } else {
           call.result.zero_();
         }
       }});
}

std::shared_ptr<Call> start_broadcast(const std::shared_ptr<Comm>& comm, const Tensor& x, int root, bool needs_grad) {
  const Tensor own = plain(x);
  const std::size_t bytes = bytes_of(own);
  return Call::start(comm, header_with(CallKind::broadcast, x, -1, root, needs_grad), false,
                     {[own, root, bytes](Call& call) {
                       call.result = Tensor::empty(own.shape(), own.dtype());
                       if (call.rank() != root) {
                         call.receive(root, memory(call.result), bytes);
                         return;
                       }
                       copy_bytes(memory(call.result), memory(own), bytes);
                       call.for_others([&](int other) { call.send(other, memory(call.result), bytes); });
                     }});
}

std::shared_ptr<Call> start_gather(const std::shared_ptr<Comm>& comm, const Tensor& x, CallKind kind, int root, int to,
                                   bool needs_grad) {
  const Tensor own = plain(x);
  return Call::start(comm, header_with(kind, x, -1, root, needs_grad), true, {[own, to](Call& call) {
                       const std::vector<std::size_t> offsets = offsets_of(rows_of(call), row_bytes_of(own));
                       const std::vector<std::int64_t> rows = rows_of(call);
                       const bool receives = to < 0 || to == call.rank();
                       const std::int64_t total =
                           receives ? std::accumulate(rows.begin(), rows.end(), std::int64_t{0}) : 0;
                       call.result = Tensor::empty(with_rows(own.shape(), total), own.dtype());
                       std::byte* y = memory(call.result);
                       if (receives) {
                         copy_bytes(y + offsets[at(call.rank())], memory(own), bytes_of(own));
                       }
                       call.for_others([&](int other) {
                         if (receives) {
                           call.receive(other, y + offsets[at(other)], offsets[at(other) + 1] - offsets[at(other)]);
                         }
                         if (to < 0 || to == other) {
                           call.send(other, memory(own), bytes_of(own));
                         }
                       });
                     }});
}

std::shared_ptr<Call> start_reduce_scatter(const std::shared_ptr<Comm>& comm, const Tensor& x, ReduceOp op,
                                           const std::vector<std::int64_t>& sizes, bool needs_grad) {
  const Tensor own = plain(x);
  const std::vector<std::size_t> offsets = offsets_of(sizes, row_bytes_of(own));
  return Call::start(comm, header_with(CallKind::reduce_scatter, x, static_cast<int>(op), -1, needs_grad), false,
                     {[own, offsets](Call& call) {
                        const std::size_t mine = offsets[at(call.rank()) + 1] - offsets[at(call.rank())];
                        call.space = Buffer(mine * at(call.size()));
                        call.for_others([&](int other) {
                          call.receive(other, call.space.data() + at(other) * mine, mine);
                          call.send(other, memory(own) + offsets[at(other)],
                                    offsets[at(other) + 1] - offsets[at(other)]);
                        });
                      },
                      [own, op, offsets, sizes](Call& call) {
                        const std::size_t begin = offsets[at(call.rank())];
                        call.result = Tensor::empty(with_rows(own.shape(), sizes[at(call.rank())]), own.dtype());
                        reduce_parts(call, own.dtype(), op, offsets[at(call.rank()) + 1] - begin, memory(own) + begin,
                                     memory(call.result));
                      }});
}

std::shared_ptr<Call> start_scatter(const std::shared_ptr<Comm>& comm, const Tensor& x,
                                    const std::vector<std::int64_t>& sizes, int root, bool needs_grad) {
  const Tensor own = plain(x);
  const std::vector<std::size_t> offsets = offsets_of(sizes, row_bytes_of(own));
  CallHeader header = header_with(CallKind::scatter, x, -1, root, needs_grad);
  header.sizes[0] = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
  return Call::start(
      comm, header, false, {[own, root, offsets, sizes](Call& call) {
        const auto length = [&](int rank) { return offsets[at(rank) + 1] - offsets[at(rank)]; };
        const std::size_t mine = length(call.rank());
        call.result = Tensor::empty(with_rows(own.shape(), sizes[at(call.rank())]), own.dtype());
        if (call.rank() != root) {
          call.receive(root, memory(call.result), mine);
          return;
        }
        copy_bytes(memory(call.result), memory(own) + offsets[at(root)], mine);
        call.for_others([&](int other) { call.send(other, memory(own) + offsets[at(other)], length(other)); });
      }});
}

std::shared_ptr<Call> start_barrier(const std::shared_ptr<Comm>& comm) {
  return Call::start(comm, CallHeader(), false, {[](Call& call) {
                       call.space = Buffer(at(call.size()));
                       call.for_others([&](int other) {
                         call.receive(other, call.space.data() + other, 1);
                         call.send(other, call.space.data() + call.rank(), 1);
                       });
                     }});
}

}  // namespace normgrad::detail
