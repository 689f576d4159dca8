#include "normgrad/core/autograd/checkpoint.hpp"

#include <algorithm>
#include <optional>
#include <unordered_set>
#include <utility>

#include "normgrad/core/autograd/detail/gradients_at.hpp"
#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad {

namespace {

using CheckpointFunction = std::function<Tensor(const std::vector<Tensor>&)>;

thread_local int recomputing = 0;

// Around the second call of a function: its mode and random numbers, and afterwards those of the backward again.
class Recomputation {
 public:
  explicit Recomputation(const std::optional<Generator>& generator) : node_(detail::exchange_current_node(nullptr)) {
    if (generator) {
      before_ = std::exchange(default_generator(), *generator);
    }
    ++recomputing;
  }
  Recomputation(const Recomputation&) = delete;
  Recomputation& operator=(const Recomputation&) = delete;
  ~Recomputation() {
    --recomputing;
    if (before_) {
      default_generator() = *before_;
    }
    detail::exchange_current_node(node_);
  }

 private:
  GradModeGuard recorded_{true};
  Node* node_;
  std::optional<Generator> before_;
};

// The nodes outside of a function that its result depends on: those that are not newer than `start`.
std::vector<NodePtr> nodes_before(const NodePtr& result, std::uint64_t start) {
  std::vector<NodePtr> outside;
  std::vector<const Node*> open{result.get()};
  std::unordered_set<const Node*> seen{result.get()};
  while (!open.empty()) {
    const Node& node = *open.back();
    open.pop_back();
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const NodePtr& input = node.inputs[i];
      if (!input || !seen.insert(input.get()).second) {
        continue;
      }
      if (input->sequence() <= start) {
        outside.push_back(input);
      } else {
        open.push_back(input.get());
      }
    }
  }
  return outside;
}

class CheckpointBackward {
 public:
  CheckpointBackward(CheckpointFunction function, std::vector<Saved> inputs, std::optional<Generator> generator,
                     const Tensor& y)
      : function_(std::move(function)),
        inputs_(std::move(inputs)),
        generator_(generator),
        shape_(y.shape()),
        dtype_(y.dtype()) {}

  void operator()(const Tensor& gy, GradSink& into) const {
    const NodeInputs& all = detail::current_node()->inputs;
    std::vector<NodePtr> nodes;
    std::vector<std::size_t> positions;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (into.wants(i)) {
        nodes.push_back(all[i]);
        positions.push_back(i);
      }
    }
    const std::vector<Tensor> gradients = detail::gradients_at(recomputed(), gy, nodes);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (gradients[i].defined()) {
        into.add(positions[i], gradients[i]);
      }
    }
  }

 private:
  Tensor recomputed() const {
    std::vector<Tensor> inputs;
    for (const Saved& input : inputs_) {
      inputs.push_back(input.get());
    }
    const Recomputation again(generator_);
    Tensor y = function_(inputs);
    require<GraphError>(y.defined() && y.shape() == shape_ && y.dtype() == dtype_ && y.requires_grad(),
                        "checkpoint: expected ", dtype_, " ", shape_,
                        " that requires gradients, as in the forward, when the function was called again but got ",
                        y.defined() ? detail::concat(y.dtype(), " ", y.shape()) : "an undefined tensor",
                        y.requires_grad() ? "" : " that requires none", "; it must compute the same each time");
    return y;
  }

  CheckpointFunction function_;
  std::vector<Saved> inputs_;
  std::optional<Generator> generator_;
  Shape shape_;
  DType dtype_;
};

}  // namespace

bool detail::is_recomputing() noexcept { return recomputing > 0; }

Tensor checkpoint(const CheckpointFunction& function, const std::vector<Tensor>& inputs, RecomputeOptions options) {
  require<ValueError>(static_cast<bool>(function), "checkpoint: expected a function but got none");
  if (!is_grad_enabled()) {
    return function(inputs);
  }
  std::optional<Generator> generator = options.preserve_rng_state ? std::optional(default_generator()) : std::nullopt;
  const std::uint64_t start = detail::next_sequence();
  std::vector<Saved> saved(inputs.begin(), inputs.end());
  std::vector<std::uint64_t> versions;
  for (const Tensor& input : inputs) {
    versions.push_back(input.version());
  }
  Tensor y = function(inputs);
  require<ValueError>(y.defined(), "checkpoint: expected the function to return a tensor but got an undefined one");
  if (!y.requires_grad()) {
    return y;
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    require<GraphError>(inputs[i].version() == versions[i], "checkpoint: the function changed input ", i,
                        " in place, so it cannot be called again; change a clone() of it");
  }
  const auto is_view_of = [&](const Tensor& input) { return y.buffer().shares_block(input.buffer()); };
  if (y.node()->sequence() <= start || std::any_of(inputs.begin(), inputs.end(), is_view_of)) {
    return y;
  }
  // A function that draws nothing leaves the generator alone in the backward, where other threads may use it.
  if (generator && generator->seed() == default_generator().seed() &&
      generator->position() == default_generator().position()) {
    generator.reset();
  }
  using Operation = detail::OpNode<CheckpointBackward>;
  NodePtr node(
      new Operation("checkpoint", y.shape(), y.dtype(), CheckpointBackward(function, std::move(saved), generator, y)));
  for (NodePtr& outside : nodes_before(y.node(), start)) {
    node->inputs.push_back(std::move(outside));
  }
  if (detail::is_watched()) [[unlikely]] {
    detail::note_origin(*node);
  }
  Tensor result = y.snapshot();
  result.set_node(std::move(node));
  return result;
}

}  // namespace normgrad
