// A training step takes all of its memory from the pool once the first steps have filled it.
#include <gtest/gtest.h>

#include "normgrad/core/base/buffer.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/loss/loss.hpp"
#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/conv.hpp"
#include "normgrad/layers/flatten.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/group_norm.hpp"
#include "normgrad/layers/pooling.hpp"
#include "normgrad/optim/adam.hpp"
#include "normgrad/optim/sgd.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

// Parameters that are parts of one flat tensor train as parameters with memory of their own.
TEST(StepTest, ParametersMayBePartsOfOneTensor) {
  Tensor flat = arange(0, 7, 1, {.dtype = kFloat32});
  std::vector<Tensor> parts = {flat.narrow(0, 0, 3).detach().requires_grad_(), flat.narrow(0, 3, 4).detach()};
  parts[1].requires_grad_();
  std::vector<Tensor> own = {parts[0].detach().clone().requires_grad_(), parts[1].detach().clone().requires_grad_()};
  Adam of_parts(parts, {.lr = 0.1});
  Adam of_own(own, {.lr = 0.1});
  const std::uint64_t version = flat.version();
  for (int step = 0; step < 3; ++step) {
    for (auto* list : {&parts, &own}) {
      ((*list)[0].square().sum() + (*list)[1].exp().sum()).backward();
    }
    of_parts.step();
    of_own.step();
    of_parts.zero_grad();
    of_own.zero_grad();
  }
  std::vector<double> expected = own[0].to_vector<double>();
  const std::vector<double> rest = own[1].to_vector<double>();
  expected.insert(expected.end(), rest.begin(), rest.end());
  EXPECT_EQ(flat.to_vector<double>(), expected);
  EXPECT_EQ(flat.version(), version + 6);
}

class StepMemoryTest : public testing::Test {
 protected:
  // Concurrent tasks each need scratch memory; their number depends on timing.
  void SetUp() override {
    threads_ = get_num_threads();
    set_num_threads(1);
  }
  void TearDown() override { set_num_threads(threads_); }

  static void expect_no_requests(Module& model, Optimizer& optimizer, const Tensor& x) {
    const Tensor target = randint(0, 10, {x.size(0)});
    const auto step = [&] {
      optimizer.zero_grad();
      cross_entropy(model(x), target).backward();
      optimizer.step();
    };
    empty_memory_pool();
    step();
    const std::uint64_t in_first = memory_stats().system_allocations;
    step();
    step();
    const std::uint64_t before = memory_stats().system_allocations;
    EXPECT_GT(in_first, 0U);
    for (int i = 0; i < 5; ++i) {
      step();
      EXPECT_EQ(memory_stats().system_allocations, before) << "step " << i;
    }
  }

 private:
  int threads_ = 1;
};

TEST_F(StepMemoryTest, OfAnMlp) {
  Sequential model(Linear(30, 20), BatchNorm1d(20), Sigmoid(), Linear(20, 10));
  SGD optimizer(model.parameters(), {.lr = 0.1, .momentum = 0.9});
  expect_no_requests(model, optimizer, randn({12, 30}));
}

TEST_F(StepMemoryTest, OfAConvolutionalNetwork) {
  Sequential model(Conv2d(1, 16, 3, {.padding = 1}), BatchNorm2d(16), ReLU(), MaxPool2d(2),
                   Conv2d(16, 32, 3, {.padding = 1}), GroupNorm(4, 32), ReLU(), MaxPool2d(2), Flatten(),
                   Linear(32 * 16, 10));
  Adam optimizer(model.parameters());
  expect_no_requests(model, optimizer, randn({8, 1, 16, 16}));
}

// The backward releases activations as it proceeds: the peak memory of a longer chain is little more than its saved
// values.
TEST_F(StepMemoryTest, BackwardFreesWhatItHasPassed) {
  constexpr std::int64_t kSize = 1 << 16;
  constexpr int kLength = 8;
  const Tensor x = randn({kSize}).requires_grad_();
  Tensor y = x;
  for (int i = 0; i < kLength; ++i) {
    y = sigmoid(y);
  }
  const std::size_t before = memory_stats().bytes_in_use;
  reset_peak_memory();
  const Tensor gy = ones({kSize});
  y.backward(gy);
  // The propagated gradient, that of the leaf, and `gy`; never one per operation.
  EXPECT_LE(memory_stats().peak_bytes_in_use, before + 4 * kSize * sizeof(float));
  EXPECT_LE(memory_stats().bytes_in_use, before + 2 * kSize * sizeof(float));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
