#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

// The output of PyTorch, except for true and false.
TEST(TensorPrintTest, ScalarsAndVectors) {
  EXPECT_EQ(to_string(tensor(2.5)), "tensor(2.5000)");
  EXPECT_EQ(to_string(tensor(3.0)), "tensor(3.)");
  EXPECT_EQ(to_string(tensor({1.0, 2, 3})), "tensor([1., 2., 3.])");
  EXPECT_EQ(to_string(tensor({1, -2.5, 3})), "tensor([ 1.0000, -2.5000,  3.0000])");
  EXPECT_EQ(to_string(tensor({0.0, 0})), "tensor([0., 0.])");
  EXPECT_EQ(to_string(arange(8, 12)), "tensor([ 8,  9, 10, 11])");
  EXPECT_EQ(to_string(tensor({1, 0}, {.dtype = kBool})), "tensor([ true, false])");
  EXPECT_EQ(to_string(tensor({0.5}, {.dtype = kFloat64})), "tensor([0.5000], dtype=float64)");
  std::ostringstream out;
  out << tensor({1.0});
  EXPECT_EQ(out.str(), "tensor([1.])");
}

TEST(TensorPrintTest, ScientificWhenTheRangeAsksForIt) {
  EXPECT_EQ(to_string(tensor({1e-5, 2})), "tensor([1.0000e-05, 2.0000e+00])");
  EXPECT_EQ(to_string(tensor({0.5, 2000.5})), "tensor([5.0000e-01, 2.0005e+03])");
  EXPECT_EQ(to_string(tensor({1.0, 1000})), "tensor([   1., 1000.])");
  EXPECT_EQ(to_string(tensor({1.0, 1001})), "tensor([1.0000e+00, 1.0010e+03])");
  EXPECT_EQ(to_string(tensor({2e8})), "tensor([2.0000e+08])");
  EXPECT_EQ(to_string(tensor({1e-5, 0})), "tensor([1.0000e-05, 0.0000e+00])");
}

TEST(TensorPrintTest, NotFinite) {
  EXPECT_EQ(to_string(tensor({NAN, 1, -INFINITY, INFINITY})), "tensor([ nan,   1., -inf,  inf])");
  EXPECT_EQ(to_string(tensor({NAN})), "tensor([nan])");
}

TEST(TensorPrintTest, Nested) {
  EXPECT_EQ(to_string(tensor({{1.0, 2}, {3, 40}})), "tensor([[ 1.,  2.],\n        [ 3., 40.]])");
  EXPECT_EQ(to_string(arange(8).reshape({2, 2, 2})),
            "tensor([[[0, 1],\n         [2, 3]],\n\n        [[4, 5],\n         [6, 7]]])");
}

TEST(TensorPrintTest, LongLinesWrap) {
  EXPECT_EQ(to_string(arange(30)),
            "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,\n"
            "        18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29])");
}

TEST(TensorPrintTest, ManyElementsAreAbridged) {
  EXPECT_EQ(to_string(arange(1001)), "tensor([   0,    1,    2,  ...,  998,  999, 1000])");
  EXPECT_EQ(to_string(arange(2000).reshape({2, 1000})),
            "tensor([[   0,    1,    2,  ...,  997,  998,  999],\n"
            "        [1000, 1001, 1002,  ..., 1997, 1998, 1999]])");
  EXPECT_EQ(to_string(arange(2000).reshape({1000, 2})),
            "tensor([[   0,    1],\n        [   2,    3],\n        [   4,    5],\n        ...,\n"
            "        [1994, 1995],\n        [1996, 1997],\n        [1998, 1999]])");
}

TEST(TensorPrintTest, NotesAtTheEnd) {
  EXPECT_EQ(to_string(zeros({0})), "tensor([])");
  EXPECT_EQ(to_string(zeros({2, 0})), "tensor([], size=[2, 0])");
  EXPECT_EQ(to_string(zeros({0}, {.dtype = kInt64})), "tensor([], dtype=int64)");
  const Tensor x = tensor({1, 2}, {.dtype = kFloat64, .requires_grad = true});
  EXPECT_EQ(to_string(x), "tensor([1., 2.], dtype=float64, requires_grad=true)");
  EXPECT_EQ(to_string(x.reshape({2, 1})), "tensor([[1.],\n        [2.]], dtype=float64, grad_fn=<reshape>)");
  EXPECT_EQ(to_string(full({8}, 1.25, {.requires_grad = true})),
            "tensor([1.2500, 1.2500, 1.2500, 1.2500, 1.2500, 1.2500, 1.2500, 1.2500],\n       requires_grad=true)");
  EXPECT_EQ(to_string(Tensor()), "tensor(undefined)");
}

TEST(TensorPrintTest, ChannelsLastPrintsAlike) {
  const Tensor x = arange(12).reshape({1, 3, 2, 2});
  EXPECT_EQ(to_string(x.as_channels_last()), to_string(x));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
