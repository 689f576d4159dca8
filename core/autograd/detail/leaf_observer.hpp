// Observers of the gradients of leaves, which may use them while the backward still runs.
#pragma once

#include <functional>
#include <vector>

#include "normgrad/core/autograd/node.hpp"

namespace normgrad::detail {

/// While it exists, every backward() on the thread that constructed it tells it about its leaves: as soon as all
/// operations that use such a leaf have passed on their gradients. (Other leaves are completed at the end.) Values do
/// not depend on observers. grad(), which accumulates nothing, tells nothing.
class LeafObserver {
 public:
  LeafObserver();
  LeafObserver(const LeafObserver&) = delete;
  LeafObserver& operator=(const LeafObserver&) = delete;

  /// The leaves it observes. Called at the start of a backward.
  virtual std::vector<const Node*> observed_leaves() const = 0;
  /// Called before the first gradient. `reached` returns whether the graph contains an observed leaf.
  virtual void begin(const std::function<bool(const Node* leaf)>& reached, bool create_graph) = 0;
  /// Called when the gradient of an observed leaf has been accumulated into its grad.
  virtual void accumulated(const Node& leaf) = 0;
  /// Called after the last gradient; not if an error ended the backward.
  virtual void finish() = 0;

 protected:
  virtual ~LeafObserver();
};

/// The observers of this thread.
const std::vector<LeafObserver*>& leaf_observers() noexcept;

}  // namespace normgrad::detail
