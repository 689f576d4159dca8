#include "normgrad/core/kernels/conv/conv.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <ostream>
#include <type_traits>
#include <vector>

#include "tests/support/values.hpp"
#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

void PrintTo(const ConvGeometry& g, std::ostream* out) {
  *out << "n " << g.n << ", channels " << g.c_in << "->" << g.c_out << ", groups " << g.groups;
  const auto print = [out](const char* name, const ConvGeometry::Sizes& s) {
    *out << ", " << name << ' ' << s[0] << 'x' << s[1] << 'x' << s[2];
  };
  print("in", g.in);
  print("kernel", g.kernel);
  print("stride", g.stride);
  print("padding", g.padding);
  print("dilation", g.dilation);
}

namespace NORMGRAD_TEST_FILE {

using tests::random_values;
using Sizes = ConvGeometry::Sizes;

ConvGeometry geometry(std::int64_t n, std::int64_t c_in, std::int64_t c_out, std::int64_t groups, Sizes in,
                      Sizes kernel, Sizes stride = {1, 1, 1}, Sizes padding = {0, 0, 0}, Sizes dilation = {1, 1, 1}) {
  ConvGeometry g{.n = n, .c_in = c_in, .c_out = c_out, .groups = groups};
  g.in = in;
  g.kernel = kernel;
  g.stride = stride;
  g.padding = padding;
  g.dilation = dilation;
  g.out = g.natural_out();
  return g;
}

// Sums in double, and sums of absolute terms, which bound the rounding error.
struct Sums {
  explicit Sums(std::int64_t size) : value(static_cast<std::size_t>(size)), terms(static_cast<std::size_t>(size)) {}
  void add(std::int64_t i, double term) {
    value[static_cast<std::size_t>(i)] += term;
    terms[static_cast<std::size_t>(i)] += std::abs(term);
  }
  std::vector<double> value, terms;
};

// Calls f(x index, w index, y index) for every product of a convolution, by its definition.
template <class F>
void for_each_product(const ConvGeometry& g, F f) {
  const std::int64_t in_group = g.c_in / g.groups;
  const std::int64_t out_group = g.c_out / g.groups;
  for (std::int64_t n = 0; n < g.n; ++n) {
    for (std::int64_t co = 0; co < g.c_out; ++co) {
      for (std::int64_t ci = 0; ci < in_group; ++ci) {
        for (std::int64_t o = 0; o < ConvGeometry::volume(g.out); ++o) {
          const Sizes out{o / (g.out[1] * g.out[2]), o / g.out[2] % g.out[1], o % g.out[2]};
          for (std::int64_t k = 0; k < ConvGeometry::volume(g.kernel); ++k) {
            const Sizes kernel{k / (g.kernel[1] * g.kernel[2]), k / g.kernel[2] % g.kernel[1], k % g.kernel[2]};
            std::int64_t position = 0;
            bool inside = true;
            for (std::size_t i = 0; i < 3; ++i) {
              const std::int64_t at = out[i] * g.stride[i] - g.padding[i] + kernel[i] * g.dilation[i];
              inside = inside && at >= 0 && at < g.in[i];
              position = position * g.in[i] + at;
            }
            if (inside) {
              f((n * g.c_in + co / out_group * in_group + ci) * ConvGeometry::volume(g.in) + position,
                (co * in_group + ci) * ConvGeometry::volume(g.kernel) + k,
                (n * g.c_out + co) * ConvGeometry::volume(g.out) + o);
            }
          }
        }
      }
    }
  }
}

template <class T>
void expect_sums(const std::vector<T>& actual, const Sums& expected, std::int64_t depth, const char* what) {
  ASSERT_EQ(actual.size(), expected.value.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double bound =
        static_cast<double>(depth + 2) * static_cast<double>(std::numeric_limits<T>::epsilon()) * expected.terms[i];
    ASSERT_NEAR(static_cast<double>(actual[i]), expected.value[i], bound) << what << " at " << i;
  }
}

// [n, c, s] -> [n, s, c].
template <class T>
std::vector<T> channels_last(const std::vector<T>& x, std::int64_t n, std::int64_t c) {
  const std::int64_t s = static_cast<std::int64_t>(x.size()) / (n * c);
  std::vector<T> y(x.size());
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(x.size()); ++i) {
    y[static_cast<std::size_t>((i / (c * s) * s + i % s) * c + i / s % c)] = x[static_cast<std::size_t>(i)];
  }
  return y;
}

class ConvTest : public testing::TestWithParam<ConvGeometry> {
 protected:
  template <class T>
  void check() {
    const ConvGeometry& g = GetParam();
    const auto x = random_values<T>(g.n * g.x_size(), 1);
    const auto w = random_values<T>(g.w_size(), 2);
    const auto bias = random_values<T>(g.c_out, 3);
    const auto gy = random_values<T>(g.n * g.y_size(), 4);
    Sums y_sums(g.n * g.y_size()), gx_sums(g.n * g.x_size()), gw_sums(g.w_size());
    for_each_product(g, [&](std::int64_t ix, std::int64_t iw, std::int64_t iy) {
      const auto at = [](const std::vector<T>& v, std::int64_t i) {
        return static_cast<double>(v[static_cast<std::size_t>(i)]);
      };
      y_sums.add(iy, at(x, ix) * at(w, iw));
      gx_sums.add(ix, at(gy, iy) * at(w, iw));
      gw_sums.add(iw, at(gy, iy) * at(x, ix));
    });
    std::vector<T> y(gy.size()), gx(x.size()), gw(w.size());
    conv_forward<T>(g, x.data(), w.data(), nullptr, y.data());
    conv_backward_input<T>(g, gy.data(), w.data(), gx.data());
    conv_backward_weight<T>(g, gy.data(), x.data(), gw.data());
    const std::int64_t depth = g.w_size() / g.c_out;
    expect_sums(y, y_sums, depth, "y");
    expect_sums(gx, gx_sums, g.w_size() / g.c_in, "gx");
    expect_sums(gw, gw_sums, g.n * ConvGeometry::volume(g.out), "gw");
    for (std::int64_t i = 0; i < g.n * g.y_size(); ++i) {
      y_sums.add(i, static_cast<double>(bias[static_cast<std::size_t>(i / ConvGeometry::volume(g.out) % g.c_out)]));
    }
    conv_forward<T>(g, x.data(), w.data(), bias.data(), y.data());
    expect_sums(y, y_sums, depth + 1, "y with bias");
    if constexpr (std::is_same_v<T, float>) {
      ConvGeometry last = g;
      last.channels_last = true;
      const auto x_last = channels_last(x, g.n, g.c_in);
      const auto gy_last = channels_last(gy, g.n, g.c_out);
      conv_forward<T>(last, x_last.data(), w.data(), bias.data(), y.data());
      conv_backward_input<T>(last, gy_last.data(), w.data(), gx.data());
      conv_backward_weight<T>(last, gy_last.data(), x_last.data(), gw.data());
      // Transposing [n, s, c] as if it were [n, c, s] restores the original.
      expect_sums(channels_last(y, g.n, ConvGeometry::volume(g.out)), y_sums, depth + 1, "y, channels last");
      expect_sums(channels_last(gx, g.n, ConvGeometry::volume(g.in)), gx_sums, g.w_size() / g.c_in,
                  "gx, channels last");
      expect_sums(gw, gw_sums, g.n * ConvGeometry::volume(g.out), "gw, channels last");
    }
  }
};

TEST_P(ConvTest, EqualsTheDefinitionInFloat) { check<float>(); }
TEST_P(ConvTest, EqualsTheDefinitionInDouble) { check<double>(); }

INSTANTIATE_TEST_SUITE_P(Geometries, ConvTest,
                         testing::Values(geometry(1, 1, 1, 1, {1, 1, 1}, {1, 1, 1}),
                                         geometry(2, 3, 4, 1, {1, 1, 9}, {1, 1, 3}),
                                         geometry(3, 2, 5, 1, {1, 1, 16}, {1, 1, 5}, {1, 1, 2}, {0, 0, 2}, {1, 1, 2}),
                                         geometry(2, 3, 4, 1, {1, 7, 9}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}),
                                         geometry(2, 3, 4, 1, {1, 8, 7}, {1, 3, 2}, {1, 2, 3}, {0, 1, 0}),
                                         geometry(2, 4, 6, 2, {1, 9, 9}, {1, 3, 3}, {1, 2, 2}, {0, 1, 1}, {1, 2, 2}),
                                         geometry(2, 6, 6, 6, {1, 6, 5}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}),
                                         geometry(2, 16, 32, 16, {1, 6, 5}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}),
                                         geometry(3, 8, 5, 1, {1, 5, 5}, {1, 1, 1}),
                                         geometry(2, 8, 6, 2, {1, 5, 5}, {1, 1, 1}, {1, 2, 2}),
                                         geometry(2, 4, 4, 1, {1, 3, 3}, {1, 3, 3}),
                                         geometry(1, 2, 3, 1, {1, 2, 2}, {1, 4, 4}, {1, 1, 1}, {0, 3, 3}),
                                         geometry(2, 3, 4, 1, {5, 6, 7}, {3, 2, 3}, {1, 2, 1}, {1, 0, 1}),
                                         geometry(1, 4, 4, 2, {4, 5, 5}, {2, 3, 3}, {2, 1, 1}, {0, 1, 1}, {2, 1, 1}),
                                         geometry(17, 16, 16, 1, {1, 14, 14}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}),
                                         geometry(9, 1, 32, 1, {1, 28, 28}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}),
                                         geometry(13, 32, 48, 1, {1, 14, 14}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}),
                                         geometry(5, 3, 20, 1, {1, 17, 17}, {1, 5, 5}, {1, 2, 2}, {0, 2, 2}),
                                         geometry(3, 40, 24, 1, {1, 9, 9}, {1, 1, 1}),
                                         // Fewer channels than a register: see computing_tag() in onednn_conv.cpp.
                                         geometry(20, 4, 8, 1, {1, 32, 32}, {1, 1, 1}, {1, 2, 2}),
                                         geometry(20, 7, 3, 1, {1, 15, 15}, {1, 1, 1}, {1, 2, 2})));

template <class T>
class ConvThreadsTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(ConvThreadsTest, Types);

TYPED_TEST(ConvThreadsTest, SameBitsForAnyNumberOfThreads) {
  using T = TypeParam;
  const int before = get_num_threads();
  const ConvGeometry g = geometry(13, 16, 32, 1, {1, 14, 14}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1});
  const auto x = random_values<T>(g.n * g.x_size(), 1);
  const auto w = random_values<T>(g.w_size(), 2);
  const auto gy = random_values<T>(g.n * g.y_size(), 3);
  std::vector<std::vector<T>> results;
  for (const int threads : {1, 2, 4}) {
    set_num_threads(threads);
    std::vector<T> y(gy.size()), gx(x.size()), gw(w.size());
    conv_forward<T>(g, x.data(), w.data(), nullptr, y.data());
    conv_backward_input<T>(g, gy.data(), w.data(), gx.data());
    conv_backward_weight<T>(g, gy.data(), x.data(), gw.data());
    y.insert(y.end(), gx.begin(), gx.end());
    y.insert(y.end(), gw.begin(), gw.end());
    results.push_back(y);
  }
  set_num_threads(before);
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST(ConvGeometryTest, FloatTakesSizesThatNoForwardGives) {
  // As a transposed convolution with an output padding as large as the stride requires.
  ConvGeometry g = geometry(2, 3, 4, 1, {1, 1, 9}, {1, 1, 3}, {1, 1, 1}, {0, 0, 0}, {1, 1, 2});
  --g.out[2];
  const auto gy = random_values<float>(g.n * g.y_size(), 1);
  const auto w = random_values<float>(g.w_size(), 2);
  Sums expected(g.n * g.x_size());
  for_each_product(g, [&](std::int64_t ix, std::int64_t iw, std::int64_t iy) {
    expected.add(ix, static_cast<double>(gy[static_cast<std::size_t>(iy)]) *
                         static_cast<double>(w[static_cast<std::size_t>(iw)]));
  });
  std::vector<float> gx(expected.value.size());
  conv_backward_input<float>(g, gy.data(), w.data(), gx.data());
  expect_sums(gx, expected, 12, "gx");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad::kernels
