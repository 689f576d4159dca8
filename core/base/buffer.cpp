#include "normgrad/core/base/buffer.hpp"

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "normgrad/core/base/detail/fork.hpp"
#include "normgrad/core/base/detail/poison.hpp"
#include "normgrad/core/base/error.hpp"

namespace normgrad {

namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kSmallest = 64;
constexpr std::size_t kHugePage = std::size_t{1} << 21;
constexpr std::size_t kAddressSpace = std::size_t{1} << 48;  // upper bound on a process's address space

// Four size classes per doubling, so at most a fifth of a block is unused.
std::size_t round_to_class(std::size_t bytes) {
  if (bytes <= kSmallest) {
    return kSmallest;
  }
  const std::size_t step = std::bit_floor(bytes - 1) / 4;
  const std::size_t unit = std::max(step, kAlignment);
  return (bytes + unit - 1) / unit * unit;
}

std::size_t class_index(std::size_t rounded) {
  const std::size_t floor = std::bit_floor(rounded);
  const auto doubling = static_cast<std::size_t>(std::countr_zero(floor));
  return doubling * 4 + (rounded - floor) / std::max<std::size_t>(floor / 4, 1);
}

// Large blocks use huge pages where available: otherwise a pass over an array of several megabytes spends up to a third
// of its time on address translation.
void* allocate(std::size_t rounded) noexcept {
  if (rounded >= kAddressSpace) {
    return nullptr;
  }
  const bool huge = rounded >= kHugePage;
  void* memory = nullptr;
  if (posix_memalign(&memory, huge ? kHugePage : kAlignment, rounded) != 0) {
    return nullptr;
  }
#if defined(__linux__)
  if (huge) {
    madvise(memory, rounded, MADV_HUGEPAGE);  // only a hint: the memory is usable without it
  }
#endif
  return memory;
}

class Pool {
 public:
  // Returns null when the system has no memory left.
  void* take(std::size_t rounded) noexcept {
    const std::lock_guard lock(mutex_);
    void* memory = nullptr;
    if (auto& list = free_[class_index(rounded)]; !list.empty()) {
      memory = list.back();
      list.pop_back();
      pooled_ -= rounded;
    } else {
      ++system_allocations_;
      memory = allocate(rounded);
      if (memory == nullptr && pooled_ != 0) {  // blocks pooled for other sizes may be using the memory
        give_back_all();
        memory = allocate(rounded);
      }
    }
    if (memory != nullptr) {
      in_use_ += rounded;
      peak_ = std::max(peak_, in_use_);
    }
    return memory;
  }

  void give(void* memory, std::size_t rounded) noexcept {
    const std::lock_guard lock(mutex_);
    in_use_ -= rounded;
    try {
      free_[class_index(rounded)].push_back(memory);
      pooled_ += rounded;
    } catch (...) {       // no memory for the list
      std::free(memory);  // NOLINT(cppcoreguidelines-no-malloc)
    }
  }

  void clear() noexcept {
    const std::lock_guard lock(mutex_);
    give_back_all();
  }

  MemoryStats stats() noexcept {
    const std::lock_guard lock(mutex_);
    return {in_use_, peak_, pooled_, system_allocations_};
  }

  void reset_peak() noexcept {
    const std::lock_guard lock(mutex_);
    peak_ = in_use_;
  }

 private:
  void give_back_all() noexcept {
    for (auto& list : free_) {
      for (void* memory : list) {
        std::free(memory);  // NOLINT(cppcoreguidelines-no-malloc)
      }
      list.clear();
    }
    pooled_ = 0;
  }

  detail::ForkSafeMutex mutex_{detail::ForkSafeMutex::Rank::pool};
  std::array<std::vector<void*>, std::size_t{64} * 4> free_;
  std::size_t in_use_ = 0;
  std::size_t peak_ = 0;
  std::size_t pooled_ = 0;
  std::uint64_t system_allocations_ = 0;
};

// Never destroyed: tensors of static storage duration may outlive every other object.
Pool& pool() {
  static Pool* instance = new Pool;  // NOLINT(cppcoreguidelines-owning-memory)
  return *instance;
}

// Mutexes that serialize the creation of row-major copies, chosen by the block's address.
class CopyMutexes {
 public:
  static detail::ForkSafeMutex& of(const void* block) {
    static CopyMutexes* instance = new CopyMutexes;  // NOLINT(cppcoreguidelines-owning-memory): as the pool
    return *instance->mutexes_[std::hash<const void*>()(block) / kAlignment % kCount];
  }

 private:
  static constexpr std::size_t kCount = 32;

  CopyMutexes() {
    for (auto& mutex : mutexes_) {
      mutex = std::make_unique<detail::ForkSafeMutex>(detail::ForkSafeMutex::Rank::row_major_copy);
    }
  }

  std::array<std::unique_ptr<detail::ForkSafeMutex>, kCount> mutexes_;
};

const detail::BeforeMain mutexes_exist([] {
  pool();
  CopyMutexes::of(nullptr);
});

}  // namespace

struct Buffer::Block {
  std::atomic<std::uint64_t> references{1};
  std::atomic<std::uint64_t> version{0};
  std::byte* data = nullptr;
  std::size_t bytes = 0;
  std::size_t pooled_bytes = 0;  // 0: foreign memory
  void* owner = nullptr;
  void (*release)(void*) = nullptr;
  ChannelsLast order;
  // The row-major copy of a channels-last block, once there is one. This block holds a reference to it. Stored with
  // release order, so that a thread that reads the pointer sees the copy's elements.
  std::atomic<Block*> row_major{nullptr};
  std::uint64_t copied_version = 0;  // of a copy: the version it was made from

  Block* copy() const noexcept { return order ? row_major.load(std::memory_order_acquire) : nullptr; }
  // Block that holds the current elements: the copy once it has been changed.
  const Block& elements() const noexcept {
    const Block* row = copy();
    return row != nullptr && row->version.load(std::memory_order_relaxed) != row->copied_version ? *row : *this;
  }
  // Block whose version counts changes.
  Block& counting() noexcept {
    Block* row = copy();
    return row != nullptr ? *row : *this;
  }
};

Buffer::Buffer(std::size_t bytes, ChannelsLast order) : block_(new Block), bytes_(bytes) {
  const std::size_t rounded = round_to_class(bytes);
  block_->data = static_cast<std::byte*>(pool().take(rounded));
  if (block_->data == nullptr) {
    delete block_;
    fail<OutOfMemoryError>("memory: the system gave no block of ", bytes, " bytes, while tensors hold ",
                           memory_stats().bytes_in_use);
  }
  detail::unpoison(block_->data, bytes, rounded);
  block_->bytes = bytes;
  block_->pooled_bytes = rounded;
  block_->order = order;
}

Buffer::Buffer(void* data, std::size_t bytes, void* owner, void (*release)(void*)) : block_(new Block), bytes_(bytes) {
  block_->data = static_cast<std::byte*>(data);
  block_->bytes = bytes;
  block_->owner = owner;
  block_->release = release;
}

Buffer::Buffer(Block* block, std::size_t offset, std::size_t bytes) noexcept
    : block_(block), offset_(offset), bytes_(bytes) {
  if (block_ != nullptr) {
    block_->references.fetch_add(1, std::memory_order_relaxed);
  }
}

Buffer::Buffer(const Buffer& other) noexcept : Buffer(other.block_, other.offset_, other.bytes_) {}

Buffer Buffer::part(std::size_t offset, std::size_t bytes) const noexcept { return {block_, offset_ + offset, bytes}; }

Buffer::~Buffer() {
  if (block_ == nullptr || block_->references.fetch_sub(1, std::memory_order_acq_rel) != 1) {
    return;
  }
  if (Block* row = block_->copy()) {
    Buffer last;
    last.block_ = row;  // the block's own reference; bytes do not matter
  }
  if (block_->pooled_bytes != 0) {
    detail::poison(block_->data, block_->pooled_bytes);
    pool().give(block_->data, block_->pooled_bytes);
  } else if (block_->release != nullptr) {
    block_->release(block_->owner);
  }
  delete block_;
}

std::byte* Buffer::data() const noexcept { return block_ == nullptr ? nullptr : block_->elements().data + offset_; }
bool Buffer::unique() const noexcept {
  return block_ != nullptr && bytes_ == block_->bytes && block_->references.load(std::memory_order_acquire) == 1 &&
         block_->copy() == nullptr;
}
std::uint64_t Buffer::version() const noexcept {
  return block_ == nullptr ? 0 : block_->counting().version.load(std::memory_order_relaxed);
}
void Buffer::bump_version() const noexcept {
  if (block_ != nullptr) {
    block_->counting().version.fetch_add(1, std::memory_order_relaxed);
  }
}

ChannelsLast Buffer::channels_last() const noexcept {
  if (block_ == nullptr || !block_->order) {
    return {};
  }
  ChannelsLast order = block_->elements().order;
  if (order && bytes_ != block_->bytes) {
    order.n = order.n * static_cast<std::int64_t>(bytes_) / static_cast<std::int64_t>(block_->bytes);
    order = order.n == 0 ? ChannelsLast() : order;
  }
  return order;
}

bool Buffer::keeps_row_major_copy() const noexcept { return block_ != nullptr && block_->copy() != nullptr; }

Buffer Buffer::kept_row_major_copy(Buffer (*make)(const Buffer& memory)) const {
  if (Block* row = block_->copy()) {
    return {row, offset_, bytes_};
  }
  const std::lock_guard lock(CopyMutexes::of(block_));
  if (Block* row = block_->copy()) {
    return {row, offset_, bytes_};
  }
  const Buffer copy = make(Buffer(block_, 0, block_->bytes));
  copy.block_->copied_version = version();
  copy.block_->version.store(version(), std::memory_order_relaxed);
  copy.block_->references.fetch_add(1, std::memory_order_relaxed);
  block_->row_major.store(copy.block_, std::memory_order_release);
  return copy.part(offset_, bytes_);  // samples are outermost in both orders
}

MemoryStats memory_stats() noexcept { return pool().stats(); }
void reset_peak_memory() noexcept { pool().reset_peak(); }
void empty_memory_pool() noexcept { pool().clear(); }

}  // namespace normgrad
