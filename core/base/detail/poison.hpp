// Annotations for the address sanitizer, which cannot see pool allocations by itself. No-ops in ordinary builds.
#pragma once

#include <cstddef>
#include <cstring>

#if defined(__SANITIZE_ADDRESS__)
#define NORMGRAD_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NORMGRAD_ADDRESS_SANITIZER 1
#endif
#endif

#ifdef NORMGRAD_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

namespace normgrad::detail {

/// Makes every access to the memory an error.
inline void poison([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) noexcept {
#ifdef NORMGRAD_ADDRESS_SANITIZER
  __asan_poison_memory_region(memory, bytes);
#endif
}

/// Makes the first `bytes` of a block of `capacity` bytes accessible and fills them with NaN.
inline void unpoison([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes,
                     [[maybe_unused]] std::size_t capacity) noexcept {
#ifdef NORMGRAD_ADDRESS_SANITIZER
  __asan_unpoison_memory_region(memory, capacity);
  std::memset(memory, 0xFF, bytes);
  __asan_poison_memory_region(static_cast<std::byte*>(memory) + bytes, capacity - bytes);
#endif
}

}  // namespace normgrad::detail
