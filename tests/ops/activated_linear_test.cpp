#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/support/gradients.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/autograd/node.hpp"
#include "normgrad/core/ops/detail/activation_kind.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using detail::activated_linear;
using detail::ActivationKind;
using tests::gradients_agree;
using tests::random_tensor;

struct Case {
  const ActivationKind& kind;
  Tensor (*f)(const Tensor&);
};
const Case kCases[] = {{detail::kReLU, relu}, {detail::kSigmoid, sigmoid}, {detail::kTanh, tanh}};

TEST(ActivatedLinearTest, EqualsTheTwoOperationsToTheLastBit) {
  for (const Case& c : kCases) {
    for (const DType dtype : {kFloat32, kFloat64}) {
      for (const Shape& shape : {Shape{7}, Shape{60, 100}, Shape{2, 3, 7}, Shape{0, 7}}) {
        for (int needed = 0; needed < 8; ++needed) {
          const Tensor leaves[] = {random_tensor(shape, dtype, 1), random_tensor({50, shape.back()}, dtype, 2),
                                   random_tensor({50}, dtype, 3)};
          std::vector<Tensor> asked;
          for (std::size_t i = 0; i < 3; ++i) {
            if ((needed >> i & 1) != 0) {
              asked.push_back(leaves[i]);
              asked.back().requires_grad_();
            }
          }
          const Tensor one = activated_linear(c.kind, leaves[0], leaves[1], leaves[2]);
          const Tensor two = linear(c.f(leaves[0]), leaves[1], leaves[2]);
          ASSERT_EQ(one.shape(), two.shape());
          EXPECT_EQ(one.to_vector<double>(), two.to_vector<double>());
          EXPECT_EQ(one.requires_grad(), needed != 0);
          if (needed == 0) {
            continue;
          }
          const Tensor gy = random_tensor(one.shape(), dtype, 4);
          const auto of_one = grad({one}, asked, {gy});
          const auto of_two = grad({two}, asked, {gy});
          for (std::size_t i = 0; i < asked.size(); ++i) {
            EXPECT_EQ(of_one[i].to_vector<double>(), of_two[i].to_vector<double>()) << c.kind.name << ", input " << i;
          }
        }
      }
    }
  }
}

TEST(ActivatedLinearTest, GradientsOfFirstAndSecondOrder) {
  for (const Case& c : kCases) {
    Tensor x = random_tensor({5, 7}, kFloat64, 1);
    Tensor w = random_tensor({4, 7}, kFloat64, 2);
    Tensor b = random_tensor({4}, kFloat64, 3);
    x.requires_grad_();
    w.requires_grad_();
    b.requires_grad_();
    const auto biased = [&](const std::vector<Tensor>& in) { return activated_linear(c.kind, in[0], in[1], in[2]); };
    const auto plain = [&](const std::vector<Tensor>& in) { return activated_linear(c.kind, in[0], in[1], {}); };
    EXPECT_TRUE(gradients_agree(biased, {x, w, b})) << c.kind.name;
    EXPECT_TRUE(gradients_agree(plain, {x, w})) << c.kind.name;
  }
}

TEST(ActivatedLinearTest, RecordedGradientsGoThroughTheActivation) {
  for (const Case& c : kCases) {
    const Tensor x = random_tensor({5, 7}, kFloat64, 1).requires_grad_();
    const Tensor w = random_tensor({4, 7}, kFloat64, 2).requires_grad_();
    const Tensor v = random_tensor({4, 7}, kFloat64, 3);
    const Tensor gy = random_tensor({5, 4}, kFloat64, 4);
    const auto second = [&](const Tensor& y) {
      const Tensor gw = grad({y}, {w}, {gy}, {.create_graph = true})[0];
      return grad({gw}, {x}, {v})[0].to_vector<double>();
    };
    EXPECT_EQ(second(activated_linear(c.kind, x, w, {})), second(linear(c.f(x), w))) << c.kind.name;
  }
}

TEST(ActivatedLinearTest, IsOneOperation) {
  const std::int64_t before = live_nodes();
  const Tensor x = random_tensor({5, 7}, kFloat32, 1);
  const Tensor w = random_tensor({4, 7}, kFloat32, 2).requires_grad_();
  {
    const Tensor y = activated_linear(detail::kSigmoid, x, w, {});
    EXPECT_EQ(live_nodes(), before + 1);
    const NoGradGuard no_grad;
    EXPECT_FALSE(activated_linear(detail::kSigmoid, x, w, {}).requires_grad());
  }
  EXPECT_EQ(live_nodes(), before);
}

TEST(ActivatedLinearTest, SaysWhatDoesNotFit) {
  const auto message_of = [](const std::function<void()>& f) -> std::string {
    try {
      f();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  const Tensor w = random_tensor({4, 7}, kFloat32, 1);
  EXPECT_EQ(message_of([&] {
              activated_linear(detail::kTanh, random_tensor({60, 8}, kFloat32, 1), w, {});
            }),
            "linear: expected an input [*, 7] but got [60, 8]; the preceding layer gives 8 features: set in_features "
            "to that");
  EXPECT_EQ(message_of([&] {
              activated_linear(detail::kTanh, random_tensor({60, 7}, kFloat64, 1), w, {});
            }),
            "linear: expected operands of the same dtype but got float64 and float32; convert one of them "
            "with to()");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
