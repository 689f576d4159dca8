#include "normgrad/core/base/buffer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <fstream>
#include <thread>
#include <vector>

#include "tests/support/child_process.hpp"
#include "tests/support/raises.hpp"
#include "normgrad/core/base/error.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::HasSubstr;
using tests::error_of;
using tests::is_sanitized;
using tests::result_of_child;

TEST(BufferTest, IsAlignedForAnySize) {
  for (const std::size_t bytes : {0U, 1U, 63U, 64U, 65U, 100U, 1000U, 4097U, 1U << 20}) {
    const Buffer buffer(bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % 64, 0U) << bytes;
    EXPECT_EQ(buffer.bytes(), bytes);
    std::memset(buffer.data(), 0x5a, bytes);
  }
}

TEST(BufferTest, CopiesShareMovesTake) {
  Buffer a(8);
  EXPECT_TRUE(a.unique());
  Buffer b = a;
  EXPECT_TRUE(a == b);
  EXPECT_FALSE(a.unique());
  a.bump_version();
  EXPECT_EQ(b.version(), 1U);
  Buffer c = std::move(b);
  EXPECT_FALSE(static_cast<bool>(b));  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(b.data(), nullptr);
  EXPECT_EQ(b.bytes(), 0U);
  a = Buffer();
  EXPECT_TRUE(c.unique());
  Buffer& alias = c;
  c = alias;  // assigns an alias of itself
  EXPECT_TRUE(c.unique());
}

TEST(BufferTest, PartsShareMemoryAndVersion) {
  const std::size_t before = memory_stats().bytes_in_use;
  Buffer whole(100);
  Buffer part = whole.part(10, 30);
  EXPECT_EQ(part.data(), whole.data() + 10);
  EXPECT_EQ(part.bytes(), 30U);
  const Buffer inner = part.part(5, 7);
  EXPECT_EQ(inner.data(), whole.data() + 15);
  EXPECT_TRUE(inner.shares_block(whole));
  EXPECT_FALSE(inner.shares_block(Buffer(100)));
  EXPECT_FALSE(Buffer().shares_block(Buffer()));
  EXPECT_FALSE(part == whole);
  EXPECT_TRUE(part == whole.part(10, 30));
  EXPECT_FALSE(whole.unique());
  inner.bump_version();
  EXPECT_EQ(whole.version(), 1U);
  EXPECT_EQ(part.version(), 1U);
  whole = Buffer();
  part = Buffer(std::move(part));
  EXPECT_EQ(part.bytes(), 30U);
  part = Buffer();
  EXPECT_FALSE(inner.unique());  // the memory around it would be lost from sight
  std::memset(inner.data(), 1, inner.bytes());
  EXPECT_EQ(memory_stats().bytes_in_use, before + 128);
}

TEST(BufferTest, FreedMemoryIsUsedAgain) {
  empty_memory_pool();
  const std::byte* first = nullptr;
  {
    const Buffer a(10000);
    first = a.data();
  }
  const std::uint64_t asked = memory_stats().system_allocations;
  const Buffer b(9990);  // of the same size class
  EXPECT_EQ(b.data(), first);
  EXPECT_EQ(memory_stats().system_allocations, asked);
  const Buffer c(10000);
  EXPECT_NE(c.data(), first);
  EXPECT_EQ(memory_stats().system_allocations, asked + 1);
}

TEST(BufferTest, AFreshUseStartsAtVersionZero) {
  {
    const Buffer a(128);
    a.bump_version();
  }
  EXPECT_EQ(Buffer(128).version(), 0U);
}

TEST(BufferTest, ABlockIsNeverTooSmallNorMuchTooLarge) {
  for (std::size_t bytes = 1; bytes < 70000; bytes += 37) {
    const std::size_t before = memory_stats().bytes_in_use;
    const Buffer buffer(bytes);
    const std::size_t taken = memory_stats().bytes_in_use - before;
    EXPECT_GE(taken, bytes);
    EXPECT_LE(taken, bytes + bytes / 4 + 64);
  }
}

TEST(BufferTest, Statistics) {
  empty_memory_pool();
  EXPECT_EQ(memory_stats().bytes_pooled, 0U);
  const MemoryStats before = memory_stats();
  reset_peak_memory();
  EXPECT_EQ(memory_stats().peak_bytes_in_use, before.bytes_in_use);
  {
    const Buffer a(1 << 20);
    const Buffer b(1 << 20);
    EXPECT_EQ(memory_stats().bytes_in_use, before.bytes_in_use + (2 << 20));
  }
  EXPECT_EQ(memory_stats().bytes_in_use, before.bytes_in_use);
  EXPECT_EQ(memory_stats().peak_bytes_in_use, before.bytes_in_use + (2 << 20));
  EXPECT_EQ(memory_stats().bytes_pooled, std::size_t{2 << 20});
  empty_memory_pool();
  EXPECT_EQ(memory_stats().bytes_pooled, 0U);
}

TEST(BufferTest, ForeignMemoryIsReleasedOnceByItsOwner) {
  std::array<double, 4> memory{};
  int released = 0;
  {
    const Buffer a(memory.data(), sizeof memory, &released, [](void* owner) { ++*static_cast<int*>(owner); });
    const Buffer b = a;  // NOLINT(performance-unnecessary-copy-initialization): what is tested
    EXPECT_EQ(static_cast<void*>(b.data()), memory.data());
    EXPECT_EQ(b.bytes(), sizeof memory);
  }
  EXPECT_EQ(released, 1);
  const Buffer unowned(memory.data(), sizeof memory, nullptr, nullptr);
  EXPECT_TRUE(unowned.unique());
}

TEST(BufferTest, MemoryThatCannotBeHadIsAnErrorOfTheLibrary) {
  const MemoryStats before = memory_stats();
  for (const int power : {50, 62, 63}) {
    EXPECT_THAT(error_of<OutOfMemoryError>([&] { Buffer(std::size_t{1} << power); }),
                HasSubstr("the system gave no block of " + std::to_string(std::size_t{1} << power) + " bytes"));
  }
  EXPECT_EQ(memory_stats().bytes_in_use, before.bytes_in_use);
  EXPECT_EQ(memory_stats().peak_bytes_in_use, before.peak_bytes_in_use);
}

// The pool holds 256 MB in blocks of 64 MB, and the process may allocate 32 MB more. 200 MB are available only if the
// pool releases its memory.
TEST(BufferTest, ThePoolGivesBackWhatAnAllocationNeeds) {
  if (is_sanitized()) {
    GTEST_SKIP() << "sanitizers have an address space of their own";
  }
#if defined(NORMGRAD_EMULATOR)
  GTEST_SKIP() << "qemu does not enforce RLIMIT_AS";
#endif
  EXPECT_EQ(result_of_child([] {
              constexpr std::size_t kMegabyte = std::size_t{1} << 20;
              empty_memory_pool();
              {
                std::vector<Buffer> blocks;
                for (int i = 0; i < 4; ++i) {
                  blocks.emplace_back(64 * kMegabyte);
                }
              }
              const std::size_t pooled = memory_stats().bytes_pooled;
              std::size_t pages = 0;
              std::ifstream("/proc/self/statm") >> pages;
              rlimit limit{};
              limit.rlim_cur = pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) + 32 * kMegabyte;
              limit.rlim_max = limit.rlim_cur;
              if (setrlimit(RLIMIT_AS, &limit) != 0) {
                return false;
              }
              const Buffer large(200 * kMegabyte);
              std::memset(large.data(), 1, large.bytes());
              const bool gave_back = pooled == 256 * kMegabyte && memory_stats().bytes_pooled == 0;
              try {
                const Buffer too_large(200 * kMegabyte);
              } catch (const OutOfMemoryError&) {
                return gave_back;
              }
              return false;
            }),
            0);
}

TEST(BufferTest, ThePoolServesSeveralThreads) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (std::size_t i = 1; i < 2000; ++i) {
        const Buffer a(i % 97 * 16 + 1);
        std::memset(a.data(), t, a.bytes());
        EXPECT_EQ(a.data()[0], static_cast<std::byte>(t));
        EXPECT_EQ(a.data()[a.bytes() - 1], static_cast<std::byte>(t));
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
