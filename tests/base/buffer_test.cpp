#include "normgrad/core/base/buffer.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

namespace normgrad {
namespace {

TEST(Buffer, IsAlignedToCacheLines) {
  for (const std::size_t bytes : {0, 1, 63, 64, 65, 1000, 4097, 1 << 20}) {
    const Buffer buffer(bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % 64, 0U) << bytes;
    EXPECT_EQ(buffer.bytes(), bytes);
  }
}

TEST(Buffer, HoldsEveryByte) {
  for (std::size_t bytes = 1; bytes < 5000; bytes += 37) {
    const Buffer buffer(bytes);
    std::memset(buffer.data(), 0x5A, bytes);
    EXPECT_EQ(buffer.data()[bytes - 1], std::byte{0x5A});
  }
}

TEST(Buffer, UsesFreedMemoryAgain) {
  empty_memory_pool();
  const std::byte* first = Buffer(100'000).data();
  const std::uint64_t before = memory_stats().system_allocations;
  const Buffer again(100'000);
  EXPECT_EQ(again.data(), first);
  const Buffer another(100'000);
  EXPECT_NE(another.data(), first);
  EXPECT_EQ(memory_stats().system_allocations, before + 1);
}

// Any size class serves exactly the sizes that it is as large as: a smaller block must never be handed out.
TEST(Buffer, ReusedBlocksAreLargeEnough) {
  empty_memory_pool();
  for (int round = 0; round < 2; ++round) {
    for (std::size_t bytes = 1; bytes < 3000; ++bytes) {
      const Buffer buffer(bytes);
      std::memset(buffer.data(), round, bytes);
    }
  }
  const std::uint64_t before = memory_stats().system_allocations;
  for (std::size_t bytes = 1; bytes < 3000; ++bytes) {
    const Buffer buffer(bytes);
  }
  EXPECT_EQ(memory_stats().system_allocations, before);
}

TEST(Buffer, CopiesShareAndCountReferences) {
  Buffer a(16);
  EXPECT_TRUE(a.unique());
  Buffer b = a;
  EXPECT_TRUE(a == b);
  EXPECT_FALSE(a.unique());
  a.bump_version();
  EXPECT_EQ(b.version(), 1U);
  b = Buffer(16);
  EXPECT_TRUE(a.unique());
  EXPECT_EQ(b.version(), 0U);
  const Buffer moved = std::move(a);
  EXPECT_TRUE(moved.unique());
  EXPECT_FALSE(static_cast<bool>(a));  // NOLINT(bugprone-use-after-move): what is left is defined
  EXPECT_EQ(a.data(), nullptr);
}

TEST(Buffer, ReleasesForeignMemoryOnce) {
  int released = 0;
  std::vector<float> owner(4);
  {
    const Buffer a(owner.data(), 16, &released, [](void* count) { ++*static_cast<int*>(count); });
    const Buffer b = a;
    EXPECT_EQ(static_cast<void*>(b.data()), owner.data());
  }
  EXPECT_EQ(released, 1);
}

TEST(MemoryStats, CountsUsePeakAndPool) {
  empty_memory_pool();
  reset_peak_memory();
  const MemoryStats start = memory_stats();
  EXPECT_EQ(start.bytes_pooled, 0U);
  EXPECT_EQ(start.peak_bytes_in_use, start.bytes_in_use);
  {
    const Buffer a(1 << 20);
    const Buffer b(1 << 20);
    EXPECT_EQ(memory_stats().bytes_in_use, start.bytes_in_use + (2 << 20));
  }
  EXPECT_EQ(memory_stats().bytes_in_use, start.bytes_in_use);
  EXPECT_EQ(memory_stats().peak_bytes_in_use, start.bytes_in_use + (2 << 20));
  EXPECT_EQ(memory_stats().bytes_pooled, std::size_t{2} << 20);
  reset_peak_memory();
  EXPECT_EQ(memory_stats().peak_bytes_in_use, start.bytes_in_use);
  empty_memory_pool();
  EXPECT_EQ(memory_stats().bytes_pooled, 0U);
}

TEST(Buffer, PoolServesSeveralThreads) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (std::size_t i = 0; i < 2000; ++i) {
        const Buffer buffer(64 + i % 300);
        std::memset(buffer.data(), t, buffer.bytes());
        for (std::size_t k = 0; k < buffer.bytes(); ++k) {
          ASSERT_EQ(buffer.data()[k], std::byte(t)) << "two threads got the same block";
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

}  // namespace
}  // namespace normgrad
