// Sequential has a norm apply the ReLU that follows it: nothing but the time may show it.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <tuple>

#include "tests/support/gradients.hpp"
#include "normgrad/core/autograd/anomaly.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/autograd/node.hpp"
#include "normgrad/core/base/buffer.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/ops/activation.hpp"
#include "normgrad/core/ops/arithmetic.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/norm.hpp"
#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/identity.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/group_norm.hpp"
#include "normgrad/layers/norm/instance_norm.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"
#include "normgrad/layers/norm/rms_norm.hpp"
#include "normgrad/layers/pooling.hpp"
#include "normgrad/layers/sequential.hpp"
#include "normgrad/train/fold.hpp"

namespace normgrad {
namespace {

using testing_support::gradients_agree;

// Values in which every bit counts, but for those of NaN.
std::vector<std::uint64_t> bits(const Tensor& x) {
  std::vector<std::uint64_t> all;
  for (const double v : x.detach().to(kFloat64).to_vector<double>()) {
    all.push_back(std::isnan(v) ? ~std::uint64_t{0} : std::bit_cast<std::uint64_t>(v));
  }
  return all;
}

struct Place {
  std::string name;
  std::function<std::unique_ptr<Module>(bool affine, DType dtype)> make;
  Shape shape;
};

void PrintTo(const Place& p, std::ostream* out) { *out << p.name; }

template <class Norm, class Size, class Options>
Place place(const std::string& name, const Size& size, Options options, const Shape& shape) {
  const auto make = [=](bool affine, DType dtype) -> std::unique_ptr<Module> {
    Options of = options;
    if constexpr (requires { of.affine; }) {
      of.affine = affine;
    } else {
      of.elementwise_affine = affine;
    }
    of.dtype = dtype;
    return std::make_unique<Norm>(size, of);
  };
  return {name, make, shape};
}

Place groups(const std::string& name, std::int64_t n, bool centre, const Shape& shape) {
  const std::int64_t channels = shape[1];
  return {name,
          [=](bool affine, DType dtype) -> std::unique_ptr<Module> {
            return std::make_unique<GroupNorm>(n, channels,
                                               GroupNormOptions{.affine = affine, .centre = centre, .dtype = dtype});
          },
          shape};
}

std::vector<Place> places() {
  const BatchNormOptions batch;
  const InstanceNormOptions instance;
  InstanceNormOptions tracked;
  tracked.track_running_stats = true;
  LayerNormOptions over_channels;
  over_channels.axes = {1};
  return {
      place<BatchNorm1d>("BatchNorm1d", 20, batch, {30, 20}),
      place<BatchNorm1d>("BatchNorm1dTall", 20, batch, {1500, 20}),
      place<BatchNorm1d>("BatchNorm1dLong", 5, batch, {4, 5, 9}),
      place<BatchNorm2d>("BatchNorm2d", 24, batch, {5, 24, 7, 6}),
      place<BatchNorm3d>("BatchNorm3d", 3, batch, {4, 3, 2, 5, 3}),
      place<InstanceNorm1d>("InstanceNorm1d", 6, instance, {3, 6, 11}),
      place<InstanceNorm2d>("InstanceNorm2d", 24, instance, {3, 24, 6, 5}),
      place<InstanceNorm2d>("InstanceNorm2dTracked", 24, tracked, {3, 24, 6, 5}),
      place<InstanceNorm2d>("InstanceNorm2dUnbatched", 6, instance, {6, 5, 7}),
      place<InstanceNorm3d>("InstanceNorm3d", 3, tracked, {2, 3, 3, 4, 5}),
      groups("GroupNorm", 4, true, {3, 24, 9, 5}),
      groups("GroupNormOne", 1, true, {4, 16, 13, 13}),
      groups("GroupRms", 4, false, {3, 24, 9, 5}),
      groups("GroupNormFlat", 4, true, {6, 24}),
      place<LayerNorm>("LayerNorm", Shape{50}, LayerNormOptions{}, {17, 50}),
      place<LayerNorm>("LayerNormFew", Shape{3}, LayerNormOptions{}, {9, 3}),
      place<LayerNorm>("LayerNormImages", Shape{18, 5, 4}, LayerNormOptions{}, {6, 18, 5, 4}),
      place<LayerNorm>("LayerNormOverChannels", Shape{18}, over_channels, {4, 18, 5, 3}),
      place<RMSNorm>("RMSNorm", Shape{50}, RMSNormOptions{}, {17, 50}),
  };
}

// Parameters of both signs; of the first few gamma is 0, of some of these beta, too: y is 0 there.
void draw_parameters(Module& norm) {
  const NoGradGuard no_grad;
  for (auto& [name, p] : norm.named_parameters()) {
    p.copy_(randn(p.shape(), {.dtype = p.dtype()}));
    const std::int64_t zeros = name == "weight" ? 3 : 2;
    dispatch_float("test", p.dtype(), [&](auto zero) {
      using T = decltype(zero);
      for (std::int64_t i = 0; i < std::min(zeros, p.numel() - 1); ++i) {
        p.mutable_data<T>()[i] = i == 1 ? -T(0) : T(0);
      }
    });
  }
}

void plant_specials(Tensor& x) {
  dispatch_float("test", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* values = x.mutable_data<T>();
    values[1] = std::numeric_limits<T>::quiet_NaN();
    values[x.numel() / 2] = std::numeric_limits<T>::infinity();
    values[x.numel() - 1] = -T(0);
  });
}

Tensor laid(const Tensor& x, bool channels_last) { return channels_last && x.dim() > 2 ? x.as_channels_last() : x; }

struct Results {
  std::vector<std::pair<std::string, std::vector<std::uint64_t>>> all;
  void add(const std::string& name, const Tensor& x) {
    all.emplace_back(name, x.defined() ? bits(x) : std::vector<std::uint64_t>());
  }
};

// What there is to see of one forward and backward of `model`.
Results results_of(Module& model, const std::function<Tensor(const Tensor&)>& run, const Tensor& values,
                   const Tensor& gy, bool channels_last, bool gradient_of_x) {
  Results r;
  const Tensor x = laid(values.clone(), channels_last);
  Tensor leaf = x.detach();
  leaf.requires_grad_(gradient_of_x);
  const Tensor y = run(leaf);
  r.add("y", y);
  if (y.requires_grad()) {
    y.backward(laid(gy, channels_last));
  }
  r.add("x.grad", leaf.grad());
  for (const auto& [name, p] : model.named_parameters()) {
    r.add(name + ".grad", p.grad());
  }
  for (const auto& [name, buffer] : model.named_buffers()) {
    r.add(name, buffer);
  }
  const NoGradGuard no_grad;
  r.add("y without gradients", run(x));
  return r;
}

void expect_same(const Results& fused, const Results& plain, const std::string& what) {
  ASSERT_EQ(fused.all.size(), plain.all.size());
  for (std::size_t i = 0; i < fused.all.size(); ++i) {
    EXPECT_EQ(fused.all[i].second, plain.all[i].second) << what << ": " << fused.all[i].first;
  }
}

class FusedReluTest : public testing::TestWithParam<std::tuple<Place, DType>> {
 protected:
  void SetUp() override { manual_seed(5); }
  const Place& where() const { return std::get<0>(GetParam()); }
  DType dtype() const { return std::get<1>(GetParam()); }
  Tensor draw() const { return randn(where().shape, {.dtype = dtype()}); }
  std::unique_ptr<Module> norm(bool affine) const {
    auto made = where().make(affine, dtype());
    draw_parameters(*made);
    return made;
  }
};

INSTANTIATE_TEST_SUITE_P(Norms, FusedReluTest,
                         testing::Combine(testing::ValuesIn(places()), testing::Values(kFloat32, kFloat64)),
                         [](const auto& param) {
                           return std::get<0>(param.param).name +
                                  (std::get<1>(param.param) == kFloat32 ? "Float32" : "Float64");
                         });

TEST_P(FusedReluTest, GivesTheSameBits) {
  for (const bool affine : {true, false}) {
    for (const bool training : {true, false}) {
      for (const bool channels_last : {false, true}) {
        for (const bool special : {false, true}) {
          for (const bool gradient_of_x : {true, false}) {
            const auto plain = norm(affine);
            Sequential fused(plain->clone(), ReLU());
            plain->train(training);
            fused.train(training);
            Tensor x = draw();
            if (special) {
              plant_specials(x);
            }
            const Tensor gy = draw();
            const Results a = results_of(
                fused, [&](const Tensor& in) { return fused(in); }, x, gy, channels_last, gradient_of_x);
            const Results b = results_of(
                *plain, [&](const Tensor& in) { return relu((*plain)(in)); }, x, gy, channels_last, gradient_of_x);
            expect_same(a, b,
                        detail::concat("affine ", affine, ", training ", training, ", channels last ", channels_last,
                                       ", special ", special, ", gradient of x ", gradient_of_x));
          }
        }
      }
    }
  }
}

// Parameters that learn alone, and those that stay.
TEST_P(FusedReluTest, GivesTheSameBitsForEverySubsetOfGradients) {
  for (const bool training : {true, false}) {
    const auto plain = norm(true);
    Sequential fused(plain->clone(), ReLU());
    plain->train(training);
    fused.train(training);
    const Tensor x = draw();
    const Tensor gy = draw();
    const std::size_t parameters = plain->parameters().size();
    for (unsigned learn = 0; learn < 1U << parameters; ++learn) {
      for (std::size_t i = 0; i < parameters; ++i) {
        plain->parameters()[i].requires_grad_((learn >> i & 1U) != 0);
        fused.parameters()[i].requires_grad_((learn >> i & 1U) != 0);
      }
      for (const bool gradient_of_x : {true, false}) {
        const Results a = results_of(
            fused, [&](const Tensor& in) { return fused(in); }, x, gy, false, gradient_of_x);
        const Results b = results_of(
            *plain, [&](const Tensor& in) { return relu((*plain)(in)); }, x, gy, false, gradient_of_x);
        expect_same(a, b, detail::concat("training ", training, ", learn ", learn));
        fused.zero_grad();
        plain->zero_grad();
      }
    }
  }
}

TEST_P(FusedReluTest, RecordedGradientsAreThoseOfTheTwoLayers) {
  for (const bool training : {true, false}) {
    const auto plain = norm(true);
    Sequential fused(plain->clone(), ReLU());
    plain->train(training);
    fused.train(training);
    const Tensor values = draw();
    const Tensor gy = draw();
    const Tensor again = draw();
    std::vector<Results> results(2);
    for (const bool is_fused : {true, false}) {
      Module& model = is_fused ? static_cast<Module&>(fused) : *plain;
      Tensor x = values.clone().requires_grad_();
      Tensor g = gy.clone().requires_grad_();
      std::vector<Tensor> inputs{x};
      for (const Tensor& p : model.parameters()) {
        inputs.push_back(p);
      }
      const Tensor y = is_fused ? fused(x) : relu((*plain)(x));
      const std::vector<Tensor> first = grad({y}, inputs, {g}, {.create_graph = true});
      Results& r = results[is_fused ? 0 : 1];
      for (const Tensor& f : first) {
        r.add("first", f);
      }
      inputs.push_back(g);
      for (const Tensor& second : grad({first[0]}, inputs, {again}, {.allow_unused = true})) {
        r.add("second", second);
      }
    }
    expect_same(results[0], results[1], detail::concat("training ", training));
  }
}

TEST_P(FusedReluTest, ThreadsDoNotShow) {
  const auto plain = norm(true);
  const Tensor x = draw();
  const Tensor gy = draw();
  const int before = get_num_threads();
  std::vector<Results> results;
  for (const int threads : {1, 2, 4}) {
    set_num_threads(threads);
    Sequential fused(plain->clone(), ReLU());
    results.push_back(results_of(
        fused, [&](const Tensor& in) { return fused(in); }, x, gy, false, true));
  }
  set_num_threads(before);
  expect_same(results[0], results[1], "2 threads");
  expect_same(results[0], results[2], "4 threads");
}

TEST_P(FusedReluTest, BeforeMaxPooling) {
  if (where().shape.rank() != 4) {
    GTEST_SKIP() << "not of images";
  }
  const auto plain = norm(true);
  Sequential fused(plain->clone(), ReLU(), MaxPool2d(2));
  const Tensor x = draw();
  const Tensor gy = randn(MaxPool2d(2)(x).shape(), {.dtype = dtype()});
  MaxPool2d pool(2);
  const Results a = results_of(
      fused, [&](const Tensor& in) { return fused(in); }, x, gy, false, true);
  const Results b = results_of(
      *plain, [&](const Tensor& in) { return pool(relu((*plain)(in))); }, x, gy, false, true);
  expect_same(a, b, "pooled");
}

TEST_P(FusedReluTest, GradientsAgreeWithDifferences) {
  if (dtype() != kFloat64 || where().shape.numel() > 5000) {
    GTEST_SKIP() << "differences are taken of small float64 tensors";
  }
  for (const bool training : {true, false}) {
    auto made = where().make(true, dtype());
    {
      const NoGradGuard no_grad;
      for (Tensor p : made->parameters()) {
        p.copy_(randn(p.shape(), {.dtype = p.dtype()}) + 0.1);
      }
    }
    Sequential fused(std::move(made), ReLU());
    fused.train(training);
    const FreezeStatisticsGuard guard;
    std::vector<Tensor> inputs{draw().requires_grad_()};
    for (const Tensor& p : fused.parameters()) {
      inputs.push_back(p);
    }
    EXPECT_TRUE(gradients_agree([&](const auto& in) { return fused(in[0]); }, inputs, 2,
                                {.allow_kinks = true, .allow_degenerate = true, .max_elements = 8}));
  }
}

TEST_P(FusedReluTest, HooksSeeBothLayers) {
  const auto made = norm(true);
  const Tensor x = draw();
  const Tensor expected = relu((*made->clone())(x));
  for (const std::int64_t which : {0, 1}) {
    Sequential net(made->clone(), ReLU());
    std::vector<Tensor> seen;
    net[which].register_forward_hook([&](Module&, const Tensor& in, const Tensor& out) {
      seen = {in.clone(), out.clone()};
      return Tensor();
    });
    EXPECT_EQ(bits(net(x)), bits(expected));
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(bits(seen[which == 0 ? 0 : 1]), bits(which == 0 ? x : expected));
    EXPECT_NE(bits(seen[which == 0 ? 1 : 0]), bits(expected)) << "the norm's own result is not cut off";
  }
}

bool has_relu(const NodePtr& node) {
  if (!node) {
    return false;
  }
  if (std::string(node->name()) == "relu") {
    return true;
  }
  for (std::size_t i = 0; i < node->inputs.size(); ++i) {
    if (has_relu(node->inputs[i])) {
      return true;
    }
  }
  return false;
}

bool is_fused(Sequential& net, const Tensor& x) { return !has_relu(net(x.detach().clone().requires_grad_()).node()); }

TEST_P(FusedReluTest, OneNodeIsRecorded) {
  Sequential net(norm(true), ReLU());
  EXPECT_TRUE(is_fused(net, draw()));
  Sequential other(norm(true), Tanh(), ReLU());
  EXPECT_FALSE(is_fused(other, draw()));
}

// Large images, which are worked on in other ways, and are fused even where a pooling follows.
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
      separately(x);  // as is_fused() did
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
  EXPECT_EQ(bits(own_norm(x)), bits(relu(batch_norm_training(x).y - 0.5)));
  Sequential own_relu(BatchNorm2d(3), OwnReLU());
  EXPECT_EQ(bits(own_relu(x)), bits(y + 1.0));
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
    const auto before = bits(norm.running_mean);
    const Tensor expected = relu(batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias));
    EXPECT_EQ(bits(net(x)), bits(expected));
    EXPECT_EQ(bits(norm.running_mean), before);
    const NoGradGuard no_grad;
    const Tensor y = net(x);
    EXPECT_EQ(bits(y), bits(folded ? relu(x) : expected));
    EXPECT_FALSE(y.buffer() == x.buffer());
  }
}

// A parameter that changes between forward and backward changes the gradient no more than it does without fusing.
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
    gradients.push_back(bits(x.grad()));
  }
  EXPECT_EQ(gradients[0], gradients[1]);
}

// x may be laid out anew between forward and backward.
TEST(FusedReluSequentialTest, LayoutMayChangeBeforeTheBackward) {
  manual_seed(10);
  const Tensor values = randn({4, 32, 9, 9});
  const Tensor gy = randn(values.shape());
  for (const bool groups : {false, true}) {
    std::vector<std::vector<std::uint64_t>> gradients;
    for (const bool fused : {true, false}) {
      Sequential net(groups ? AnyModule(GroupNorm(4, 32)) : AnyModule(BatchNorm2d(32)), ReLU());
      Tensor x = values.as_channels_last().detach().requires_grad_();
      const Tensor y = fused ? net(x) : relu(net[0](x));
      x.to_row_major();
      y.backward(gy);
      gradients.push_back(bits(x.grad()));
    }
    EXPECT_EQ(gradients[0], gradients[1]);
  }
}

// Neither what the norm alone would have given nor the result of the ReLU is kept by the graph.
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

}  // namespace
}  // namespace normgrad
