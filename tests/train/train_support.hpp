// Statistics by plain loops, and uneven batches, for the tests of tools that measure norms.
#pragma once

#include <vector>

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad::tests {

struct ChannelStatistics {
  std::vector<double> mean;
  std::vector<double> var;  // biased
  double count = 0.0;
};

/// Mean and variance of each channel of [N, C, *], in two passes.
inline ChannelStatistics statistics_of(const Tensor& x) {
  const std::vector<double> v = x.to_vector<double>();
  const std::size_t n = static_cast<std::size_t>(x.size(0));
  const std::size_t channels = static_cast<std::size_t>(x.size(1));
  const std::size_t rest = v.size() / (n * channels);
  ChannelStatistics s{std::vector<double>(channels), std::vector<double>(channels), static_cast<double>(n * rest)};
  for (std::size_t c = 0; c < channels; ++c) {
    for (const int pass : {0, 1}) {
      double sum = 0.0;
      for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t k = 0; k < rest; ++k) {
          const double value = v[(i * channels + c) * rest + k];
          sum += pass == 0 ? value : (value - s.mean[c]) * (value - s.mean[c]);
        }
      }
      (pass == 0 ? s.mean : s.var)[c] = sum / s.count;
    }
  }
  return s;
}

/// 33 samples in batches of 7, 2, 20, 3 and 1.
inline std::vector<Tensor> uneven_batches(const Tensor& data) {
  std::vector<Tensor> batches;
  std::int64_t at = 0;
  for (const std::int64_t n : {7, 2, 20, 3, 1}) {
    batches.push_back(narrow(data, 0, at, n));
    at += n;
  }
  return batches;
}

/// Far from zero, and drifting from sample to sample like sorted data.
inline Tensor wandering_data(const Shape& shape, DType dtype) {
  Generator generator(4);
  Tensor x = randn(shape, {.dtype = dtype}, &generator);
  const std::int64_t per_sample = x.numel() / shape[0];
  dispatch_float("wandering_data", dtype, [&](auto zero) {
    auto* values = x.mutable_data<decltype(zero)>();
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      const std::int64_t sample = i / per_sample;
      values[i] += static_cast<decltype(zero)>(1000.0 + 0.3 * static_cast<double>(sample));
    }
  });
  return x;
}

}  // namespace normgrad::tests
