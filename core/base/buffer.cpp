#include "normgrad/core/base/buffer.hpp"

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

#include "normgrad/core/base/poison.hpp"

namespace normgrad {

namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kSmallest = 64;
constexpr std::size_t kHugePage = std::size_t{1} << 21;

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

// Large blocks lie on huge pages where the system has them: a pass over an array of several megabytes otherwise spends
// up to a third of its time looking up addresses.
void* allocate(std::size_t rounded) {
  const bool huge = rounded >= kHugePage;
  void* memory = nullptr;
  if (posix_memalign(&memory, huge ? kHugePage : kAlignment, rounded) != 0) {
    return nullptr;
  }
#if defined(__linux__)
  if (huge) {
    madvise(memory, rounded, MADV_HUGEPAGE);  // advice: without it the memory is as good
  }
#endif
  return memory;
}

class Pool {
 public:
  void* take(std::size_t rounded) {
    const std::lock_guard lock(mutex_);
    in_use_ += rounded;
    peak_ = std::max(peak_, in_use_);
    auto& list = free_[class_index(rounded)];
    if (!list.empty()) {
      void* memory = list.back();
      list.pop_back();
      pooled_ -= rounded;
      return memory;
    }
    ++system_allocations_;
    void* memory = allocate(rounded);
    if (memory == nullptr) {
      in_use_ -= rounded;
      throw std::bad_alloc();
    }
    return memory;
  }

  void give(void* memory, std::size_t rounded) noexcept {
    const std::lock_guard lock(mutex_);
    in_use_ -= rounded;
    pooled_ += rounded;
    free_[class_index(rounded)].push_back(memory);
  }

  void clear() noexcept {
    const std::lock_guard lock(mutex_);
    for (auto& list : free_) {
      for (void* memory : list) {
        std::free(memory);  // NOLINT(cppcoreguidelines-no-malloc)
      }
      list.clear();
    }
    pooled_ = 0;
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
  std::mutex mutex_;
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
};

Buffer::Buffer(std::size_t bytes) : block_(new Block) {
  const std::size_t rounded = round_to_class(bytes);
  try {
    block_->data = static_cast<std::byte*>(pool().take(rounded));
    detail::unpoison(block_->data, bytes, rounded);
  } catch (...) {
    delete block_;
    throw;
  }
  block_->bytes = bytes;
  block_->pooled_bytes = rounded;
}

Buffer::Buffer(void* data, std::size_t bytes, void* owner, void (*release)(void*)) : block_(new Block) {
  block_->data = static_cast<std::byte*>(data);
  block_->bytes = bytes;
  block_->owner = owner;
  block_->release = release;
}

Buffer::Buffer(const Buffer& other) noexcept : block_(other.block_) {
  if (block_ != nullptr) {
    block_->references.fetch_add(1, std::memory_order_relaxed);
  }
}

Buffer::~Buffer() {
  if (block_ == nullptr || block_->references.fetch_sub(1, std::memory_order_acq_rel) != 1) {
    return;
  }
  if (block_->pooled_bytes != 0) {
    detail::poison(block_->data, block_->pooled_bytes);
    pool().give(block_->data, block_->pooled_bytes);
  } else if (block_->release != nullptr) {
    block_->release(block_->owner);
  }
  delete block_;
}

std::byte* Buffer::data() const noexcept { return block_ == nullptr ? nullptr : block_->data; }
std::size_t Buffer::bytes() const noexcept { return block_ == nullptr ? 0 : block_->bytes; }
bool Buffer::unique() const noexcept {
  return block_ != nullptr && block_->references.load(std::memory_order_acquire) == 1;
}
std::uint64_t Buffer::version() const noexcept {
  return block_ == nullptr ? 0 : block_->version.load(std::memory_order_relaxed);
}
void Buffer::bump_version() const noexcept {
  if (block_ != nullptr) {
    block_->version.fetch_add(1, std::memory_order_relaxed);
  }
}

ChannelsLast Buffer::channels_last() const noexcept { return block_ == nullptr ? ChannelsLast() : block_->order; }

void Buffer::set_channels_last(ChannelsLast order) const noexcept { block_->order = order; }

void Buffer::swap_memory(const Buffer& other) const noexcept {
  std::swap(block_->data, other.block_->data);
  std::swap(block_->bytes, other.block_->bytes);
  std::swap(block_->pooled_bytes, other.block_->pooled_bytes);
  std::swap(block_->owner, other.block_->owner);
  std::swap(block_->release, other.block_->release);
  std::swap(block_->order, other.block_->order);
}

MemoryStats memory_stats() noexcept { return pool().stats(); }
void reset_peak_memory() noexcept { pool().reset_peak(); }
void empty_memory_pool() noexcept { pool().clear(); }

}  // namespace normgrad
