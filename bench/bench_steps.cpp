// Whole training steps (forward, cross entropy, backward, SGD) of the models of bench/vs_libtorch on one thread: time
// per sample by batch size, and the overhead of an operation beyond its arithmetic.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <normgrad/normgrad.hpp>

namespace normgrad {
namespace {

Sequential mlp(bool norm) {
  Sequential model;
  std::int64_t in = 784;
  for (int i = 0; i < 3; ++i, in = 100) {
    model.push_back(Linear(in, 100));
    if (norm) {
      model.push_back(BatchNorm1d(100));
    }
    model.push_back(Sigmoid());
  }
  model.push_back(Linear(100, 10));
  return model;
}

Sequential cnn(bool norm) {
  Sequential model;
  std::int64_t in = 1;
  for (const std::int64_t out : {32, 64}) {
    model.push_back(Conv2d(in, out, 3, {.padding = 1}));
    if (norm) {
      model.push_back(BatchNorm2d(out));
    }
    model.push_back(ReLU());
    model.push_back(MaxPool2d(2));
    in = out;
  }
  model.push_back(Flatten());
  model.push_back(Linear(64 * 7 * 7, 128));
  model.push_back(ReLU());
  model.push_back(Linear(128, 10));
  return model;
}

void train(benchmark::State& state, Sequential model, const Tensor& x) {
  SGD optimizer(model.parameters(), {.lr = 0.01});
  const Tensor target = randint(0, 10, {x.size(0)});
  const auto step = [&] {
    optimizer.zero_grad();
    cross_entropy(model(x), target).backward();
    optimizer.step();
  };
  step();
  step();
  reset_peak_memory();
  const auto before = memory_stats().system_allocations;
  for (auto _ : state) {
    step();
  }
  state.counters["per_sample"] = benchmark::Counter(
      static_cast<double>(x.size(0)), benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
  state.counters["peak_MB"] = static_cast<double>(memory_stats().peak_bytes_in_use) * 1e-6;
  state.counters["system_allocations"] = static_cast<double>(memory_stats().system_allocations - before);
}

void mlp_step(benchmark::State& state) { train(state, mlp(state.range(1) != 0), randn({state.range(0), 784})); }
BENCHMARK(mlp_step)
    ->ArgNames({"batch", "norm"})
    ->ArgsProduct({{4, 16, 60, 64, 128, 256, 512, 1024}, {0, 1}})
    ->Args({1, 0});

void cnn_step(benchmark::State& state) { train(state, cnn(state.range(1) != 0), randn({state.range(0), 1, 28, 28})); }
BENCHMARK(cnn_step)
    ->ArgNames({"batch", "norm"})
    ->ArgsProduct({{1, 4, 16, 64, 128, 256, 512, 1024}, {0, 1}})
    ->Unit(benchmark::kMillisecond);

// Time per operation on 16 numbers: checks, memory, dispatch and the node.
void operation_in_a_chain(benchmark::State& state) {
  const bool recorded = state.range(0) != 0;
  constexpr int kLength = 100;
  const Tensor x = randn({16}).requires_grad_(recorded);
  for (auto _ : state) {
    Tensor y = x;
    for (int i = 0; i < kLength; ++i) {
      y = relu(y);
    }
    benchmark::DoNotOptimize(y);
  }
  state.SetItemsProcessed(state.iterations() * kLength);
}
BENCHMARK(operation_in_a_chain)->ArgName("recorded")->Arg(0)->Arg(1);

// The same with the backward.
void operation_and_backward_in_a_chain(benchmark::State& state) {
  constexpr int kLength = 100;
  Tensor x = randn({16}).requires_grad_();
  const Tensor gy = randn({16});
  for (auto _ : state) {
    Tensor y = x;
    for (int i = 0; i < kLength; ++i) {
      y = relu(y);
    }
    x.set_grad({});
    y.backward(gy);
  }
  state.SetItemsProcessed(state.iterations() * kLength);
}
BENCHMARK(operation_and_backward_in_a_chain);

// A convolution of one pixel: the lookup of oneDNN's primitives.
void smallest_convolution(benchmark::State& state) {
  const Tensor x = randn({1, 1, 1, 1});
  const Tensor w = randn({1, 1, 1, 1});
  for (auto _ : state) {
    benchmark::DoNotOptimize(conv2d(x, w, {}, {}));
  }
}
BENCHMARK(smallest_convolution);

void smallest_linear(benchmark::State& state) {
  const Tensor x = randn({1, 1});
  const Tensor w = randn({1, 1});
  const Tensor b = randn({1});
  for (auto _ : state) {
    benchmark::DoNotOptimize(linear(x, w, b));
  }
}
BENCHMARK(smallest_linear);

}  // namespace
}  // namespace normgrad

int main(int argc, char** argv) {
  normgrad::set_num_threads(1);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
