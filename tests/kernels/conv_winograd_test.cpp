#include "normgrad/core/kernels/conv/winograd.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/support/simd_levels.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {
namespace NORMGRAD_TEST_FILE {

using tests::random_values;

ConvGeometry geometry(std::int64_t n, std::int64_t c_in, std::int64_t c_out, std::int64_t height, std::int64_t width,
                      std::int64_t padding_height, std::int64_t padding_width) {
  ConvGeometry g{.n = n, .c_in = c_in, .c_out = c_out};
  g.in = {1, height, width};
  g.kernel = {1, 3, 3};
  g.padding = {0, padding_height, padding_width};
  g.out = g.natural_out();
  g.channels_last = true;
  return g;
}

// [n, c, s] -> [n, s, c].
template <class T>
std::vector<T> channels_last(const std::vector<T>& x, std::int64_t n, std::int64_t c) {
  const auto count = static_cast<std::int64_t>(x.size());
  const std::int64_t s = count / (n * c);
  std::vector<T> y(x.size());
  for (std::int64_t i = 0; i < count; ++i) {
    y[static_cast<std::size_t>((i / (c * s) * s + i % s) * c + i / s % c)] = x[static_cast<std::size_t>(i)];
  }
  return y;
}

std::vector<double> as_double(const std::vector<float>& x) { return {x.begin(), x.end()}; }

// Root mean square of the difference.
template <class T>
double distance(const std::vector<T>& a, const std::vector<double>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const double d = static_cast<double>(a[i]) - b[i];
    sum += d * d;
  }
  return std::sqrt(sum / static_cast<double>(b.size()));
}

template <class T>
double largest_difference(const std::vector<T>& a, const std::vector<double>& b) {
  double largest = 0.0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - b[i]));
  }
  return largest;
}

// The operands, row-major and channels-last, and the three results y, gx and gw, summed directly in double and in
// float.
struct Case {
  explicit Case(const ConvGeometry& geometry)
      : g(geometry),
        x(random_values<float>(g.n * g.x_size(), 1)),
        w(random_values<float>(g.w_size(), 2)),
        bias(random_values<float>(g.c_out, 3)),
        gy(random_values<float>(g.n * g.y_size(), 4)),
        x_last(channels_last(x, g.n, g.c_in)),
        gy_last(channels_last(gy, g.n, g.c_out)) {
    ConvGeometry plain = g;
    plain.channels_last = false;
    const auto run = [&](const auto& xs, const auto& ws, const auto& biases, const auto& gys, auto& y, auto& gx,
                         auto& gw) {
      y.resize(gy.size());
      gx.resize(x.size());
      gw.resize(w.size());
      unfolded::conv_forward(plain, xs.data(), ws.data(), biases.data(), y.data());
      unfolded::conv_backward_input(plain, gys.data(), ws.data(), gx.data());
      unfolded::conv_backward_weight(plain, gys.data(), xs.data(), gw.data());
      y = channels_last(y, g.n, g.c_out);
      gx = channels_last(gx, g.n, g.c_in);
    };
    run(as_double(x), as_double(w), as_double(bias), as_double(gy), exact_y, exact_gx, exact_gw);
    run(x, w, bias, gy, direct_y, direct_gx, direct_gw);
  }

  ConvGeometry g;
  std::vector<float> x, w, bias, gy, x_last, gy_last;
  std::vector<double> exact_y, exact_gx, exact_gw;
  std::vector<float> direct_y, direct_gx, direct_gw;
};

struct Results {
  explicit Results(const Case& c) : y(c.gy.size()), gx(c.x.size()), gw(c.w.size()) {
    winograd_forward(c.g, c.x_last.data(), c.w.data(), c.bias.data(), y.data());
    winograd_backward_input(c.g, c.gy_last.data(), c.w.data(), gx.data());
    winograd_backward_weight(c.g, c.gy_last.data(), c.x_last.data(), gw.data());
  }
  std::vector<float> y, gx, gw;
};

const ConvGeometry kGeometries[] = {geometry(13, 32, 48, 14, 14, 1, 1), geometry(9, 16, 16, 9, 11, 1, 1),
                                    geometry(17, 16, 32, 7, 6, 0, 1),   geometry(6, 48, 16, 8, 9, 2, 0),
                                    geometry(3, 64, 128, 12, 5, 1, 2),  geometry(1, 32, 16, 31, 30, 0, 0)};

TEST(WinogradTest, IsAsNearToTheExactSumsAsTheDirectOnes) {
  for (const ConvGeometry& g : kGeometries) {
    const Case c(g);
    for (const SimdLevel level : tests::supported_levels()) {
      const tests::UsedSimdLevel used(level);
      const Results r(c);
      // The transforms amplify the sums by 5/3 (see conv_winograd.hpp); a sum of twice as many terms has sqrt(2) times
      // the rounding error.
      const double bound = 5.0 / 3.0 * std::sqrt(2.0);
      EXPECT_LT(distance(r.y, c.exact_y), bound * distance(c.direct_y, c.exact_y)) << simd_name(level);
      EXPECT_LT(distance(r.gx, c.exact_gx), bound * distance(c.direct_gx, c.exact_gx)) << simd_name(level);
      EXPECT_LT(distance(r.gw, c.exact_gw), bound * distance(c.direct_gw, c.exact_gw)) << simd_name(level);
      // The largest of thousands of errors, for both: twice that.
      EXPECT_LT(largest_difference(r.y, c.exact_y), 2 * bound * largest_difference(c.direct_y, c.exact_y));
      EXPECT_LT(largest_difference(r.gx, c.exact_gx), 2 * bound * largest_difference(c.direct_gx, c.exact_gx));
      EXPECT_LT(largest_difference(r.gw, c.exact_gw), 2 * bound * largest_difference(c.direct_gw, c.exact_gw));
    }
  }
}

TEST(WinogradTest, IsExactWhereNothingIsRounded) {
  const ConvGeometry g = geometry(5, 32, 16, 10, 13, 1, 1);
  Case c(g);
  const auto whole = [](std::vector<float>& v, float scale) {
    for (float& value : v) {
      value = std::nearbyint(value * scale);
    }
  };
  // Small integers; the weights are multiples of 4 for the two halvings.
  whole(c.x_last, 4.0F);
  whole(c.gy_last, 4.0F);
  whole(c.w, 4.0F);
  std::vector<float> w = c.w;
  for (float& value : w) {
    value *= 4.0F;
  }
  ConvGeometry plain = g;
  plain.channels_last = false;
  std::vector<float> back(c.x.size()), y(c.gy.size());
  back = channels_last(c.x_last, g.n, g.in[1] * g.in[2]);
  unfolded::conv_forward<float>(plain, back.data(), w.data(), nullptr, y.data());
  std::vector<float> actual(y.size());
  winograd_forward(g, c.x_last.data(), w.data(), nullptr, actual.data());
  EXPECT_EQ(actual, channels_last(y, g.n, g.c_out));
}

TEST(WinogradTest, SameBitsForAnyNumberOfThreads) {
  const int before = get_num_threads();
  const Case c(kGeometries[0]);
  set_num_threads(1);
  const Results one(c);
  set_num_threads(4);
  const Results four(c);
  set_num_threads(before);
  EXPECT_EQ(one.y, four.y);
  EXPECT_EQ(one.gx, four.gx);
  EXPECT_EQ(one.gw, four.gw);
}

TEST(WinogradTest, ServesWhatItCan) {
  const SimdLevel level = simd_supported(SimdLevel::neon) ? SimdLevel::neon : SimdLevel::avx2;
  if (!simd_supported(level)) {
    GTEST_SKIP() << "for AVX2 and better, and NEON";
  }
  const tests::UsedSimdLevel used(level);
  const ConvGeometry good = geometry(13, 32, 48, 14, 14, 1, 1);
  EXPECT_TRUE(winograd_serves(good));
  const auto with = [&](auto change) {
    ConvGeometry g = good;
    change(g);
    g.out = g.natural_out();
    return winograd_serves(g);
  };
  EXPECT_FALSE(with([](ConvGeometry& g) { g.channels_last = false; }));
  EXPECT_FALSE(with([](ConvGeometry& g) { g.stride[2] = 2; }));
  EXPECT_FALSE(with([](ConvGeometry& g) { g.dilation[1] = 2; }));
  EXPECT_FALSE(with([](ConvGeometry& g) { g.kernel[1] = 5; }));
  EXPECT_FALSE(with([](ConvGeometry& g) { g.padding[1] = 3; }));
  EXPECT_FALSE(with([](ConvGeometry& g) { g.groups = 16; }));
  EXPECT_FALSE(with([](ConvGeometry& g) { g.c_in = 3; }));
  EXPECT_FALSE(with([](ConvGeometry& g) { g.c_out = 40; }));
  EXPECT_FALSE(with([](ConvGeometry& g) { g.c_in = g.c_out = 512; }));
  EXPECT_FALSE(with([](ConvGeometry& g) { g.in[0] = g.kernel[0] = 3; }));
  EXPECT_FALSE(with([](ConvGeometry& g) { g.n = 0; }));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad::kernels
