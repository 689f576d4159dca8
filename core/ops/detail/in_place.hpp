// The checks of operations that change a tensor in place. Internal.
#pragma once

#include <cstddef>
#include <cstdint>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad::detail {

/// In-place operations are not recorded, so they must not change a tensor that needs a gradient. Throws GraphError if
/// grad mode is on and `target` or `source`, which may be null, requires gradients.
void check_not_recorded(const char* name, const Tensor& target, const Tensor* source = nullptr);

/// Whether the two blocks of memory have bytes in common: a kernel could then read elements that it has changed.
inline bool overlap(const void* a, std::size_t bytes_of_a, const void* b, std::size_t bytes_of_b) {
  const auto first = reinterpret_cast<std::uintptr_t>(a);
  const auto second = reinterpret_cast<std::uintptr_t>(b);
  return first < second + bytes_of_b && second < first + bytes_of_a;
}

}  // namespace normgrad::detail
