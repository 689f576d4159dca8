// A model used by several threads, and by a forked process; see docs/threads_and_processes.md. Also run it under the
// thread sanitizer.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <latch>
#include <thread>
#include <vector>

#include "tests/support/child_process.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/base/random.hpp"
#include "normgrad/core/ops/conv/conv.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/conv.hpp"
#include "normgrad/layers/flatten.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"
#include "normgrad/layers/pooling.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::is_sanitized;
using tests::result_of_child;

constexpr std::size_t kThreads = 4;

// All threads start at the same time.
void on_threads(const std::function<void(std::size_t)>& f) {
  std::latch ready(kThreads);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      ready.arrive_and_wait();
      f(t);
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

Sequential small_cnn() {
  return Sequential(Conv2d(3, 16, 3, {.padding = 1}), BatchNorm2d(16), ReLU(), MaxPool2d(2), Conv2d(16, 8, 3),
                    LayerNorm({8, 4, 4}), ReLU(), Flatten(), Linear(128, 5));
}

class ThreadsTest : public testing::Test {
 protected:
  void SetUp() override { manual_seed(3); }
};

TEST_F(ThreadsTest, OneModelServesSeveralThreads) {
  Sequential net = small_cnn();
  net.eval();
  std::vector<Tensor> inputs;
  std::vector<std::vector<float>> expected;
  for (std::size_t t = 0; t < kThreads; ++t) {
    inputs.push_back(randn({4, 3, 12, 12}));
    const NoGradGuard no_grad;
    expected.push_back(net(inputs[t]).to_vector<float>());
  }
  on_threads([&](std::size_t t) {
    const NoGradGuard no_grad;
    for (int i = 0; i < 10; ++i) {
      EXPECT_EQ(net(inputs[t]).to_vector<float>(), expected[t]);
    }
  });
}

// The result of a convolution is not row-major, and a linear layer reads it row-major.
TEST_F(ThreadsTest, HeadsOfSeveralThreadsReadOneFeatureMap) {
  const Conv2d conv(3, 16, 3);
  std::vector<Linear> heads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    heads.emplace_back(16 * 16 * 16, 4);
  }
  for (int round = 0; round < 20; ++round) {
    const NoGradGuard no_grad;
    const Tensor x = randn({8, 3, 18, 18});
    const Tensor features = conv2d(x, conv.weight, conv.bias);
    const Tensor alone = conv2d(x, conv.weight, conv.bias);
    std::vector<std::vector<float>> expected;
    for (Linear& head : heads) {
      expected.push_back(head(alone.flatten(1)).to_vector<float>());
    }
    on_threads([&](std::size_t t) {
      const NoGradGuard here;
      EXPECT_EQ(heads[t](features.flatten(1)).to_vector<float>(), expected[t]);
      EXPECT_EQ(features.sum(3).to_vector<float>(), alone.sum(3).to_vector<float>());
      EXPECT_EQ(features.softmax(1).to_vector<float>(), alone.softmax(1).to_vector<float>());
      EXPECT_EQ((features + features.select(0, 0)).to_vector<float>(), (alone + alone.select(0, 0)).to_vector<float>());
      EXPECT_EQ(features.relu().to_vector<float>(), alone.relu().to_vector<float>());
    });
  }
}

TEST_F(ThreadsTest, SeveralThreadsDifferentiateOneModel) {
  Sequential net = small_cnn();
  net.eval();
  const std::vector<Tensor> parameters = net.parameters();
  std::vector<Tensor> inputs;
  std::vector<std::vector<std::vector<float>>> expected(kThreads);
  const auto gradients = [&](std::size_t t) {
    std::vector<std::vector<float>> all;
    for (const Tensor& g : grad({net(inputs[t]).square().mean()}, parameters)) {
      all.push_back(g.to_vector<float>());
    }
    return all;
  };
  for (std::size_t t = 0; t < kThreads; ++t) {
    inputs.push_back(randn({4, 3, 12, 12}));
    expected[t] = gradients(t);
  }
  on_threads([&](std::size_t t) {
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(gradients(t), expected[t]);
    }
  });
  for (const Tensor& parameter : parameters) {
    EXPECT_FALSE(parameter.grad().defined());
  }
}

// Every thread has its own model; they share only the library.
TEST_F(ThreadsTest, SeveralThreadsTrainAModelEach) {
  const Sequential model = small_cnn();
  const Tensor x = randn({4, 3, 12, 12});
  const auto trained = [&] {
    Sequential net = model;
    for (int i = 0; i < 3; ++i) {
      net.zero_grad();
      net(x).square().mean().backward();
      const NoGradGuard no_grad;
      for (Tensor parameter : net.parameters()) {
        parameter.sub_(parameter.grad(), 0.01);
      }
    }
    const NoGradGuard no_grad;
    return net(x).to_vector<float>();
  };
  const std::vector<float> expected = trained();
  on_threads([&](std::size_t) { EXPECT_EQ(trained(), expected); });
}

class ForkedModelTest : public ThreadsTest {
 protected:
  void TearDown() override { set_num_threads(before_); }

  // Compares forward and backward bit for bit.
  static std::vector<float> trained_results(Sequential net, const Tensor& x) {
    const Tensor y = net(x);
    y.square().mean().backward();
    std::vector<float> all = y.to_vector<float>();
    for (const Tensor& parameter : net.parameters()) {
      const std::vector<float> g = parameter.grad().to_vector<float>();
      all.insert(all.end(), g.begin(), g.end());
    }
    return all;
  }

 private:
  int before_ = get_num_threads();
};

TEST_F(ForkedModelTest, AChildTrainsAfterWorkOnThreads) {
  set_num_threads(4);
  const Sequential net = small_cnn();
  const Tensor x = randn({32, 3, 12, 12});
  const std::vector<float> expected = trained_results(net, x);
  EXPECT_EQ(result_of_child([&] { return trained_results(net, x) == expected; }), 0);
  EXPECT_EQ(trained_results(net, x), expected);  // and so does the parent
}

TEST_F(ForkedModelTest, AChildTrainsWhileOtherThreadsWork) {
  if (is_sanitized()) {
    GTEST_SKIP() << "the allocator of the address sanitizer takes no part in fork(): a child hangs at its locks";
  }
  set_num_threads(2);
  const Sequential net = small_cnn();
  const Tensor x = randn({4, 3, 12, 12});
  const std::vector<float> expected = trained_results(net, x);
  std::atomic<bool> stop = false;
  std::vector<std::thread> others;
  for (int t = 0; t < 2; ++t) {
    others.emplace_back([&, t] {
      for (std::int64_t n = 1; !stop; n = n % 40 + 1) {  // new primitives, new memory sizes, copies in other orders
        const NoGradGuard no_grad;
        EXPECT_EQ(conv2d(zeros({n, 2, 9 + t, 9}), zeros({4, 2, 3, 3})).sum(3).size(0), n);
      }
    });
  }
  int result = 0;
  for (int i = 0; i < 20 && result == 0; ++i) {
    result = result_of_child([&] {
      const NoGradGuard no_grad;
      if (conv2d(ones({50 + i, 2, 9, 9}), ones({4, 2, 3, 3})).flatten(1).data<float>()[3] != 18.0F) {
        return false;
      }
      const GradModeGuard grad_mode(true);
      return trained_results(net, x) == expected;
    });
    EXPECT_EQ(result, 0) << i;
  }
  stop = true;
  for (std::thread& other : others) {
    other.join();
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
