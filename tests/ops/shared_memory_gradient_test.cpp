// Shared memory and autograd: assignments to parts, what they refuse, versions, gradients, and memory that is used
// again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/index/index.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using tests::error_of;
using tests::gradients_agree;
using tests::numbers;
using tests::random_tensor;

TEST(AssignmentTest, FillsABatch) {
  Tensor batch = zeros({3, 2});
  for (std::int64_t i = 0; i < 3; ++i) {
    batch[i] = full({2}, i + 1);
  }
  EXPECT_THAT(numbers(batch), ElementsAre(1, 1, 2, 2, 3, 3));
  batch[1] = batch[2];
  batch[0][1] = -1;
  batch[2] = 0.5;
  EXPECT_THAT(numbers(batch), ElementsAre(1, -1, 3, 3, 0.5, 0.5));
  batch.narrow(0, 0, 2) = tensor({{1.0, 2}, {3, 4}});
  batch.view({6}).slice(0, 4) = tensor({5, 6}, {.dtype = kInt64});  // converted, as by copy_()
  EXPECT_THAT(numbers(batch), ElementsAre(1, 2, 3, 4, 5, 6));
  const Tensor& row = (batch[0] = tensor({8.0, 9})).clone();
  EXPECT_THAT(numbers(row), ElementsAre(8, 9));
  Tensor images = zeros({2, 3, 2, 2}).as_channels_last();
  images[1] = arange(12).reshape({3, 2, 2});
  EXPECT_EQ(numbers(images[1]), numbers(arange(12)));
  EXPECT_EQ(images.sum().item(), 66.0);
  Tensor mask = zeros({2, 2}, {.dtype = kBool});
  mask[1] = true;
  EXPECT_THAT(numbers(mask), ElementsAre(0, 0, 1, 1));
}

TEST(AssignmentTest, AVariableRefersToAnotherTensor) {
  Tensor x = tensor({{1.0, 2}, {3, 4}});
  Tensor row = x[0];
  row = tensor({7.0, 8});
  row = x[1];
  row = std::move(row).add_(tensor({1.0, 1}));
  std::vector<Tensor> rows = x.unbind();
  rows[0] = tensor({9.0, 9});
  std::swap(rows[0], rows[1]);
  rows.erase(rows.begin());
  auto other = x[0];
  other = zeros({2});
  EXPECT_THAT(numbers(x), ElementsAre(1, 2, 4, 5));
  EXPECT_THAT(numbers(row), ElementsAre(4, 5));
}

TEST(AssignmentTest, WhatWouldBeLostIsRefused) {
  Tensor x = tensor({{1.0, 2}, {3, 4}});
  const std::string remedy =
      " is a temporary that shares no memory; parts along axis 0 do. For other parts use index_put_() or "
      "slice_scatter(), and for a gradient set_grad()";
  const std::string lost = "x[i] = y: the value would be lost, because the left side ";
  EXPECT_EQ(error_of<ValueError>([&] { x.select(1, 0) = zeros({2}); }), lost + "[2]" + remedy);
  EXPECT_EQ(error_of<ValueError>([&] { relu(x) = 1.0; }), lost + "[2, 2]" + remedy);
  const Tensor w = tensor({1, 2}, {.requires_grad = true});
  (w * w).sum().backward();
  EXPECT_EQ(error_of<ValueError>([&] { w.grad() = zeros({2}); }), lost + "[2]" + remedy);
  EXPECT_THAT(numbers(w.grad()), ElementsAre(2, 4));
  const std::string in_place =
      ": the change would be lost, because the temporary [2, 1] is a copy of a part of another tensor; parts share "
      "memory "
      "along axis 0 only: use index_put_() or slice_scatter(), or give the copy a name";
  EXPECT_EQ(error_of<ValueError>([&] { x.narrow(1, 0, 1).zero_(); }), "zero_" + in_place);
  EXPECT_EQ(error_of<ValueError>([&] { narrow(x, 1, 0, 1).fill_(1); }), "fill_" + in_place);
  EXPECT_EQ(error_of<ValueError>([&] { x.slice(1, 0, 1).copy_(zeros({2, 1})); }), "copy_" + in_place);
  EXPECT_EQ(error_of<ValueError>([&] { x.slice(1, 0, 1).add_(zeros({2, 1})); }), "add_" + in_place);
  EXPECT_EQ(error_of<ValueError>([&] { x.slice(1, 0, 1).sub_(zeros({2, 1})); }), "sub_" + in_place);
  EXPECT_EQ(error_of<ValueError>([&] { x.slice(1, 0, 1).mul_(zeros({2, 1})); }), "mul_" + in_place);
  EXPECT_EQ(error_of<ValueError>([&] { x.slice(1, 0, 1).mul_(2.0); }), "mul_" + in_place);
  EXPECT_EQ(error_of<ValueError>([&] { x.slice(1, 0, 1).div_(2.0); }), "div_" + in_place);
  EXPECT_EQ(error_of<ValueError>([&] { x.slice(1, 0, 1).index_put_({0}, 2.0); }), "index_put_" + in_place);
  // Parts and other shapes of such a copy are lost with it.
  EXPECT_EQ(error_of<ValueError>([&] { x.select(1, 0)[0] = 9.0; }), lost + "[]" + remedy);
  EXPECT_EQ(error_of<ValueError>([&] { x.slice(0, 0, 2, 2)[0] = zeros({2}); }), lost + "[2]" + remedy);
  EXPECT_THROW(x.narrow(1, 0, 1)[0].fill_(9.0), ValueError);
  EXPECT_THROW(x.narrow(1, 0, 1).narrow(0, 0, 1).zero_(), ValueError);
  EXPECT_THROW(x.narrow(1, 0, 1).slice(0, 0, 1).zero_(), ValueError);
  EXPECT_THROW(x.narrow(1, 0, 1).select(0, 0).mul_(2.0), ValueError);
  EXPECT_THROW(x.select(1, 0).unsqueeze(0).zero_(), ValueError);
  EXPECT_THROW(x.select(1, 0).unsqueeze({0, 1}).zero_(), ValueError);
  EXPECT_THROW(x.narrow(1, 0, 1).squeeze().zero_(), ValueError);
  EXPECT_THROW(x.narrow(1, 0, 1).flatten().zero_(), ValueError);
  EXPECT_THROW(x.narrow(1, 0, 1).reshape({2}).zero_(), ValueError);
  EXPECT_THROW(x.narrow(1, 0, 1).view({2})[0].zero_(), ValueError);
  EXPECT_THROW(x.narrow(1, 0, 1).detach().zero_(), ValueError);
  Tensor copy = x.narrow(1, 0, 1);
  copy.zero_();
  copy[0] = 5.0;
  copy.view({2})[1] = 6.0;
  EXPECT_THAT(numbers(copy), ElementsAre(5, 6));
  EXPECT_THAT(numbers(x), ElementsAre(1, 2, 3, 4));
  x[0].zero_().add_(tensor({5.0, 6}), 2.0).sub_(tensor({1.0, 1})).mul_(tensor({2.0, 1})).mul_(2.0).div_(4.0);
  x[1].index_put_({0}, 7.0);
  x[1].index_put_({1}, tensor(8.0));
  EXPECT_THAT(numbers(x), ElementsAre(9, 5.5, 7, 8));
  EXPECT_EQ(error_of<ShapeError>([&] { x[0] = zeros({3}); }),
            "copy_: expected shapes that broadcast but got [3] and [2]; axes are compared from the last one on: add "
            "some with unsqueeze()");
  EXPECT_EQ(error_of<IndexError>([&] { x[2] = 0.0; }),
            "select: expected an index in [-2, 2) for axis 0 of [2, 2] but got 2");
}

TEST(AssignmentTest, LeavesAreRefused) {
  Tensor w = tensor({{1, 2}, {3, 4}}, {.requires_grad = true});
  const std::string of_part =
      ": the tensor is a part of a leaf that requires gradients, and leaves cannot be changed in place while "
      "operations "
      "are recorded; change it under NoGradGuard, or the same part of a clone()";
  EXPECT_EQ(error_of<GraphError>([&] { w[0] = zeros({2}); }), "x[i] = y" + of_part);
  EXPECT_EQ(error_of<GraphError>([&] { w[0] = 1.0; }), "x[i] = y" + of_part);
  EXPECT_EQ(error_of<GraphError>([&] { w.view({4})[0] = w[0][1]; }), "x[i] = y" + of_part);
  EXPECT_EQ(error_of<GraphError>([&] { w.split(1)[0] = zeros({2}); }), "x[i] = y" + of_part);
  EXPECT_EQ(error_of<GraphError>([&] { w.narrow(0, 0, 1).mul_(2.0); }), "mul_" + of_part);
  EXPECT_EQ(error_of<GraphError>([&] {
              w[0].masked_fill_(tensor({1.0, 0}).to(kBool), 2.0);
            }),
            "masked_fill_" + of_part);
  EXPECT_EQ(error_of<GraphError>([&] { w[0].index_put_({0}, 2.0); }), "index_put_" + of_part);
  EXPECT_EQ(
      error_of<GraphError>([&] { w.add_(w); }),
      "add_: the tensor is a leaf that requires gradients, and leaves cannot be changed in place while operations "
      "are recorded; change it under NoGradGuard, or use the operation that returns a new tensor");
  Tensor row = w[0];
  EXPECT_EQ(error_of<GraphError>([&] { row.fill_(0.0); }), "fill_" + of_part);
  EXPECT_EQ(error_of<GraphError>([&] { row.copy_(zeros({2})); }), "copy_" + of_part);
  EXPECT_EQ(error_of<GraphError>([&] { row.sub_(zeros({2})); }), "sub_" + of_part);
  EXPECT_EQ(error_of<GraphError>([&] { row.div_(zeros({2})); }), "div_" + of_part);
  EXPECT_EQ(error_of<GraphError>([&] { row.div_(2.0); }), "div_" + of_part);
  EXPECT_THAT(numbers(w), ElementsAre(1, 2, 3, 4));
  Tensor unrecorded;
  Tensor viewed;
  {
    const NoGradGuard no_grad;
    unrecorded = w[1];
    viewed = w.view({4});
  }
  const std::string taken_before =
      ": the tensor is a part of one that requires gradients, taken under NoGradGuard; change it under NoGradGuard "
      "too, "
      "or take it from detach()";
  EXPECT_EQ(error_of<GraphError>([&] { unrecorded.zero_(); }), "fill_" + taken_before);
  EXPECT_EQ(error_of<GraphError>([&] { unrecorded[0] = 1.0; }), "x[i] = y" + taken_before);
  EXPECT_EQ(error_of<GraphError>([&] { viewed.narrow(0, 0, 1).add_(ones({1})); }), "add_" + taken_before);
  EXPECT_THAT(numbers(w), ElementsAre(1, 2, 3, 4));
  unrecorded.detach()[0] = -3.0;
  unrecorded.detach()[0] = 3.0;
  // The remedies.
  Tensor copy = w.clone();
  copy[0] = 0.0;
  (copy * 2.0).sum().backward();
  EXPECT_THAT(numbers(w.grad()), ElementsAre(0, 0, 2, 2));
  const NoGradGuard no_grad;
  w[0] = 5.0;
  row.add_(tensor({1.0, 2}));
  unrecorded.add_(tensor({0.0, 1}));
  EXPECT_THAT(numbers(w), ElementsAre(6, 7, 3, 5));
}

TEST(SharedMemoryGradientTest, AChangeThroughAnyPartCounts) {
  const Tensor w = tensor({{1, 2}, {3, 4}}, {.requires_grad = true});
  const std::string error =
      "backward of 'mul': a tensor of shape [2, 2] that it needs was changed in place after the "
      "forward; clone() it before changing it";
  const std::vector<std::function<void(Tensor&)>> changes = {
      [](Tensor& x) { x[1] = 0.0; },
      [](Tensor& x) { x.narrow(0, 0, 1).zero_(); },
      [](Tensor& x) { x.unbind()[1].add_(ones({2})); },
      [](Tensor& x) { x.view({4}).split(1)[3].fill_(1.0); },
      [](Tensor& x) { x.detach()[0][1] = 2.0; },
      [](Tensor& x) { *x[1].mutable_data<float>() = 2.0F; },
  };
  for (const auto& change : changes) {
    Tensor x = tensor({{1.0, 2}, {3, 4}});
    const Tensor y = (w * x).sum();
    change(x);
    EXPECT_EQ(error_of<GraphError>([&] { y.backward(); }), error);
    // A part that was saved, and a change of the whole or of another part, which has the same version.
    const Tensor z = (w[0] * x[0]).sum();
    x.add_(x);
    EXPECT_THROW(z.backward(), GraphError);
    const Tensor u = (w[0] * x[0]).sum();
    change(x);
    EXPECT_THROW(u.backward(), GraphError);
  }
}

TEST(SharedMemoryGradientTest, AParametersPartSeesItsUpdates) {
  Tensor w = tensor({{1, 2}, {3, 4}}, {.requires_grad = true});
  const Tensor row = w.detach()[1];
  const Tensor y = (w[1] * w[1]).sum();
  {
    const NoGradGuard no_grad;
    w.mul_(10.0);
  }
  EXPECT_THAT(numbers(row), ElementsAre(30, 40));
  EXPECT_EQ(row.version(), w.version());
  EXPECT_THROW(y.backward(), GraphError);
}

TEST(SharedMemoryGradientTest, AgreesWithDifferences) {
  const Tensor x = random_tensor({4, 3}, kFloat64, 1).requires_grad_();
  const Tensor w = random_tensor({3, 3}, kFloat64, 2).requires_grad_();
  const auto functions = std::vector<TensorFunction>{
      [](const std::vector<Tensor>& in) { return in[0][1] * in[0][2] * in[0][1]; },
      [](const std::vector<Tensor>& in) { return square(in[0][-1][0]) * in[0].select(0, 2); },
      [](const std::vector<Tensor>& in) { return in[0].narrow(0, 0, 3) * in[0].narrow(0, 1, 3) * in[1]; },
      [](const std::vector<Tensor>& in) { return matmul(in[0].slice(0, 1), square(in[1])) + in[0].slice(0, 0, 3); },
      [](const std::vector<Tensor>& in) {
        const auto rows = in[0].unbind();
        return stack({exp(rows[3]), rows[0] * rows[1], square(rows[3])});
      },
      [](const std::vector<Tensor>& in) {
        const auto parts = in[0].chunk(2);
        return cat({relu(parts[0]), square(parts[0]) * parts[1], in[1][0].unsqueeze(0)});
      },
  };
  for (std::size_t i = 0; i < functions.size(); ++i) {
    EXPECT_TRUE(gradients_agree(functions[i], {x, w})) << i;
  }
}

// Operations use the memory of an operand again only if nobody else can see it.
TEST(SharedMemoryGradientTest, NoOperationWritesToAnotherPart) {
  const Tensor a = random_tensor({2, 3}, kFloat32, 3).requires_grad_();
  const Tensor b = random_tensor({2, 3}, kFloat32, 4).requires_grad_();
  const Tensor gy = random_tensor({4, 3}, kFloat32, 5);
  const std::vector<double> before = numbers(gy);
  const auto gradients = grad({cat({tanh(relu(a)), tanh(relu(b))})}, {a, b}, {gy});
  EXPECT_EQ(numbers(gy), before);
  EXPECT_EQ(numbers(gradients[0]), numbers(grad({tanh(relu(a))}, {a}, {gy.narrow(0, 0, 2).clone()})[0]));
  EXPECT_EQ(numbers(gradients[1]), numbers(grad({tanh(relu(b))}, {b}, {gy.narrow(0, 2, 2).clone()})[0]));
  // The gradient of cat() that nobody holds, whose parts accumulate into leaves and into sums.
  for (int step = 1; step <= 2; ++step) {
    const Tensor twice = relu(a);
    (cat({twice, b, twice, a}) * cat({gy, gy})).sum().backward();
  }
  const Tensor positive = (a > 0.0).to(kFloat32);
  const Tensor top = gy.narrow(0, 0, 2);
  const Tensor bottom = gy.narrow(0, 2, 2);
  EXPECT_EQ(numbers(b.grad()), numbers(bottom + bottom));
  EXPECT_EQ(numbers(a.grad()), numbers((top + top) * positive + bottom + ((top + top) * positive + bottom)));
  // A kept gradient has memory of its own.
  EXPECT_FALSE(a.grad().buffer().shares_block(b.grad().buffer()));
  EXPECT_EQ(a.grad().buffer().bytes(), 24U);
  EXPECT_TRUE(b.grad().buffer().unique());
}

TEST(SharedMemoryGradientTest, GradientsOfPartsAddUp) {
  Tensor x = tensor({{1, 2}, {3, 4}, {5, 6}}, {.requires_grad = true});
  Tensor total = zeros({});
  for (const Tensor& row : x.unbind()) {
    total = total + (row * row).sum();
  }
  (total + x.narrow(0, 1, 2).sum()).backward();
  EXPECT_THAT(numbers(x.grad()), ElementsAre(2, 4, 7, 9, 11, 13));
  x.set_grad({});
  Tensor kept = x[1];
  kept.retain_grad();
  (kept * kept).sum().backward();
  EXPECT_THAT(numbers(kept.grad()), ElementsAre(6, 8));
  EXPECT_THAT(numbers(x.grad()), ElementsAre(0, 0, 6, 8, 0, 0));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
