// Pooled, 64-byte-aligned memory. A training step requests the same sizes repeatedly, and fresh pages cost more than
// the arithmetic on them. Freed buffers are therefore kept in a pool by size class and reused.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace normgrad {

/// Channels-last layout: the elements of an array [n, c, s] are stored as [n, s, c]. It makes convolutions about twice
/// as fast and does not affect element-wise operations. Set only for c > 1 and s > 1; otherwise both orders are the
/// same.
struct ChannelsLast {
  std::int64_t n = 0;  ///< samples
  std::int64_t c = 0;  ///< channels; 0: row-major
  std::int64_t s = 0;  ///< positions per channel
  /// Returns false for row-major.
  explicit operator bool() const noexcept { return c != 0; }
  friend bool operator==(const ChannelsLast&, const ChannelsLast&) = default;
};

/// A reference-counted block of bytes, or a part of one. A new block is uninitialized. The version counts writes by
/// users and in-place operations to any part of the block, so that a backward can detect that a saved value has
/// changed.
class Buffer {
 public:
  Buffer() = default;
  /// Takes `bytes` from the pool (0 is allowed), for elements in the given order. Throws OutOfMemoryError if the system
  /// has no memory left, even after the pool has released its unused blocks.
  explicit Buffer(std::size_t bytes, ChannelsLast order = {});
  /// Uses external memory. `release(owner)` is called when the last reference is destroyed.
  Buffer(void* data, std::size_t bytes, void* owner, void (*release)(void*));
  Buffer(const Buffer& other) noexcept;
  Buffer(Buffer&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)),
        offset_(std::exchange(other.offset_, 0)),
        bytes_(std::exchange(other.bytes_, 0)) {}
  Buffer& operator=(Buffer other) noexcept {
    std::swap(block_, other.block_);
    std::swap(offset_, other.offset_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Buffer();

  /// Returns `bytes` bytes of this memory from `offset` on, which must be within it: not a copy. All parts have the
  /// same version, and the whole block lives as long as one of them. A part of channels-last memory consists of whole
  /// samples. Its address need not be 64-byte aligned.
  Buffer part(std::size_t offset, std::size_t bytes) const noexcept;

  /// Returns the elements in physical order: channels-last if channels_last() is set. Null when empty.
  std::byte* data() const noexcept;
  std::size_t bytes() const noexcept { return bytes_; }  ///< requested size
  /// Returns whether this is a whole block, to no part of which another Buffer refers and of which no row-major copy is
  /// kept.
  bool unique() const noexcept;
  std::uint64_t version() const noexcept;
  void bump_version() const noexcept;
  /// Returns the order in which data() holds the elements. It is a property of the memory, the same for all buffers
  /// that refer to it, and fixed at allocation. After an in-place change of a row-major copy, however, that copy holds
  /// the elements.
  ChannelsLast channels_last() const noexcept;
  /// Returns whether kept_row_major_copy() was called. In-place changes must then go to the copy.
  bool keeps_row_major_copy() const noexcept;
  /// Returns the row-major copy of channels-last memory (of a part: that part of it), created by `make` from the whole
  /// block. The first caller creates it while others wait. It lives as long as the memory, so that holders of its
  /// address or of a reference see all later in-place changes.
  Buffer kept_row_major_copy(Buffer (*make)(const Buffer& memory)) const;
  explicit operator bool() const noexcept { return block_ != nullptr; }
  /// Returns whether both refer to the same bytes of the same block.
  friend bool operator==(const Buffer&, const Buffer&) noexcept = default;
  /// Returns whether both refer to the same block, in which they may be different parts.
  bool shares_block(const Buffer& other) const noexcept { return block_ != nullptr && block_ == other.block_; }

 private:
  struct Block;
  Buffer(Block* block, std::size_t offset, std::size_t bytes) noexcept;
  Block* block_ = nullptr;
  std::size_t offset_ = 0;
  std::size_t bytes_ = 0;
};

/// Memory held by the pool and requested from the system.
struct MemoryStats {
  std::size_t bytes_in_use;          ///< in live buffers
  std::size_t peak_bytes_in_use;     ///< highest bytes_in_use since the last reset_peak_memory()
  std::size_t bytes_pooled;          ///< freed and kept for reuse
  std::uint64_t system_allocations;  ///< requests the pool could not serve
};
MemoryStats memory_stats() noexcept;  ///< of all threads
void reset_peak_memory() noexcept;    ///< sets the peak to the bytes now in use
/// Returns all pooled memory to the system.
void empty_memory_pool() noexcept;

}  // namespace normgrad
