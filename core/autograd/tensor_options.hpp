// Options and hooks of tensors.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "normgrad/core/base/dtype.hpp"

namespace normgrad {

class Tensor;

/// Options of a new tensor.
struct TensorOptions {
  DType dtype = kFloat32;      ///< of the elements
  bool requires_grad = false;  ///< record operations on it
};

/// Options of Tensor::backward().
struct BackwardOptions {
  /// Keep the graph for another backward. Otherwise the graph is freed during the backward.
  bool retain_graph = false;
  /// Record the backward itself, so that the gradients can be differentiated; also keeps the graph. The `grad()` of a
  /// leaf then references a graph that references the leaf; set_grad({}) breaks this cycle. Gradients from grad() have
  /// no such cycle.
  bool create_graph = false;
};

/// Called with a gradient during a backward. Returns its replacement, or an undefined Tensor to keep it. Must not
/// change the gradient in place, because other tensors may share it (GraphError). A hook added while hooks of the same
/// tensor run takes effect from its next gradient on; a hook removed meanwhile is not called.
using GradHook = std::function<Tensor(const Tensor& grad)>;
/// Hooks with their ids, in calling order.
using GradHooks = std::vector<std::pair<std::uint64_t, GradHook>>;

/// Removes a hook. Does nothing once the tensor's graph is gone.
class HookHandle {
 public:
  HookHandle() = default;
  /// Created by register_hook().
  HookHandle(std::weak_ptr<GradHooks> hooks, std::uint64_t id);
  void remove();  ///< removes the hook; does nothing the second time

 private:
  std::weak_ptr<GradHooks> hooks_;  // does not keep the graph alive
  std::uint64_t id_ = 0;
};

}  // namespace normgrad
