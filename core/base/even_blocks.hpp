// How to cut arrays so that threads get like shares.
#pragma once

#include <bit>
#include <cstdint>

namespace normgrad {

/// a / b, rounded up: how many pieces of b elements a elements make.
constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) noexcept { return (a + b - 1) / b; }

/// The size of blocks for parallel_for() that cuts n elements into a power of two of even blocks of `least` or more,
/// each of whole cache lines: any usual number of threads gets the same share, and the same one of every array of that
/// size. More than 4 blocks have 8 * least elements or more: among many short tasks a thread that comes late loses its
/// own to the others.
inline std::int64_t even_blocks(std::int64_t n, std::int64_t least) noexcept {
  constexpr std::int64_t kLine = 16;
  const std::int64_t most = n / least <= 4 ? n / least : n / least / 8 > 4 ? n / least / 8 : 4;
  const auto blocks = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(most)));
  return blocks <= 1 ? n : (n + blocks * kLine - 1) / (blocks * kLine) * kLine;
}

}  // namespace normgrad
