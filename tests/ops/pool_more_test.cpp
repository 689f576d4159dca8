// Pooling in every number of axes, with ceil_mode, divisors, indices and adaptive windows, against plain loops.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <optional>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/pool/pool.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using tests::error_of;
using tests::gradients_agree;
using tests::random_tensor;
using Sizes = std::vector<std::int64_t>;

// One window of one plane, given by the range of each axis: the positions inside the plane.
Sizes positions(const Sizes& plane, const Sizes& first, const Sizes& last) {
  Sizes found{0};
  for (std::size_t axis = 0; axis < plane.size(); ++axis) {
    Sizes longer;
    for (const std::int64_t before : found) {
      for (std::int64_t i = std::max<std::int64_t>(first[axis], 0); i < std::min(last[axis], plane[axis]); ++i) {
        longer.push_back(before * plane[axis] + i);
      }
    }
    found = longer;
  }
  return found;
}

struct Window {
  Sizes inside;          // positions in the plane
  std::int64_t counted;  // elements including padding
};

// All windows of a plane in row-major order, by PyTorch's formulas.
std::vector<Window> windows(const Sizes& plane, const Sizes& kernel, const Sizes& stride, const Sizes& padding,
                            bool ceil_mode, Shape& out) {
  out = Shape();
  for (std::size_t i = 0; i < plane.size(); ++i) {
    const std::int64_t room = plane[i] + 2 * padding[i] - kernel[i];
    std::int64_t n = (ceil_mode ? (room + stride[i] - 1) / stride[i] : room / stride[i]) + 1;
    if (ceil_mode && (n - 1) * stride[i] >= plane[i] + padding[i]) {
      --n;
    }
    out.push_back(n);
  }
  std::vector<Window> all;
  for (std::int64_t flat = 0; flat < out.numel(); ++flat) {
    Sizes first(plane.size());
    Sizes last(plane.size());
    std::int64_t rest = flat;
    std::int64_t counted = 1;
    for (std::size_t i = plane.size(); i-- > 0;) {
      first[i] = rest % out[i] * stride[i] - padding[i];
      last[i] = std::min(first[i] + kernel[i], plane[i] + padding[i]);
      counted *= last[i] - first[i];
      rest /= out[i];
    }
    all.push_back({positions(plane, first, last), counted});
  }
  return all;
}

struct Case {
  Sizes plane, kernel, stride, padding;
  bool ceil_mode;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << Shape(c.plane) << " by " << Shape(c.kernel) << (c.ceil_mode ? ", ceil_mode" : "");
}

std::vector<Case> cases() {
  return {{{7}, {3}, {2}, {0}, false},
          {{8}, {3}, {2}, {1}, true},
          {{5}, {2}, {4}, {0}, true},
          {{5}, {2}, {4}, {1}, true},
          {{5, 6}, {2, 3}, {2, 2}, {1, 1}, true},
          {{6, 5}, {3, 2}, {2, 2}, {0, 0}, true},
          {{4, 5, 3}, {2, 3, 2}, {2, 1, 2}, {1, 1, 0}, false},
          {{4, 5, 3}, {2, 2, 2}, {2, 2, 2}, {0, 1, 1}, true},
          {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, false}};
}

PerAxis per_axis(const Sizes& sizes) { return PerAxis(sizes); }

MaxPoolResult max_of(const Case& c, const Tensor& x) {
  const MaxPoolOptions o{.stride = per_axis(c.stride), .padding = per_axis(c.padding), .ceil_mode = c.ceil_mode};
  const auto f = c.plane.size() == 1   ? max_pool1d_with_indices
                 : c.plane.size() == 2 ? max_pool2d_with_indices
                                       : max_pool3d_with_indices;
  return f(x, per_axis(c.kernel), o);
}

Tensor mean_of(const Case& c, const Tensor& x, bool include_pad, std::optional<std::int64_t> divisor) {
  const AvgPoolOptions o{.stride = per_axis(c.stride),
                         .padding = per_axis(c.padding),
                         .ceil_mode = c.ceil_mode,
                         .count_include_pad = include_pad,
                         .divisor_override = divisor};
  const auto f = c.plane.size() == 1 ? avg_pool1d : c.plane.size() == 2 ? avg_pool2d : avg_pool3d;
  return f(x, per_axis(c.kernel), o);
}

class PoolCasesTest : public testing::TestWithParam<Case> {};

TEST_P(PoolCasesTest, AgreesWithLoops) {
  const Case& c = GetParam();
  Shape out;
  const std::vector<Window> all = windows(c.plane, c.kernel, c.stride, c.padding, c.ceil_mode, out);
  Shape shape{2, 3};
  for (const std::int64_t size : c.plane) {
    shape.push_back(size);
  }
  const std::int64_t plane = Shape(c.plane).numel();
  for (const DType dtype : {kFloat32, kFloat64}) {
    for (const bool channels_last : {false, true}) {
      const Tensor plain = random_tensor(shape, dtype, 1);
      const Tensor x = channels_last ? plain.as_channels_last() : plain;
      const auto values = plain.to_vector<double>();
      const MaxPoolResult found = max_of(c, x);
      ASSERT_EQ(found.values.shape().numel(), 6 * out.numel());
      const auto largest = found.values.to_vector<double>();
      const auto indices = found.indices.to_vector<std::int64_t>();
      const auto means = mean_of(c, x, true, {}).to_vector<double>();
      const auto inside = mean_of(c, x, false, {}).to_vector<double>();
      const auto thirds = mean_of(c, x, true, 3).to_vector<double>();
      const double tolerance = dtype == kFloat32 ? 1e-6 : 1e-14;
      std::size_t at = 0;
      for (std::int64_t p = 0; p < 6; ++p) {
        for (const Window& window : all) {
          double sum = 0.0;
          std::int64_t best = window.inside[0];
          const auto value = [&](std::int64_t i) { return values[static_cast<std::size_t>(p * plane + i)]; };
          for (const std::int64_t i : window.inside) {
            sum += value(i);
            best = value(i) > value(best) ? i : best;
          }
          EXPECT_EQ(largest[at], value(best));
          EXPECT_EQ(indices[at], best);
          EXPECT_NEAR(means[at], sum / static_cast<double>(window.counted), tolerance);
          EXPECT_NEAR(inside[at], sum / static_cast<double>(window.inside.size()), tolerance);
          EXPECT_NEAR(thirds[at], sum / 3.0, tolerance);
          ++at;
        }
      }
    }
  }
}

TEST_P(PoolCasesTest, Gradients) {
  const Case& c = GetParam();
  Shape shape{1, 2};
  for (const std::int64_t size : c.plane) {
    shape.push_back(size);
  }
  const Tensor x = random_tensor(shape, kFloat64, 1).requires_grad_();
  const auto f = [&](const std::vector<Tensor>& in) {
    const Tensor y = max_of(c, in[0]).values * mean_of(c, in[0], false, {}) + mean_of(c, in[0], true, 2);
    return y * y;
  };
  EXPECT_TRUE(gradients_agree(f, {x}));
}

INSTANTIATE_TEST_SUITE_P(All, PoolCasesTest, testing::ValuesIn(cases()));

TEST(AdaptivePoolTest, AgreesWithLoops) {
  const Sizes plane{5, 7, 4};
  const Sizes out{3, 2, 6};
  const Tensor x = random_tensor({2, 2, 5, 7, 4}, kFloat64, 1);
  const auto values = x.to_vector<double>();
  const auto means = adaptive_avg_pool3d(x, {3, 2, 6}).to_vector<double>();
  const MaxPoolResult found = adaptive_max_pool3d_with_indices(x, {3, 2, 6});
  EXPECT_EQ(found.values.shape(), Shape({2, 2, 3, 2, 6}));
  std::size_t at = 0;
  for (std::int64_t p = 0; p < 4; ++p) {
    for (std::int64_t flat = 0; flat < 36; ++flat, ++at) {
      Sizes first(3);
      Sizes last(3);
      std::int64_t rest = flat;
      for (std::size_t i = 3; i-- > 0;) {
        first[i] = rest % out[i] * plane[i] / out[i];
        last[i] = (((rest % out[i]) + 1) * plane[i] + out[i] - 1) / out[i];
        rest /= out[i];
      }
      double sum = 0.0;
      const Sizes inside = positions(plane, first, last);
      std::int64_t best = inside[0];
      for (const std::int64_t i : inside) {
        const double value = values[static_cast<std::size_t>(p * 140 + i)];
        sum += value;
        best = value > values[static_cast<std::size_t>(p * 140 + best)] ? i : best;
      }
      EXPECT_NEAR(means[at], sum / static_cast<double>(inside.size()), 1e-14);
      EXPECT_EQ(found.indices.to_vector<std::int64_t>()[at], best);
      EXPECT_EQ(found.values.to_vector<double>()[at], values[static_cast<std::size_t>(p * 140 + best)]);
    }
  }
  const auto f = [](const std::vector<Tensor>& in) {
    const Tensor y = adaptive_max_pool3d(in[0], {2, 2, 1}) * adaptive_avg_pool3d(in[0], {2, 2, 1});
    return y * y;
  };
  EXPECT_TRUE(gradients_agree(f, {random_tensor({1, 2, 3, 2, 3}, kFloat64, 2).requires_grad_()}));
  EXPECT_THAT(adaptive_avg_pool1d(tensor({{1.0, 2, 3, 5}}), 2).to_vector<float>(), ElementsAre(1.5, 4));
  EXPECT_THAT(adaptive_max_pool1d(tensor({{1.0, 2, 3, 5}}), 3).to_vector<float>(), ElementsAre(2, 3, 5));
  const Tensor image = random_tensor({2, 3, 4, 5}, kFloat32, 3);
  EXPECT_EQ(adaptive_max_pool2d(image.as_channels_last(), 2).to_vector<float>(),
            adaptive_max_pool2d(image, 2).to_vector<float>());
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(std::isnan(adaptive_max_pool1d(tensor({{1, nan, 3}}), 1).item()));
  EXPECT_EQ(adaptive_max_pool2d(zeros({0, 3, 4, 4}), 2).shape(), Shape({0, 3, 2, 2}));
  EXPECT_EQ(error_of<ShapeError>([] {
              adaptive_max_pool1d(zeros({2, 0}), 1);
            }),
            "adaptive_max_pool1d: expected spatial axes that are not empty but got [2, 0]");
  EXPECT_EQ(error_of<ValueError>([] {
              adaptive_avg_pool1d(zeros({2, 3}), 0);
            }),
            "adaptive_avg_pool1d: expected output_size >= 1 but got 0");
}

TEST(LPPoolTest, IsTheNormOfEachWindow) {
  const Tensor x = tensor({{3.0, 4, 0, 5, 12, 2}});
  EXPECT_THAT(lp_pool1d(x, 2, 2).to_vector<float>(),
              ElementsAre(testing::FloatEq(5), testing::FloatEq(5), testing::FloatEq(std::sqrt(148.0F))));
  EXPECT_THAT(lp_pool1d(x, 1, 3).to_vector<float>(), ElementsAre(7, 19));
  EXPECT_EQ(lp_pool2d(ones({1, 4, 4}), 2, 2, {.stride = 1}).to_vector<float>(), std::vector<float>(9, 2.0F));
  EXPECT_EQ(lp_pool1d(ones({1, 5}), 2, 2, {.ceil_mode = true}).shape(), Shape({1, 3}));
  const Tensor positive = (random_tensor({1, 2, 4, 4}, kFloat64, 1) * 0.1 + 1.0).detach().requires_grad_();
  EXPECT_TRUE(gradients_agree([](const std::vector<Tensor>& in) { return lp_pool2d(in[0], 3, 2); }, {positive}));
  EXPECT_EQ(error_of<ValueError>([&] { lp_pool1d(x, 0, 2); }), "lp_pool1d: expected norm_type other than 0 but got 0");
}

TEST(MaxUnpoolTest, PutsBackWhatPoolingTook) {
  const Tensor x = tensor({{1.0, 5, 2, 7, 6, 3}});
  const auto first = max_pool1d_with_indices(x, 2);
  const Tensor& values = first.values;
  const Tensor& indices = first.indices;
  EXPECT_THAT(max_unpool1d(values, indices, 2).to_vector<float>(), ElementsAre(0, 5, 0, 7, 6, 0));
  EXPECT_EQ(max_unpool1d(values, indices, 2, {.output_size = {7}}).shape(), Shape({1, 7}));
  for (const std::size_t axes : {std::size_t{2}, std::size_t{3}}) {
    Shape shape{2, 3};
    while (shape.rank() < axes + 2) {
      shape.push_back(4);
    }
    const Tensor y = random_tensor(shape, kFloat64, 1);
    const auto pooled = axes == 2 ? max_pool2d_with_indices(y, 2) : max_pool3d_with_indices(y, 2);
    const auto unpool = axes == 2 ? max_unpool2d : max_unpool3d;
    const Tensor back = unpool(pooled.values, pooled.indices, 2, {});
    EXPECT_EQ(back.shape(), shape);
    const auto kept = back.to_vector<double>();
    const auto all = y.to_vector<double>();
    std::int64_t found = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      EXPECT_TRUE(kept[i] == 0.0 || kept[i] == all[i]);
      found += kept[i] != 0.0 ? 1 : 0;
    }
    EXPECT_EQ(found, pooled.values.numel());
    const auto f = [&](const std::vector<Tensor>& in) {
      const Tensor z = unpool(in[0], pooled.indices, 2, {});
      return z * z;
    };
    EXPECT_TRUE(gradients_agree(f, {pooled.values.clone().requires_grad_()}));
  }
  EXPECT_EQ(error_of<IndexError>([&] { max_unpool1d(values, indices + 4, 2); }),
            "max_unpool1d: expected indices in [0, 6) for a plane [6] but got 7 at position 1");
  EXPECT_EQ(error_of<ValueError>([&] { max_unpool1d(values, indices, 2, {.output_size = {8}}); }),
            "max_unpool1d: expected an output_size between 4 and 8, both excluded, but got 8");
  EXPECT_EQ(error_of<ShapeError>([&] { max_unpool1d(values, indices.reshape({3}), 2); }),
            "max_unpool1d: expected indices of the shape of x [1, 3] but got [3]");
  EXPECT_EQ(error_of<DTypeError>([&] { max_unpool1d(values, values, 2); }),
            "max_unpool1d: expected int64 indices but got float32");
  EXPECT_EQ(error_of<ValueError>([&] { avg_pool1d(x, 2, {.divisor_override = 0}); }),
            "avg_pool1d: expected divisor_override >= 1 but got 0");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
