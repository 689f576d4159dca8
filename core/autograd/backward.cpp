#include "normgrad/core/autograd/backward.hpp"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "normgrad/core/autograd/anomaly.hpp"
#include "normgrad/core/autograd/anomaly_check.hpp"
#include "normgrad/core/autograd/detail/gradients_at.hpp"
#include "normgrad/core/autograd/detail/leaf_observer.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/autograd/node.hpp"
#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/kernels/elementwise/accumulate.hpp"

namespace normgrad {

namespace {

void add_in_place(const Tensor& x, Tensor& y) {
  dispatch_float("backward", y.dtype(), [&](auto zero) {
    using T = decltype(zero);
    if (x.buffer().channels_last() == y.buffer().channels_last() && y.is_physically_writable()) {
      kernels::accumulate(x.physical_data<T>(), y.mutable_physical_data<T>(), y.numel());
    } else {
      kernels::accumulate(x.data<T>(), y.mutable_data<T>(), y.numel());
    }
  });
}

Tensor copy_in_format(const Tensor& x) {
  Tensor y =
      x.is_channels_last() ? Tensor::empty_channels_last(x.shape(), x.dtype()) : Tensor::empty(x.shape(), x.dtype());
  std::copy_n(x.buffer().data(), static_cast<std::size_t>(x.numel()) * dtype_size(x.dtype()), y.buffer().data());
  return y;
}

// A stored gradient must not share memory with another tensor: the next backward adds to it in place.
Tensor clone_of(const Tensor& x) {
  return record("clone", copy_in_format(x), {x}, [](const Tensor& gy, GradSink& into) { into.add(0, gy); });
}

// a + b, recorded when the backward itself is recorded.
Tensor sum_of(const Tensor& a, const Tensor& b) {
  Tensor y = copy_in_format(a);
  add_in_place(b, y);
  return record("accumulate", std::move(y), {a, b}, [](const Tensor& gy, GradSink& into) {
    into.add(0, gy);
    into.add(1, gy);
  });
}

Tensor accumulated(Tensor sum, Tensor gradient, bool create_graph) {
  if (create_graph) {
    return sum_of(sum, gradient);
  }
  if (sum.is_sole_owner()) {
    add_in_place(gradient, sum);
    return sum;
  }
  if (gradient.is_sole_owner()) {
    add_in_place(sum, gradient);
    return gradient;
  }
  return sum_of(sum, gradient);
}

class RunningNode {
 public:
  explicit RunningNode(Node* node) noexcept : before_(detail::exchange_current_node(node)) {}
  RunningNode(const RunningNode&) = delete;
  RunningNode& operator=(const RunningNode&) = delete;
  ~RunningNode() { detail::exchange_current_node(before_); }

 private:
  Node* before_;
};

// One pass over the graph. Nodes are visited in decreasing order of sequence, so all consumers of a node precede it.
class Run {
 public:
  Run(bool retain_graph, bool create_graph) : retain_(retain_graph || create_graph), create_(create_graph) {}

  // Stores the gradients of the targets in `results`, and follows only the paths that lead to them; if `ends` none
  // through them.
  void restrict_to(const std::vector<NodePtr>& roots, const std::vector<NodePtr>& targets, bool ends = false) {
    for (const NodePtr& target : targets) {
      results.emplace(target.get(), Tensor());
    }
    restricted_ = true;
    ends_ = ends;
    mark_needed(roots);
  }

  void deliver(const NodePtr& node, Tensor gradient) {
    if (!needs(node.get())) {
      return;
    }
    if (const auto found = pending_.find(node.get()); found != pending_.end()) {
      found->second = accumulated(std::move(found->second), std::move(gradient), create_);
      return;
    }
    if (spare_) {
      spare_.key() = node.get();
      spare_.mapped() = std::move(gradient);
      pending_.insert(std::move(spare_));
    } else {
      pending_.emplace(node.get(), std::move(gradient));
    }
    heap_.push_back(node);
    std::push_heap(heap_.begin(), heap_.end(), before);
  }

  void run() {
    const GradModeGuard mode(create_);
    if (!restricted_ && !detail::leaf_observers().empty()) [[unlikely]] {
      begin_observation();
    }
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), before);
      const NodePtr node = std::move(heap_.back());
      heap_.pop_back();
      visit_pending(node.get());
    }
    for (detail::LeafObserver* observer : observers_) {
      observer->finish();
    }
  }

  bool needs(const Node* node) const { return node != nullptr && (!restricted_ || needed_.contains(node)); }

  std::unordered_map<const Node*, Tensor> results;

 private:
  class Sink final : public GradSink {
   public:
    Sink(Run& run, Node& node) : run_(run), node_(node) {}
    bool wants(std::size_t i) const override { return i < node_.inputs.size() && run_.needs(node_.inputs[i].get()); }
    void add(std::size_t i, Tensor gradient) override;

   private:
    Run& run_;
    Node& node_;
  };

  static bool before(const NodePtr& a, const NodePtr& b) { return a->sequence() < b->sequence(); }

  void visit_pending(Node* node) {
    const auto found = pending_.find(node);
    if (found == pending_.end()) {
      return;  // an observed leaf, completed earlier
    }
    Tensor gradient = std::move(found->second);
    spare_ = pending_.extract(found);
    visit(*node, std::move(gradient));
  }

  // Counts the uses of observed leaves in the graph.
  void begin_observation() {
    observers_ = detail::leaf_observers();
    for (const detail::LeafObserver* observer : observers_) {
      for (const Node* leaf : observer->observed_leaves()) {
        uses_.emplace(leaf, 0);
      }
    }
    std::unordered_set<const Node*> seen;
    std::vector<const Node*> open;
    for (const NodePtr& root : heap_) {
      if (seen.insert(root.get()).second) {
        open.push_back(root.get());
      }
    }
    while (!open.empty()) {
      const Node& node = *open.back();
      open.pop_back();
      for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        const Node* input = node.inputs[i].get();
        if (const auto leaf = uses_.find(input); leaf != uses_.end()) {
          ++leaf->second;
        }
        if (input != nullptr && seen.insert(input).second) {
          open.push_back(input);
        }
      }
    }
    const auto reached = [&](const Node* leaf) { return seen.contains(leaf); };
    for (detail::LeafObserver* observer : observers_) {
      observer->begin(reached, create_);
    }
  }

  // Completes the observed leaves that no other node uses.
  void count_uses_by(const Node& node) {
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const auto leaf = uses_.find(node.inputs[i].get());
      if (leaf != uses_.end() && --leaf->second == 0) {
        visit_pending(node.inputs[i].get());
      }
    }
  }

  void visit(Node& node, Tensor gradient) {
    if (is_end(node)) {
      results[&node] = std::move(gradient);
      return;
    }
    apply_hooks(node, gradient);
    if (checks_) {
      detail::check_whole_gradient(node, gradient);
    }
    const bool is_result = restricted_ && results.contains(&node);
    if (is_result) {
      results[&node] = gradient;
    }
    if (!restricted_ && node.keeps_grad()) {
      keep(node, gradient);
      if (uses_.contains(&node)) [[unlikely]] {
        for (detail::LeafObserver* observer : observers_) {
          observer->accumulated(node);
        }
      }
    }
    if (node.is_leaf() || !leads_on(node)) {
      return;
    }
    require<GraphError>(!node.released(), "backward: the graph of '", node.name(),
                        "' was freed by an earlier backward; pass {.retain_graph = true} to that one, or detach() "
                        "a state that is carried from one step to the next");
    {
      const RunningNode running(&node);
      Sink sink(*this, node);
      node.backward(gradient, sink);
    }
    if (!uses_.empty()) [[unlikely]] {
      count_uses_by(node);
    }
    if (!retain_) {
      node.release();
    }
  }

  bool is_end(const Node& node) const { return ends_ && results.contains(&node); }

  // A target with no further targets behind it ends the traversal: its own graph is neither used nor freed.
  bool leads_on(const Node& node) const {
    if (!restricted_) {
      return true;
    }
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (needs(node.inputs[i].get())) {
        return true;
      }
    }
    return false;
  }

  static void apply_hooks(const Node& node, Tensor& gradient) {
    if (!node.hooks) {
      return;
    }
    // A hook may add and remove hooks, including itself.
    const std::shared_ptr<GradHooks> hooks = node.hooks;
    std::vector<std::uint64_t> ids;
    for (const auto& [id, hook] : *hooks) {
      ids.push_back(id);
    }
    for (const std::uint64_t id : ids) {
      const auto found =
          std::find_if(hooks->begin(), hooks->end(), [id](const auto& entry) { return entry.first == id; });
      if (found == hooks->end()) {
        continue;
      }
      const GradHook hook = found->second;
      const std::uint64_t version = gradient.version();
      Tensor replaced = hook(gradient);
      require<GraphError>(gradient.version() == version, "hook on the gradient of '", node.name(),
                          "': the gradient was changed in place; return a new tensor instead");
      if (!replaced.defined()) {
        continue;
      }
      require<GraphError>(replaced.shape() == node.shape() && replaced.dtype() == node.dtype(),
                          "hook on the gradient of '", node.name(), "': expected ", node.dtype(), " ", node.shape(),
                          " but got ", replaced.dtype(), " ", replaced.shape());
      gradient = std::move(replaced);
    }
  }

  void keep(Node& node, Tensor& gradient) const {
    const bool passes_on = !node.is_leaf();
    if (!node.grad.defined()) {
      node.grad = gradient.is_sole_owner() && !passes_on ? gradient : clone_of(gradient);
    } else if (create_ || node.grad.requires_grad()) {
      node.grad = sum_of(node.grad, gradient);
    } else {
      add_in_place(gradient, node.grad);
    }
  }

  void mark_needed(const std::vector<NodePtr>& roots) {
    std::unordered_set<const Node*> seen;
    std::vector<Node*> order;
    for (const NodePtr& root : roots) {
      if (seen.insert(root.get()).second) {
        order.push_back(root.get());
      }
    }
    for (std::size_t at = 0; at < order.size(); ++at) {
      const Node& node = *order[at];
      for (std::size_t i = 0; i < node.inputs.size() && !is_end(node); ++i) {
        Node* input = node.inputs[i].get();
        if (input != nullptr && seen.insert(input).second) {
          order.push_back(input);
        }
      }
    }
    std::sort(order.begin(), order.end(), [](const Node* a, const Node* b) { return a->sequence() < b->sequence(); });
    for (const Node* node : order) {
      bool needed = results.contains(node);
      for (std::size_t i = 0; i < node->inputs.size(); ++i) {
        const Node* input = node->inputs[i].get();
        needed = needed || (input != nullptr && needed_.contains(input));
      }
      if (needed) {
        needed_.insert(node);
      }
    }
  }

  bool retain_;
  bool create_;
  bool checks_ = is_anomaly_enabled();
  bool restricted_ = false;
  bool ends_ = false;
  std::unordered_map<const Node*, Tensor> pending_;
  std::unordered_map<const Node*, Tensor>::node_type spare_;  // the memory of an entry for the next one
  std::unordered_set<const Node*> needed_;
  std::vector<NodePtr> heap_;
  std::vector<detail::LeafObserver*> observers_;
  std::unordered_map<const Node*, std::size_t> uses_;  // of observed leaves, by nodes that are still to be visited
};

void Run::Sink::add(std::size_t i, Tensor gradient) {
  require<GraphError>(i < node_.inputs.size(), "backward of '", node_.name(), "': expected gradients for ",
                      node_.inputs.size(), " inputs but got one for input ", i);
  const NodePtr& input = node_.inputs[i];
  if (!run_.needs(input.get())) {
    return;
  }
  require<GraphError>(gradient.defined(), "backward of '", node_.name(), "': expected a gradient for input ", i,
                      " but got an undefined tensor");
  require<GraphError>(gradient.shape() == input->shape() && gradient.dtype() == input->dtype(), "backward of '",
                      node_.name(), "': expected a gradient of ", input->dtype(), " ", input->shape(), " for input ", i,
                      " but got ", gradient.dtype(), " ", gradient.shape());
  if (run_.checks_) {
    detail::check_input_gradient(node_, i, gradient);
  }
  run_.deliver(input, std::move(gradient));
}

std::vector<Tensor> checked_grad_outputs(const char* where, const std::vector<Tensor>& outputs,
                                         const std::vector<Tensor>& grad_outputs) {
  require<ValueError>(!outputs.empty(), where, ": expected at least one output but got none");
  require<ValueError>(grad_outputs.empty() || grad_outputs.size() == outputs.size(), where, ": expected ",
                      outputs.size(), " grad_outputs, one for each output, but got ", grad_outputs.size());
  std::vector<Tensor> checked;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Tensor& y = outputs[i];
    require<GraphError>(y.defined() && y.requires_grad(), where, ": output ", i,
                        " requires no gradient: it does not depend on a tensor that does, or was computed under "
                        "NoGradGuard; call requires_grad_() on the tensors to differentiate before they are used");
    Tensor gy = grad_outputs.empty() ? Tensor() : grad_outputs[i];
    if (!gy.defined()) {
      require<GraphError>(y.numel() == 1, where,
                          ": a gradient can be left out only for outputs of one element, but "
                          "output ",
                          i, " has shape ", y.shape(),
                          "; reduce it first, as in loss.mean().backward(), or pass a gradient");
      gy = Tensor::empty(y.shape(), y.dtype());
      gy.fill_(1.0);
    }
    require<GraphError>(gy.shape() == y.shape() && gy.dtype() == y.dtype(), where, ": expected a gradient of ",
                        y.dtype(), " ", y.shape(), " for output ", i, " but got ", gy.dtype(), " ", gy.shape());
    checked.push_back(std::move(gy));
  }
  return checked;
}

}  // namespace

std::vector<Tensor> detail::gradients_at(const Tensor& y, const Tensor& gy, const std::vector<NodePtr>& nodes) {
  Run run(false, is_grad_enabled());
  run.restrict_to({y.node()}, nodes, true);
  run.deliver(y.node(), gy);
  run.run();
  std::vector<Tensor> found;
  for (const NodePtr& node : nodes) {
    found.push_back(std::move(run.results[node.get()]));
  }
  return found;
}

void backward(const std::vector<Tensor>& outputs, const std::vector<Tensor>& grad_outputs, BackwardOptions options) {
  std::vector<Tensor> gradients = checked_grad_outputs("backward", outputs, grad_outputs);
  Run run(options.retain_graph, options.create_graph);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    run.deliver(outputs[i].node(), std::move(gradients[i]));
  }
  run.run();
}

TensorList grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                const std::vector<Tensor>& grad_outputs, GradOptions options) {
  std::vector<Tensor> gradients = checked_grad_outputs("grad", outputs, grad_outputs);
  std::vector<NodePtr> roots;
  std::vector<NodePtr> targets;
  for (const Tensor& output : outputs) {
    roots.push_back(output.node());
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    require<GraphError>(inputs[i].defined() && inputs[i].requires_grad(), "grad: input ", i,
                        " requires no gradient; call requires_grad_() on it before it is used");
    targets.push_back(inputs[i].node());
  }
  Run run(options.retain_graph, options.create_graph);
  run.restrict_to(roots, targets);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    run.deliver(roots[i], std::move(gradients[i]));
  }
  run.run();
  std::vector<Tensor> found;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Tensor& gradient = run.results[targets[i].get()];
    require<GraphError>(gradient.defined() || options.allow_unused, "grad: no output depends on input ", i,
                        "; pass {.allow_unused = true} to get an undefined gradient for it");
    found.push_back(gradient);
  }
  return found;
}

}  // namespace normgrad
