#include "normgrad/core/kernels/image/resample.hpp"

#include <algorithm>
#include <array>

#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

Taps Taps::transposed() const {
  Taps result;
  result.length = count();
  result.start.assign(static_cast<std::size_t>(length) + 1, 0);
  result.index.resize(index.size());
  result.weight.resize(weight.size());
  for (const std::int64_t i : index) {
    ++result.start[static_cast<std::size_t>(i) + 1];
  }
  for (std::size_t i = 1; i < result.start.size(); ++i) {
    result.start[i] += result.start[i - 1];
  }
  std::vector<std::int64_t> next(result.start.begin(), result.start.end() - 1);
  for (std::int64_t j = 0; j < count(); ++j) {
    for (std::int64_t t = start[static_cast<std::size_t>(j)]; t < start[static_cast<std::size_t>(j) + 1]; ++t) {
      const auto from = static_cast<std::size_t>(t);
      const auto to = static_cast<std::size_t>(next[static_cast<std::size_t>(index[from])]++);
      result.index[to] = j;
      result.weight[to] = weight[from];
    }
  }
  return result;
}

template <class T>
void resample(const Taps& taps, std::int64_t outer, std::int64_t inner, const T* x, T* y) {
  constexpr std::int64_t kWork = 16384;  // elements per parallel task
  constexpr std::int64_t kBlock = 128;   // elements summed at a time
  const std::int64_t count = taps.count();
  const std::int64_t* start = taps.start.data();
  const std::int64_t* index = taps.index.data();
  const double* weight = taps.weight.data();
  const std::int64_t terms = std::max<std::int64_t>(1, start[count] / std::max<std::int64_t>(1, count));
  const std::int64_t grain = std::max<std::int64_t>(1, kWork / std::max<std::int64_t>(1, inner * terms));
  parallel_for(outer * count, grain, [&](std::int64_t begin, std::int64_t end) {
    std::array<double, kBlock> sums;
    for (std::int64_t row = begin; row < end; ++row) {
      const T* from = x + row / count * taps.length * inner;
      const std::int64_t j = row % count;
      if (inner == 1) {
        double sum = 0.0;
        for (std::int64_t t = start[j]; t < start[j + 1]; ++t) {
          sum += weight[t] * static_cast<double>(from[index[t]]);
        }
        y[row] = static_cast<T>(sum);
        continue;
      }
      for (std::int64_t c = 0; c < inner; c += kBlock) {
        const std::int64_t n = std::min(kBlock, inner - c);
        std::fill_n(sums.begin(), n, 0.0);
        for (std::int64_t t = start[j]; t < start[j + 1]; ++t) {
          const T* line = from + index[t] * inner + c;
          for (std::int64_t k = 0; k < n; ++k) {
            sums[static_cast<std::size_t>(k)] += weight[t] * static_cast<double>(line[k]);
          }
        }
        for (std::int64_t k = 0; k < n; ++k) {
          y[row * inner + c + k] = static_cast<T>(sums[static_cast<std::size_t>(k)]);
        }
      }
    }
  });
}

template void resample(const Taps&, std::int64_t, std::int64_t, const float*, float*);
template void resample(const Taps&, std::int64_t, std::int64_t, const double*, double*);

}  // namespace normgrad::kernels
