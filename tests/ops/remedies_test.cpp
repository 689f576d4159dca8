// Mistakes in shape or dtype: the remedy in the message, that it works, and code that must not compile.
#include <gtest/gtest.h>

#include <type_traits>
#include <vector>

#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/conv/conv.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/logic/logic.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/pool/pool.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::random_tensor;

// Messages for mistakes in shape or dtype, with their remedies.
TEST(RemediesTest, MessagesThatNameTheRemedy) {
  const Tensor x = random_tensor({3, 4}, kFloat32, 1);
  const Tensor image = random_tensor({1, 2, 4, 4}, kFloat32, 2);
  const Tensor w = random_tensor({3, 2, 2, 2}, kFloat32, 3);
  const Tensor mask = x > 0.0;
  EXPECT_EQ(error_of<ShapeError>([&] {
              conv2d(image, w, {}, {.padding = {1, 2, 3, 4}});
            }),
            "conv2d: expected padding to be one number or 2 but got [1, 2, 3, 4]; pad both ends of an axis differently "
            "before, with pad(x, {left, right, top, bottom})");
  EXPECT_EQ(error_of<ShapeError>([&] {
              max_pool1d(x, {1, 2, 3});
            }),
            "max_pool1d: expected kernel_size to be one number or 1 but got [1, 2, 3]");
  EXPECT_EQ(
      error_of<ShapeError>([&] {
        conv2d(zeros({64, 28, 28}), zeros({8, 1, 3, 3}));
      }),
      "conv2d: expected an input with 1 channels for a weight [8, 1, 3, 3] and groups = 1 but got [64, 28, 28]; a "
      "batch of samples of one channel gets the axis with x.unsqueeze(1)");
  EXPECT_EQ(error_of<DTypeError>([&] { mask* mask; }),
            "mul: expected a tensor of numbers but got bool; convert it with to(); of two masks a and b, a & b is true "
            "where both are");
  EXPECT_EQ(error_of<DTypeError>([&] { mask + mask; }),
            "add: expected a tensor of numbers but got bool; convert it with to(); of two masks a and b, a | b is true "
            "where one of them is");
  EXPECT_EQ(error_of<DTypeError>([&] { mask - mask; }),
            "sub: expected a tensor of numbers but got bool; convert it with to(); of two masks a and b, a ^ b is true "
            "where they differ");
  EXPECT_EQ(error_of<DTypeError>([&] { mask - 1.0; }),
            "sub: expected a tensor of numbers but got bool; convert it with to()");
  EXPECT_EQ(error_of<ShapeError>([&] { gather(x, 1, zeros({3}, {.dtype = kInt64})); }),
            "gather: expected an index of 2 axes for [3, 4] but got [3]; give it axis 1 with index.unsqueeze(1)");
  EXPECT_EQ(error_of<ShapeError>([&] {
              gather(x, 1, zeros({3, 1, 1}, {.dtype = kInt64}));
            }),
            "gather: expected an index of 2 axes for [3, 4] but got [3, 1, 1]");
  EXPECT_EQ(error_of<ValueError>([&] { slice(x, 0, 2, 0, -1); }),
            "slice: expected a step of at least 1 but got -1; index_select() takes elements in any order, such as "
            "arange(n - 1, -1, -1)");
}

// An error in a backward reports the shape that the user gave, not the one after reshaping to a matrix.
TEST(RemediesTest, SavedOperandsKeepTheirShapes) {
  const Tensor w = random_tensor({64, 3}, kFloat64, 1).requires_grad_();
  for (const Shape& shape : {Shape{64}, Shape{2, 5, 64}}) {
    Tensor x = random_tensor(shape, kFloat64, 2);
    const Tensor y = matmul(x, w).sum();
    x.zero_();
    EXPECT_EQ(error_of<GraphError>([&] { y.backward(); }),
              "backward of 'matmul': a tensor of shape " + to_string(shape) +
                  " that it needs was changed in place after the forward; clone() it before changing it");
  }
}

// Applies the remedies of these messages.
TEST(RemediesTest, TheRemediesWork) {
  const Tensor a = tensor({1.0, 1, 0, 0}).to(kBool);
  const Tensor b = tensor({1.0, 0, 1, 0}).to(kBool);
  EXPECT_EQ((a & b).to_vector<double>(), (std::vector<double>{1, 0, 0, 0}));
  EXPECT_EQ((a | b).to_vector<double>(), (std::vector<double>{1, 1, 1, 0}));
  EXPECT_EQ((a ^ b).to_vector<double>(), (std::vector<double>{0, 1, 1, 0}));
  const Tensor x = tensor({{1.0, 2}, {3, 4}, {5, 6}});
  EXPECT_EQ(gather(x, 1, tensor({1, 0, 1}, {.dtype = kInt64}).unsqueeze(1)).to_vector<double>(),
            (std::vector<double>{2, 3, 6}));
  EXPECT_EQ(index_select(x, 0, arange(2, -1, -1)).to_vector<double>(), (std::vector<double>{5, 6, 3, 4, 1, 2}));
  EXPECT_EQ(select_scatter(x, tensor({7.0, 8}), 0, 0).to_vector<double>(), (std::vector<double>{7, 8, 3, 4, 5, 6}));
  EXPECT_EQ((x - 1.5).to_vector<double>(), (std::vector<double>{-0.5, 0.5, 1.5, 2.5, 3.5, 4.5}));
}

// Code that does not compile because it would not mean what it seems to.
template <class Axes, class Second>
constexpr bool sums_with = requires(const Tensor& x, Axes axes, Second second) {
  x.sum(axes, second);
};
template <class Axes, class Second>
constexpr bool varies_with = requires(const Tensor& x, Axes axes, Second second) {
  var(x, axes, second);
};
static_assert(sums_with<int, bool> && varies_with<int, bool>);
static_assert(!sums_with<int, int> && !varies_with<int, int>);
static_assert(!sums_with<int, std::int64_t> && !varies_with<int, const char*>);
static_assert(!std::is_assignable_v<const Tensor, const Tensor&>, "x[0] = y of a const x, x.t() = y");
static_assert(std::is_copy_assignable_v<Tensor> && std::is_move_assignable_v<Tensor>);

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
