// Arrays of random numbers: the numbers that a Generator draws one by one, on every instruction set and any number of
// threads. A generator can start anywhere in its stream.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/base/random.hpp"
#include "normgrad/core/simd/dispatch.hpp"

namespace normgrad::kernels {

inline constexpr std::int64_t kRandomBlocks = 16;

/// first, first - step, first - 2 step, ...: all from 1 to 2^31.
struct Divisors {
  std::int64_t first;
  std::int64_t step;
};

/// random_words: the four numbers of each of `blocks` consecutive counters of Philox 4x32-10, in the order of the
/// stream; random_columns: number j of them in y[j], in the low halves, with arbitrary high halves. y needs room for a
/// multiple of kRandomBlocks blocks.
///
/// normal_numbers: y[i] is the normal number of x[j][i], j = 0 to 3, for i < n, a multiple of kRandomBlocks. Returns
/// whether all are certain; otherwise those for which low[i] and y[i] differ may be rounded to the wrong side. The high
/// halves of x are ignored.
///
/// uniform_numbers: as detail::uniform_float() or detail::uniform(); reads up to 16 words more.
///
/// remainders: y[i] = low + the i-th 64-bit number modulo divisor i, for i < n; reads up to 16 words more. Returns
/// false if one of the numbers is below 2^32, and possibly if one of those after them is.
NORMGRAD_SIMD_DECLARE(void random_words(std::uint64_t seed, std::uint64_t counter, std::int64_t blocks,
                                        std::uint32_t* y);
                      void random_columns(std::uint64_t seed, std::uint64_t counter, std::int64_t blocks,
                                          std::uint64_t* const (&y)[4]);
                      bool normal_numbers(const std::uint64_t* const (&x)[4], std::int64_t n, float* low, float* y);
                      bool remainders(const std::uint32_t* words, std::int64_t n, const Divisors& divisors,
                                      std::int64_t low, std::int64_t* y);
                      template <class T> void uniform_numbers(const std::uint32_t* words, std::int64_t n, T* y);)

/// Calls f(begin, end, numbers) for blocks of [0, n), where `numbers` are the next numbers of the generator for these
/// elements, kEach per element. Advances the generator.
template <std::int64_t kEach, class F>
void for_random_blocks(std::int64_t n, Generator& generator, F f) {
  const std::uint64_t start = generator.position();
  parallel_for(n, 8192, [&](std::int64_t begin, std::int64_t end) {
    constexpr std::int64_t kChunk = 1024 / kEach;
    std::array<std::uint32_t, 1024 + 4 * (kRandomBlocks + 2)> numbers{};
    for (std::int64_t i = begin; i < end; i += kChunk) {
      const std::int64_t last = std::min(end, i + kChunk);
      const std::uint64_t first = start + static_cast<std::uint64_t>(i * kEach);
      const auto skipped = static_cast<std::int64_t>(first % 4);
      const std::int64_t blocks = (skipped + (last - i) * kEach + 3) / 4;
      NORMGRAD_SIMD_SELECT(random_words)(generator.seed(), first / 4, blocks, numbers.data());
      f(i, last, static_cast<const std::uint32_t*>(numbers.data() + skipped));
    }
  });
  generator.set_position(start + static_cast<std::uint64_t>(n * kEach));
}

/// y[i] = f(&number[kEach * i]), where `number` are the next 32-bit numbers of the generator.
template <std::int64_t kEach, class T, class F>
void fill_random(T* y, std::int64_t n, Generator& generator, F f) {
  for_random_blocks<kEach>(n, generator, [&](std::int64_t begin, std::int64_t end, const std::uint32_t* numbers) {
    for (std::int64_t i = begin; i < end; ++i) {
      y[i] = f(numbers + (i - begin) * kEach);
    }
  });
}

/// The next numbers of uniform_float() or uniform(). T: float or double.
template <class T>
void fill_uniform(T* y, std::int64_t n, Generator& generator);
/// The next numbers of normal(), rounded to T. T: float or double.
template <class T>
void fill_normal(T* y, std::int64_t n, Generator& generator);
/// y[i] = low + the next number of below(range), for range > 0.
void fill_below(std::int64_t low, std::uint64_t range, std::int64_t* y, std::int64_t n, Generator& generator);
/// y = 0, 1, ..., n - 1 in random order: from the last element on, element i is exchanged with element below(i + 1).
void fill_permutation(std::int64_t* y, std::int64_t n, Generator& generator);

}  // namespace normgrad::kernels
