// The single operations of the comparison, written once for both sides. The including file defines the namespace
// `side`: the names of its library, and functions for what the two spell differently.
#pragma once

#include <cmath>
#include <ctime>
#include <functional>

#include "cases.hpp"

namespace bench {

using Dims = std::vector<std::int64_t>;

inline std::string name_of(const std::string& op, const Dims& dims) {
  std::string name = op;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    name.append(i == 0 ? " " : "x").append(std::to_string(dims[i]));
  }
  return name;
}

/// Seconds on one thread: processor time, which other programs on the machine do not disturb. On several: elapsed time.
inline double seconds_now(int threads) {
  std::timespec now{};
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// Prints "case<TAB>microseconds": the median over groups of calls, each long enough for the clock.
template <class F>
void time_op(const Options& options, const std::string& name, F&& call) {
  constexpr double kGroup = 5e-5;
  const auto time_of = [&](int calls) {
    const double begin = seconds_now(options.threads);
    for (int i = 0; i < calls; ++i) {
      call();
    }
    return seconds_now(options.threads) - begin;
  };
  time_of(1);
  double once = time_of(2) / 2;
  const int calls = once >= kGroup ? 1 : static_cast<int>(kGroup / std::max(once, 1e-8)) + 1;
  for (double spent = 0.0; spent < options.seconds / 5; spent += time_of(calls)) {
  }
  std::vector<double> runs;
  for (double spent = 0.0; runs.size() < 5 || spent < options.seconds; spent += runs.back() * calls) {
    runs.push_back(time_of(calls) / calls);
  }
  std::nth_element(runs.begin(), runs.begin() + static_cast<std::ptrdiff_t>(runs.size() / 2), runs.end());
  std::printf("%s\t%.3f\n", name.c_str(), runs[runs.size() / 2] * 1e6);
  std::fflush(stdout);
}

/// Times make(dims) for each of the sizes, if it is wanted.
template <class Make>
void each(const Options& options, const std::string& op, const std::vector<Dims>& sizes, Make make) {
  for (const Dims& dims : sizes) {
    const std::string name = name_of(op, dims);
    if (is_wanted(options, name)) {
      time_op(options, name, make(dims));
    }
  }
}

using namespace side;  // NOLINT(google-build-using-namespace): the two libraries under the same names

/// f and its backward, with gradients of the inputs.
template <class F>
auto with_backward(std::vector<Tensor> inputs, F f) {
  for (Tensor& x : inputs) {
    x.requires_grad_();
  }
  const Tensor gy = ones_like(f()).detach();
  return [inputs, f, gy]() mutable {
    for (Tensor& x : inputs) {
      clear_grad(x);
    }
    f().backward(gy);
  };
}

/// y = f(x) without and with its backward, for x of the shapes, in (0.1, 1.1) or normal.
template <class F>
void map_rows(const Options& options, const std::string& op, F f, bool positive = false) {
  const std::vector<Dims> sizes = {{1024}, {65536}, {4194304}};
  const auto input = [positive](const Dims& dims) { return positive ? rand(dims) + 0.1 : randn(dims); };
  each(options, op, sizes, [&](const Dims& dims) { return [f, x = input(dims)] { return f(x); }; });
  each(options, op + ", backward", sizes, [&](const Dims& dims) {
    const Tensor x = input(dims);
    return with_backward({x}, [f, x] { return f(x); });
  });
}

/// y = f(x) with its backward for x of the given shapes.
template <class F>
void rows_of(const Options& options, const std::string& op, const std::vector<Dims>& sizes, F f) {
  each(options, op, sizes, [&](const Dims& dims) {
    const Tensor x = randn(dims);
    return with_backward({x}, [f, x] { return f(x); });
  });
}

/// The same without the backward.
template <class F>
void forward_rows(const Options& options, const std::string& op, const std::vector<Dims>& sizes, F f) {
  each(options, op, sizes, [&](const Dims& dims) { return [f, x = randn(dims)] { return f(x); }; });
}

inline void random_rows(const Options& o) {
  const std::vector<Dims> sizes = {{1024}, {65536}, {4194304}};
  each(o, "rand", sizes, [](const Dims& dims) { return [dims] { return rand(dims); }; });
  each(o, "randn", sizes, [](const Dims& dims) { return [dims] { return randn(dims); }; });
  each(o, "randint", sizes, [](const Dims& dims) { return [dims] { return random_index(1000, dims); }; });
  each(o, "randperm", {{1000}, {60000}, {1000000}},
       [](const Dims& dims) { return [dims] { return permutation(dims[0]); }; });
  rows_of(o, "dropout, backward", sizes, [](const Tensor& x) { return dropout(x, 0.5, true); });
}

inline void elementwise_rows(const Options& o) {
  map_rows(o, "exp", [](const Tensor& x) { return exp(x); });
  map_rows(
      o, "log", [](const Tensor& x) { return log(x); }, true);
  map_rows(
      o, "pow 2.5", [](const Tensor& x) { return pow(x, 2.5); }, true);
  map_rows(o, "sin", [](const Tensor& x) { return sin(x); });
  map_rows(o, "cos", [](const Tensor& x) { return cos(x); });
  map_rows(o, "tanh", [](const Tensor& x) { return tanh(x); });
  map_rows(o, "sigmoid", [](const Tensor& x) { return sigmoid(x); });
  map_rows(o, "gelu", [](const Tensor& x) { return gelu(x); });
  const std::vector<Dims> sizes = {{1024}, {65536}, {4194304}};
  rows_of(o, "relu, backward", sizes, [](const Tensor& x) { return relu(x); });
  rows_of(o, "silu, backward", sizes, [](const Tensor& x) { return silu(x); });
  rows_of(o, "clamp, backward", sizes, [](const Tensor& x) { return clamp(x, -1.0, 1.0); });
  rows_of(o, "abs, backward", sizes, [](const Tensor& x) { return abs(x); });
  forward_rows(o, "sqrt of abs", sizes, [](const Tensor& x) { return sqrt(abs(x)); });
  forward_rows(o, "x > 0", sizes, [](const Tensor& x) { return gt(x, 0.0); });
  each(o, "pow of two", sizes,
       [](const Dims& dims) { return [a = rand(dims) + 0.1, b = randn(dims)] { return pow(a, b); }; });
  const auto two = [&](const std::string& op, auto f) {
    each(o, op, sizes, [&](const Dims& dims) {
      const Tensor a = randn(dims);
      const Tensor b = randn(dims);
      return with_backward({a, b}, [f, a, b] { return f(a, b); });
    });
  };
  two("add, backward", [](const Tensor& a, const Tensor& b) { return a + b; });
  two("mul, backward", [](const Tensor& a, const Tensor& b) { return a * b; });
  two("div, backward", [](const Tensor& a, const Tensor& b) { return a / b; });
  two("maximum, backward", [](const Tensor& a, const Tensor& b) { return maximum(a, b); });
  each(o, "where, backward", sizes, [](const Dims& dims) {
    const Tensor a = randn(dims);
    const Tensor b = randn(dims);
    return with_backward({a, b}, [a, b, mask = gt(randn(dims), 0.0)] { return where(mask, a, b); });
  });
  each(o, "where", sizes, [](const Dims& dims) {
    return [a = randn(dims), b = randn(dims), mask = gt(randn(dims), 0.0)] { return where(mask, a, b); };
  });
  each(o, "masked_fill, backward", sizes, [](const Dims& dims) {
    const Tensor x = randn(dims);
    return with_backward({x}, [x, mask = gt(randn(dims), 0.0)] { return masked_fill(x, mask, -1.0); });
  });
  each(o, "add a row, backward", {{32, 64}, {128, 1024}, {4096, 1024}}, [](const Dims& dims) {
    const Tensor a = randn(dims);
    const Tensor b = randn({dims[1]});
    return with_backward({a, b}, [a, b] { return a + b; });
  });
  each(o, "mul by a column, backward", {{32, 64}, {128, 1024}, {4096, 1024}}, [](const Dims& dims) {
    const Tensor a = randn(dims);
    const Tensor b = randn({dims[0], 1});
    return with_backward({a, b}, [a, b] { return a * b; });
  });
  rows_of(o, "x + 1, backward", {{16}, {64}, {256}}, [](const Tensor& x) { return x + 1.0; });
  rows_of(o, "relu, backward", {{16}, {64}, {256}}, [](const Tensor& x) { return relu(x); });
  rows_of(o, "ten of mul by 1.5, backward", {{16}, {64}, {256}}, [](const Tensor& x) {
    Tensor y = x;
    for (int i = 0; i < 10; ++i) {
      y = y * 1.5;
    }
    return y;
  });
}

inline void reduction_rows(const Options& o) {
  const std::vector<Dims> matrices = {{32, 64}, {128, 1024}, {4096, 1024}};
  rows_of(o, "sum, backward", matrices, [](const Tensor& x) { return sum(x); });
  rows_of(o, "sum over rows, backward", matrices, [](const Tensor& x) { return sum_over(x, 0); });
  rows_of(o, "sum over columns, backward", matrices, [](const Tensor& x) { return sum_over(x, 1); });
  rows_of(o, "sum over channels, backward", {{4, 8, 64}, {16, 64, 196}, {64, 64, 784}},
          [](const Tensor& x) { return sum_over(x, 1); });
  rows_of(o, "var over columns, backward", matrices, [](const Tensor& x) { return var_over(x, 1); });
  rows_of(o, "max over columns, backward", matrices, [](const Tensor& x) { return max_over(x, 1); });
  forward_rows(o, "max", matrices, [](const Tensor& x) { return max(x); });
  forward_rows(o, "max over rows", matrices, [](const Tensor& x) { return max_over(x, 0); });
  forward_rows(o, "argmax over columns", matrices, [](const Tensor& x) { return argmax(x, 1); });
  forward_rows(o, "argmax over rows", matrices, [](const Tensor& x) { return argmax(x, 0); });
  forward_rows(o, "norm", matrices, [](const Tensor& x) { return x.norm(); });
  forward_rows(o, "logsumexp", matrices, [](const Tensor& x) { return logsumexp(x, {1}); });
  rows_of(o, "softmax of short rows, backward", {{32, 10}, {2048, 32}, {65536, 64}},
          [](const Tensor& x) { return softmax(x, -1); });
  rows_of(o, "softmax of attention, backward", {{1, 2, 32, 32}, {8, 4, 128, 128}, {4, 8, 512, 512}},
          [](const Tensor& x) { return softmax(x, -1); });
  rows_of(o, "log_softmax, backward", {{32, 10}, {128, 1000}, {256, 10000}},
          [](const Tensor& x) { return log_softmax(x, -1); });
  rows_of(o, "log_softmax over channels, backward", {{4, 10, 16}, {8, 21, 1024}, {8, 21, 16384}},
          [](const Tensor& x) { return log_softmax(x, 1); });
  rows_of(o, "cumsum, backward", matrices, [](const Tensor& x) { return cumsum(x, 1); });
  rows_of(o, "cumsum over rows, backward", matrices, [](const Tensor& x) { return cumsum(x, 0); });
  forward_rows(o, "topk 5", {{32, 100}, {128, 1000}, {256, 10000}}, [](const Tensor& x) { return top(x, 5); });
  forward_rows(o, "sort", {{32, 100}, {128, 1000}, {4, 262144}}, [](const Tensor& x) { return sorted(x); });
  each(o, "cross_entropy, backward", {{32, 10}, {128, 1000}, {256, 50000}}, [](const Dims& dims) {
    const Tensor x = randn(dims);
    return with_backward({x}, [x, y = random_index(dims[1], {dims[0]})] { return cross_entropy_of(x, y); });
  });
  each(o, "mse_loss, backward", matrices, [](const Dims& dims) {
    const Tensor x = randn(dims);
    return with_backward({x}, [x, y = randn(dims)] { return mse_loss(x, y); });
  });
}

inline void shape_rows(const Options& o) {
  const std::vector<Dims> squares = {{32, 32}, {256, 256}, {2048, 2048}};
  rows_of(o, "transpose, backward", squares, [](const Tensor& x) { return contiguous(transpose(x, 0, 1)); });
  rows_of(o, "transpose in a batch, backward", {{4, 16, 16}, {32, 64, 64}, {64, 128, 512}},
          [](const Tensor& x) { return contiguous(transpose(x, 1, 2)); });
  rows_of(o, "permute heads, backward", {{1, 16, 2, 16}, {8, 128, 4, 64}, {8, 512, 8, 64}}, [](const Tensor& x) {
    return contiguous(permute(x, {0, 2, 1, 3}));
  });
  rows_of(o, "permute of q, k, v, backward", {{1, 16, 3, 2, 16}, {8, 128, 3, 4, 64}, {8, 512, 3, 8, 64}},
          [](const Tensor& x) {
            return contiguous(permute(x, {2, 0, 3, 1, 4}));
          });
  rows_of(o, "permute to channels last, backward", {{2, 8, 8, 8}, {16, 64, 28, 28}, {32, 64, 56, 56}},
          [](const Tensor& x) {
            return contiguous(permute(x, {0, 2, 3, 1}));
          });
  rows_of(o, "narrow columns, backward", squares,
          [](const Tensor& x) { return contiguous(narrow(x, 1, 3, x.size(1) / 2)); });
  rows_of(o, "flip columns, backward", squares, [](const Tensor& x) { return flip(x, {1}); });
  rows_of(o, "pad, backward", {{2, 4, 8, 8}, {16, 16, 28, 28}, {32, 64, 56, 56}},
          [](const Tensor& x) { return padded(x); });
  rows_of(o, "repeat_interleave, backward", {{2, 4, 8, 8}, {8, 16, 32, 32}, {16, 32, 64, 64}},
          [](const Tensor& x) { return repeat_interleave(repeat_interleave(x, 2, 2), 2, 3); });
  const auto joined = [&](const std::string& op, const std::vector<Dims>& sizes, auto f) {
    each(o, op, sizes, [&](const Dims& dims) {
      const std::vector<Tensor> parts = {randn(dims), randn(dims), randn(dims), randn(dims)};
      return with_backward(parts, [f, parts] { return f(parts); });
    });
  };
  joined("cat of channels, backward", {{2, 4, 64}, {16, 32, 784}, {32, 64, 3136}},
         [](const std::vector<Tensor>& parts) { return cat(parts, 1); });
  joined("cat of columns, backward", {{32, 16}, {1024, 64}, {65536, 16}},
         [](const std::vector<Tensor>& parts) { return cat(parts, 1); });
  joined("stack, backward", {{32, 16}, {256, 256}, {1024, 1024}},
         [](const std::vector<Tensor>& parts) { return stack(parts, 0); });
  joined("stack along the last axis, backward", {{32, 16}, {256, 256}, {1024, 1024}},
         [](const std::vector<Tensor>& parts) { return stack(parts, -1); });
}

inline void index_rows(const Options& o) {
  const std::vector<Dims> matrices = {{32, 64}, {256, 256}, {4096, 1024}};
  const auto indexed = [&](const std::string& op, auto f, auto index_of) {
    each(o, op, matrices,
         [&](const Dims& dims) { return [f, x = randn(dims), i = index_of(dims)] { return f(x, i); }; });
    each(o, op + ", backward", matrices, [&](const Dims& dims) {
      const Tensor x = randn(dims);
      return with_backward({x}, [f, x, i = index_of(dims)] { return f(x, i); });
    });
  };
  const auto of_columns = [](const Dims& dims) { return random_index(dims[1], dims); };
  indexed(
      "gather of columns", [](const Tensor& x, const Tensor& i) { return gather(x, 1, i); }, of_columns);
  indexed(
      "gather of rows", [](const Tensor& x, const Tensor& i) { return gather(x, 0, i); },
      [](const Dims& dims) { return random_index(dims[0], dims); });
  indexed(
      "index_select of columns", [](const Tensor& x, const Tensor& i) { return index_select(x, 1, i); },
      [](const Dims& dims) { return random_index(dims[1], {dims[1]}); });
  indexed(
      "index_select of rows", [](const Tensor& x, const Tensor& i) { return index_select(x, 0, i); },
      [](const Dims& dims) { return random_index(dims[0], {dims[0]}); });
  each(o, "scatter_add to columns", matrices, [&](const Dims& dims) {
    return [x = zeros(dims), i = of_columns(dims), source = randn(dims)] { return x.scatter_add(1, i, source); };
  });
  each(o, "scatter_add to columns, backward", matrices, [&](const Dims& dims) {
    const Tensor x = zeros(dims);
    const Tensor source = randn(dims);
    return with_backward({x, source}, [x, source, i = of_columns(dims)] { return x.scatter_add(1, i, source); });
  });
  each(o, "embedding, backward", {{8, 100, 32}, {2048, 10000, 256}, {4096, 50000, 256}}, [](const Dims& dims) {
    const Tensor weight = randn({dims[1], dims[2]});
    return with_backward({weight}, [weight, i = random_index(dims[1], {dims[0]})] { return embedding_of(i, weight); });
  });
}

inline void product_rows(const Options& o) {
  // The rows of a times the columns of b, over the length of their dot products.
  const auto products = [&](const std::string& op, const std::vector<Dims>& sizes, bool backward, auto f) {
    each(o, op, sizes, [&](const Dims& dims) {
      Dims left;
      Dims right;
      if (dims.size() == 3) {
        left = {dims[0], dims[2]};
        right = {dims[2], dims[1]};
      } else {
        left = {dims[0], dims[1], dims[3]};
        right = {dims[0], dims[3], dims[2]};
      }
      const Tensor a = randn(left);
      const Tensor b = randn(right);
      std::function<void()> call = [f, a, b] { f(a, b); };
      return backward ? std::function<void()>(with_backward({a, b}, [f, a, b] { return f(a, b); })) : call;
    });
  };
  const auto product = [](const Tensor& a, const Tensor& b) { return matmul(a, b); };
  products("matmul", {{64, 64, 64}, {256, 256, 256}, {1024, 1024, 1024}}, false, product);
  products("matmul, backward", {{64, 64, 64}, {256, 256, 256}, {1024, 1024, 1024}}, true, product);
  products("matmul of few rows, backward", {{1, 256, 256}, {8, 1024, 1024}, {32, 4096, 1024}}, true, product);
  products("matmul of a long sum, backward", {{16, 16, 4096}, {64, 64, 16384}, {128, 128, 65536}}, true, product);
  products("batched matmul, backward", {{4, 16, 16, 16}, {32, 128, 128, 64}, {32, 512, 512, 64}}, true, product);
  each(o, "linear, backward", {{16, 64, 64}, {128, 512, 512}, {1024, 1024, 256}}, [](const Dims& dims) {
    const Tensor x = randn({dims[0], dims[2]});
    const Tensor w = randn({dims[1], dims[2]});
    const Tensor b = randn({dims[1]});
    return with_backward({x, w, b}, [x, w, b] { return linear(x, w, b); });
  });
}

inline void layer_rows(const Options& o) {
  const std::vector<Dims> volumes = {{1, 4, 8, 8, 8}, {4, 16, 16, 16, 16}, {8, 32, 16, 32, 32}};
  rows_of(o, "max_pool3d, backward", volumes, [](const Tensor& x) { return max_pool_3(x); });
  rows_of(o, "avg_pool3d, backward", volumes, [](const Tensor& x) { return avg_pool_3(x); });
  const std::vector<Dims> images = {{2, 4, 8, 8}, {8, 16, 32, 32}, {16, 32, 64, 64}};
  rows_of(o, "max_pool2d, backward", images, [](const Tensor& x) { return max_pool_2(x); });
  rows_of(o, "interpolate nearest, backward", images, [](const Tensor& x) { return resized(x, false); });
  rows_of(o, "interpolate bilinear, backward", images, [](const Tensor& x) { return resized(x, true); });
  for (const bool causal : {false, true}) {
    each(o, causal ? "causal attention, backward" : "attention, backward",
         {{1, 2, 32, 16}, {8, 4, 128, 64}, {4, 8, 512, 64}}, [causal](const Dims& dims) {
           const Tensor q = randn(dims);
           const Tensor k = randn(dims);
           const Tensor v = randn(dims);
           return with_backward({q, k, v}, [q, k, v, causal] { return attention(q, k, v, causal); });
         });
  }
  // Steps, batch, features of the input, hidden features.
  each(o, "LSTM, backward", {{8, 4, 16, 32}, {28, 64, 28, 128}, {64, 64, 256, 256}}, [](const Dims& dims) {
    return lstm_step(randn({dims[0], dims[1], dims[2]}), dims[3]);
  });
  const auto parameters = [](const Dims& dims) {
    std::vector<Tensor> all;
    for (std::int64_t i = 0; i < dims[0]; ++i) {
      all.push_back(randn({dims[1]}).requires_grad_());
      set_gradient(all.back(), randn({dims[1]}));
    }
    return all;
  };
  const std::vector<Dims> models = {{8, 256}, {50, 10000}, {100, 100000}};
  each(o, "clip_grad_norm_", models,
       [&](const Dims& dims) { return [all = parameters(dims)] { clip_norm(all, 1.0); }; });
  each(o, "AdamW step", models, [&](const Dims& dims) { return adamw_step(parameters(dims)); });
  each(o, "SGD step with momentum", models, [&](const Dims& dims) { return sgd_step(parameters(dims)); });
}

inline int run_operations(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  set_threads(options.threads);
  random_rows(options);
  elementwise_rows(options);
  reduction_rows(options);
  shape_rows(options);
  index_rows(options);
  product_rows(options);
  layer_rows(options);
  return 0;
}

}  // namespace bench
