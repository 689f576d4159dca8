// Fills arrays with a value or with random numbers.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad::kernels {

template <class T>
void fill(T* y, std::int64_t n, T value) {
  parallel_for(n, 65536, [=](std::int64_t begin, std::int64_t end) { std::fill(y + begin, y + end, value); });
}

/// y[i] = f(&number[kEach * i]), where `number` are the next 32-bit numbers of the generator. They do not depend on the
/// number of threads, because a generator can start anywhere in its stream.
template <std::int64_t kEach, class T, class F>
void fill_random(T* y, std::int64_t n, Generator& generator, F f) {
  const std::uint64_t start = generator.position();
  const auto position = [=](std::int64_t i) { return start + static_cast<std::uint64_t>(i * kEach); };
  parallel_for(n, 8192, [&](std::int64_t begin, std::int64_t end) {
    constexpr std::int64_t kChunk = 256;
    std::array<std::uint32_t, kChunk * kEach> numbers;
    Generator part(generator.seed());
    part.set_position(position(begin));
    for (std::int64_t i = begin; i < end; i += kChunk) {
      const std::int64_t count = std::min(end - i, kChunk);
      for (std::int64_t j = 0; j < count * kEach; ++j) {
        numbers[static_cast<std::size_t>(j)] = part();
      }
      for (std::int64_t j = 0; j < count; ++j) {
        y[i + j] = f(numbers.data() + j * kEach);
      }
    }
  });
  generator.set_position(position(n));
}

}  // namespace normgrad::kernels
