// checkpoint() and checkpoint_sequential(): gradients, random numbers, statistics, errors and memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/anomaly.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/checkpoint.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/autograd/node.hpp"
#include "normgrad/core/base/random.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/dropout.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/container/checkpoint_sequential.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/conv.hpp"
#include "normgrad/layers/dropout.hpp"
#include "normgrad/layers/flatten.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"
#include "normgrad/layers/pooling.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;
using tests::gradients_agree;
using tests::Numbers;
using tests::numbers;
using tests::random_tensor;

Sequential mlp() {
  manual_seed(1);
  return Sequential(Linear(6, 16), ReLU(), Dropout(0.5), Linear(16, 16), LayerNorm(16), GELU(), Dropout(0.3),
                    Linear(16, 16), BatchNorm1d(16), ReLU(), Linear(16, 3));
}

Sequential cnn() {
  manual_seed(2);
  return Sequential(Conv2d(2, 4, 3), BatchNorm2d(4), ReLU(), MaxPool2d(2), Conv2d(4, 4, 3), BatchNorm2d(4), Tanh(),
                    Dropout2d(0.5), Flatten(), Linear(4 * 3 * 3, 3));
}

struct Outcome {
  Numbers value;
  std::vector<Numbers> gradients;  // of the input and all parameters
  StateDict state;
  std::uint64_t position;  // of the random numbers afterwards

  friend bool operator==(const Outcome& a, const Outcome& b) {
    bool same_state = a.state.size() == b.state.size();
    for (const auto& [name, tensor] : a.state) {
      same_state = same_state && numbers(tensor) == numbers(b.state.at(name));
    }
    return same_state && a.value == b.value && a.gradients == b.gradients && a.position == b.position;
  }
};

Outcome step(Sequential& net, const Tensor& data, const std::function<Tensor(Sequential&, const Tensor&)>& call) {
  manual_seed(3);
  Tensor x = data.clone().requires_grad_();
  const Tensor y = call(net, x);
  y.backward(random_tensor(y.shape(), y.dtype(), 4));
  Outcome outcome{numbers(y), {numbers(x.grad())}, {}, default_generator().position()};
  for (const Tensor& parameter : net.parameters()) {
    outcome.gradients.push_back(numbers(parameter.grad()));
  }
  for (const auto& [name, tensor] : net.state_dict()) {
    outcome.state[name] = tensor.clone();
  }
  return outcome;
}

TEST(CheckpointTest, GradientsAreBitwiseThoseWithout) {
  const Tensor rows = random_tensor({8, 6}, kFloat32, 5);
  const Tensor images = random_tensor({4, 2, 14, 14}, kFloat32, 6).narrow(2, 0, 12).narrow(3, 0, 12);
  for (const bool is_mlp : {true, false}) {
    const Tensor& data = is_mlp ? rows : images;
    const auto net = is_mlp ? mlp : cnn;
    Sequential plain = net();
    const Outcome expected = step(plain, data, [](Sequential& n, const Tensor& x) { return n(x); });
    Sequential whole = net();
    EXPECT_TRUE(expected ==
                step(whole, data, [](Sequential& n, const Tensor& x) { return checkpoint(std::ref(n), x); }));
    // Other boundaries give the same bits, except beside a norm that pools.
    for (std::int64_t segments = 1; segments <= (is_mlp ? plain.size() : 1); ++segments) {
      Sequential parts = net();
      EXPECT_TRUE(
          expected ==
          step(parts, data, [&](Sequential& n, const Tensor& x) { return checkpoint_sequential(n, segments, x); }))
          << segments;
    }
    Sequential nested = net();
    EXPECT_TRUE(expected == step(nested, data, [&](Sequential& n, const Tensor& x) {
                  return checkpoint(
                      [&n](const Tensor& in) {
                        const Tensor half = checkpoint([&n](const Tensor& i) { return n.forward_range(i, 0, 4); }, in);
                        return checkpoint([&n](const Tensor& i) { return n.forward_range(i, 4, n.size()); }, half);
                      },
                      x);
                }));
  }
}

TEST(CheckpointTest, StatisticsAreUpdatedOnce) {
  Sequential net(Linear(6, 4), BatchNorm1d(4));
  const Tensor x = random_tensor({8, 6}, kFloat32, 1);
  checkpoint(std::ref(net), x).sum().backward();
  EXPECT_EQ(net.at<BatchNorm1d>(1).num_batches_tracked.item<std::int64_t>(), 1);
  checkpoint_sequential(net, 2, x).sum().backward();
  EXPECT_EQ(net.at<BatchNorm1d>(1).num_batches_tracked.item<std::int64_t>(), 2);
}

TEST(CheckpointTest, SecondDerivatives) {
  const Tensor x = random_tensor({3, 2}, kFloat64, 1).requires_grad_();
  const Tensor w = random_tensor({2, 2}, kFloat64, 2).requires_grad_();
  const auto f = [](const Tensor& a, const Tensor& b) { return tanh(matmul(a, b)) * a; };
  EXPECT_TRUE(gradients_agree([&](const std::vector<Tensor>& in) { return checkpoint(f, in[0], in[1]); }, {x, w}));
  EXPECT_TRUE(gradients_agree(
      [&](const std::vector<Tensor>& in) {
        const Tensor scaled = in[1] * 2.0;  // captured, and depends on an input
        return checkpoint(
            [&, scaled](const Tensor& a) { return checkpoint(f, exp(a) * 0.1, scaled) + matmul(a, in[1]); },
            in[0] * in[0]);
      },
      {x, w}));
  const auto second = [&](const std::function<Tensor()>& y) {
    const Tensor g = grad({y().sum()}, {x, w}, {}, {.create_graph = true})[0];
    return numbers(grad({(g * g).sum()}, {w})[0]);
  };
  EXPECT_EQ(second([&] { return checkpoint(f, x, w); }), second([&] { return f(x, w); }));
}

// Tensors that the function uses without being given them: leaves, and results, one of which depends on the other.
TEST(CheckpointTest, CapturedTensors) {
  const Tensor x = random_tensor({4}, kFloat64, 1).requires_grad_();
  const Tensor w = random_tensor({4}, kFloat64, 2).requires_grad_();
  const auto run = [&](bool checkpoints) {
    const Tensor z = w * w;
    const Tensor u = z * x;
    const auto f = [&](const Tensor& in) { return exp(in * z) * w + u * in; };
    const Tensor y = checkpoints ? checkpoint(f, x) : f(x);
    std::vector<Numbers> found;
    for (const Tensor& g : grad({y.sum()}, {x, w, z, u}, {}, {.retain_graph = true})) {
      found.push_back(numbers(g));
    }
    found.push_back(numbers(grad({y.sum()}, {z}, {}, {.retain_graph = true})[0]));
    y.sum().backward({}, {.retain_graph = true});
    y.sum().backward();
    found.push_back(numbers(x.grad()));
    found.push_back(numbers(w.grad()));
    Tensor(x).set_grad({});
    Tensor(w).set_grad({});
    return found;
  };
  const auto with = run(true);
  const auto without = run(false);
  for (std::size_t i = 0; i < with.size(); ++i) {
    for (std::size_t j = 0; j < with[i].size(); ++j) {
      EXPECT_NEAR(with[i][j], without[i][j], 1e-14 * (1.0 + std::abs(without[i][j]))) << i;  // another order of sums
    }
  }
}

TEST(CheckpointTest, HooksOfCapturedTensorsAreCalledOnce) {
  const Tensor x = random_tensor({2}, kFloat64, 1).requires_grad_();
  Tensor w = random_tensor({2}, kFloat64, 2).requires_grad_();
  int calls = 0;
  w.register_hook([&](const Tensor&) {
    ++calls;
    return Tensor();
  });
  checkpoint([&](const Tensor& in) { return in * w; }, x).sum().backward();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(numbers(w.grad()), numbers(x));
}

TEST(CheckpointTest, RandomNumbers) {
  const auto f = [](const Tensor& x) { return dropout(x * x, 0.5, true); };
  const Tensor x = ones({64}, {.requires_grad = true});
  manual_seed(1);
  const Tensor y = checkpoint(f, x);
  const std::uint64_t after = default_generator().position();
  randn({10});
  const std::uint64_t later = default_generator().position();
  y.sum().backward();
  EXPECT_EQ(numbers(x.grad()), numbers(y * 2.0));
  EXPECT_EQ(default_generator().position(), later);
  Tensor(x).set_grad({});
  manual_seed(1);
  const Tensor other = checkpoint(f, x, {.preserve_rng_state = false});
  EXPECT_EQ(numbers(other), numbers(y));
  other.sum().backward();
  EXPECT_NE(numbers(x.grad()), numbers(y * 2.0));  // 64 other elements
  EXPECT_EQ(default_generator().position(), 2 * after);
}

TEST(CheckpointTest, WhenNothingIsRecorded) {
  const Tensor x = ones({2}, {.requires_grad = true});
  int calls = 0;
  const auto f = [&](const Tensor& in) {
    ++calls;
    return in * 2.0;
  };
  {
    const NoGradGuard no_grad;
    EXPECT_FALSE(checkpoint(f, x).requires_grad());
  }
  EXPECT_FALSE(checkpoint(f, ones({2})).requires_grad());
  EXPECT_EQ(calls, 2);
  EXPECT_TRUE(is_same(checkpoint([](const Tensor& in) { return in; }, x), x));
  const Tensor y = checkpoint(f, x);
  EXPECT_STREQ(y.node()->name(), "checkpoint");
  EXPECT_FALSE(y.is_leaf());
  EXPECT_THAT(numbers(y), ElementsAre(2, 2));
  // A view of the input: not a copy, but another value.
  const Tensor view = checkpoint([](const Tensor& in) { return in.view({2, 1}); }, x);
  view.sum().backward();
  EXPECT_THAT(numbers(x.grad()), ElementsAre(1, 1));
}

TEST(CheckpointTest, OnlyTheInputsAreKept) {
  const Tensor x = ones({2}, {.requires_grad = true});
  const std::int64_t before = live_nodes();
  const Tensor y = checkpoint(
      [](const Tensor& in) {
        Tensor z = in;
        for (int i = 0; i < 100; ++i) {
          z = tanh(z);
        }
        return z;
      },
      x);
  EXPECT_EQ(live_nodes(), before + 1);
  y.sum().backward({}, {.retain_graph = true});
  EXPECT_EQ(live_nodes(), before + 1);
}

TEST(CheckpointTest, TakesLessMemory) {
  const auto block = [](const Tensor& x) {
    Tensor y = x;
    for (int i = 0; i < 8; ++i) {
      y = tanh(y * 1.1);
    }
    return y;
  };
  const auto peak = [&](bool checkpoints) {
    const Tensor x = random_tensor({1 << 16}, kFloat32, 1).requires_grad_();
    const std::size_t before = memory_stats().bytes_in_use;
    reset_peak_memory();
    Tensor y = x;
    for (int i = 0; i < 8; ++i) {
      y = checkpoints ? checkpoint(block, y) : block(y);
    }
    y.sum().backward();
    return static_cast<double>(memory_stats().peak_bytes_in_use - before) / (4.0 * (1 << 16));
  };
  // Without: the 64 results of tanh. With: the 8 inputs of blocks, and the 8 results of one block. Both: temporaries.
  EXPECT_GE(peak(false), 64.0);
  EXPECT_LE(peak(true), 8.0 + 8.0 + 6.0);
}

TEST(CheckpointTest, AnErrorInTheBackwardLeavesEverythingAsItWas) {
  const Tensor x = ones({2}, {.requires_grad = true});
  int calls = 0;
  const auto f = [&](const Tensor& in) {
    rand({3});
    if (++calls == 2) {
      throw std::runtime_error("out of order");
    }
    return in * in;
  };
  manual_seed(1);
  const Tensor y = checkpoint(f, x).sum();
  const std::uint64_t position = default_generator().position();
  try {
    y.backward();
    ADD_FAILURE() << "threw nothing";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "out of order");
  }
  EXPECT_EQ(default_generator().position(), position);
  EXPECT_TRUE(is_grad_enabled());
  EXPECT_FALSE(detail::is_recomputing());
  EXPECT_EQ(detail::current_node(), nullptr);
  EXPECT_FALSE(x.grad().defined());
}

TEST(CheckpointTest, Errors) {
  EXPECT_EQ(error_of<ValueError>([] { checkpoint(std::function<Tensor(const std::vector<Tensor>&)>(), {ones({2})}); }),
            "checkpoint: expected a function but got none");
  EXPECT_EQ(error_of<ValueError>([] { checkpoint([](const Tensor&) { return Tensor(); }, ones({2})); }),
            "checkpoint: expected the function to return a tensor but got an undefined one");
  const Tensor x = ones({2}, {.requires_grad = true});
  const auto second = [&](const std::function<Tensor(const Tensor&)>& other) {
    int calls = 0;
    const Tensor y = checkpoint([&](const Tensor& in) { return ++calls == 1 ? in * 2.0 : other(in); }, x).sum();
    return error_of<GraphError>([&] { y.backward(); });
  };
  const std::string expected =
      "checkpoint: expected float32 [2] that requires gradients, as in the forward, when the function was called again "
      "but got ";
  const std::string same = "; it must compute the same each time";
  EXPECT_EQ(second([](const Tensor& in) { return in[0]; }), expected + "float32 []" + same);
  EXPECT_EQ(second([](const Tensor& in) { return in.to(kFloat64); }), expected + "float64 [2]" + same);
  EXPECT_EQ(second([](const Tensor& in) { return in.detach(); }), expected + "float32 [2] that requires none" + same);
  EXPECT_EQ(second([](const Tensor&) { return Tensor(); }), expected + "an undefined tensor that requires none" + same);
  Tensor z = x * 1.0;
  const Tensor y = checkpoint([](const Tensor& in) { return in * in; }, z).sum();
  z.mul_(2.0);
  EXPECT_EQ(error_of<GraphError>([&] { y.backward(); }),
            "backward of 'checkpoint': a tensor of shape [2] that it needs was changed in place after the forward; "
            "clone() it before changing it");
  Sequential net(ReLU{}, ReLU{});
  EXPECT_EQ(error_of<ValueError>([&] { checkpoint_sequential(net, 3, x); }),
            "checkpoint_sequential: expected 1 to 2 segments, as there are modules, but got 3");
  EXPECT_EQ(error_of<ValueError>([&] { checkpoint_sequential(net, 0, x); }),
            "checkpoint_sequential: expected 1 to 2 segments, as there are modules, but got 0");
  EXPECT_EQ(error_of<IndexError>([&] { net.forward_range(x, 1, 3); }),
            "Sequential: expected a range within [0, 2] but got 1 to 3");
  EXPECT_EQ(error_of<IndexError>([&] { net.forward_range(x, 2, 1); }),
            "Sequential: expected a range within [0, 2] but got 2 to 1");
}

TEST(CheckpointTest, AnomalyModeNamesTheOperationInside) {
  const DetectAnomalyGuard guard;
  const Tensor x = tensor({0.0, 1.0}, {.requires_grad = true});
  EXPECT_THAT(
      error_of<GraphError>([&] { checkpoint([](const Tensor& in) { return sqrt(in) * in; }, x).sum().backward(); }),
      HasSubstr("'sqrt'"));
}

// Backwards inside of the function.
TEST(CheckpointTest, AGradientInside) {
  const Tensor x = random_tensor({3}, kFloat64, 1).requires_grad_();
  const auto penalty = [](const Tensor& in) {
    const Tensor y = in * 1.0;
    const Tensor g = grad({(y * y * y).sum()}, {y}, {}, {.create_graph = true})[0];
    return (g * g).sum();
  };
  EXPECT_TRUE(gradients_agree([&](const std::vector<Tensor>& in) { return checkpoint(penalty, in[0]); }, {x}));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
