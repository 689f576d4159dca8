#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <numeric>
#include <thread>

#include "tests/support/raises.hpp"
#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/core/base/serial.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

Tensor counting(const Shape& shape) {
  Tensor x = Tensor::empty(shape);
  std::iota(x.mutable_data<float>(), x.mutable_data<float>() + x.numel(), 0.0F);
  return x;
}

TEST(TensorLayoutTest, ChannelsLastHoldsTheSameElementsInAnotherOrder) {
  for (const Shape& shape : {Shape{2, 3, 4, 5}, Shape{3, 17, 33}, Shape{1, 40, 7, 3, 2}, Shape{5, 2, 9}}) {
    const Tensor source = counting(shape);
    const std::vector<float> before = source.to_vector<float>();
    const Tensor x = source.as_channels_last();
    ASSERT_FALSE(source.is_channels_last());
    ASSERT_TRUE(x.is_channels_last());
    const std::int64_t c = shape[1];
    const std::int64_t s = x.numel() / shape[0] / c;
    const float* lies = x.physical_data<float>();
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      const std::int64_t n = i / (c * s);
      const std::int64_t channel = i / s % c;
      ASSERT_EQ(lies[n * c * s + i % s * c + channel], before[static_cast<std::size_t>(i)]);
    }
    EXPECT_EQ(x.to_vector<float>(), before);
    EXPECT_TRUE(x.is_channels_last());
  }
}

TEST(TensorLayoutTest, WhereBothOrdersAreTheSameThereIsOne) {
  for (const Shape& shape : {Shape{5, 1, 9}, Shape{5, 9, 1}, Shape{5, 9, 1, 1}, Shape{0, 3, 4}}) {
    EXPECT_FALSE(Tensor::empty_channels_last(shape, kFloat32).is_channels_last()) << shape;
    const Tensor x = counting(shape);
    EXPECT_EQ(x.as_channels_last().physical_data<float>(), x.data<float>()) << shape;
  }
}

TEST(TensorLayoutTest, OrderBelongsToTheMemoryNotToTheHandle) {
  const Tensor x = counting({2, 3, 4}).as_channels_last();
  const Tensor y = x.detach();
  EXPECT_TRUE(y.is_channels_last());
  Tensor z = y.alias({24});
  EXPECT_FALSE(z.is_channels_last());
  EXPECT_TRUE(x.is_channels_last());
  z.mutable_data<float>()[5] = -1.0F;
  EXPECT_EQ(x.data<float>()[5], -1.0F);
  EXPECT_EQ(y.data<float>()[5], -1.0F);
}

TEST(TensorLayoutTest, ReadingMovesNothing) {
  const Tensor x = counting({2, 3, 4}).as_channels_last();
  const std::uint64_t version = x.version();
  const float* lies = x.physical_data<float>();
  const float* rows = x.data<float>();
  EXPECT_NE(rows, lies);
  EXPECT_EQ(x.row_major().physical_data<float>(), rows);
  EXPECT_EQ(x.alias({4, 6}).data<float>(), rows);
  EXPECT_EQ(x.detach().data<float>(), rows);
  EXPECT_EQ(x.physical_data<float>(), lies);
  EXPECT_EQ(x.data<float>(), rows);
  EXPECT_EQ(x.version(), version);
}

// Pointers and views observe every kind of write.
TEST(TensorLayoutTest, ChangesInPlaceAreSeenByAllWhoShareTheMemory) {
  const auto changes = std::vector<std::function<void(Tensor&, Tensor&)>>{
      [](Tensor& x, Tensor&) { x.mutable_data<float>()[7] = 100.0F; },
      [](Tensor&, Tensor& view) { view.mutable_data<float>()[7] = 100.0F; },
      [](Tensor& x, Tensor&) { x.mul_(2.0); },
      [](Tensor&, Tensor& view) { view.mul_(2.0); },
      [](Tensor& x, Tensor&) { x.add_(x); },
      [](Tensor& x, Tensor& view) { x.add_(view.alias(x.shape())); },
      [](Tensor& x, Tensor&) {
        x.copy_(counting({2, 3, 4}).as_channels_last());
      },
      [](Tensor& x, Tensor&) { x.fill_(3.0); },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    Tensor x = counting({2, 3, 4}).as_channels_last();
    const Tensor other = x.detach();
    Tensor view = x.alias({24});
    const float* rows = x.data<float>();
    const std::uint64_t version = x.version();
    changes[i](x, view);
    const std::vector<float> now(rows, rows + x.numel());
    EXPECT_EQ(x.data<float>(), rows) << i;
    EXPECT_EQ(x.to_vector<float>(), now) << i;
    EXPECT_EQ(other.to_vector<float>(), now) << i;
    EXPECT_EQ(view.to_vector<float>(), now) << i;
    EXPECT_EQ(x.as_channels_last().to_vector<float>(), now) << i;
    EXPECT_EQ(x.version(), version + 1) << i;
    EXPECT_EQ(other.version(), version + 1) << i;
    EXPECT_EQ(view.version(), version + 1) << i;
  }
}

TEST(TensorLayoutTest, ChangesInPlaceKeepTheOrderWhileNobodyHasACopy) {
  Tensor x = counting({2, 3, 4}).as_channels_last();
  const float* lies = x.physical_data<float>();
  x.add_(counting({2, 3, 4}).as_channels_last()).mul_(0.5);
  EXPECT_TRUE(x.is_channels_last());
  EXPECT_EQ(x.physical_data<float>(), lies);
  EXPECT_EQ(x.version(), 2U);
  EXPECT_EQ(x.to_vector<float>(), counting({2, 3, 4}).to_vector<float>());
  EXPECT_FALSE(x.is_physically_writable());
  EXPECT_THAT(tests::error_of<GraphError>([&] { x.mutable_physical_data<float>(); }),
              testing::HasSubstr("write to mutable_data()"));
}

TEST(TensorLayoutTest, ATensorWithACopyIsNobodysAlone) {
  const Tensor x = counting({2, 3, 4}).as_channels_last();
  EXPECT_TRUE(x.is_sole_owner());
  EXPECT_EQ(x.data<float>()[0], 0.0F);
  EXPECT_FALSE(x.is_sole_owner());
}

TEST(TensorLayoutTest, TheCopyGoesWithTheTensorAndAViewKeepsOnlyTheCopy) {
  const std::size_t before = memory_stats().bytes_in_use;
  Tensor x = counting({16, 64, 64}).as_channels_last();
  const std::size_t one = memory_stats().bytes_in_use - before;
  EXPECT_EQ(x.data<float>()[3], 3.0F);
  EXPECT_EQ(memory_stats().bytes_in_use - before, 2 * one);
  Tensor view = x.alias({16, 64 * 64});
  x = Tensor();
  EXPECT_EQ(memory_stats().bytes_in_use - before, one);
  EXPECT_EQ(view.data<float>()[3], 3.0F);
  view = Tensor();
  EXPECT_EQ(memory_stats().bytes_in_use, before);
}

TEST(TensorLayoutTest, ManyThreadsReadOneTensor) {
  for (int round = 0; round < 20; ++round) {
    const Tensor source = counting({3, 8, 25});
    const Tensor x = source.as_channels_last();
    const std::vector<float> expected = source.to_vector<float>();
    std::vector<const float*> rows(8);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < rows.size(); ++t) {
      threads.emplace_back([&, t] {
        const SerialSection serial;
        rows[t] = t % 2 == 0 ? x.data<float>() : x.alias({600}).data<float>();
        EXPECT_EQ(x.to_vector<float>(), expected);
        EXPECT_EQ(x.physical_data<float>()[1], expected[25]);
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    for (const float* mine : rows) {
      EXPECT_EQ(mine, rows[0]);
    }
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
