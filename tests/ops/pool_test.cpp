#include "normgrad/core/ops/pool/pool.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::gradients_agree;
using tests::random_tensor;

Tensor numbers(const Shape& shape, const std::vector<double>& values, DType dtype = kFloat64) {
  Tensor x = Tensor::empty(shape, dtype);
  dispatch_float("numbers", dtype, [&](auto zero) {
    using T = decltype(zero);
    T* to = x.mutable_data<T>();
    for (const double v : values) {
      *to++ = static_cast<T>(v);
    }
  });
  return x;
}

Tensor leaf(const Shape& shape, std::uint32_t seed) {
  Tensor x = random_tensor(shape, kFloat64, seed);
  return x.requires_grad_();
}

using Values = std::vector<double>;

TEST(MaxPoolTest, TakesTheLargestOfEachWindow) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    const Tensor x = numbers({1, 1, 3, 4}, {1, 5, 2, 0, 7, 3, 8, 4, -1, -2, -3, -4}, dtype);
    EXPECT_EQ(max_pool2d(x, 2).to_vector<double>(), (Values{7, 8}));
    EXPECT_EQ(max_pool2d(x, 2, {.stride = 1}).to_vector<double>(), (Values{7, 8, 8, 7, 8, 8}));
    EXPECT_EQ(max_pool2d(x, {1, 2}).to_vector<double>(), (Values{5, 2, 7, 8, -1, -3}));
    // Padding is never the maximum, not even over negative elements.
    EXPECT_EQ(max_pool2d(x, 2, {.stride = 2, .padding = 1}).to_vector<double>(), (Values{1, 5, 0, 7, 8, 4}));
    EXPECT_EQ(max_pool1d(x.reshape({3, 4}), 2, {.stride = 1, .dilation = 2}).to_vector<double>(),
              (Values{2, 5, 8, 4, -1, -2}));
  }
}

TEST(MaxPoolTest, TheFirstOfEqualOnesTakesTheGradient) {
  Tensor x = numbers({1, 2, 4}, {0, 0, 1, 1, 2, 2, 2, 3});
  x.requires_grad_();
  max_pool1d(x, 2).backward(numbers({1, 2, 2}, {1, 2, 3, 4}));
  EXPECT_EQ(x.grad().to_vector<double>(), (Values{1, 0, 2, 0, 3, 0, 0, 4}));
}

TEST(MaxPoolTest, GradientsOfFirstAndSecondOrder) {
  using F = std::function<Tensor(const Tensor&)>;
  const std::vector<std::pair<Shape, F>> cases{
      {{2, 3, 9}, [](const Tensor& x) { return max_pool1d(x, 3); }},
      {{3, 9}, [](const Tensor& x) { return max_pool1d(x, 3, {.stride = 2, .padding = 1}); }},
      {{2, 3, 6, 8}, [](const Tensor& x) { return max_pool2d(x, 2); }},
      {{3, 7, 5}, [](const Tensor& x) { return max_pool2d(x, 3, {.stride = 2, .padding = 1}); }},
      {{1, 2, 7, 8},
       [](const Tensor& x) {
         return max_pool2d(x, {2, 3}, {.stride = 1, .dilation = 2});
       }},
  };
  for (const auto& [shape, f] : cases) {
    // Nonlinear, so that the second order is not zero.
    EXPECT_TRUE(gradients_agree(
        [&f = f](const std::vector<Tensor>& in) {
          const Tensor y = f(in[0]);
          return y * y;
        },
        {leaf(shape, 1)}))
        << shape;
  }
}

TEST(MaxPoolTest, SaysWhatDoesNotFit) {
  const Tensor x = random_tensor({2, 3, 6, 4}, kFloat32, 1);
  EXPECT_EQ(error_of<Error>([&] {
              max_pool2d(random_tensor({6, 4}, kFloat32, 1), 2);
            }),
            "max_pool2d: expected a 4-D input [N, C, ...] or a 3-D input [C, ...] but got [6, 4]");
  EXPECT_EQ(error_of<Error>([&] { max_pool2d(x, 5); }),
            "max_pool2d: expected a window no larger than the padded input but got kernel_size 5 (padding 0, dilation "
            "1) on an input [2, 3, 6, 4]");
  EXPECT_EQ(error_of<Error>([&] { max_pool2d(x, 2, {.padding = 2}); }),
            "max_pool2d: expected padding of at most half of kernel_size but got padding 2 for kernel_size 2");
  EXPECT_EQ(error_of<Error>([&] { max_pool2d(x, 0); }), "max_pool2d: expected kernel_size >= 1 but got 0");
  EXPECT_EQ(error_of<Error>([&] { max_pool1d(x, 2); }),
            "max_pool1d: expected a 3-D input [N, C, ...] or a 2-D input [C, ...] but got [2, 3, 6, 4]");
  EXPECT_THROW(max_pool2d(Tensor::empty({1, 2, 4, 4}, kInt64), 2), DTypeError);
}

TEST(AvgPoolTest, TakesTheMeanOfEachWindow) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    const Tensor x = numbers({1, 1, 2, 4}, {1, 3, 5, 7, 9, 11, 13, 15}, dtype);
    EXPECT_EQ(avg_pool2d(x, 2).to_vector<double>(), (Values{6, 10}));
    EXPECT_EQ(avg_pool2d(x, 2, {.padding = 1}).to_vector<double>(), (Values{0.25, 2, 1.75, 2.25, 6, 3.75}));
    EXPECT_EQ(avg_pool2d(x, 2, {.padding = 1, .count_include_pad = false}).to_vector<double>(),
              (Values{1, 4, 7, 9, 12, 15}));
    EXPECT_EQ(avg_pool1d(x.reshape({2, 4}), 2, {.stride = 1}).to_vector<double>(), (Values{2, 4, 6, 10, 12, 14}));
  }
}

TEST(AvgPoolTest, AdaptiveWindowsMayOverlap) {
  const Tensor x = numbers({1, 1, 1, 5}, {1, 2, 3, 4, 5});
  EXPECT_EQ(adaptive_avg_pool2d(x, {1, 2}).to_vector<double>(), (Values{2, 4}));
  EXPECT_EQ(adaptive_avg_pool2d(x, 1).to_vector<double>(), (Values{3}));
  EXPECT_EQ(adaptive_avg_pool2d(x, {2, 5}).to_vector<double>(), (Values{1, 2, 3, 4, 5, 1, 2, 3, 4, 5}));
}

TEST(AvgPoolTest, GradientsOfFirstAndSecondOrder) {
  using F = std::function<Tensor(const Tensor&)>;
  const std::vector<std::pair<Shape, F>> cases{
      {{2, 3, 9}, [](const Tensor& x) { return avg_pool1d(x, 3); }},
      {{2, 3, 6, 8}, [](const Tensor& x) { return avg_pool2d(x, 2); }},
      {{3, 7, 5}, [](const Tensor& x) { return avg_pool2d(x, 3, {.stride = 2, .padding = 1}); }},
      {{1, 2, 7, 5},
       [](const Tensor& x) {
         return avg_pool2d(x, {3, 2}, {.stride = 1, .padding = 1, .count_include_pad = false});
       }},
      {{2, 2, 7, 5},
       [](const Tensor& x) {
         return adaptive_avg_pool2d(x, {3, 2});
       }},
      {{2, 7, 5}, [](const Tensor& x) { return adaptive_avg_pool2d(x, 1); }},
  };
  for (const auto& [shape, f] : cases) {
    EXPECT_TRUE(gradients_agree(
        [&f = f](const std::vector<Tensor>& in) {
          const Tensor y = f(in[0]);
          return y * y;
        },
        {leaf(shape, 1)}))
        << shape;
  }
}

// The same result in both memory formats, including first and second derivatives.
TEST(PoolOrderTest, ChannelsLastChangesNothingButTheOrder) {
  using F = std::function<Tensor(const Tensor&)>;
  const std::vector<F> cases{
      [](const Tensor& x) { return max_pool2d(x, 2); },
      [](const Tensor& x) { return max_pool2d(x, 3, {.stride = 2, .padding = 1}); },
      [](const Tensor& x) { return avg_pool2d(x, 2); },
      [](const Tensor& x) {
        return avg_pool2d(x, {3, 2}, {.stride = 1, .padding = 1, .count_include_pad = false});
      },
      [](const Tensor& x) {
        return adaptive_avg_pool2d(x, {3, 2});
      },
  };
  for (const DType dtype : {kFloat32, kFloat64}) {
    for (const F& f : cases) {
      std::vector<Values> results;
      for (const bool last : {false, true}) {
        Tensor x = random_tensor({2, 5, 6, 8}, dtype, 1);
        x = last ? x.as_channels_last() : x;
        x.requires_grad_();
        const Tensor y = f(x);
        EXPECT_EQ(y.is_channels_last(), last);
        Tensor gy = random_tensor(y.shape(), dtype, 2);
        gy.requires_grad_();
        const Tensor gx = grad({y}, {x}, {gy}, {.create_graph = true})[0];
        EXPECT_EQ(gx.is_channels_last(), last);
        const Tensor ggy = grad({gx}, {gy}, {random_tensor(x.shape(), dtype, 3)})[0];
        for (const Tensor& t : {y, gx, ggy}) {
          results.push_back(t.to_vector<double>());
        }
      }
      for (std::size_t i = 0; i < 3; ++i) {
        ASSERT_EQ(results[i].size(), results[i + 3].size());
        for (std::size_t j = 0; j < results[i].size(); ++j) {
          ASSERT_NEAR(results[i][j], results[i + 3][j], 1e-6) << "result " << i << " at " << j;
        }
      }
    }
  }
}

TEST(PoolOrderTest, AnOrderOfOtherAxesIsNotTaken) {
  // [N, C, L] in channels-last format, pooled as an image [C, H, W] without batch axis.
  const Tensor x = random_tensor({3, 6, 8}, kFloat32, 1);
  const Values expected = max_pool2d(x, 2).to_vector<double>();
  EXPECT_EQ(max_pool2d(x.as_channels_last(), 2).to_vector<double>(), expected);
}

TEST(AvgPoolTest, SaysWhatDoesNotFit) {
  const Tensor x = random_tensor({2, 3, 6, 4}, kFloat32, 1);
  EXPECT_EQ(error_of<Error>([&] {
              avg_pool2d(x, {7, 2});
            }),
            "avg_pool2d: expected a window no larger than the padded input but got kernel_size [7, 2] (padding 0, "
            "dilation 1) on an input [2, 3, 6, 4]");
  EXPECT_EQ(error_of<Error>([&] {
              avg_pool2d(x, {2, 2, 2});
            }),
            "avg_pool2d: expected kernel_size to be one number or 2 but got [2, 2, 2]");
  EXPECT_EQ(error_of<Error>([&] { adaptive_avg_pool2d(x, 0); }),
            "adaptive_avg_pool2d: expected output_size >= 1 but got 0");
  EXPECT_EQ(error_of<Error>([&] { adaptive_avg_pool2d(random_tensor({4}, kFloat32, 1), 1); }),
            "adaptive_avg_pool2d: expected a 4-D input [N, C, ...] or a 3-D input [C, ...] but got [4]");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
