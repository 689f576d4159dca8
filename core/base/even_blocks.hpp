// Even partitioning of arrays among threads.
#pragma once

#include <bit>
#include <cstdint>

namespace normgrad {

/// Returns a / b, rounded up.
constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) noexcept { return (a + b - 1) / b; }

/// Returns the block size for parallel_for() that cuts n elements into a power of two of even blocks of at least
/// `least` elements, each of whole cache lines. Any common number of threads then gets equal shares, and the same share
/// of every array of that size. Above 4 blocks, each has at least 8 * least elements: with many short tasks, a thread
/// that starts late loses its own tasks to others.
inline std::int64_t even_blocks(std::int64_t n, std::int64_t least) noexcept {
  constexpr std::int64_t kLine = 16;
  const std::int64_t most = n / least <= 4 ? n / least : n / least / 8 > 4 ? n / least / 8 : 4;
  const auto blocks = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(most)));
  return blocks <= 1 ? n : (n + blocks * kLine - 1) / (blocks * kLine) * kLine;
}

}  // namespace normgrad
