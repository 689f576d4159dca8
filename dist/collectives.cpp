// The collectives as differentiable operations. The loss is the sum of all ranks' losses, so the gradient of a value
// that went to several ranks is the sum of their gradients.
#include <numeric>
#include <utility>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/dist/detail/exchange.hpp"
#include "normgrad/dist/process_group.hpp"

namespace normgrad {

using detail::CallKind;

namespace {

bool is_recorded(const Tensor& x) { return is_grad_enabled() && x.requires_grad(); }

void check_defined(CallKind kind, const Tensor& x) {
  require<ValueError>(x.defined(), detail::name_of(kind), ": expected a tensor but got an undefined one");
}

void check_reducible(CallKind kind, const Tensor& x, ReduceOp op) {
  check_defined(kind, x);
  require<DTypeError>(x.dtype() != kBool, detail::name_of(kind), ": expected a tensor of numbers but got bool");
  require<DTypeError>(op != ReduceOp::mean || is_floating_point(x.dtype()), detail::name_of(kind),
                      ": expected float32 or float64 for a mean but got ", x.dtype(), "; convert it with to(kFloat64)");
}

void check_rows(CallKind kind, const Tensor& x) {
  check_defined(kind, x);
  require<ShapeError>(x.dim() > 0, detail::name_of(kind),
                      ": expected at least 1 axis but got a scalar; use x.unsqueeze(0)");
}

std::vector<std::int64_t> checked_sizes(CallKind kind, const Tensor& x, std::vector<std::int64_t> sizes, int ranks,
                                        bool has_all_rows) {
  check_rows(kind, x);
  if (sizes.empty()) {
    require<ValueError>(x.size(0) % ranks == 0, detail::name_of(kind), ": expected a multiple of ", ranks,
                        " rows, the same number for each rank, but got ", x.shape(), "; or pass the sizes");
    return std::vector<std::int64_t>(static_cast<std::size_t>(ranks), x.size(0) / ranks);
  }
  require<ValueError>(sizes.size() == static_cast<std::size_t>(ranks), detail::name_of(kind), ": expected ", ranks,
                      " sizes, one for each rank, but got ", sizes.size());
  for (const std::int64_t size : sizes) {
    require<ValueError>(size >= 0, detail::name_of(kind), ": expected sizes >= 0 but got ", size);
  }
  const std::int64_t total = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
  require<ValueError>(x.size(0) == (has_all_rows ? total : 0), detail::name_of(kind), ": expected ",
                      has_all_rows ? total : 0, " rows but got ", x.shape());
  return sizes;
}

Tensor result_of(const std::shared_ptr<detail::Call>& call) {
  call->wait();
  return call->result;
}

// The share of each rank in the gradient of an extreme value: all ranks that have it share.
Tensor share_in(const ProcessGroup& group, const Tensor& x, const Tensor& extreme) {
  const NoGradGuard no_grad;
  const Tensor has_it = eq(x.detach(), extreme).to(x.dtype());
  return has_it / group.all_reduce(has_it);
}

}  // namespace

Tensor ProcessGroup::all_reduce(const Tensor& x, ReduceOp op) const {
  check_reducible(CallKind::all_reduce, x, op);
  const bool recorded = is_recorded(x);
  Tensor y = result_of(detail::start_all_reduce(comm_, x, op, recorded));
  if (op == ReduceOp::sum || op == ReduceOp::mean) {
    return record("all_reduce", std::move(y), {x},
                  [group = *this, op](const Tensor& gy, GradSink& into) { into.add(0, group.all_reduce(gy, op)); });
  }
  const Tensor share = recorded ? share_in(*this, x, y) : Tensor();
  return record("all_reduce", std::move(y), {x}, [group = *this, share](const Tensor& gy, GradSink& into) {
    into.add(0, group.all_reduce(gy) * share);
  });
}

Tensor ProcessGroup::reduce(const Tensor& x, int root) const {
  check_reducible(CallKind::reduce, x, ReduceOp::sum);
  detail::check_root(CallKind::reduce, root, size());
  return record("reduce", result_of(detail::start_reduce(comm_, x, root, is_recorded(x))), {x},
                [group = *this, root](const Tensor& gy, GradSink& into) { into.add(0, group.broadcast(gy, root)); });
}

Tensor ProcessGroup::broadcast(const Tensor& x, int root) const {
  check_defined(CallKind::broadcast, x);
  detail::check_root(CallKind::broadcast, root, size());
  return record("broadcast", result_of(detail::start_broadcast(comm_, x, root, is_recorded(x))), {x},
                [group = *this, root](const Tensor& gy, GradSink& into) { into.add(0, group.reduce(gy, root)); });
}

Tensor ProcessGroup::all_gather(const Tensor& x) const {
  check_rows(CallKind::all_gather, x);
  const auto call = detail::start_gather(comm_, x, CallKind::all_gather, -1, -1, is_recorded(x));
  call->wait();
  return record("all_gather", call->result, {x},
                [group = *this, sizes = detail::rows_of(*call)](const Tensor& gy, GradSink& into) {
                  into.add(0, group.reduce_scatter(gy, ReduceOp::sum, sizes));
                });
}

Tensor ProcessGroup::gather(const Tensor& x, int root) const {
  check_rows(CallKind::gather, x);
  detail::check_root(CallKind::gather, root, size());
  const auto call = detail::start_gather(comm_, x, CallKind::gather, root, root, is_recorded(x));
  call->wait();
  return record("gather", call->result, {x},
                [group = *this, root, sizes = detail::rows_of(*call)](const Tensor& gy, GradSink& into) {
                  into.add(0, group.scatter(gy, sizes, root));
                });
}

Tensor ProcessGroup::reduce_scatter(const Tensor& x, ReduceOp op, std::vector<std::int64_t> sizes) const {
  check_reducible(CallKind::reduce_scatter, x, op);
  sizes = checked_sizes(CallKind::reduce_scatter, x, std::move(sizes), size(), true);
  const bool recorded = is_recorded(x);
  Tensor y = result_of(detail::start_reduce_scatter(comm_, x, op, sizes, recorded));
  const bool extreme = op == ReduceOp::min || op == ReduceOp::max;
  const Tensor share = recorded && extreme ? share_in(*this, x, all_gather(y)) : Tensor();
  return record("reduce_scatter", std::move(y), {x}, [group = *this, op, share](const Tensor& gy, GradSink& into) {
    Tensor all = group.all_gather(gy);
    if (op == ReduceOp::mean) {
      all = all / static_cast<double>(group.size());
    }
    into.add(0, share.defined() ? all * share : all);
  });
}

Tensor ProcessGroup::scatter(const Tensor& x, const std::vector<std::int64_t>& sizes, int root) const {
  check_rows(CallKind::scatter, x);
  detail::check_root(CallKind::scatter, root, size());
  require<ValueError>(!sizes.empty(), "scatter: expected ", size(), " sizes, one for each rank, but got 0");
  checked_sizes(CallKind::scatter, x, sizes, size(), rank() == root);
  return record("scatter", result_of(detail::start_scatter(comm_, x, sizes, root, is_recorded(x))), {x},
                [group = *this, root](const Tensor& gy, GradSink& into) { into.add(0, group.gather(gy, root)); });
}

Work ProcessGroup::all_reduce_async(const Tensor& x, ReduceOp op) const {
  check_reducible(CallKind::all_reduce, x, op);
  return Work(detail::start_all_reduce(comm_, x, op, false));
}

Work ProcessGroup::broadcast_async(const Tensor& x, int root) const {
  check_defined(CallKind::broadcast, x);
  detail::check_root(CallKind::broadcast, root, size());
  return Work(detail::start_broadcast(comm_, x, root, false));
}

Work ProcessGroup::all_gather_async(const Tensor& x) const {
  check_rows(CallKind::all_gather, x);
  return Work(detail::start_gather(comm_, x, CallKind::all_gather, -1, -1, false));
}

Work ProcessGroup::gather_async(const Tensor& x, int root) const {
  check_rows(CallKind::gather, x);
  detail::check_root(CallKind::gather, root, size());
  return Work(detail::start_gather(comm_, x, CallKind::gather, root, root, false));
}

Work ProcessGroup::reduce_scatter_async(const Tensor& x, ReduceOp op, std::vector<std::int64_t> sizes) const {
  check_reducible(CallKind::reduce_scatter, x, op);
  sizes = checked_sizes(CallKind::reduce_scatter, x, std::move(sizes), size(), true);
  return Work(detail::start_reduce_scatter(comm_, x, op, sizes, false));
}

}  // namespace normgrad
