#include "normgrad/core/kernels/pool/pool.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <ostream>
#include <vector>

#include "tests/support/values.hpp"
#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

void PrintTo(const PoolGeometry& g, std::ostream* out) {
  *out << g.outer << " planes, inner " << g.inner << ", in " << g.in[0] << 'x' << g.in[1] << 'x' << g.in[2]
       << ", kernel " << g.kernel[0] << 'x' << g.kernel[1] << 'x' << g.kernel[2] << ", stride " << g.stride[2]
       << ", padding " << g.padding[2] << ", dilation " << g.dilation[2];
}

namespace NORMGRAD_TEST_FILE {

using tests::random_values;
using Sizes = PoolGeometry::Sizes;

PoolGeometry geometry(std::int64_t outer, std::int64_t inner, Sizes in, Sizes kernel, Sizes stride,
                      Sizes padding = {0, 0, 0}, Sizes dilation = {1, 1, 1}) {
  PoolGeometry g;
  g.outer = outer;
  g.inner = inner;
  g.in = in;
  g.kernel = kernel;
  g.stride = stride;
  g.padding = padding;
  g.dilation = dilation;
  for (std::size_t i = 0; i < 3; ++i) {
    g.out[i] = (in[i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) / stride[i] + 1;
  }
  return g;
}

// Calls f(output element, input element, position in the plane) for every element of every window, in order.
template <class F>
void for_each_element(const PoolGeometry& g, F f) {
  for (std::int64_t i = 0; i < g.outer * g.out_size(); ++i) {
    const std::int64_t c = i % g.inner;
    const std::int64_t o = i / g.inner;
    const Sizes at{o / (g.out[1] * g.out[2]) % g.out[0], o / g.out[2] % g.out[1], o % g.out[2]};
    const std::int64_t plane = o / (g.out[0] * g.out[1] * g.out[2]);
    for (std::int64_t k = 0; k < g.kernel[0] * g.kernel[1] * g.kernel[2]; ++k) {
      const Sizes kernel{k / (g.kernel[1] * g.kernel[2]), k / g.kernel[2] % g.kernel[1], k % g.kernel[2]};
      std::int64_t position = 0;
      bool inside = true;
      for (std::size_t axis = 0; axis < 3; ++axis) {
        const std::int64_t p = at[axis] * g.stride[axis] - g.padding[axis] + kernel[axis] * g.dilation[axis];
        inside = inside && p >= 0 && p < g.in[axis];
        position = position * g.in[axis] + p;
      }
      if (inside) {
        f(static_cast<std::size_t>(i), static_cast<std::size_t>(plane * g.in_size() + position * g.inner + c),
          static_cast<std::int32_t>(position));
      }
    }
  }
}

class PoolTest : public testing::TestWithParam<PoolGeometry> {
 protected:
  template <class T>
  void check_max() {
    const PoolGeometry& g = GetParam();
    auto x = random_values<T>(g.outer * g.in_size(), 1);
    // Coarse values, so that many windows have several equal maxima.
    std::transform(x.begin(), x.end(), x.begin(), [](T v) { return std::max(T(0), std::round(v)); });
    const auto gy = random_values<T>(g.outer * g.out_size(), 2);
    std::vector<T> y(gy.size()), expected(gy.size(), -std::numeric_limits<T>::infinity());
    std::vector<std::int32_t> index(gy.size()), expected_index(gy.size(), -1);
    std::vector<std::size_t> source(gy.size());
    for_each_element(g, [&](std::size_t o, std::size_t i, std::int32_t position) {
      if (x[i] > expected[o]) {
        expected[o] = x[i];
        expected_index[o] = position;
        source[o] = i;
      }
    });
    max_pool(g, x.data(), y.data(), index.data());
    EXPECT_EQ(y, expected);
    EXPECT_EQ(index, expected_index);

    std::vector<T> gx(x.size(), T(7)), expected_gx(x.size(), T(0)), gathered(y.size());
    for (std::size_t o = 0; o < gy.size(); ++o) {
      expected_gx[source[o]] += gy[o];
    }
    max_pool_scatter(g, gy.data(), index.data(), gx.data());
    for (std::size_t i = 0; i < gx.size(); ++i) {
      ASSERT_NEAR(gx[i], expected_gx[i], 8 * std::numeric_limits<T>::epsilon() * std::abs(expected_gx[i])) << i;
    }
    max_pool_gather(g, x.data(), index.data(), gathered.data());
    EXPECT_EQ(gathered, expected);
  }

  template <class T>
  void check_mean(bool count_padding) {
    const PoolGeometry& p = GetParam();
    const PoolGeometry g =
        geometry(p.outer, p.inner, p.in, p.kernel, p.stride, p.padding);  // average pooling has no dilation
    MeanGeometry mean{.outer = g.outer, .inner = g.inner, .axes = {}};
    for (std::size_t i = 0; i < 3; ++i) {
      mean.axes[i] = MeanWindows::regular(g.in[i], g.out[i], g.kernel[i], g.stride[i], g.padding[i], count_padding);
    }
    const auto x = random_values<T>(g.outer * g.in_size(), 1);
    const auto gy = random_values<T>(g.outer * g.out_size(), 2);
    std::vector<double> count(gy.size()), expected(gy.size()), expected_gx(x.size());
    for_each_element(g, [&](std::size_t o, std::size_t, std::int32_t) { count[o] += 1.0; });
    for_each_element(g, [&](std::size_t o, std::size_t i, std::int32_t) {
      const double size = count_padding ? static_cast<double>(g.kernel[0] * g.kernel[1] * g.kernel[2]) : count[o];
      expected[o] += static_cast<double>(x[i]) / size;
      expected_gx[i] += static_cast<double>(gy[o]) / size;
    });
    std::vector<T> y(gy.size()), gx(x.size());
    mean_pool(mean, x.data(), y.data());
    mean_pool_adjoint(mean, gy.data(), gx.data());
    const double bound = 32 * static_cast<double>(std::numeric_limits<T>::epsilon());
    for (std::size_t o = 0; o < y.size(); ++o) {
      ASSERT_NEAR(static_cast<double>(y[o]), expected[o], bound) << o;
    }
    for (std::size_t i = 0; i < gx.size(); ++i) {
      ASSERT_NEAR(static_cast<double>(gx[i]), expected_gx[i], bound) << i;
    }
  }
};

TEST_P(PoolTest, MaxInFloat) { check_max<float>(); }
TEST_P(PoolTest, MaxInDouble) { check_max<double>(); }
TEST_P(PoolTest, MeanInFloat) { check_mean<float>(true); }
TEST_P(PoolTest, MeanInDouble) { check_mean<double>(true); }
TEST_P(PoolTest, MeanWithoutPaddingInDouble) { check_mean<double>(false); }

INSTANTIATE_TEST_SUITE_P(Geometries, PoolTest,
                         testing::Values(geometry(1, 1, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}),
                                         geometry(3, 1, {1, 1, 9}, {1, 1, 3}, {1, 1, 3}),
                                         geometry(4, 1, {1, 8, 10}, {1, 2, 2}, {1, 2, 2}),
                                         geometry(2, 5, {1, 8, 10}, {1, 2, 2}, {1, 2, 2}),
                                         geometry(4, 1, {1, 9, 7}, {1, 3, 3}, {1, 2, 2}, {0, 1, 1}),
                                         geometry(2, 19, {1, 9, 7}, {1, 3, 3}, {1, 2, 2}, {0, 1, 1}),
                                         geometry(4, 1, {1, 9, 11}, {1, 3, 2}, {1, 1, 1}, {0, 1, 1}),
                                         geometry(2, 3, {1, 9, 11}, {1, 3, 2}, {1, 1, 3}, {0, 1, 0}, {1, 2, 3}),
                                         geometry(5, 1, {1, 9, 11}, {1, 3, 2}, {1, 1, 3}, {0, 1, 0}, {1, 2, 3}),
                                         geometry(2, 1, {4, 5, 6}, {2, 3, 2}, {2, 1, 2}, {1, 1, 1}),
                                         geometry(2, 4, {4, 5, 6}, {2, 3, 2}, {2, 1, 2}, {1, 1, 1}),
                                         geometry(300, 1, {1, 14, 14}, {1, 2, 2}, {1, 2, 2})));

TEST(PoolKernelTest, NaNIsTheLargest) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> x{1, nan, 3, 4, 5, 6, 7, 8};
  for (const std::int64_t inner : {1, 2}) {
    const PoolGeometry g = geometry(1, inner, {1, 1, 8 / inner}, {1, 1, 2}, {1, 1, 2});
    std::vector<float> y(4);
    std::vector<std::int32_t> index(4);
    max_pool(g, x.data(), y.data(), index.data());
    const std::size_t at = inner == 1 ? 0 : 1;
    EXPECT_TRUE(std::isnan(y[at]));
    EXPECT_EQ(index[at], inner == 1 ? 1 : 0);
    EXPECT_EQ(y[3], 8.0F);
  }
}

TEST(PoolKernelTest, WindowsOfMinusInfinityHaveAnIndexInside) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> x(6, -infinity);
  const PoolGeometry g = geometry(3, 1, {1, 1, 2}, {1, 1, 2}, {1, 1, 1}, {0, 0, 1});
  std::vector<float> y(9);
  std::vector<std::int32_t> index(9);
  max_pool(g, x.data(), y.data(), index.data());
  for (std::size_t i = 0; i < 9; ++i) {
    EXPECT_EQ(y[i], -infinity);
    EXPECT_GE(index[i], 0);
    EXPECT_LT(index[i], 2);
  }
}

TEST(PoolKernelTest, WindowsOfNothingHaveNoIndex) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> x(6, -infinity);
  // The window covers -1 and 2 of an axis of size 2: no element.
  const PoolGeometry g = geometry(3, 1, {1, 1, 2}, {1, 1, 2}, {1, 1, 1}, {0, 0, 1}, {1, 1, 3});
  std::vector<float> y(3);
  std::vector<std::int32_t> index(3);
  max_pool(g, x.data(), y.data(), index.data());
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(y[i], -infinity);
    EXPECT_EQ(index[i], -1);
  }
}

TEST(PoolKernelTest, AdaptiveWindowsCoverTheAxis) {
  const MeanWindows w = MeanWindows::adaptive(7, 3);
  EXPECT_EQ(w.begin, (std::vector<std::int64_t>{0, 2, 4}));
  EXPECT_EQ(w.end, (std::vector<std::int64_t>{3, 5, 7}));
  EXPECT_EQ(w.size, (std::vector<std::int64_t>{3, 3, 3}));
}

TEST(PoolKernelTest, SameBitsForAnyNumberOfThreads) {
  const PoolGeometry g = geometry(64, 1, {1, 28, 28}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1});
  const auto x = random_values<float>(g.outer * g.in_size(), 1);
  const int before = get_num_threads();
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 4}) {
    set_num_threads(threads);
    std::vector<float> y(static_cast<std::size_t>(g.outer * g.out_size())), gx(x.size());
    std::vector<std::int32_t> index(y.size());
    max_pool(g, x.data(), y.data(), index.data());
    max_pool_scatter(g, y.data(), index.data(), gx.data());
    results.push_back(gx);
  }
  set_num_threads(before);
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad::kernels
