// Matrix products, convolutions and pooling at the sizes of the example models; rates in GFLOP/s or GB/s. The last
// argument of each benchmark is the number of threads.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/ops/conv/conv.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/pool/pool.hpp"

namespace normgrad {
namespace {

void set_rate(benchmark::State& state, const char* name, double per_iteration) {
  state.counters[name] = benchmark::Counter(per_iteration * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

Tensor random(const Shape& shape, bool requires_grad = false) {
  Tensor x = randn(shape);
  return x.requires_grad_(requires_grad);
}

void matmul_forward(benchmark::State& state) {
  set_num_threads(static_cast<int>(state.range(3)));
  const Tensor a = random({state.range(0), state.range(2)});
  const Tensor b = random({state.range(2), state.range(1)});
  for (auto _ : state) {
    benchmark::DoNotOptimize(matmul(a, b));
  }
  set_rate(state, "GFLOP/s", 2.0 * static_cast<double>(state.range(0) * state.range(1) * state.range(2)));
}
BENCHMARK(matmul_forward)
    ->Args({60, 100, 784, 1})
    ->Args({60, 784, 100, 1})
    ->Args({60, 100, 100, 1})
    ->Args({1024, 1024, 1024, 1})
    ->Args({1024, 1024, 1024, 2})
    ->Args({4096, 768, 768, 1})
    ->Args({4096, 768, 768, 2})
    ->UseRealTime();

// The matrix products of the MLP 784-100-100-100-10 at batch 60, forward and backward, without the input's gradient.
void mlp_products(benchmark::State& state) {
  set_num_threads(static_cast<int>(state.range(0)));
  const std::int64_t sizes[] = {784, 100, 100, 100, 10};
  const Tensor x = random({60, 784});
  const Tensor gy = random({60, 10});
  std::vector<Tensor> w, b;
  double work = 0.0;
  for (std::size_t i = 0; i < 4; ++i) {
    w.push_back(random({sizes[i + 1], sizes[i]}, true));
    b.push_back(random({sizes[i + 1]}, true));
    work += 2.0 * 60.0 * static_cast<double>(sizes[i] * sizes[i + 1]) * (i == 0 ? 2.0 : 3.0);
  }
  for (auto _ : state) {
    Tensor y = x;
    for (std::size_t i = 0; i < 4; ++i) {
      y = linear(y, w[i], b[i]);
    }
    y.backward(gy);
  }
  set_rate(state, "GFLOP/s", work);
}
BENCHMARK(mlp_products)->Arg(1)->Arg(2)->UseRealTime();

// Arguments: n, c_in, c_out, size, whether the input needs a gradient, threads. 3x3 windows with padding 1.
void conv3x3(benchmark::State& state) {
  set_num_threads(static_cast<int>(state.range(5)));
  const std::int64_t n = state.range(0), c_in = state.range(1), c_out = state.range(2), size = state.range(3);
  const bool input = state.range(4) != 0;
  const Tensor plain = random({n, c_in, size, size});
  Tensor x = plain.as_channels_last();
  x.requires_grad_(input);
  const Tensor w = random({c_out, c_in, 3, 3}, true);
  const Tensor b = random({c_out}, true);
  const Tensor gy = random({n, c_out, size, size}).as_channels_last();
  for (auto _ : state) {
    conv2d(x, w, b, {.padding = 1}).backward(gy);
  }
  set_rate(state, "GFLOP/s", (input ? 6.0 : 4.0) * static_cast<double>(n * c_in * c_out * 9 * size * size));
}
BENCHMARK(conv3x3)
    ->Args({64, 1, 32, 28, 0, 1})
    ->Args({64, 1, 32, 28, 0, 2})
    ->Args({64, 32, 64, 14, 1, 1})
    ->Args({64, 32, 64, 14, 1, 2})
    ->Args({32, 64, 64, 56, 1, 1})
    ->Args({32, 64, 64, 56, 1, 2})
    ->UseRealTime();

// Arguments: n, c, size, channels-last, threads. 2x2 windows, forward and backward.
void max_pool(benchmark::State& state) {
  set_num_threads(static_cast<int>(state.range(4)));
  const Shape shape{state.range(0), state.range(1), state.range(2), state.range(2)};
  const bool last = state.range(3) != 0;
  Tensor x = last ? random(shape).as_channels_last() : random(shape);
  x.requires_grad_();
  const Tensor y = max_pool2d(x, 2).detach();
  for (auto _ : state) {
    benchmark::DoNotOptimize(grad({max_pool2d(x, 2)}, {x}, {y}));
  }
  set_rate(state, "GB/s", 4.0 * static_cast<double>(2 * x.numel() + 4 * y.numel()));
}
BENCHMARK(max_pool)
    ->Args({64, 32, 28, 0, 1})
    ->Args({64, 32, 28, 1, 1})
    ->Args({64, 32, 28, 1, 2})
    ->Args({64, 64, 14, 0, 1})
    ->Args({64, 64, 14, 1, 1})
    ->UseRealTime();

}  // namespace
}  // namespace normgrad

BENCHMARK_MAIN();
