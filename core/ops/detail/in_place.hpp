// Operations that change a tensor in place. Internal.
#pragma once

#include <cstddef>
#include <cstdint>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad::detail {

/// Returns whether a change of `target` by an operation with the operand `source`, which may be null, must be recorded.
/// Throws GraphError if grad mode is on and `target` is a leaf that requires gradients, or a part of one.
bool is_recorded_change(const char* name, const Tensor& target, const Tensor* source = nullptr);

/// Writes y, the recorded result of the same operation that returns a new tensor, into `target`, which gets its node.
/// The operation must not have saved `target`, whose value is gone.
void become(Tensor& target, const Tensor& y);

/// Whether the two blocks of memory have bytes in common: a kernel could then read elements that it has changed.
inline bool overlap(const void* a, std::size_t bytes_of_a, const void* b, std::size_t bytes_of_b) {
  const auto first = reinterpret_cast<std::uintptr_t>(a);
  const auto second = reinterpret_cast<std::uintptr_t>(b);
  return first < second + bytes_of_b && second < first + bytes_of_a;
}

}  // namespace normgrad::detail
