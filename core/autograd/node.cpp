#include "normgrad/core/autograd/node.hpp"

#include <atomic>

namespace normgrad {

namespace {
std::atomic<std::int64_t> live{0};
std::atomic<std::uint64_t> sequence_counter{0};
thread_local Node* running = nullptr;

// Nodes whose last reference was released while another node was being freed on this thread. Plain pointers, so that
// they remain valid until the very end of a thread, when static tensors are destroyed.
thread_local Node* dead = nullptr;
thread_local bool burying = false;
}  // namespace

void NodeInputs::push_back(NodePtr node) {
  if (size_ < kInline) {
    inline_[size_] = std::move(node);
  } else {
    more_.push_back(std::move(node));
  }
  ++size_;
}

void Node::destroy(Node* node) noexcept {
  node->next_dead_ = std::exchange(dead, node);
  if (burying) {
    return;
  }
  burying = true;
  while (dead != nullptr) {
    Node* next = dead;
    dead = next->next_dead_;
    delete next;
  }
  burying = false;
}

std::int64_t live_nodes() noexcept { return live.load(std::memory_order_relaxed); }

namespace detail {

std::uint64_t next_sequence() noexcept { return sequence_counter.fetch_add(1, std::memory_order_relaxed) + 1; }
void count_node(std::int64_t change) noexcept { live.fetch_add(change, std::memory_order_relaxed); }
Node* current_node() noexcept { return running; }
Node* exchange_current_node(Node* node) noexcept { return std::exchange(running, node); }

}  // namespace detail

}  // namespace normgrad
