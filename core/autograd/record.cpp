#include "normgrad/core/autograd/record.hpp"

#include "normgrad/core/autograd/anomaly.hpp"

namespace normgrad {

// A change in place may make a tensor depend on this operation. The operation must not own that tensor then: the graph
// would contain a cycle. Only leaves that require gradients are never recorded as changed, nor other dtypes.
Saved::Saved(const Tensor& tensor, bool needed) {
  if (needed && tensor.defined()) {
    const bool is_lasting = !is_floating_point(tensor.dtype()) || (tensor.requires_grad() && tensor.is_leaf());
    tensor_ = is_lasting ? tensor : tensor.snapshot();
    version_ = tensor_.version();
  }
}

const Tensor& Saved::get() const {
  if (tensor_.defined() && tensor_.version() != version_) {
    const Node* node = detail::current_node();
    fail<GraphError>("backward of '", node == nullptr ? "?" : node->name(), "': a tensor of shape ", tensor_.shape(),
                     " that it needs was changed in place after the forward; clone() it before changing it");
  }
  return tensor_;
}

void detail::note_origin(Node& node) {
  if (!is_anomaly_enabled()) {
    return;
  }
  const Node* running = current_node();
  if (running != nullptr && running->origin) {
    node.origin = std::make_unique<std::string>(*running->origin);
  } else if (std::string place = current_place(); !place.empty()) {
    node.origin = std::make_unique<std::string>(std::move(place));
  }
}

SavedOutput::SavedOutput(const Tensor& y) : plain_(y.detach(), Saved::Own()) {}

Tensor SavedOutput::get() const {
  Node* node = detail::current_node();
  if (!is_grad_enabled() || node == nullptr) {
    return plain_.get();
  }
  Tensor y = plain_.get().detach();
  y.set_node(NodePtr(node));
  return y;
}

}  // namespace normgrad
