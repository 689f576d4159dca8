// Resizing, sampling, rearranging, sliding windows and padding from the image itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/image/image.hpp"
#include "normgrad/core/ops/pool/pool.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::FloatEq;
using tests::error_of;
using tests::gradients_agree;
using tests::random_tensor;

using Row = std::vector<double>;

// One row resized to n elements by the formulas of PyTorch's kernels.
Row resized(const Row& x, std::int64_t n, const std::string& mode, bool align) {
  const auto in = static_cast<double>(x.size());
  const auto at = [&](std::int64_t i) {
    return x[static_cast<std::size_t>(std::clamp<std::int64_t>(i, 0, static_cast<std::int64_t>(x.size()) - 1))];
  };
  Row y;
  for (std::int64_t j = 0; j < n; ++j) {
    const double scale = align ? (n > 1 ? (in - 1) / static_cast<double>(n - 1) : 0.0) : in / static_cast<double>(n);
    const double center = align ? scale * static_cast<double>(j) : scale * (static_cast<double>(j) + 0.5) - 0.5;
    if (mode == "nearest") {
      y.push_back(at(static_cast<std::int64_t>(std::floor(static_cast<double>(j) * scale + 1e-12))));
    } else if (mode == "nearest-exact") {
      y.push_back(at(static_cast<std::int64_t>(std::floor((static_cast<double>(j) + 0.5) * scale + 1e-12))));
    } else if (mode == "linear") {
      const double from = std::max(center, 0.0);
      const auto low = static_cast<std::int64_t>(from);
      y.push_back(at(low) + (from - static_cast<double>(low)) * (at(low + 1) - at(low)));
    } else {
      const auto low = static_cast<std::int64_t>(std::floor(center));
      const double t = center - static_cast<double>(low);
      const double a = -0.75;
      const auto far = [&](double d) { return a * d * d * d - 5 * a * d * d + 8 * a * d - 4 * a; };
      const auto near = [&](double d) { return (a + 2) * d * d * d - (a + 3) * d * d + 1; };
      y.push_back(far(t + 1) * at(low - 1) + near(t) * at(low) + near(1 - t) * at(low + 1) + far(2 - t) * at(low + 2));
    }
  }
  return y;
}

// A plane [h, w] resized axis by axis.
Row resized(const Row& x, std::int64_t h, std::int64_t w, std::int64_t out_h, std::int64_t out_w,
            const std::string& mode, bool align) {
  Row rows;
  for (std::int64_t i = 0; i < h; ++i) {
    const Row row = resized(Row(x.begin() + i * w, x.begin() + (i + 1) * w), out_w, mode, align);
    rows.insert(rows.end(), row.begin(), row.end());
  }
  Row y(static_cast<std::size_t>(out_h * out_w));
  for (std::int64_t j = 0; j < out_w; ++j) {
    Row column;
    for (std::int64_t i = 0; i < h; ++i) {
      column.push_back(rows[static_cast<std::size_t>(i * out_w + j)]);
    }
    const Row longer = resized(column, out_h, mode, align);
    for (std::int64_t i = 0; i < out_h; ++i) {
      y[static_cast<std::size_t>(i * out_w + j)] = longer[static_cast<std::size_t>(i)];
    }
  }
  return y;
}

TEST(InterpolateTest, AgreesWithLoops) {
  struct Mode {
    const char* name;
    const char* along;
    bool align;
  };
  const Tensor x = random_tensor({2, 1, 5, 7}, kFloat64, 1);
  const Row values = x.to_vector<double>();
  for (const Mode& mode : {Mode{"nearest", "nearest", false}, Mode{"nearest-exact", "nearest-exact", false},
                           Mode{"bilinear", "linear", false}, Mode{"bilinear", "linear", true},
                           Mode{"bicubic", "cubic", false}, Mode{"bicubic", "cubic", true}}) {
    for (const auto& [h, w] : {std::pair<std::int64_t, std::int64_t>{5, 7}, {10, 3}, {2, 21}, {1, 1}, {7, 9}}) {
      InterpolateOptions options{.size = {h, w}, .mode = mode.name};
      if (mode.align) {
        options.align_corners = true;
      }
      const Tensor y = interpolate(x, options);
      ASSERT_EQ(y.shape(), Shape({2, 1, h, w}));
      const Row got = y.to_vector<double>();
      for (std::int64_t plane = 0; plane < 2; ++plane) {
        const Row expected = resized(Row(values.begin() + plane * 35, values.begin() + (plane + 1) * 35), 5, 7, h, w,
                                     mode.along, mode.align);
        for (std::size_t i = 0; i < expected.size(); ++i) {
          EXPECT_NEAR(got[static_cast<std::size_t>(plane * h * w) + i], expected[i], 1e-13)
              << mode.name << " " << mode.align << " " << h << " " << w << " " << i;
        }
      }
      const Tensor single = interpolate(to(x, kFloat32).as_channels_last(), options);
      for (std::size_t i = 0; i < got.size(); ++i) {
        EXPECT_NEAR(single.to_vector<double>()[i], got[i], 2e-6);
      }
    }
  }
}

TEST(InterpolateTest, OtherAxesFactorsAndArea) {
  const Tensor line = tensor({{{1.0, 2, 4}}});
  EXPECT_THAT(interpolate(line, {.scale_factor = 2}).to_vector<float>(), ElementsAre(1, 1, 2, 2, 4, 4));
  EXPECT_THAT(interpolate(line, {.size = 5, .mode = "linear", .align_corners = true}).to_vector<float>(),
              ElementsAre(1, 1.5, 2, 3, 4));
  EXPECT_THAT(interpolate(line, {.size = 6, .mode = "linear"}).to_vector<float>(),
              ElementsAre(1, 1.25, 1.75, 2.5, 3.5, 4));
  EXPECT_EQ(interpolate(zeros({1, 1, 2, 3, 4}), {.scale_factor = {2, 1, 0.5}, .mode = "trilinear"}).shape(),
            Shape({1, 1, 4, 3, 2}));
  const Tensor volume = random_tensor({1, 2, 3, 4, 5}, kFloat64, 2);
  const Tensor mirrored = volume.permute({0, 1, 4, 3, 2});
  const Tensor direct = interpolate(volume, {.size = {5, 3, 7}, .mode = "trilinear"});
  const Tensor other = interpolate(mirrored, {.size = {7, 3, 5}, .mode = "trilinear"}).permute({0, 1, 4, 3, 2});
  for (std::int64_t i = 0; i < direct.numel(); ++i) {
    EXPECT_NEAR(direct.to_vector<double>()[static_cast<std::size_t>(i)],
                other.to_vector<double>()[static_cast<std::size_t>(i)], 1e-14);
  }
  const Tensor image = random_tensor({1, 2, 5, 4}, kFloat32, 3);
  EXPECT_EQ(interpolate(image, {.size = {2, 3}, .mode = "area"}).to_vector<float>(),
            adaptive_avg_pool2d(image, {2, 3}).to_vector<float>());
  // A factor that is not the ratio of the sizes: floor(5 * 0.5) = 2 pixels at 0.5 and 2.5, or of 2.5 each.
  const Tensor five = tensor({{{0.0, 1, 2, 3, 4}}});
  EXPECT_THAT(interpolate(five, {.scale_factor = 0.5, .mode = "linear"}).to_vector<float>(), ElementsAre(0.5, 2.5));
  EXPECT_THAT(
      interpolate(five, {.scale_factor = 0.5, .mode = "linear", .recompute_scale_factor = true}).to_vector<float>(),
      ElementsAre(0.75, 3.25));
  EXPECT_EQ(interpolate(zeros({0, 2, 3}), {.size = 4}).shape(), Shape({0, 2, 4}));
}

TEST(InterpolateTest, AntialiasAveragesWhenShrinking) {
  // 8 -> 4, linear: weights 1, 3, 3, 1 over 8, cut off at the ends and normalized.
  const Tensor x = reshape_to(tensor({1.0, 2, 3, 5, 8, 13, 21, 34}), {1, 1, 1, 8});
  const auto y = interpolate(x, {.size = {1, 4}, .mode = "bilinear", .antialias = true}).to_vector<float>();
  EXPECT_THAT(y, ElementsAre(FloatEq((3 * 1 + 3 * 2 + 3) / 7.0F), FloatEq((2 + 3 * 3 + 3 * 5 + 8) / 8.0F),
                             FloatEq((5 + 3 * 8 + 3 * 13 + 21) / 8.0F), FloatEq((13 + 3 * 21 + 3 * 34) / 7.0F)));
  // Weights add up to 1 and enlarging needs no averaging.
  const Tensor flat = interpolate(ones({1, 1, 9, 7}), {.size = {4, 3}, .mode = "bicubic", .antialias = true});
  for (const float value : flat.to_vector<float>()) {
    EXPECT_FLOAT_EQ(value, 1.0F);
  }
  const Tensor larger = random_tensor({1, 1, 3, 4}, kFloat64, 1);
  const auto with = interpolate(larger, {.size = {6, 9}, .mode = "bilinear", .antialias = true}).to_vector<double>();
  const auto without = interpolate(larger, {.size = {6, 9}, .mode = "bilinear"}).to_vector<double>();
  for (std::size_t i = 0; i < with.size(); ++i) {
    EXPECT_NEAR(with[i], without[i], 1e-14);
  }
}

TEST(InterpolateTest, Gradients) {
  const Tensor line = random_tensor({2, 1, 4}, kFloat64, 1).requires_grad_();
  const Tensor image = random_tensor({1, 2, 3, 4}, kFloat64, 2).requires_grad_();
  const Tensor volume = random_tensor({1, 1, 2, 3, 2}, kFloat64, 3).requires_grad_();
  const auto check = [](const Tensor& x, const InterpolateOptions& options) {
    const auto f = [&](const std::vector<Tensor>& in) {
      const Tensor y = interpolate(in[0], options);
      return y * y;
    };
    EXPECT_TRUE(gradients_agree(f, {x})) << options.mode;
  };
  check(line, {.size = 7, .mode = "linear"});
  check(line, {.size = 3, .mode = "nearest"});
  check(image, {.size = {5, 3}, .mode = "bilinear", .align_corners = true});
  check(image, {.size = {2, 6}, .mode = "bicubic"});
  check(image, {.size = {2, 2}, .mode = "bicubic", .antialias = true});
  check(image, {.size = {2, 3}, .mode = "area"});
  check(volume, {.scale_factor = {2, 0.7, 1.5}, .mode = "trilinear"});
}

TEST(InterpolateTest, Errors) {
  const Tensor x = zeros({1, 1, 4, 4});
  const auto of = [&](const InterpolateOptions& o) { return error_of<Error>([&] { interpolate(x, o); }); };
  EXPECT_EQ(of({}), "interpolate: expected either size or scale_factor but got neither");
  EXPECT_EQ(of({.size = 2, .scale_factor = 2}), "interpolate: expected either size or scale_factor but got both");
  EXPECT_EQ(of({.size = 2, .mode = "linear"}),
            "interpolate: expected an input with 1 spatial axis for mode \"linear\" but got [1, 1, 4, 4]");
  EXPECT_EQ(
      of({.size = 2, .mode = "cubic"}),
      "interpolate: expected mode \"nearest\", \"nearest-exact\", \"area\", \"linear\", \"bilinear\", \"bicubic\" or "
      "\"trilinear\" but got \"cubic\"");
  EXPECT_EQ(of({.size = 2, .align_corners = false}),
            "interpolate: align_corners is not supported for mode \"nearest\"");
  EXPECT_EQ(of({.size = 2, .antialias = true}),
            "interpolate: expected mode \"bilinear\" or \"bicubic\" for antialias but got \"nearest\"");
  EXPECT_EQ(of({.scale_factor = {2, 2, 2}}), "interpolate: expected one scale_factor or 2 but got 3");
  EXPECT_EQ(of({.scale_factor = 0.1}),
            "interpolate: expected a scale_factor with a result of at least 1 element per axis but got 0.1 for an axis "
            "of 4");
  EXPECT_EQ(of({.size = 0}), "interpolate: expected sizes of at least 1 but got 0");
  EXPECT_THROW(interpolate(x, {.scale_factor = 1e13}), Error);
  EXPECT_EQ(error_of<DTypeError>([] {
              interpolate(zeros({1, 1, 2}, {.dtype = kInt64}), {.size = 2});
            }),
            "interpolate: expected a float32 or float64 tensor but got int64");
}

TEST(PixelShuffleTest, MovesChannelsToPixelsAndBack) {
  const Tensor x = reshape_to(arange(2 * 8 * 2 * 3), {2, 8, 2, 3});
  const Tensor y = pixel_shuffle(x, 2);
  ASSERT_EQ(y.shape(), Shape({2, 2, 4, 6}));
  const auto values = y.to_vector<std::int64_t>();
  for (std::int64_t n = 0; n < 2; ++n) {
    for (std::int64_t c = 0; c < 2; ++c) {
      for (std::int64_t i = 0; i < 4; ++i) {
        for (std::int64_t j = 0; j < 6; ++j) {
          const std::int64_t channel = c * 4 + i % 2 * 2 + j % 2;
          EXPECT_EQ(values[static_cast<std::size_t>(((n * 2 + c) * 4 + i) * 6 + j)],
                    ((n * 8 + channel) * 2 + i / 2) * 3 + j / 2);
        }
      }
    }
  }
  EXPECT_EQ(pixel_unshuffle(y, 2).to_vector<std::int64_t>(), x.to_vector<std::int64_t>());
  EXPECT_EQ(pixel_shuffle(zeros({4, 1, 1}), 2).shape(), Shape({1, 2, 2}));
  const auto f = [](const std::vector<Tensor>& in) {
    const Tensor z = pixel_shuffle(pixel_unshuffle(in[0], 2) * 2.0, 1);
    return z * z;
  };
  EXPECT_TRUE(gradients_agree(f, {random_tensor({1, 1, 4, 2}, kFloat64, 1).requires_grad_()}));
  EXPECT_EQ(error_of<ShapeError>([&] { pixel_shuffle(x, 3); }),
            "pixel_shuffle: expected channels divisible by 9, the square of upscale_factor, but got [2, 8, 2, 3]");
  EXPECT_EQ(error_of<ShapeError>([&] { pixel_unshuffle(x, 2); }),
            "pixel_unshuffle: expected rows and columns divisible by downscale_factor = 2 but got [2, 8, 2, 3]");
  EXPECT_EQ(error_of<ValueError>([&] { pixel_shuffle(x, 0); }),
            "pixel_shuffle: expected upscale_factor >= 1 but got 0");
}

TEST(UnfoldTest, WindowsAndTheirSum) {
  const Tensor x = random_tensor({2, 3, 5, 6}, kFloat64, 1);
  const UnfoldOptions options{.dilation = {1, 2}, .padding = {1, 0}, .stride = {2, 1}};
  const Tensor columns = unfold(x, {3, 2}, options);
  ASSERT_EQ(columns.shape(), Shape({2, 18, 3 * 4}));
  const auto values = x.to_vector<double>();
  const auto got = columns.to_vector<double>();
  std::size_t at = 0;
  for (std::int64_t n = 0; n < 2; ++n) {
    for (std::int64_t row = 0; row < 18; ++row) {
      for (std::int64_t i = 0; i < 3; ++i) {
        for (std::int64_t j = 0; j < 4; ++j) {
          const std::int64_t h = i * 2 - 1 + row % 6 / 2;
          const std::int64_t w = j + row % 2 * 2;
          const double expected =
              h < 0 || h >= 5 ? 0.0 : values[static_cast<std::size_t>(((n * 3 + row / 6) * 5 + h) * 6 + w)];
          EXPECT_EQ(got[at++], expected);
        }
      }
    }
  }
  // fold is the adjoint: <unfold(x), y> = <x, fold(y)>.
  const Tensor y = random_tensor(columns.shape(), kFloat64, 2);
  EXPECT_NEAR(sum(columns * y).item(), sum(x * fold(y, {5, 6}, {3, 2}, options)).item(), 1e-12);
  EXPECT_EQ(unfold(x[0], 2).shape(), Shape({12, 20}));
  EXPECT_EQ(fold(unfold(x[0], 2), {5, 6}, 2).shape(), Shape({3, 5, 6}));
  const auto f = [](const std::vector<Tensor>& in) {
    const Tensor z = fold(unfold(in[0], 2, {.padding = 1}) * 2.0, {3, 3}, 2, {.padding = 1});
    return z * z;
  };
  EXPECT_TRUE(gradients_agree(f, {random_tensor({1, 2, 3, 3}, kFloat64, 3).requires_grad_()}));
  EXPECT_EQ(
      error_of<ShapeError>([&] { unfold(x, 7); }),
      "unfold: expected a window no larger than the padded image but got kernel_size 7 (dilation 1) on 5 elements");
  constexpr std::int64_t kHuge = std::int64_t{1} << 40;
  EXPECT_THROW(fold(y, {kHuge, kHuge}, {kHuge, kHuge}), ShapeError);
  EXPECT_THROW(unfold(x, kHuge, {.padding = kHuge}), Error);
  EXPECT_EQ(error_of<ShapeError>([&] {
              fold(y, {5, 6}, 2);
            }),
            "fold: expected columns of a multiple of 4 elements for each of 20 windows but got [2, 18, 12]");
}

TEST(PadTest, ModesFromTheImage) {
  const Tensor x = tensor({{1, 2, 3}}, {.dtype = kInt64});
  EXPECT_THAT(pad(x, {2, 2}, "reflect").to_vector<std::int64_t>(), ElementsAre(3, 2, 1, 2, 3, 2, 1));
  EXPECT_THAT(pad(x, {1, 4}, "replicate").to_vector<std::int64_t>(), ElementsAre(1, 1, 2, 3, 3, 3, 3, 3));
  EXPECT_THAT(pad(x, {3, 1}, "circular").to_vector<std::int64_t>(), ElementsAre(1, 2, 3, 1, 2, 3, 1));
  EXPECT_THAT(pad(x, {1, 0}, "constant", 7).to_vector<std::int64_t>(), ElementsAre(7, 1, 2, 3));
  EXPECT_THAT(pad(x, {-1, 1}, "reflect").to_vector<std::int64_t>(), ElementsAre(2, 3, 2));
  EXPECT_THAT(pad(x, {0, 0, 1, 1}, "replicate").to_vector<std::int64_t>(), ElementsAre(1, 2, 3, 1, 2, 3, 1, 2, 3));
  EXPECT_EQ(error_of<ValueError>([&] {
              pad(x, {3, 0}, "reflect");
            }),
            "pad: expected padding of at most 2 for mode \"reflect\" and axis 1 of [1, 3] but got 3 and 0");
  EXPECT_EQ(error_of<ValueError>([&] {
              pad(x, {4, 0}, "circular");
            }),
            "pad: expected padding of at most 3 for mode \"circular\" and axis 1 of [1, 3] but got 4 and 0");
  EXPECT_EQ(error_of<ValueError>([&] {
              pad(zeros({0}), {1, 0}, "replicate");
            }),
            "pad: expected padding of at most 0 for mode \"replicate\" and axis 0 of [0] but got 1 and 0");
  EXPECT_EQ(error_of<ValueError>([&] {
              pad(x, {1, 1}, "mirror");
            }),
            "pad: expected mode \"constant\", \"reflect\", \"replicate\" or \"circular\" but got \"mirror\"");
  EXPECT_EQ(error_of<ValueError>([&] {
              pad(x, {-4, 0}, "circular");
            }),
            "pad: cannot cut 4 and 0 elements off axis 1 of [1, 3]");
  EXPECT_THROW(pad(x, {std::numeric_limits<std::int64_t>::min(), 0}, "replicate"), Error);
  EXPECT_THROW(pad(x, {0, std::numeric_limits<std::int64_t>::max()}, "replicate"), Error);
  const Tensor y = random_tensor({2, 3, 4}, kFloat64, 1).requires_grad_();
  for (const char* mode : {"reflect", "replicate", "circular"}) {
    const auto f = [&](const std::vector<Tensor>& in) {
      const Tensor z = pad(in[0], {2, 3, 1, -1}, mode);
      return z * z;
    };
    EXPECT_TRUE(gradients_agree(f, {y})) << mode;
  }
}

// x[h][w], 0 outside, or at the place that padding_mode gives.
double pixel(const Row& x, std::int64_t h, std::int64_t w, std::int64_t rows, std::int64_t columns) {
  return h < 0 || h >= rows || w < 0 || w >= columns ? 0.0 : x[static_cast<std::size_t>(h * columns + w)];
}

TEST(GridSampleTest, BilinearAgreesWithLoops) {
  const Tensor x = random_tensor({1, 1, 4, 5}, kFloat64, 1);
  const Tensor grid = random_tensor({1, 6, 7, 2}, kFloat64, 2);
  const Row values = x.to_vector<double>();
  const Row places = grid.to_vector<double>();
  for (const std::string mode : {"zeros", "border", "reflection"}) {
    for (const bool align : {false, true}) {
      const Tensor y = grid_sample(x, grid, {.padding_mode = mode, .align_corners = align});
      ASSERT_EQ(y.shape(), Shape({1, 1, 6, 7}));
      const Row got = y.to_vector<double>();
      for (std::size_t i = 0; i < 42; ++i) {
        const auto place = [&](double g, double n) {
          double at = align ? (g + 1) / 2 * (n - 1) : ((g + 1) * n - 1) / 2;
          if (mode == "reflection") {
            const double low = align ? 0.0 : -0.5;
            const double high = align ? n - 1 : n - 0.5;
            while (at < low || at > high) {
              at = at < low ? 2 * low - at : 2 * high - at;
            }
          }
          return mode == "zeros" ? at : std::clamp(at, 0.0, n - 1);
        };
        const double w = place(places[2 * i], 5);
        const double h = place(places[2 * i + 1], 4);
        const auto w0 = static_cast<std::int64_t>(std::floor(w));
        const auto h0 = static_cast<std::int64_t>(std::floor(h));
        const double dw = w - static_cast<double>(w0);
        const double dh = h - static_cast<double>(h0);
        const double expected =
            (1 - dh) * (1 - dw) * pixel(values, h0, w0, 4, 5) + (1 - dh) * dw * pixel(values, h0, w0 + 1, 4, 5) +
            dh * (1 - dw) * pixel(values, h0 + 1, w0, 4, 5) + dh * dw * pixel(values, h0 + 1, w0 + 1, 4, 5);
        EXPECT_NEAR(got[i], expected, 1e-12) << mode << align << i;
      }
    }
  }
}

TEST(GridSampleTest, TheIdentityGivesTheImage) {
  const Tensor x = random_tensor({2, 3, 4, 5}, kFloat64, 1);
  const Tensor theta = tensor({{{1, 0, 0}, {0, 1, 0}}, {{1, 0, 0}, {0, 1, 0}}}, {.dtype = kFloat64});
  const Tensor volume = random_tensor({1, 2, 3, 4, 2}, kFloat64, 2);
  const Tensor identity = tensor({{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}}, {.dtype = kFloat64});
  for (const bool align : {false, true}) {
    for (const char* mode : {"bilinear", "nearest", "bicubic"}) {
      const Tensor y = grid_sample(x, affine_grid(theta, {2, 3, 4, 5}, align), {.mode = mode, .align_corners = align});
      ASSERT_EQ(y.shape(), x.shape());
      for (std::size_t i = 0; i < 120; ++i) {
        EXPECT_NEAR(y.to_vector<double>()[i], x.to_vector<double>()[i], 1e-12) << mode;
      }
    }
    const Tensor z = grid_sample(volume, affine_grid(identity, {1, 2, 3, 4, 2}, align), {.align_corners = align});
    ASSERT_EQ(z.shape(), volume.shape());
    for (std::size_t i = 0; i < 48; ++i) {
      EXPECT_NEAR(z.to_vector<double>()[i], volume.to_vector<double>()[i], 1e-12);
    }
  }
  // The grid of an affine map: x' = 2 x + 1 along the columns.
  const Tensor grid = affine_grid(tensor({{{2.0, 0, 1}, {0, 1, 0}}}), {1, 1, 1, 2}, false);
  EXPECT_THAT(grid.to_vector<float>(), ElementsAre(0, 0, 2, 0));
}

TEST(GridSampleTest, FarPlacesAndNaN) {
  const Tensor x = ones({1, 1, 2, 2});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  const Tensor grid = tensor({{{{nan, 0}, {inf, 0}, {-1e30, 0}, {0, 0}}}});
  EXPECT_THAT(grid_sample(x, grid).to_vector<float>(), ElementsAre(0, 0, 0, 1));
  EXPECT_THAT(grid_sample(x, grid, {.padding_mode = "border"}).to_vector<float>(), ElementsAre(1, 1, 1, 1));
  EXPECT_EQ(grid_sample(x, zeros({1, 0, 3, 2})).shape(), Shape({1, 1, 0, 3}));
}

TEST(GridSampleTest, GradientsAndErrors) {
  const Tensor x = random_tensor({1, 2, 3, 4}, kFloat64, 1).requires_grad_();
  const Tensor grid = (random_tensor({1, 2, 3, 2}, kFloat64, 2) * 0.6).detach().requires_grad_();
  const auto check = [](const Tensor& image, const Tensor& places, const GridSampleOptions& options) {
    const auto f = [&](const std::vector<Tensor>& in) { return grid_sample(in[0], in[1], options); };
    EXPECT_TRUE(gradients_agree(f, {image, places})) << options.mode << " " << options.padding_mode;
  };
  check(x, grid, {});
  check(x, grid, {.padding_mode = "border", .align_corners = true});
  check(x, grid, {.padding_mode = "reflection"});
  check(x, grid, {.mode = "bicubic"});
  check(random_tensor({1, 1, 2, 3, 2}, kFloat64, 3).requires_grad_(),
        (random_tensor({1, 1, 2, 2, 3}, kFloat64, 4) * 0.6).detach().requires_grad_(), {});
  const auto affine = [](const std::vector<Tensor>& in) { return affine_grid(in[0], {1, 1, 2, 3}); };
  EXPECT_TRUE(gradients_agree(affine, {random_tensor({1, 2, 3}, kFloat64, 5).requires_grad_()}));
  EXPECT_EQ(error_of<ShapeError>([&] {
              grid_sample(x, zeros({1, 2, 3, 3}, {.dtype = kFloat64}));
            }),
            "grid_sample: expected a grid [1, h, w, 2] for an input [1, 2, 3, 4] but got [1, 2, 3, 3]");
  EXPECT_EQ(error_of<ValueError>([&] { grid_sample(x, grid, {.mode = "cubic"}); }),
            "grid_sample: expected mode \"bilinear\", \"nearest\" or \"bicubic\" but got \"cubic\"");
  EXPECT_EQ(error_of<ValueError>([&] { grid_sample(x, grid, {.padding_mode = "edge"}); }),
            "grid_sample: expected padding_mode \"zeros\", \"border\" or \"reflection\" but got \"edge\"");
  EXPECT_EQ(error_of<ShapeError>([&] {
              affine_grid(zeros({1, 2, 2}), {1, 1, 2, 3});
            }),
            "affine_grid: expected a theta [1, 2, 3] but got [1, 2, 2]");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
