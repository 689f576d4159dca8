// Scratch memory of a kernel.
#pragma once

#include <cstddef>
#include <cstdint>

#include "normgrad/core/base/buffer.hpp"

namespace normgrad::kernels {

/// `size` uninitialized elements from the pool.
template <class T>
class Scratch {
 public:
  explicit Scratch(std::int64_t size) : buffer_(static_cast<std::size_t>(size) * sizeof(T)) {}
  T* get() const noexcept { return reinterpret_cast<T*>(buffer_.data()); }

 private:
  Buffer buffer_;
};

}  // namespace normgrad::kernels
