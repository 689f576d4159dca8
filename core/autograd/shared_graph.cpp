#include "normgrad/core/autograd/detail/shared_graph.hpp"

#include <algorithm>
#include <mutex>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/base/detail/fork.hpp"

namespace normgrad {

namespace {

detail::ForkSafeMutex& graph_mutex() {
  static auto* mutex =
      new detail::ForkSafeMutex(detail::ForkSafeMutex::Rank::graph);  // NOLINT(cppcoreguidelines-owning-memory)
  return *mutex;
}
const detail::BeforeMain graph_mutex_exists([] { graph_mutex(); });

// The elements from `first` on of x as a tensor of the given shape, and its adjoint.
Tensor take_elements(const Tensor& x, std::int64_t first, const Shape& shape);

Tensor put_elements(const Tensor& x, std::int64_t first, const Shape& whole) {
  Tensor y = Tensor::empty(whole, x.dtype());
  dispatch_float("part", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* to = y.mutable_data<T>();
    std::fill_n(to, first, T{});
    std::copy_n(x.data<T>(), x.numel(), to + first);
    std::fill(to + first + x.numel(), to + y.numel(), T{});
  });
  return record("part", std::move(y), {x}, [first, shape = x.shape()](const Tensor& gy, GradSink& into) {
    into.add(0, take_elements(gy, first, shape));
  });
}

Tensor take_elements(const Tensor& x, std::int64_t first, const Shape& shape) {
  Tensor y = Tensor::empty(shape, x.dtype());
  dispatch_float("part", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    std::copy_n(x.data<T>() + first, y.numel(), y.mutable_data<T>());
  });
  return record("part", std::move(y), {x}, [first, whole = x.shape()](const Tensor& gy, GradSink& into) {
    into.add(0, put_elements(gy, first, whole));
  });
}

// x with zeros for `count` elements from `first` on: its own adjoint.
Tensor cut_elements(const Tensor& x, std::int64_t first, std::int64_t count) {
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  dispatch_float("part", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* from = x.data<T>();
    T* to = y.mutable_data<T>();
    std::copy_n(from, first, to);
    std::fill_n(to + first, count, T{});
    std::copy(from + first + count, from + x.numel(), to + first + count);
  });
  return record("part", std::move(y), {x},
                [first, count](const Tensor& gy, GradSink& into) { into.add(0, cut_elements(gy, first, count)); });
}

template <class F>
NodePtr node_of(const char* name, const Shape& shape, DType dtype, std::initializer_list<NodePtr> inputs, F backward) {
  NodePtr node(new detail::OpNode<F>(name, shape, dtype, std::move(backward)));
  for (const NodePtr& input : inputs) {
    node->inputs.push_back(input);
  }
  if (detail::is_watched()) [[unlikely]] {
    detail::note_origin(*node);
  }
  return node;
}

// The node of a part of the elements of `whole`. It saves nothing, so there is nothing to free.
class PartNode final : public Node {
 public:
  PartNode(const detail::SharedGraph& whole, std::int64_t first, const Shape& shape)
      : Node("part", shape, whole.dtype, whole.part_sequence), first_(first), whole_(whole.shape) {
    inputs.push_back(whole.node);
  }
  void backward(const Tensor& gy, GradSink& into) override { into.add(0, put_elements(gy, first_, whole_)); }
  void release() noexcept override {}
  bool released() const noexcept override { return false; }

 private:
  std::int64_t first_;
  Shape whole_;
};

// The node of the elements of `whole` after `node` has written a part of them.
NodePtr written_node(const detail::SharedGraph& whole, const NodePtr& node, std::int64_t first, const Shape& shape) {
  return node_of("copy_slices", whole.shape, whole.dtype, {whole.node, node},
                 [first, shape](const Tensor& gy, GradSink& into) {
                   if (into.wants(1)) into.add(1, take_elements(gy, first, shape));
                   if (into.wants(0)) into.add(0, cut_elements(gy, first, shape.numel()));
                 });
}

// retain_grad() asks for the gradient of the tensor's value at the time of the backward.
void move_retained(const NodePtr& from, const NodePtr& to) {
  if (from && to && !from->is_leaf() && from->retains_grad) {
    from->retains_grad = false;
    to->retains_grad = true;
  }
}

}  // namespace

void detail::refresh_node(TensorImpl& impl) noexcept {
  const std::lock_guard lock(graph_mutex());
  const SharedGraph& graph = *impl.graph.load(std::memory_order_acquire);
  if (impl.seen.load(std::memory_order_relaxed) == graph.changes) {
    return;  // another thread was faster
  }
  NodePtr next = impl.first < 0 || !graph.node ? graph.node : NodePtr(new PartNode(graph, impl.first, impl.shape));
  if (impl.first >= 0) {
    move_retained(impl.node, next);
  }
  impl.node = std::move(next);
  impl.seen.store(graph.changes, std::memory_order_release);
}

void detail::leave_graph(TensorImpl& impl) noexcept {
  SharedGraph* graph = impl.graph.load(std::memory_order_acquire);
  if (graph == nullptr) [[likely]] {
    return;
  }
  impl.graph.store(nullptr, std::memory_order_relaxed);
  impl.first = -1;
  if (graph->drop_reference()) {
    SharedGraph::destroy(graph);
  }
}

void Tensor::set_part_of(const Tensor& x, std::int64_t first) {
  if (!is_floating_point(dtype())) {
    return;  // never requires gradients
  }
  TensorImpl& whole = x.impl();
  detail::SharedGraph* graph = whole.graph.load(std::memory_order_acquire);
  if (graph == nullptr) {
    auto* made = new detail::SharedGraph(whole.node, whole.shape, whole.dtype);
    made->add_reference();
    if (whole.graph.compare_exchange_strong(graph, made, std::memory_order_acq_rel, std::memory_order_acquire)) {
      graph = made;
    } else {
      detail::SharedGraph::destroy(made);
    }
  }
  graph->add_reference();
  impl().graph.store(graph, std::memory_order_release);
  impl().seen.store(graph->changes, std::memory_order_relaxed);
  impl().first = std::max<std::int64_t>(whole.first, 0) + first;
}

bool Tensor::is_recorded_part() const noexcept { return defined() && impl_->first >= 0; }

bool Tensor::is_part_of_leaf() const noexcept {
  if (!is_recorded_part()) {
    return false;
  }
  const NodePtr& whole = impl_->graph.load(std::memory_order_acquire)->node;
  return whole && whole->is_leaf();
}

void Tensor::set_written(NodePtr node) {
  detail::SharedGraph* graph = impl().graph.load(std::memory_order_acquire);
  if (graph == nullptr) {
    move_retained(impl().node, node);
    impl().node = std::move(node);
    return;
  }
  const NodePtr before = impl().node;
  NodePtr whole = impl().first < 0 ? node : written_node(*graph, node, impl().first, shape());
  move_retained(graph->node, whole);
  graph->node = std::move(whole);
  ++graph->changes;
  graph->part_sequence = detail::next_sequence();
  if (before && before->retains_grad) {
    move_retained(before, this->node());
  }
}

Tensor Tensor::snapshot() const {
  IntrusivePtr<TensorImpl> copy(new TensorImpl);
  copy->shape = shape();
  copy->dtype = dtype();
  copy->part = impl().part;
  copy->buffer = impl().buffer;
  copy->node = node();
  return Tensor(std::move(copy));
}

}  // namespace normgrad
