// Pooled, 64-byte-aligned memory. A training step asks for the same sizes again and again, and fresh pages cost more
// than the arithmetic on them, so a freed buffer goes to a pool by size class and is handed out again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace normgrad {

/// How elements lie that are not in row-major order: those of an array [n, c, s] are stored as [n, s, c]. Convolutions
/// are about twice as fast so, and element-wise operations do not care. Set for c > 1 and s > 1 only: otherwise both
/// orders are the same.
struct ChannelsLast {
  std::int64_t n = 0;  ///< samples
  std::int64_t c = 0;  ///< channels; 0: row-major
  std::int64_t s = 0;  ///< places of one channel
  /// False: row-major.
  explicit operator bool() const noexcept { return c != 0; }
  friend bool operator==(const ChannelsLast&, const ChannelsLast&) = default;
};

/// A reference-counted block of bytes. Contents of a new one are undefined. The version counts writes by users and
/// in-place operations, so that a backward can tell whether a value that it saved is still what it was.
class Buffer {
 public:
  Buffer() = default;
  /// Takes `bytes` from the pool (0 is allowed), for elements in the given order. Throws OutOfMemoryError when the
  /// system has no memory left, not even when the pool gives back what it keeps.
  explicit Buffer(std::size_t bytes, ChannelsLast order = {});
  /// Uses foreign memory; `release(owner)` is called when the last reference is gone.
  Buffer(void* data, std::size_t bytes, void* owner, void (*release)(void*));
  Buffer(const Buffer& other) noexcept;
  Buffer(Buffer&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  Buffer& operator=(Buffer other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~Buffer();

  /// The elements as they lie: channels last when channels_last() says so. Null when empty.
  std::byte* data() const noexcept;
  std::size_t bytes() const noexcept;  ///< as asked for
  /// True when no other Buffer refers to the same memory, and no row-major copy of it is kept.
  bool unique() const noexcept;
  std::uint64_t version() const noexcept;
  void bump_version() const noexcept;
  /// The order in which data() holds the elements: a property of the memory, the same for all who refer to it. Fixed
  /// when the memory is taken; but where a row-major copy was changed in place, that copy is the elements from then on.
  ChannelsLast channels_last() const noexcept;
  /// Whether kept_row_major_copy() was called: from then on changes in place have to go to the copy.
  bool keeps_row_major_copy() const noexcept;
  /// The row-major copy of channels-last memory, as `make` has it. The first who asks makes it while the others wait;
  /// it is kept as long as the memory, so that who has its address or shares it sees all later changes in place.
  Buffer kept_row_major_copy(Buffer (*make)(const Buffer& memory)) const;
  explicit operator bool() const noexcept { return block_ != nullptr; }
  friend bool operator==(const Buffer& a, const Buffer& b) noexcept { return a.block_ == b.block_; }

 private:
  struct Block;
  explicit Buffer(Block* block) noexcept;
  Block* block_ = nullptr;
};

/// What the pool holds and has asked the system for.
struct MemoryStats {
  std::size_t bytes_in_use;          ///< in live buffers
  std::size_t peak_bytes_in_use;     ///< highest bytes_in_use since the last reset_peak_memory()
  std::size_t bytes_pooled;          ///< freed, kept for reuse
  std::uint64_t system_allocations;  ///< requests that the pool could not serve
};
MemoryStats memory_stats() noexcept;  ///< of all threads
void reset_peak_memory() noexcept;    ///< peak: what is in use now
/// Gives all pooled memory back to the system.
void empty_memory_pool() noexcept;

}  // namespace normgrad
