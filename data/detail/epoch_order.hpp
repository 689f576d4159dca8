// Parts of samplers: random numbers of an epoch, and orders of examples.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <exception>
#include <numeric>
#include <utility>
#include <vector>

#include "normgrad/core/base/error.hpp"
#include "normgrad/core/base/random.hpp"
#include "normgrad/data/detail/state_entries.hpp"

namespace normgrad::detail {

/// Returns the random numbers of an epoch. An epoch of fewer than 2^31 examples draws fewer than 2^36 of them, so the
/// streams of epochs do not overlap.
inline Generator generator_of_epoch(std::uint64_t seed, std::int64_t epoch) {
  constexpr int kDrawsPerEpochBits = 36;
  Generator generator(seed);
  generator.set_position(static_cast<std::uint64_t>(epoch) << kDrawsPerEpochBits);
  return generator;
}

/// Reserves memory for an order.
inline std::vector<std::int64_t> empty_order(const char* where, std::int64_t count) {
  std::vector<std::int64_t> order;
  try {
    order.reserve(static_cast<std::size_t>(count));
  } catch (const std::exception&) {
    fail<ValueError>(where, ": expected an epoch that fits into memory but got one of ", count, " examples");
  }
  return order;
}

/// Returns 0, 1, ..., size - 1.
inline std::vector<std::int64_t> counted(const char* where, std::int64_t size) {
  std::vector<std::int64_t> order = empty_order(where, size);
  order.resize(static_cast<std::size_t>(size));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  return order;
}

inline void shuffle(std::vector<std::int64_t>& order, Generator& generator) {
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[generator.below(i)]);
  }
}

/// Represents all the numbers in a state.
template <class T>
Tensor checksum(const std::vector<T>& values) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const T value : values) {
    for (int shift = 0; shift < 64; shift += 8) {
      hash = (hash ^ ((std::bit_cast<std::uint64_t>(value) >> shift) & 0xff)) * 0x100000001b3;  // FNV-1a
    }
  }
  return whole_number(std::bit_cast<std::int64_t>(hash));
}

}  // namespace normgrad::detail
