// The norm layers over the shapes of the LibTorch comparison, in training mode, float32, affine, next to a copy of the
// input's size in the same run. `copies` is the time relative to a copy, the limit set by memory bandwidth.
//
// Forward and backward access four arrays of the input's size (x, y, gy and gx); forward alone alternates between two
// inputs and two outputs. `copies` is relative to copies that alternate among four such arrays, `near_copies` to copies
// from one array to another, which stay in the last-level cache if both fit.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>
#include <normgrad/normgrad.hpp>

#include "vs_libtorch/norm_layers.hpp"

namespace normgrad {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

void copy(const Tensor& from, Tensor& to) {
  constexpr std::int64_t kBlock = 1 << 16;
  const float* source = from.physical_data<float>();
  float* target = to.mutable_physical_data<float>();
  parallel_for(from.numel(), kBlock, [&](std::int64_t begin, std::int64_t end) {
    std::memcpy(target + begin, source + begin, static_cast<std::size_t>(end - begin) * sizeof(float));
  });
}

/// Median time of a copy, alternating among `pairs` pairs of arrays.
double seconds_per_copy(std::int64_t n, std::size_t pairs) {
  std::vector<Tensor> from, to;
  for (std::size_t i = 0; i < pairs; ++i) {
    from.push_back(ones({n}));
    to.push_back(ones({n}));
  }
  std::vector<double> times;
  const Clock::time_point start = Clock::now();
  for (std::size_t i = 0; times.size() < 21 || seconds_since(start) < 0.05; ++i) {
    const Clock::time_point begin = Clock::now();
    copy(from[i % pairs], to[i % pairs]);
    benchmark::ClobberMemory();
    times.push_back(seconds_since(begin));
  }
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  return times[times.size() / 2];
}

void run_norm(benchmark::State& state, const bench::NormCase& c, bool backward, bool channels_last, int threads) {
  set_num_threads(threads);
  manual_seed(1);
  const std::unique_ptr<Module> layer = bench::make_layer(c);
  const auto order = [&](const Tensor& t) { return channels_last ? t.as_channels_last() : t; };
  Tensor x = order(randn(c.shape)).requires_grad_(backward);
  const Tensor gy = order(randn(c.shape));
  Tensor other = gy;  // input of every other forward
  Tensor kept;        // output of the previous forward
  const double far = seconds_per_copy(x.numel(), 2);
  const double near = seconds_per_copy(x.numel(), 1);
  std::vector<Tensor> parameters = layer->parameters();
  const auto step = [&] {
    if (backward) {
      x.set_grad({});
    }
    for (Tensor& p : parameters) {
      p.set_grad({});
    }
    const Tensor y = (*layer)(x);
    if (backward) {
      y.backward(gy);
    } else {
      kept = y;
      std::swap(x, other);
    }
    benchmark::DoNotOptimize(y);
  };
  step();  // allocates its memory from the system
  step();
  const Clock::time_point start = Clock::now();
  for (auto _ : state) {
    step();
  }
  const double each = seconds_since(start) / static_cast<double>(state.iterations());
  state.counters["copies"] = each / far;
  state.counters["near_copies"] = each / near;
  state.counters["us_per_sample"] = each * 1e6 / static_cast<double>(c.shape[0]);
}

void add(const bench::NormCase& c, bool backward, bool channels_last, int threads) {
  const std::string name = bench::name_of(c) + (backward ? "/forward+backward" : "/forward") +
                           (channels_last ? "/channels_last/" : "/") + std::to_string(threads);
  benchmark::RegisterBenchmark(name.c_str(),
                               [=](benchmark::State& state) { run_norm(state, c, backward, channels_last, threads); })
      ->UseRealTime()
      ->Unit(benchmark::kMicrosecond);
}

void add_all() {
  for (const int threads : {1, 2}) {
    for (const bench::NormCase& c : bench::norm_cases()) {
      const bool image = c.shape.size() > 2 && c.normalized.empty();
      for (const bool backward : {false, true}) {
        add(c, backward, false, threads);
        if (image) {
          add(c, backward, true, threads);
        }
      }
    }
  }
  for (const std::int64_t batch : {1, 4, 16, 64, 256, 1024}) {
    add({.layer = "BatchNorm2d", .shape = {batch, 32, 28, 28}}, true, false, 1);
    add({.layer = "LayerNorm", .shape = {batch, 32, 28, 28}, .normalized = {32, 28, 28}}, true, false, 1);
    add({.layer = "GroupNorm", .shape = {batch, 32, 28, 28}, .groups = 8}, true, false, 1);
  }
  for (const std::int64_t channels : {16, 32, 64, 128, 256, 512, 1024}) {
    add({.layer = "BatchNorm2d", .shape = {32, channels, 14, 14}}, true, false, 1);
    add({.layer = "GroupNorm", .shape = {32, channels, 14, 14}, .groups = 8}, true, false, 1);
    add({.layer = "LayerNorm", .shape = {2048, channels}, .normalized = {channels}}, true, false, 1);
  }
}

}  // namespace
}  // namespace normgrad

int main(int argc, char** argv) {
  normgrad::add_all();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
