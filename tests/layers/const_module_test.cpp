// Calls of const modules.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/recurrent/recurrent.hpp"
#include "normgrad/layers/transformer/multihead_attention.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::HasSubstr;
using tests::error_of;
using tests::numbers;

struct Net : Module {
  Linear fc{3, 4};
  BatchNorm1d norm{4};
  NORMGRAD_MEMBERS(Net, fc, norm)
  Tensor forward(const Tensor& x) override { return norm(fc(x), relu); }
};

struct Sum : Module {
  Linear fc{3, 2};
  NORMGRAD_MEMBERS(Sum, fc)
  NORMGRAD_CALL_FORWARD()
  Tensor forward(const Tensor& a, const Tensor& b) { return fc(a) + fc(b); }
};

TEST(ConstModuleTest, ComputesInEvaluationMode) {
  const Tensor x = tests::random_tensor({5, 3}, kFloat32, 1);
  Net net;
  net.eval();
  const Net& same = net;
  EXPECT_EQ(numbers(same(x)), numbers(net(x)));
  EXPECT_EQ(numbers(same(x, relu)), numbers(net(x)));
  const Module& any = net;
  EXPECT_EQ(numbers(any(x)), numbers(net(x)));
  const auto by_value = [net](const Tensor& input) { return net(input); };
  EXPECT_EQ(numbers(by_value(x)), numbers(net(x)));
  Sequential sequence(net, ReLU());
  sequence.eval();
  const Sequential& same_sequence = sequence;
  EXPECT_EQ(numbers(same_sequence(x)), numbers(net(x)));
}

TEST(ConstModuleTest, GradientsReachTheParameters) {
  Net net;
  net.eval();
  const Net& same = net;
  const Tensor x = tests::random_tensor({5, 3}, kFloat32, 1);
  same(x).backward(tests::random_tensor({5, 4}, kFloat32, 2));
  const auto of_const = numbers(net.fc.weight.grad());
  net.zero_grad();
  net(x).backward(tests::random_tensor({5, 4}, kFloat32, 2));
  EXPECT_EQ(of_const, numbers(net.fc.weight.grad()));
}

TEST(ConstModuleTest, OtherArguments) {
  Sum sum;
  sum.eval();
  const Sum& same = sum;
  const Tensor a = tests::random_tensor({5, 3}, kFloat32, 1);
  const Tensor b = tests::random_tensor({5, 3}, kFloat32, 2);
  EXPECT_EQ(numbers(same(a, b)), numbers(sum(a, b)));
  EXPECT_THAT(error_of<ShapeError>([&] {
                same(a, tests::random_tensor({5, 4}, kFloat32, 2));
              }),
              HasSubstr("Linear 'fc'"));
}

TEST(ConstModuleTest, LayersWithTheirOwnArguments) {
  const Tensor x = tests::random_tensor({6, 2, 4}, kFloat32, 1);
  LSTM lstm(4, 3);
  lstm.eval();
  const LSTM& same_lstm = lstm;
  EXPECT_EQ(numbers(same_lstm(x).output), numbers(lstm(x).output));
  MultiheadAttention attention(4, 2);
  attention.eval();
  const MultiheadAttention& same_attention = attention;
  EXPECT_EQ(numbers(same_attention(x, x, x).attn_output), numbers(attention(x, x, x).attn_output));
  attention.train();
  EXPECT_THAT(error_of<ValueError>([&] { same_attention(x, x, x); }),
              HasSubstr("MultiheadAttention: expected a const module in evaluation mode"));
}

TEST(ConstModuleTest, TrainingModeIsRefused) {
  const Net net;
  const Sum sum;
  const Tensor x = tests::random_tensor({5, 3}, kFloat32, 1);
  const std::string expected =
      ": expected a const module in evaluation mode but it is in training mode, in which a call may change it; call "
      "eval() first, or pass the module by a reference to non-const";
  EXPECT_EQ(error_of<ValueError>([&] { net(x); }), "Net" + expected);
  EXPECT_EQ(error_of<ValueError>([&] { net(x, relu); }), "Net" + expected);
  EXPECT_EQ(error_of<ValueError>([&] { sum(x, x); }), "Sum" + expected);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
