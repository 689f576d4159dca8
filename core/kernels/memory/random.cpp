#include "normgrad/core/kernels/memory/random.hpp"

#include <atomic>
#include <numeric>
#include <type_traits>
#include <utility>

namespace normgrad::kernels {

namespace {

constexpr std::int64_t kRandomChunk = 256;
constexpr std::int64_t kFewRanges = std::int64_t{1} << 31;

// The normal numbers of the elements from `position` of the stream on. A number is computed in double precision, in
// which every machine comes within 2^-41 of the same number; where the float32 nearest to it remains uncertain, the
// function that defines it decides.
void normal_chunk(std::uint64_t seed, std::uint64_t position, std::int64_t n, float* y) {
  constexpr std::int64_t kRoom = kRandomChunk + 2 * kRandomBlocks;
  alignas(64) std::uint64_t columns[4][kRoom];
  std::uint64_t* const to[4] = {columns[0], columns[1], columns[2], columns[3]};
  const std::int64_t whole = (n + kRandomBlocks - 1) / kRandomBlocks * kRandomBlocks;
  const auto skipped = static_cast<std::int64_t>(position % 4);
  NORMGRAD_SIMD_SELECT(random_columns)(seed, position / 4, whole + (skipped == 0 ? 0 : 1), to);
  const std::uint64_t* numbers[4];
  for (std::int64_t j = 0; j < 4; ++j) {
    numbers[j] = columns[(skipped + j) % 4] + (skipped + j) / 4;
  }
  alignas(64) float low[kRandomChunk];
  alignas(64) float high[kRandomChunk];
  if (!NORMGRAD_SIMD_SELECT(normal_numbers)(numbers, whole, low, high)) {
    for (std::int64_t i = 0; i < n; ++i) {
      if (low[i] != high[i]) {
        std::array<std::uint32_t, 4> of_one;
        for (std::size_t j = 0; j < 4; ++j) {
          of_one[j] = static_cast<std::uint32_t>(numbers[j][i]);
        }
        high[i] = static_cast<float>(detail::normal(of_one.data()));
      }
    }
  }
  std::copy_n(high, n, y);
}

}  // namespace

template <class T>
void fill_uniform(T* y, std::int64_t n, Generator& generator) {
  for_random_blocks<sizeof(T) / 4>(n, generator,
                                   [y](std::int64_t begin, std::int64_t end, const std::uint32_t* numbers) {
                                     NORMGRAD_SIMD_SELECT(uniform_numbers<T>)(numbers, end - begin, y + begin);
                                   });
}

template <class T>
void fill_normal(T* y, std::int64_t n, Generator& generator) {
  if constexpr (std::is_same_v<T, float>) {
    const std::uint64_t start = generator.position();
    parallel_for(n, 8192, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; i += kRandomChunk) {
        normal_chunk(generator.seed(), start + static_cast<std::uint64_t>(4 * i), std::min(kRandomChunk, end - i),
                     y + i);
      }
    });
    generator.set_position(start + static_cast<std::uint64_t>(4 * n));
  } else {
    fill_random<4>(y, n, generator, [](const std::uint32_t* numbers) { return detail::normal(numbers); });
  }
}

void fill_below(std::int64_t low, std::uint64_t range, std::int64_t* y, std::int64_t n, Generator& generator) {
  const Generator start = generator;
  std::atomic<bool> certain = range <= static_cast<std::uint64_t>(kFewRanges);
  if (certain) {
    const Divisors divisors{static_cast<std::int64_t>(range), 0};
    for_random_blocks<2>(n, generator, [&](std::int64_t begin, std::int64_t end, const std::uint32_t* numbers) {
      if (!NORMGRAD_SIMD_SELECT(remainders)(numbers, end - begin, divisors, low, y + begin)) {
        certain = false;
      }
    });
  }
  if (!certain) {  // a number below 2^32 may be one that below() draws again
    generator = start;
    for (std::int64_t i = 0; i < n; ++i) {
      y[i] = static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + generator.below(range));
    }
  }
}

void fill_permutation(std::int64_t* y, std::int64_t n, Generator& generator) {
  std::iota(y, y + n, std::int64_t{0});
  std::int64_t i = n - 1;
  bool certain = n <= kFewRanges;
  std::array<std::uint32_t, 2 * kRandomChunk + 4 * (kRandomBlocks + 2)> numbers{};
  std::array<std::int64_t, kRandomChunk> partner;
  while (certain && i > 0) {
    const std::int64_t count = std::min(kRandomChunk, i);
    const std::uint64_t position = generator.position();
    const auto skipped = static_cast<std::int64_t>(position % 4);
    NORMGRAD_SIMD_SELECT(random_words)
    (generator.seed(), position / 4, (skipped + 2 * count + 3) / 4, numbers.data());
    certain = NORMGRAD_SIMD_SELECT(remainders)(numbers.data() + skipped, count, {i + 1, 1}, 0, partner.data());
    if (certain) {
      for (std::int64_t k = 0; k < count; ++k) {
        std::swap(y[i - k], y[partner[static_cast<std::size_t>(k)]]);
      }
      i -= count;
      generator.set_position(position + static_cast<std::uint64_t>(2 * count));
    }
  }
  for (; i > 0; --i) {
    std::swap(y[i], y[generator.below(static_cast<std::uint64_t>(i) + 1)]);
  }
}

template void fill_uniform(float*, std::int64_t, Generator&);
template void fill_uniform(double*, std::int64_t, Generator&);
template void fill_normal(float*, std::int64_t, Generator&);
template void fill_normal(double*, std::int64_t, Generator&);

}  // namespace normgrad::kernels
