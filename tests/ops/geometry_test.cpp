// Extreme sizes: 0, 1, and the largest 64-bit numbers; windows that cover no element.
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/ops/conv/conv.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/norm/norm.hpp"
#include "normgrad/core/ops/pool/pool.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::random_tensor;

constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();

struct GeometryResult {
  std::string name;
  std::function<Tensor()> f;
  Shape shape;
};

// Valid results even though a size, a step or a position is extreme. Differentiated if possible.
TEST(GeometryTest, ExtremeSizesThatHaveAResult) {
  const Tensor x = random_tensor({3, 4}, kFloat32, 1).requires_grad_();
  const Tensor image = random_tensor({1, 2, 4, 4}, kFloat32, 2).requires_grad_();
  const Tensor nothing = zeros({0, 4}).requires_grad_();
  const Tensor no_images = zeros({0, 2, 4, 4}).requires_grad_();
  const Tensor w = random_tensor({3, 2, 1, 1}, kFloat32, 3).requires_grad_();
  const Tensor wide = zeros({0, std::int64_t{1} << 40}).requires_grad_();
  const std::vector<GeometryResult> cases{
      {"slice with the largest step", [&] { return slice(x, 0, 0, 3, kLargest); }, {1, 4}},
      {"slice with the largest bounds", [&] { return slice(x, 0, kMin, kLargest); }, {3, 4}},
      {"slice behind the end", [&] { return slice(x, 0, kLargest, kLargest, kLargest); }, {0, 4}},
      {"slice before the start", [&] { return slice(x, 1, {}, kMin, 2); }, {3, 0}},
      {"slice of nothing", [&] { return slice(nothing, 0, 0, kLargest, kLargest); }, {0, 4}},
      {"narrow to nothing at the end", [&] { return narrow(x, 0, 3, 0); }, {0, 4}},
      {"split in larger parts", [&] { return split(x, kLargest, 0)[0]; }, {3, 4}},
      {"pad that cuts all off",
       [&] {
         return pad(x, {-4, 0, -3, 0});
       },
       {0, 0}},
      {"pad of nothing",
       [&] {
         return pad(nothing, {0, 0, 1, 2});
       },
       {3, 4}},
      {"cat with nothing",
       [&] {
         return cat({nothing, x, nothing});
       },
       {3, 4}},
      {"reshape of nothing",
       [&] {
         return reshape(nothing, {-1, 7});
       },
       {0, 7}},
      {"expand of nothing",
       [&] {
         return expand(nothing, {5, 0, 4});
       },
       {5, 0, 4}},
      {"sum over nothing", [&] { return sum(nothing, 0); }, {4}},
      {"sum beside nothing", [&] { return sum(nothing, 1); }, {0}},
      {"matmul of nothing",
       [&] {
         return matmul(nothing, ones({4, 2}));
       },
       {0, 2}},
      {"matmul over nothing",
       [&] {
         return matmul(x.transpose(0, 1).narrow(1, 0, 0), zeros({0, 2}));
       },
       {4, 2}},
      {"gather of nothing",
       [&] {
         return gather(x, 0, zeros({0, 4}, {.dtype = kInt64}));
       },
       {0, 4}},
      {"index_select of nothing", [&] { return index_select(x, 1, zeros({0}, {.dtype = kInt64})); }, {3, 0}},
      {"embedding of nothing",
       [&] {
         return embedding(zeros({2, 0}, {.dtype = kInt64}), x);
       },
       {2, 0, 4}},
      {"arange of nothing", [&] { return arange(0.0, 0.0, 1e300, {.dtype = kFloat32}); }, {0}},
      {"linspace of one", [&] { return linspace(-1e308, 1e308, 1); }, {1}},
      {"max_pool2d with the largest stride", [&] { return max_pool2d(image, 2, {.stride = kLargest}); }, {1, 2, 1, 1}},
      {"max_pool2d with the largest dilation",
       [&] { return max_pool2d(image, 1, {.stride = 1, .dilation = kLargest}); },
       {1, 2, 4, 4}},
      {"max_pool2d of no images", [&] { return max_pool2d(no_images, 2); }, {0, 2, 2, 2}},
      {"avg_pool2d with the largest stride", [&] { return avg_pool2d(image, 3, {.stride = kLargest}); }, {1, 2, 1, 1}},
      {"avg_pool2d of no images", [&] { return avg_pool2d(no_images, 2); }, {0, 2, 2, 2}},
      {"avg_pool1d of no long rows", [&] { return avg_pool1d(wide.unsqueeze(1), 2); }, {0, 1, std::int64_t{1} << 39}},
      {"max_pool1d of a row", [&] { return max_pool1d(x, 4); }, {3, 1}},
      {"adaptive_avg_pool2d to more than there is", [&] { return adaptive_avg_pool2d(image, 9); }, {1, 2, 9, 9}},
      {"conv2d with the largest stride", [&] { return conv2d(image, w, {}, {.stride = kLargest}); }, {1, 3, 1, 1}},
      {"conv2d with the largest dilation", [&] { return conv2d(image, w, {}, {.dilation = kLargest}); }, {1, 3, 4, 4}},
      {"conv2d of no images", [&] { return conv2d(no_images, w); }, {0, 3, 4, 4}},
      {"conv2d of padding alone",
       [&] {
         return conv2d(zeros({1, 2, 0, 3}), w, {}, {.padding = {1, 0}});
       },
       {1, 3, 2, 3}},
      {"conv_transpose2d with the largest stride",
       [&] {
         return conv_transpose2d(zeros({1, 3, 1, 1}), w, {}, {.stride = kLargest});
       },
       {1, 2, 1, 1}},
      {"layer_norm of nothing", [&] { return layer_norm(nothing, {4}); }, {0, 4}},
      {"instance_norm of no images", [&] { return instance_norm(no_images); }, {0, 2, 4, 4}},
  };
  for (const GeometryResult& c : cases) {
    SCOPED_TRACE(c.name);
    const Tensor y = c.f();
    EXPECT_EQ(y.shape(), c.shape);
    if (y.requires_grad()) {
      y.backward(ones(y.shape()));
    }
  }
}

struct GeometryRefusal {
  std::string name;
  std::function<void()> f;
  std::string text;  // the start of the message
};

TEST(GeometryTest, SizesBeyondAnyMemoryAreRefused) {
  const Tensor x = random_tensor({3, 4}, kFloat32, 1);
  const Tensor image = random_tensor({1, 2, 4, 4}, kFloat32, 2);
  const Tensor w = random_tensor({3, 2, 2, 2}, kFloat32, 3);
  const Tensor tall = zeros({std::int64_t{1} << 60, 0});
  const std::vector<GeometryRefusal> cases{
      {"pad",
       [&] {
         pad(x, {kLargest, kLargest});
       },
       "pad: expected sizes within 64 bits but got 4 + 9223372036854775807"},
      {"pad to one axis",
       [&] {
         pad(x, {0, kLargest});
       },
       "pad: expected sizes within 64 bits"},
      {"pad of all",
       [&] {
         pad(x, {kMin, kMin});
       },
       "pad: expected sizes within 64 bits but got 0 - "},
      {"pad to too much",
       [&] {
         pad(x, {1, std::int64_t{1} << 61});
       },
       "tensor: float32 [3, 2305843009213693957] is too"},
      {"full",
       [&] {
         full({kLargest, kLargest}, 1.0);
       },
       "tensor: float32 [9223372036854775807, 9223372036854775807] is too"},
      {"zeros beside nothing",
       [&] {
         zeros({0, kLargest, kLargest});
       },
       "tensor: float32 [0, "},
      {"reshape",
       [&] {
         reshape(zeros({0}), {kLargest, kLargest, -1});
       },
       "tensor: float32 ["},
      {"reshape that wraps around",
       [&] {
         reshape(x, {std::int64_t{1} << 32, std::int64_t{1} << 32, 12});
       },
       "reshape: expected a shape of 12 elements"},
      {"expand",
       [&] {
         expand(zeros({1, 1}), {kLargest, 2});
       },
       "tensor: float32 ["},
      {"cat", [&] { cat(std::vector<Tensor>(8, tall)); }, "cat: expected sizes within 64 bits"},
      {"split",
       [&] {
         split(x, std::vector<std::int64_t>{kLargest, kLargest, 5});
       },
       "split: expected sizes within 64 bits"},
      {"narrow", [&] { narrow(x, 0, 2, kLargest); }, "narrow: expected a range within axis 0 of [3, 4]"},
      {"narrow before", [&] { narrow(x, 0, kMin, 1); }, "narrow: expected a range within axis 0 of [3, 4]"},
      {"select", [&] { select(x, 0, kMin); }, "select: expected an index in [-3, 3)"},
      {"matmul",
       [&] {
         matmul(zeros({std::int64_t{1} << 40, 0}), zeros({0, std::int64_t{1} << 40}));
       },
       "tensor: float32 ["},
      {"mul",
       [&] {
         zeros({0, std::int64_t{1} << 40, 1}) * zeros({0, 1, std::int64_t{1} << 40});
       },
       "tensor: float32 [0, "},
      {"arange", [&] { arange(0.0, 1e300, 1e-5, {.dtype = kFloat64}); }, "arange: expected at most 2^53 elements"},
      {"arange from end to end", [&] { arange(-1e308, 1e308, 1.0, {.dtype = kFloat64}); },
       "arange: expected at most 2^53"},
      {"linspace", [&] { linspace(0.0, 1.0, kLargest); }, "tensor: float32 ["},
      {"eye", [&] { eye(std::int64_t{1} << 32); }, "tensor: float32 ["},
      {"max_pool2d", [&] { max_pool2d(image, 2, {.dilation = kLargest}); }, "max_pool2d: expected a window no larger"},
      {"max_pool2d of a window", [&] { max_pool2d(image, 3, {.dilation = kLargest}); },
       "max_pool2d: expected sizes within"},
      {"max_pool2d with padding", [&] { max_pool2d(image, kLargest, {.padding = kLargest / 2}); },
       "max_pool2d: expected"},
      {"max_pool1d of a plane",
       [&] {
         max_pool1d(zeros({0, 1, std::int64_t{1} << 31}), 2);
       },
       "max_pool1d: expected planes of at most 2^31 - 1 elements but got [0, 1, 2147483648]"},
      {"avg_pool2d with padding", [&] { avg_pool2d(image, 2, {.padding = kLargest}); },
       "avg_pool2d: expected padding of at"},
      {"conv2d padding", [&] { conv2d(image, w, {}, {.padding = kLargest}); }, "conv2d: expected sizes within 64 bits"},
      {"conv2d dilation", [&] { conv2d(image, w, {}, {.dilation = kLargest}); },
       "conv2d: expected sizes within 64 bits"},
      {"conv2d long dilation", [&] { conv2d(image, w, {}, {.dilation = kLargest - 1}); },
       "conv2d: expected a window no larger"},
      {"conv2d to too much", [&] { conv2d(image, w, {}, {.padding = kLargest / 4}); }, "tensor: float32 ["},
      {"conv_transpose2d",
       [&] {
         conv_transpose2d(zeros({1, 3, 4, 4}), w, {}, {.stride = kLargest});
       },
       "conv_transpose2d: expected sizes within 64 bits"},
      {"conv_transpose2d padding",
       [&] {
         conv_transpose2d(zeros({1, 3, 4, 4}), w, {}, {.padding = kLargest});
       },
       "conv_transpose2d: expected sizes within 64 bits"},
      {"conv_transpose2d of nothing",
       [&] {
         conv_transpose2d(zeros({1, 3, 0, 4}), w, {}, {.stride = kLargest});
       },
       "conv_transpose2d: expected a result of at least 1 element per axis"},
  };
  for (const GeometryRefusal& c : cases) {
    SCOPED_TRACE(c.name);
    const std::string message = error_of<Error>(c.f);
    EXPECT_EQ(message.substr(0, c.text.size()), c.text) << message;
  }
}

// An axis without elements has neither a maximum nor a mean.
TEST(GeometryTest, NothingIsMadeUpForNoElement) {
  const Tensor empty_rows = zeros({1, 1, 0, 4096});
  const std::vector<GeometryRefusal> cases{
      {"max_pool2d",
       [&] {
         max_pool2d(empty_rows, {2, 1}, {.stride = 1, .padding = {1, 0}});
       },
       "max_pool2d: expected spatial axes that are not empty but got [1, 1, 0, 4096]"},
      {"max_pool1d",
       [&] {
         max_pool1d(zeros({1, 0}), 2, {.padding = 1});
       },
       "max_pool1d: expected spatial axes that"},
      {"avg_pool2d",
       [&] {
         avg_pool2d(empty_rows, {2, 1}, {.stride = 1, .padding = {1, 0}});
       },
       "avg_pool2d: expected spatial axes that are not empty but got [1, 1, 0, 4096]"},
      {"adaptive_avg_pool2d", [&] { adaptive_avg_pool2d(empty_rows, 1); },
       "adaptive_avg_pool2d: expected spatial axes"},
      {"max",
       [&] {
         max(zeros({2, 0}), 1);
       },
       "max: expected at least one element to reduce"},
      {"min", [&] { min(zeros({0})); }, "min: expected at least one element to reduce"},
      {"argmax",
       [&] {
         argmax(zeros({2, 0}), 1);
       },
       "argmax: expected at least one element to reduce"},
      {"argmin", [&] { argmin(zeros({0})); }, "argmin: expected at least one element to reduce"},
      {"mean", [&] { mean(zeros({0})); }, "mean: expected at least one element to reduce"},
      {"var",
       [&] {
         var(zeros({2, 1}), 1);
       },
       "var: expected more than one element to reduce"},
      {"gather",
       [&] {
         gather(zeros({0, 2}), 0, zeros({1, 2}, {.dtype = kInt64}));
       },
       "gather: expected indices in [0, 0)"},
      {"index_select",
       [&] {
         index_select(zeros({0, 2}), 0, zeros({1}, {.dtype = kInt64}));
       },
       "index_select: expected indices in [0, 0)"},
      {"embedding",
       [&] {
         embedding(zeros({1}, {.dtype = kInt64}), zeros({0, 2}));
       },
       "embedding: expected indices in [0, 0)"},
      {"select",
       [&] {
         select(zeros({0, 2}), 0, 0);
       },
       "select: expected an index in [0, 0)"},
      {"size of a scalar", [&] { zeros({}).size(0); },
       "size: expected a tensor with axes but got a scalar, which has no axis 0"},
  };
  for (const GeometryRefusal& c : cases) {
    SCOPED_TRACE(c.name);
    const std::string message = error_of<Error>(c.f);
    EXPECT_EQ(message.substr(0, c.text.size()), c.text) << message;
  }
}

// Windows whose dilated positions are all in the padding give minus infinity, to which no element contributes.
TEST(GeometryTest, WindowsInThePaddingHaveNoWinner) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const DType dtype : {kFloat32, kFloat64}) {
    for (const std::int64_t channels : {1, 3, 37}) {
      for (const bool channels_last : {false, true}) {
        if (channels_last && channels == 1) {
          continue;
        }
        // Rows at -1 and 2 of two; columns at -1 and 1, 0 and 2, 1 and 3 of three.
        const Tensor given = random_tensor({2, channels, 2, 3}, dtype, 5);
        Tensor x = channels_last ? given.as_channels_last() : given;
        x.requires_grad_();
        const MaxPoolOptions options{.stride = 1, .padding = 1, .dilation = {3, 2}};
        const Tensor y = max_pool2d(x, 2, options);
        EXPECT_EQ(y.shape(), (Shape{2, channels, 1, 3}));
        EXPECT_EQ(y.to_vector<double>(), std::vector<double>(static_cast<std::size_t>(y.numel()), -kInfinity));
        const Tensor gy = ones(y.shape(), {.dtype = dtype}).requires_grad_();
        const Tensor gx = grad({y}, {x}, {gy}, {.create_graph = true})[0];
        EXPECT_EQ(gx.to_vector<double>(), std::vector<double>(static_cast<std::size_t>(x.numel()), 0.0));
        const Tensor ggy = grad({gx}, {gy}, {ones(x.shape(), {.dtype = dtype})})[0];
        EXPECT_EQ(ggy.to_vector<double>(), std::vector<double>(static_cast<std::size_t>(y.numel()), 0.0));
      }
    }
  }
  // Next to windows with elements, even if all are minus infinity.
  Tensor x = full({1, 1, 2}, -kInfinity, {.dtype = kFloat64}).requires_grad_();
  const Tensor y = max_pool1d(x, 2, {.stride = 1, .padding = 1, .dilation = 2});
  y.backward(tensor({{{1, 2}}}, {.dtype = kFloat64}));
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{2, 1}));
}

// A mean is a sum divided by a number, rounded once. The mean of equal numbers is that number.
TEST(GeometryTest, MeansOfEqualNumbersAreThatNumber) {
  EXPECT_EQ(avg_pool2d(full({1, 1, 3, 5}, 12.0), {3, 5}).item(), 12.0);
  for (const DType dtype : {kFloat32, kFloat64}) {
    for (std::int64_t n = 1; n <= 100; ++n) {
      const Tensor x = full({1, 1, 1, n}, 12.0, {.dtype = dtype}).requires_grad_();
      const Tensor y = avg_pool2d(x, {1, n});
      EXPECT_EQ(y.item(), 12.0) << n;
      EXPECT_EQ(adaptive_avg_pool2d(x, 1).item(), 12.0) << n;
      EXPECT_EQ(avg_pool1d(x.squeeze(0), n).item(), 12.0) << n;
      EXPECT_EQ(mean(x).item(), 12.0) << n;
      y.backward(full(y.shape(), static_cast<double>(12 * n), {.dtype = dtype}));
      EXPECT_EQ(x.grad().to_vector<double>(), std::vector<double>(static_cast<std::size_t>(n), 12.0)) << n;
    }
  }
}

// A norm of a single value is 0 for every value. The functions throw, as the layers do.
TEST(GeometryTest, NormsOfOneValueAreRefused) {
  const Tensor row = tensor({{1.0, 2, 3}});
  EXPECT_EQ(error_of<ShapeError>([&] { instance_norm(row); }),
            "instance_norm: expected more than 1 value per sample and channel to take statistics of but got [1, 3]");
  EXPECT_EQ(
      error_of<ShapeError>([&] {
        instance_norm_training(zeros({4, 3, 1, 1}));
      }),
      "instance_norm: expected more than 1 value per sample and channel to take statistics of but got [4, 3, 1, 1]");
  EXPECT_EQ(error_of<ShapeError>([&] { batch_norm_training(row); }),
            "batch_norm: expected more than 1 value per channel to take statistics of but got [1, 3]");
  EXPECT_EQ(error_of<ShapeError>([&] { group_norm(row, 3); }),
            "group_norm: expected more than 1 value per group but got [1, 3] with 3 groups");
  EXPECT_EQ(error_of<ShapeError>([&] { group_rms_norm(row, 3); }),
            "group_rms_norm: expected more than 1 value per group but got [1, 3] with 3 groups");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
