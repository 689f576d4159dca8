// Element-wise operations, reductions, softmax, losses, optimizers, convolutions, pooling and products, forward and
// backward, on one thread. Reports bytes per second where memory is the limit (each array counted once per pass), and
// GFLOP/s where arithmetic is. `copy` moves the same memory with memcpy, for comparison.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>
#include <normgrad/normgrad.hpp>

namespace normgrad {
namespace {

constexpr std::int64_t kSmall = 6000;           // 60 x 100
constexpr std::int64_t kLarge = 64 * 32 * 784;  // an activation of the CNN

void count_bytes(benchmark::State& state, std::int64_t elements, std::int64_t arrays) {
  state.SetBytesProcessed(state.iterations() * elements * arrays * static_cast<std::int64_t>(sizeof(float)));
}

void count_work(benchmark::State& state, double flops) {
  state.counters["GFLOP/s"] = benchmark::Counter(flops * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

void copy(benchmark::State& state) {
  const Tensor x = randn({state.range(0)});
  Tensor y = Tensor::empty({state.range(0)});
  for (auto _ : state) {
    std::memcpy(y.mutable_data<float>(), x.data<float>(), static_cast<std::size_t>(state.range(0)) * sizeof(float));
    benchmark::ClobberMemory();
  }
  count_bytes(state, state.range(0), 2);
}
BENCHMARK(copy)->Arg(kSmall)->Arg(kLarge);

using Unary = Tensor (*)(const Tensor&);

template <Unary F>
void unary_forward(benchmark::State& state) {
  const NoGradGuard no_grad;
  const Tensor x = randn({state.range(0)});
  for (auto _ : state) {
    benchmark::DoNotOptimize(F(x));
  }
  count_bytes(state, state.range(0), 2);
}

template <Unary F>
void unary_backward(benchmark::State& state) {
  Tensor x = randn({state.range(0)}).requires_grad_();
  const Tensor gy = randn({state.range(0)});
  const Tensor y = F(x);
  for (auto _ : state) {
    x.set_grad({});
    y.backward(gy, {.retain_graph = true});
  }
  count_bytes(state, state.range(0), 3);
}

#define NORMGRAD_BENCH_UNARY(f)                          \
  BENCHMARK(unary_forward<f>)->Arg(kSmall)->Arg(kLarge); \
  BENCHMARK(unary_backward<f>)->Arg(kSmall)->Arg(kLarge)
NORMGRAD_BENCH_UNARY(relu);
NORMGRAD_BENCH_UNARY(sigmoid);
NORMGRAD_BENCH_UNARY(normgrad::tanh);
NORMGRAD_BENCH_UNARY(gelu);
NORMGRAD_BENCH_UNARY(normgrad::exp);
NORMGRAD_BENCH_UNARY(normgrad::sin);

void add_same_shape(benchmark::State& state) {
  const Tensor a = randn({state.range(0)});
  const Tensor b = randn({state.range(0)});
  for (auto _ : state) {
    benchmark::DoNotOptimize(a + b);
  }
  count_bytes(state, state.range(0), 3);
}
BENCHMARK(add_same_shape)->Arg(kSmall)->Arg(kLarge);

void mul_rows_by_a_vector(benchmark::State& state) {
  const Tensor a = randn({state.range(0) / 100, 100});
  const Tensor b = randn({100});
  for (auto _ : state) {
    benchmark::DoNotOptimize(a * b);
  }
  count_bytes(state, state.range(0), 2);
}
BENCHMARK(mul_rows_by_a_vector)->Arg(kSmall)->Arg(kLarge);

template <int axis>
void sum_over(benchmark::State& state) {
  const Tensor x = randn({state.range(0) / 100, 100});
  for (auto _ : state) {
    benchmark::DoNotOptimize(sum(x, axis));
  }
  count_bytes(state, state.range(0), 1);
}
BENCHMARK(sum_over<0>)->Arg(kSmall)->Arg(kLarge);
BENCHMARK(sum_over<1>)->Arg(kSmall)->Arg(kLarge);

void softmax_rows(benchmark::State& state) {
  const Tensor x = randn({state.range(0), state.range(1)});
  for (auto _ : state) {
    benchmark::DoNotOptimize(softmax(x, 1));
  }
  count_bytes(state, x.numel(), 2);
}
BENCHMARK(softmax_rows)->Args({60, 10})->Args({4096, 10})->Args({256, 1000});

void cross_entropy_step(benchmark::State& state) {
  Tensor x = randn({state.range(0), state.range(1)}).requires_grad_();
  const Tensor target = randint(0, state.range(1), {state.range(0)});
  for (auto _ : state) {
    x.set_grad({});
    cross_entropy(x, target).backward();
  }
  count_bytes(state, x.numel(), 3);
}
BENCHMARK(cross_entropy_step)->Args({60, 10})->Args({4096, 10})->Args({256, 1000});

void step_of(benchmark::State& state, std::vector<Tensor> parameters, Optimizer& optimizer, std::int64_t arrays) {
  for (Tensor& p : parameters) {
    p.set_grad(randn(p.shape()));
  }
  for (auto _ : state) {
    optimizer.step();
  }
  count_bytes(state, parameters[0].numel(), arrays);
}

void sgd(benchmark::State& state) {
  const std::vector<Tensor> parameters{randn({state.range(0)}).requires_grad_()};
  SGD optimizer(parameters, {.lr = 1e-3});
  step_of(state, parameters, optimizer, 3);
}
BENCHMARK(sgd)->Arg(kSmall)->Arg(kLarge);

void sgd_momentum(benchmark::State& state) {
  const std::vector<Tensor> parameters{randn({state.range(0)}).requires_grad_()};
  SGD optimizer(parameters, {.lr = 1e-3, .momentum = 0.9});
  step_of(state, parameters, optimizer, 5);
}
BENCHMARK(sgd_momentum)->Arg(kSmall)->Arg(kLarge);

void adam(benchmark::State& state) {
  const std::vector<Tensor> parameters{randn({state.range(0)}).requires_grad_()};
  Adam optimizer(parameters, {.lr = 1e-3});
  step_of(state, parameters, optimizer, 7);
}
BENCHMARK(adam)->Arg(kSmall)->Arg(kLarge);

// Forward and all gradients of a convolution. Arguments: batch, input and output channels, size, window, padding.
void conv2d_step(benchmark::State& state) {
  const std::int64_t n = state.range(0), in = state.range(1), out = state.range(2), size = state.range(3),
                     k = state.range(4);
  Conv2d conv(in, out, k, {.padding = state.range(5)});
  Tensor x = randn({n, in, size, size}).requires_grad_();
  const Tensor gy = randn(conv(x).shape());
  for (auto _ : state) {
    x.set_grad({});
    conv.zero_grad();
    conv(x).backward(gy);
  }
  count_work(state, 3 * 2.0 * static_cast<double>(gy.numel() * in * k * k));
}
BENCHMARK(conv2d_step)
    ->Args({64, 1, 32, 28, 3, 1})
    ->Args({64, 32, 64, 14, 3, 1})
    ->Args({64, 64, 64, 14, 1, 0})
    ->Args({32, 64, 64, 28, 3, 1});

void max_pool_step(benchmark::State& state) {
  const NoGradGuard no_grad;
  const Tensor image = randn({64, 32, 28, 28});
  Tensor x = state.range(0) != 0 ? image.as_channels_last() : image;
  const GradModeGuard grad(true);
  x.requires_grad_();
  const Tensor gy = randn({64, 32, 14, 14});
  for (auto _ : state) {
    x.set_grad({});
    max_pool2d(x, 2).backward(gy);
  }
  count_bytes(state, image.numel(), 2);
}
BENCHMARK(max_pool_step)->ArgName("channels_last")->Arg(0)->Arg(1);

void linear_step(benchmark::State& state) {
  Linear layer(state.range(1), state.range(2));
  Tensor x = randn({state.range(0), state.range(1)}).requires_grad_();
  const Tensor gy = randn({state.range(0), state.range(2)});
  for (auto _ : state) {
    x.set_grad({});
    layer.zero_grad();
    layer(x).backward(gy);
  }
  count_work(state, 3 * 2.0 * static_cast<double>(gy.numel() * state.range(1)));
}
BENCHMARK(linear_step)
    ->Args({60, 784, 100})
    ->Args({60, 100, 100})
    ->Args({64, 3136, 128})
    ->Args({1024, 784, 100})
    ->Args({1, 784, 100});

void dropout_forward(benchmark::State& state) {
  const Tensor x = randn({state.range(0)});
  for (auto _ : state) {
    benchmark::DoNotOptimize(dropout(x, 0.5));
  }
  count_bytes(state, state.range(0), 2);
}
BENCHMARK(dropout_forward)->Arg(kSmall)->Arg(kLarge);

void random_normal(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(randn({state.range(0)}));
  }
  count_bytes(state, state.range(0), 1);
}
BENCHMARK(random_normal)->Arg(kSmall)->Arg(kLarge);

}  // namespace
}  // namespace normgrad

int main(int argc, char** argv) {
  normgrad::set_num_threads(1);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
