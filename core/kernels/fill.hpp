// Fills arrays with a value or with random numbers.
#pragma once

#include <algorithm>
#include <cstdint>

#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad::kernels {

template <class T>
void fill(T* y, std::int64_t n, T value) {
  parallel_for(n, 65536, [=](std::int64_t begin, std::int64_t end) { std::fill(y + begin, y + end, value); });
}

/// y[i] = draw(generator), where each draw takes `words` 32-bit numbers: the same numbers as drawn one after the other,
/// for any number of threads, since a generator can start anywhere in its stream.
template <class T, class F>
void fill_random(T* y, std::int64_t n, Generator& generator, std::uint64_t words, F draw) {
  const std::uint64_t start = generator.position();
  parallel_for(n, 8192, [&](std::int64_t begin, std::int64_t end) {
    Generator part(generator.seed());
    part.set_position(start + static_cast<std::uint64_t>(begin) * words);
    for (std::int64_t i = begin; i < end; ++i) {
      y[i] = draw(part);
    }
  });
  generator.set_position(start + static_cast<std::uint64_t>(n) * words);
}

}  // namespace normgrad::kernels
