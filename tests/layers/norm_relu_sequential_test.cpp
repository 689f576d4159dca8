// Observable behavior of a norm fused with ReLU in Sequential: hooks, watchers, errors, memory, and convolutions.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "tests/support/fused_layers.hpp"
#include "tests/support/gradients.hpp"
#include "normgrad/core/autograd/anomaly.hpp"
#include "normgrad/core/base/buffer.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/norm/norm.hpp"
#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/conv.hpp"
#include "normgrad/layers/identity.hpp"
#include "normgrad/layers/module/any_module.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/group_norm.hpp"
#include "normgrad/layers/pooling.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::draw_parameters;
using tests::every_bit;
using tests::expect_same;
using tests::is_fused;
using tests::plant_specials;
using tests::Results;
using tests::results_of;

// Large images, which take other code paths and are fused even if a pooling follows.
TEST(FusedReluSequentialTest, LargeImages) {
  manual_seed(7);
  const Shape shape{64, 32, 24, 24};
  const Tensor x = randn(shape);
  for (const bool pooled : {false, true}) {
    for (const bool channels_last : {false, true}) {
      Sequential fused(BatchNorm2d(32), ReLU(), pooled ? AnyModule(MaxPool2d(2)) : AnyModule(Identity()));
      draw_parameters(fused[0]);
      Sequential plain = fused;
      const auto separately = [&](const Tensor& in) { return plain[2](relu(plain[0](in))); };
      EXPECT_TRUE(is_fused(fused, x));
      fused[0].zero_grad();
      const Tensor gy = randn(pooled ? Shape{64, 32, 12, 12} : shape);
      separately(x);  // like is_fused()
      const Results a = results_of(
          fused, [&](const Tensor& in) { return fused(in); }, x, gy, channels_last, true);
      expect_same(a, results_of(plain, separately, x, gy, channels_last, true),
                  detail::concat("pooled ", pooled, ", channels last ", channels_last));
    }
  }
}

TEST(FusedReluSequentialTest, PoolsSmallImagesFirst) {
  manual_seed(7);
  Sequential net(BatchNorm2d(3), ReLU(), MaxPool2d(2));
  EXPECT_FALSE(is_fused(net, randn({2, 3, 8, 8})));
}

struct OwnNorm : BatchNorm2d {
  explicit OwnNorm(std::int64_t channels) : BatchNorm2d(channels) {}
  NORMGRAD_MEMBERS(OwnNorm, weight, bias, running_mean, running_var, num_batches_tracked)
  Tensor forward(const Tensor& x) override { return BatchNorm::forward(x) - 0.5; }
};

struct OwnReLU : ReLU {
  NORMGRAD_MEMBERS(OwnReLU)
  Tensor forward(const Tensor& x) override { return relu(x) + 1.0; }
};

TEST(FusedReluSequentialTest, DerivedClassesKeepTheirForwards) {
  manual_seed(6);
  const Tensor x = randn({4, 3, 5, 5});
  const Tensor y = relu(batch_norm_training(x).y);
  Sequential own_norm(OwnNorm(3), ReLU());
  EXPECT_EQ(every_bit(own_norm(x)), every_bit(relu(batch_norm_training(x).y - 0.5)));
  Sequential own_relu(BatchNorm2d(3), OwnReLU());
  EXPECT_EQ(every_bit(own_relu(x)), every_bit(y + 1.0));
}

// norm(x, relu) fuses in a custom forward as Sequential does.
TEST(CallWithActivationTest, FusesReluAndCallsOtherFunctions) {
  manual_seed(6);
  const auto nodes_of = [](const auto& f) {
    const std::int64_t before = live_nodes();
    const Tensor y = f();
    return std::pair(live_nodes() - before, every_bit(y));
  };
  const Tensor x = randn({4, 3, 5, 5}).requires_grad_();
  BatchNorm2d norm(3);
  Conv2d conv(3, 2, 3);
  for (Module* layer : {static_cast<Module*>(&norm), static_cast<Module*>(&conv)}) {
    const auto plain = nodes_of([&] { return relu((*layer)(x)); });
    const auto fused = nodes_of([&] { return (*layer)(x, relu); });
    EXPECT_EQ(fused.second, plain.second);
    EXPECT_LE(fused.first, plain.first);
    EXPECT_EQ(every_bit((*layer)(x, tanh)), every_bit(tanh((*layer)(x))));
  }
  EXPECT_LT(nodes_of([&] { return norm(x, relu); }).first, nodes_of([&] { return relu(norm(x)); }).first);
  EXPECT_THROW(norm(x, nullptr), ValueError);
}

TEST(CallWithActivationTest, HooksAndDerivedClassesGetWhatTheyAskFor) {
  manual_seed(6);
  const Tensor x = randn({4, 3, 5, 5});
  OwnNorm own(3);
  EXPECT_EQ(every_bit(own(x, relu)), every_bit(relu(batch_norm_training(x).y - 0.5)));
  BatchNorm2d norm(3);
  double least = 0.0;
  norm.register_forward_hook([&](Module&, const Tensor& /*in*/, const Tensor& out) {
    least = out.min().item();
    return Tensor();
  });
  norm(x, relu);
  EXPECT_LT(least, 0.0) << "the hook has not seen the norm's own result";
}

TEST(FusedReluSequentialTest, WatchersSeeBothLayers) {
  manual_seed(6);
  Sequential net(BatchNorm1d(4), ReLU());
  Tensor x = randn({6, 4});
  EXPECT_TRUE(is_fused(net, x));
  {
    const DetectAnomalyGuard guard;
    EXPECT_FALSE(is_fused(net, x));
  }
  EXPECT_TRUE(is_fused(net, x));
}

TEST(FusedReluSequentialTest, ErrorsHaveTheNormInTheirPath) {
  Sequential net({{"norm", BatchNorm2d(3)}, {"act", ReLU()}});
  Sequential plain({{"norm", BatchNorm2d(3)}});
  const auto text = [](Sequential& model) -> std::string {
    try {
      model(Tensor::empty({2, 4, 5, 5}));
    } catch (const ShapeError& error) {
      return error.what();
    }
    return {};
  };
  EXPECT_NE(text(net).find("norm"), std::string::npos) << text(net);
  EXPECT_EQ(text(net), text(plain));
}

TEST(FusedReluSequentialTest, FrozenAndFoldedNorms) {
  manual_seed(8);
  const Tensor x = randn({5, 4});
  const auto made = std::make_unique<BatchNorm1d>(4);
  draw_parameters(*made);
  made->running_mean.copy_(randn({4}));
  for (const bool folded : {false, true}) {
    Sequential net(made->clone(), ReLU());
    auto& norm = net.at<BatchNorm1d>(0);
    if (folded) {
      norm.running_mean.zero_();
      norm.running_var.fill_(1.0 - norm.eps());
      const NoGradGuard no_grad;
      norm.weight.fill_(1.0);
      norm.bias.zero_();
      EXPECT_TRUE(norm.is_identity());
    }
    norm.freeze();
    const auto before = every_bit(norm.running_mean);
    const Tensor expected = relu(batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias));
    EXPECT_EQ(every_bit(net(x)), every_bit(expected));
    EXPECT_EQ(every_bit(norm.running_mean), before);
    const NoGradGuard no_grad;
    const Tensor y = net(x);
    EXPECT_EQ(every_bit(y), every_bit(folded ? relu(x) : expected));
    EXPECT_FALSE(y.buffer() == x.buffer());
  }
}

// Changing a parameter between forward and backward has the same effect on the gradient as without fusing.
TEST(FusedReluSequentialTest, BiasMayChangeBeforeTheBackward) {
  manual_seed(9);
  const Tensor values = randn({6, 4});
  const Tensor gy = randn({6, 4});
  std::vector<std::vector<std::uint64_t>> gradients;
  for (const bool fused : {true, false}) {
    Sequential net(BatchNorm1d(4, {.affine = Affine::bias_only}), ReLU());
    Tensor x = values.clone().requires_grad_();
    const Tensor y = fused ? net(x) : relu(net[0](x));
    {
      const NoGradGuard no_grad;
      net.at<BatchNorm1d>(0).bias.fill_(100.0);
    }
    y.backward(gy);
    gradients.push_back(every_bit(x.grad()));
  }
  EXPECT_EQ(gradients[0], gradients[1]);
}

// x may be copied to row-major between forward and backward.
TEST(FusedReluSequentialTest, InputMayBeReadBeforeTheBackward) {
  manual_seed(10);
  const Tensor values = randn({4, 32, 9, 9});
  const Tensor gy = randn(values.shape());
  for (const bool groups : {false, true}) {
    std::vector<std::vector<std::uint64_t>> gradients;
    for (const bool fused : {true, false}) {
      Sequential net(groups ? AnyModule(GroupNorm(4, 32)) : AnyModule(BatchNorm2d(32)), ReLU());
      Tensor x = values.as_channels_last().detach().requires_grad_();
      const Tensor y = fused ? net(x) : relu(net[0](x));
      EXPECT_EQ(x.data<float>()[1], values.data<float>()[1]);
      y.backward(gy);
      gradients.push_back(every_bit(x.grad()));
    }
    EXPECT_EQ(gradients[0], gradients[1]);
  }
}

// The graph keeps neither the norm's own result nor the result of the ReLU.
TEST(FusedReluSequentialTest, KeepsOnlyItsInput) {
  manual_seed(11);
  const Shape shape{8, 16, 16, 16};
  const std::size_t bytes = static_cast<std::size_t>(shape.numel()) * sizeof(float);
  Sequential net(BatchNorm2d(16), ReLU(), AvgPool2d(2));
  const Tensor x = randn(shape).requires_grad_();
  net(x);
  const std::size_t before = memory_stats().bytes_in_use;
  reset_peak_memory();
  const Tensor y = net(x);
  EXPECT_LT(memory_stats().peak_bytes_in_use - before, 2 * bytes) << "one tensor of this size at a time";
  EXPECT_LT(memory_stats().bytes_in_use - before, bytes) << "the pooled tensor";
}

struct ConvCase {
  std::function<std::unique_ptr<Module>(DType)> make;
  Shape shape;
};

template <class Conv>
ConvCase conv_case(std::int64_t in, std::int64_t out, std::int64_t kernel, ConvLayerOptions options,
                   const Shape& shape) {
  return {[=](DType dtype) -> std::unique_ptr<Module> {
            ConvLayerOptions of = options;
            of.dtype = dtype;
            return std::make_unique<Conv>(in, out, kernel, of);
          },
          shape};
}

// All convolution algorithms: Winograd, parts of the batch with a smaller last one, and unfolding (float64).
std::vector<ConvCase> conv_cases() {
  return {
      conv_case<Conv2d>(16, 32, 3, {.padding = 1}, {3, 16, 13, 11}),
      conv_case<Conv2d>(16, 16, 3, {.bias = false}, {2, 16, 14, 14}),
      conv_case<Conv2d>(1, 32, 3, {.padding = 1}, {37, 1, 28, 28}),
      conv_case<Conv2d>(6, 9, 3, {.stride = 2, .padding = 1, .groups = 3}, {5, 6, 9, 8}),
      conv_case<Conv2d>(4, 8, 1, {}, {4, 7, 7}),
      conv_case<Conv1d>(3, 5, 4, {.dilation = 2}, {6, 3, 20}),
      conv_case<Conv3d>(2, 4, 3, {.padding = 1}, {3, 2, 5, 6, 4}),
  };
}

TEST(FusedReluSequentialTest, ConvolutionsGiveTheSameBits) {
  manual_seed(12);
  for (const ConvCase& c : conv_cases()) {
    for (const DType dtype : {kFloat32, kFloat64}) {
      for (const bool special : {false, true}) {
        for (const bool gradient_of_x : {true, false}) {
          const auto plain = c.make(dtype);
          Sequential fused(plain->clone(), ReLU());
          Tensor x = randn(c.shape, {.dtype = dtype});
          if (special) {
            plant_specials(x);
          }
          const Tensor gy = randn((*plain)(x).shape(), {.dtype = dtype});
          const Results a = results_of(
              fused, [&](const Tensor& in) { return fused(in); }, x, gy, false, gradient_of_x);
          const Results b = results_of(
              *plain, [&](const Tensor& in) { return relu((*plain)(in)); }, x, gy, false, gradient_of_x);
          expect_same(a, b, detail::concat(*plain, " special ", special));
        }
      }
    }
  }
}

TEST(FusedReluSequentialTest, ConvolutionsDoNotShowThreads) {
  manual_seed(12);
  const int before = get_num_threads();
  for (const ConvCase& c : conv_cases()) {
    Sequential net(c.make(kFloat32), ReLU());
    const Tensor x = randn(c.shape);
    std::vector<std::vector<std::uint64_t>> results;
    for (const int threads : {1, 2, 4}) {
      set_num_threads(threads);
      results.push_back(every_bit(net(x)));
    }
    EXPECT_EQ(results[0], results[1]);
    EXPECT_EQ(results[0], results[2]);
  }
  set_num_threads(before);
}

TEST(FusedReluSequentialTest, ConvolutionsAreDifferentiableTwice) {
  manual_seed(13);
  Sequential net(Conv2d(2, 3, 3, {.padding = 1, .dtype = kFloat64}), ReLU());
  std::vector<Tensor> inputs{randn({2, 2, 4, 5}, {.dtype = kFloat64}).requires_grad_()};
  for (const Tensor& p : net.parameters()) {
    inputs.push_back(p);
  }
  EXPECT_TRUE(tests::gradients_agree([&](const auto& in) { return net(in[0]); }, inputs, 2,
                                     {.allow_kinks = true, .allow_degenerate = true, .max_elements = 8}));
}

TEST(FusedReluSequentialTest, HooksSeeTheConvolution) {
  manual_seed(13);
  Sequential net({{"conv", Conv2d(1, 2, 3)}, {"act", ReLU()}});
  Tensor seen;
  net[0].register_forward_hook([&](Module&, const Tensor&, const Tensor& y) {
    seen = y.clone();
    return Tensor();
  });
  const Tensor x = randn({2, 1, 6, 6});
  const Tensor y = net(x);
  EXPECT_NE(every_bit(seen), every_bit(y));
  EXPECT_EQ(every_bit(relu(seen)), every_bit(y));
}

TEST(FusedReluSequentialTest, ErrorsHaveTheConvolutionInTheirPath) {
  Sequential net({{"conv", Conv2d(1, 2, 3)}, {"act", ReLU()}});
  try {
    net(Tensor::empty({2, 3, 6, 6}));
    FAIL() << "no error";
  } catch (const ShapeError& error) {
    EXPECT_NE(std::string(error.what()).find("Conv2d 'conv'"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("conv2d: expected an input with 1 channels"), std::string::npos);
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
