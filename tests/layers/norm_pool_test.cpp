// Sequential fuses a norm with the ReLU and the max pooling that follow it. Only the run time may differ.
//
// The kernel sums gradients window by window instead of row by row. In float64, gradients of the training pass may
// therefore differ from those of the three separate layers in the last digits; in float32 they round to the same
// numbers.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <tuple>

#include "tests/support/fused_layers.hpp"
#include "tests/support/fused_norms.hpp"
#include "tests/support/gradients.hpp"
#include "tests/support/simd_levels.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/norm/norm.hpp"
#include "normgrad/core/ops/pool/pool.hpp"
#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/identity.hpp"
#include "normgrad/layers/module/any_module.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/group_norm.hpp"
#include "normgrad/layers/norm/instance_norm.hpp"
#include "normgrad/layers/pooling.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::draw_parameters;
using tests::Drawn;
using tests::every_bit;
using tests::expect_same;
using tests::gradients_agree;
using tests::laid;
using tests::name_of;
using tests::NormPlace;
using tests::place;
using tests::plant_specials;
using tests::Results;
using tests::results_of;

struct Place : NormPlace {
  PerAxis window = 2;
};
void PrintTo(const Place& p, std::ostream* out) { *out << p.name; }

Place batch(const std::string& name, const Shape& shape, const PerAxis& window = 2) {
  return {place<BatchNorm2d>(name, shape[1], BatchNormOptions{}, shape), window};
}
Place instance(const std::string& name, bool tracked, const Shape& shape, const PerAxis& window = 2) {
  return {place<InstanceNorm2d>(name, shape[1], InstanceNormOptions{.track_running_stats = tracked}, shape), window};
}
Place groups(const std::string& name, std::int64_t n, bool center, const Shape& shape, const PerAxis& window = 2) {
  return {tests::groups(name, n, center, shape), window};
}

// Sizes that are and are not multiples of the window, channel counts that are and are not multiples of a register, few
// rows and tall matrices.
std::vector<Place> places() {
  return {
      batch("BatchNorm", {5, 16, 8, 6}),
      batch("BatchNormOdd", {3, 21, 7, 5}),
      batch("BatchNormTall", {7, 37, 15, 13}),
      batch("BatchNormWide", {2, 200, 6, 9}),
      batch("BatchNormWindow3", {4, 20, 11, 10}, 3),
      batch("BatchNormRows", {4, 20, 5, 7}, PerAxis{3, 1}),
      groups("GroupNorm", 4, true, {3, 24, 8, 6}),
      groups("GroupNormOdd", 4, true, {4, 44, 9, 5}),
      groups("GroupNormOne", 1, true, {4, 16, 13, 13}),
      groups("GroupNormWide", 8, true, {3, 200, 5, 6}),
      groups("GroupNormWindow", 3, true, {2, 18, 7, 11}, PerAxis{2, 5}),
      groups("GroupRms", 4, false, {3, 24, 9, 5}),
      instance("InstanceNorm", false, {3, 24, 6, 5}),
      instance("InstanceNormTracked", true, {3, 19, 7, 8}),
      groups("GroupNormManySamples", 2, true, {70, 16, 4, 5}),
  };
}

class FusedPoolTest : public tests::FusedNormTest<Place> {
 protected:
  Tensor draw_gy() const {
    return randn(max_pool2d(Tensor::empty(where().shape, dtype()), where().window).shape(), {.dtype = dtype()});
  }
  Sequential fused(const Module& plain) const { return Sequential(plain.clone(), ReLU(), MaxPool2d(where().window)); }
  Tensor separately(Module& plain, const Tensor& x) const { return max_pool2d(relu(plain(x)), where().window); }
  // Compares bit for bit in float32, otherwise gradients to a few units in the last place of the largest.
  void expect_alike(Module& model, Module& plain, const Tensor& x, const Tensor& gy, bool for_x,
                    const std::string& what) const {
    const Results a = results_of(
        model, [&](const Tensor& in) { return model(in); }, x, gy, true, for_x);
    const Results b = results_of(
        plain, [&](const Tensor& in) { return separately(plain, in); }, x, gy, true, for_x);
    expect_close(a, b, what);
  }
  void expect_close(const Results& a, const Results& b, const std::string& what) const {
    if (dtype() == kFloat32) {
      expect_same(a, b, what);
      return;
    }
    ASSERT_EQ(a.all.size(), b.all.size());
    for (std::size_t i = 0; i < a.all.size(); ++i) {
      const auto& [name, bits] = a.all[i];
      ASSERT_EQ(bits.size(), b.all[i].second.size()) << what << ": " << name;
      double largest = 1.0;
      for (const std::uint64_t v : b.all[i].second) {
        const double size = std::fabs(std::bit_cast<double>(v));
        largest = std::isfinite(size) ? std::max(largest, size) : largest;
      }
      const bool summed = name.find("grad") != std::string::npos || name == "first" || name == "second";
      for (std::size_t j = 0; j < bits.size(); ++j) {
        const auto x = std::bit_cast<double>(bits[j]);
        const auto y = std::bit_cast<double>(b.all[i].second[j]);
        const bool same = bits[j] == b.all[i].second[j] || (x == 0.0 && y == 0.0);
        ASSERT_TRUE(same || (summed && std::fabs(x - y) <= 64 * 0x1p-53 * largest))
            << what << ": " << name << ", element " << j << ": " << x << " and " << y;
      }
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Norms, FusedPoolTest,
                         testing::Combine(testing::ValuesIn(places()), testing::Values(kFloat32, kFloat64)),
                         name_of<Place>);

TEST_P(FusedPoolTest, GivesTheSameBits) {
  for (const SimdLevel level : tests::supported_levels()) {
    const tests::UsedSimdLevel used(level);
    for (const bool affine : {true, false}) {
      for (const bool training : {true, false}) {
        for (const bool for_x : {true, false}) {
          const auto plain = norm(affine);
          Sequential model = fused(*plain);
          plain->train(training);
          model.train(training);
          expect_alike(model, *plain, draw(), draw_gy(), for_x,
                       detail::concat(simd_name(level), ", affine ", affine, ", training ", training,
                                      ", gradient of x ", for_x));
        }
      }
    }
  }
}

// In windows of equal elements, of elements not above 0, and with NaN.
TEST_P(FusedPoolTest, TakesTheSameOfEqualElements) {
  for (const SimdLevel level : tests::supported_levels()) {
    const tests::UsedSimdLevel used(level);
    const auto plain = norm(true);
    Sequential model = fused(*plain);
    const Tensor few = (draw() * 1.5).to(kInt64).to(dtype());
    expect_alike(model, *plain, few, draw_gy(), true, "few values");
    expect_alike(model, *plain, full(where().shape, 2.5, {.dtype = dtype()}), draw_gy(), true, "constant");
    Tensor special = draw();
    plant_specials(special);
    expect_alike(model, *plain, special, draw_gy(), true, "special");
  }
}

TEST_P(FusedPoolTest, GivesTheSameForEverySubsetOfGradients) {
  const auto plain = norm(true);
  Sequential model = fused(*plain);
  const Tensor x = draw();
  const Tensor gy = draw_gy();
  tests::for_every_subset_of_gradients(model, *plain, [&](unsigned learn, bool for_x) {
    expect_alike(model, *plain, x, gy, for_x, detail::concat("learn ", learn, ", gradient of x ", for_x));
  });
}

TEST_P(FusedPoolTest, ThreadsDoNotShow) {
  const auto plain = norm(true);
  const Tensor x = draw();
  tests::expect_threads_do_not_show([&] { return fused(*plain); }, x, draw_gy(), true, {1, 2, 3});
}

TEST_P(FusedPoolTest, RecordedGradientsAreThoseOfTheLayers) {
  const auto plain = norm(true);
  Sequential model = fused(*plain);
  const Drawn drawn{.x = draw(), .gy = draw_gy(), .again = draw()};
  const Results a = tests::recorded_gradients(
      model, [&](const Tensor& x) { return model(x); }, drawn, true, false);
  const Results b = tests::recorded_gradients(
      *plain, [&](const Tensor& x) { return separately(*plain, x); }, drawn, true, false);
  expect_same(a, b, "recorded");
}

// Finite differences use small float64 tensors.
class FusedPoolGradientTest : public FusedPoolTest {};
std::vector<Place> small_places() {
  std::vector<Place> all = places();
  std::erase_if(all, [](const Place& p) { return p.shape.numel() > 5000; });
  return all;
}
INSTANTIATE_TEST_SUITE_P(Norms, FusedPoolGradientTest,
                         testing::Combine(testing::ValuesIn(small_places()), testing::Values(kFloat64)),
                         name_of<Place>);

TEST_P(FusedPoolGradientTest, GradientsAgreeWithDifferences) {
  auto made = where().make(true, dtype());
  {
    const NoGradGuard no_grad;
    for (Tensor p : made->parameters()) {
      p.copy_(randn(p.shape(), {.dtype = p.dtype()}) + 0.1);
    }
  }
  Sequential model(std::move(made), ReLU(), MaxPool2d(where().window));
  const FreezeStatisticsGuard guard;
  std::vector<Tensor> inputs{draw().requires_grad_()};
  for (const Tensor& p : model.parameters()) {
    inputs.push_back(p);
  }
  const Tensor zeros_last = zeros(where().shape, {.dtype = kFloat64}).as_channels_last();
  const auto run = [&](const auto& in) {
    const Tensor x = zeros_last + in[0];
    EXPECT_TRUE(x.is_channels_last());
    return model(x);
  };
  EXPECT_TRUE(gradients_agree(run, inputs, 2, {.allow_kinks = true, .allow_degenerate = true, .max_elements = 8}));
}

// The name of the last operation applied to x.
std::string last_operation(Sequential& net, const Tensor& x, bool channels_last = true) {
  Tensor leaf = laid(x.clone(), channels_last).detach();
  return net(leaf.requires_grad_()).node()->name();
}

TEST_P(FusedPoolTest, OneNodeIsRecorded) {
  Sequential model = fused(*norm(true));
  EXPECT_NE(last_operation(model, draw()).find("_norm"), std::string::npos);
}

TEST_P(FusedPoolTest, HooksSeeEveryLayer) {
  const auto made = norm(true);
  const Tensor x = laid(draw(), true);
  const Tensor expected = separately(*made->clone(), x);
  for (const std::int64_t which : {0, 1, 2}) {
    Sequential net = fused(*made);
    int calls = 0;
    net[which].register_forward_hook([&](Module&, const Tensor&, const Tensor&) {
      ++calls;
      return Tensor();
    });
    EXPECT_EQ(every_bit(net(x)), every_bit(expected));
    EXPECT_EQ(calls, 1) << "layer " << which;
  }
}

TEST(FusedPoolSequentialTest, OnlyWindowsSideBySideOfWideImages) {
  manual_seed(3);
  const Tensor x = randn({2, 16, 6, 6});
  const auto last = [&](auto norm, auto then, const MaxPool2d& pool, bool channels_last = true) {
    Sequential net(std::move(norm), std::move(then), pool);
    return last_operation(net, x, channels_last);
  };
  EXPECT_EQ(last(BatchNorm2d(16), ReLU(), MaxPool2d(2)), "batch_norm");
  EXPECT_NE(last(BatchNorm2d(16), ReLU(), MaxPool2d(2), false), "batch_norm");
  EXPECT_EQ(last(BatchNorm2d(16), ReLU(), MaxPool2d(2, {.stride = 2})), "batch_norm");
  EXPECT_EQ(last(BatchNorm2d(16), ReLU(), MaxPool2d(PerAxis{2, 2}, {.stride = 1})), "relu");
  EXPECT_EQ(last(BatchNorm2d(16), ReLU(), MaxPool2d(2, {.padding = 1})), "max_pool2d");
  EXPECT_EQ(last(BatchNorm2d(16), ReLU(), MaxPool2d(2, {.dilation = 2})), "relu");
  EXPECT_EQ(last(BatchNorm2d(16), Tanh(), MaxPool2d(2)), "max_pool2d");
  Sequential few(BatchNorm2d(8), ReLU(), MaxPool2d(2));
  EXPECT_EQ(last_operation(few, randn({2, 8, 6, 6})), "relu") << "too few channels for the kernel";
}

// The saved argmax data belong to this forward, even if other forwards run in between.
TEST_P(FusedPoolTest, AKeptGraphGivesItsGradientsAgain) {
  Sequential model = fused(*norm(true));
  const Tensor x = laid(draw(), true).detach().requires_grad_();
  const Tensor gy = draw_gy();
  std::vector<Tensor> inputs{x};
  for (const Tensor& p : model.parameters()) {
    inputs.push_back(p);
  }
  const Tensor y = model(x);
  const std::vector<Tensor> first = grad({y}, inputs, {gy}, {.retain_graph = true});
  const Tensor other = model(laid(draw(), true).detach().requires_grad_());
  const std::vector<Tensor> second = grad({y}, inputs, {gy}, {.retain_graph = true});
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    EXPECT_EQ(every_bit(first[i]), every_bit(second[i])) << "gradient " << i;
  }
}

TEST_P(FusedPoolTest, ForwardsWithoutGradientsGiveTheSame) {
  Sequential model = fused(*norm(true));
  const Tensor x = laid(draw(), true).detach().requires_grad_();
  const std::vector<std::uint64_t> recorded = every_bit(model(x));
  const NoGradGuard no_grad;
  EXPECT_EQ(every_bit(model(x)), recorded);
}

// The sums over windows without an argmax contain 0 times x, so that x must be a finite element of the window.
TEST_P(FusedPoolTest, HugeElementsOfWindowsThatNobodyWins) {
  for (const SimdLevel level : tests::supported_levels()) {
    const tests::UsedSimdLevel used(level);
    const auto plain = norm(true);
    if (plain->parameters().size() > 1) {
      const NoGradGuard no_grad;
      Tensor beta = plain->parameters()[1];
      beta.copy_(full(beta.shape(), -1.5, {.dtype = dtype()}));
    }
    Sequential model = fused(*plain);
    expect_alike(model, *plain, draw() * 1e30, draw_gy(), true, simd_name(level));
  }
}

TEST(FusedPoolSequentialTest, NanWinsItsWindow) {
  for (const SimdLevel level : tests::supported_levels()) {
    const tests::UsedSimdLevel used(level);
    Tensor x = randn({1, 16, 2, 4});
    x.mutable_data<float>()[1] = std::numeric_limits<float>::quiet_NaN();
    Sequential net(GroupNorm(16, 16), ReLU(), MaxPool2d(2));
    for (const Tensor& y : {max_pool2d(x.as_channels_last(), 2), net(x.as_channels_last())}) {
      const std::vector<float> values = y.to_vector<float>();
      EXPECT_TRUE(std::isnan(values[0])) << simd_name(level);
      EXPECT_FALSE(std::isnan(values[2])) << simd_name(level);
    }
  }
}

TEST(FusedPoolSequentialTest, WindowsBeyondTheImageAreThePoolingsError) {
  Sequential net(GroupNorm(4, 16), ReLU(), MaxPool2d(9));
  try {
    net(randn({2, 16, 6, 6}).as_channels_last());
    FAIL() << "no error";
  } catch (const ShapeError& error) {
    EXPECT_NE(std::string(error.what()).find("expected a window no larger than the padded input"), std::string::npos)
        << error.what();
  }
}

TEST(FusedPoolSequentialTest, ErrorsHaveTheNormInTheirPath) {
  Sequential net({{"norm", BatchNorm2d(24)}, {"act", ReLU()}, {"pool", MaxPool2d(2)}});
  try {
    net(randn({2, 16, 6, 6}).as_channels_last());
    FAIL() << "no error";
  } catch (const ShapeError& error) {
    EXPECT_NE(std::string(error.what()).find("BatchNorm2d 'norm'"), std::string::npos) << error.what();
  }
}

TEST(EpilogueTest, PoolsWhateverTheOperationAndOrderOfElements) {
  manual_seed(4);
  const Epilogue pooled{.activation = FusedActivation::relu, .window_height = 2, .window_width = 3};
  const Epilogue unbent{.window_height = 2, .window_width = 3};
  for (const bool channels_last : {false, true}) {
    const Tensor x = laid(randn({3, 16, 7, 9}), channels_last);
    const auto same = [&](const Tensor& a, const Tensor& b) { EXPECT_EQ(every_bit(a), every_bit(b)); };
    const PerAxis window{2, 3};
    same(batch_norm_training(x, {}, {}, 1e-5, pooled).y, max_pool2d(relu(batch_norm_training(x).y), window));
    same(batch_norm_training(x, {}, {}, 1e-5, unbent).y, max_pool2d(batch_norm_training(x).y, window));
    same(instance_norm(x, {}, {}, 1e-5, pooled), max_pool2d(relu(instance_norm(x)), window));
    same(instance_norm_training(x, {}, {}, 1e-5, pooled).y, max_pool2d(relu(instance_norm(x)), window));
    same(group_norm(x, 4, {}, {}, 1e-5, pooled), max_pool2d(relu(group_norm(x, 4)), window));
    same(group_rms_norm(x, 4, {}, {}, 1e-5, pooled), max_pool2d(relu(group_rms_norm(x, 4)), window));
    same(batch_norm_training(x, {}, {}, 1e-5, pooled).var, batch_norm_training(x).var);
  }
}

// Among this many elements of gx, one may be so close to the midpoint of two float32 numbers that the order of
// summation decides. It is one of 20 million, by one unit in the last place.
void expect_nearly_same(const Results& a, const Results& b, const std::string& what) {
  ASSERT_EQ(a.all.size(), b.all.size());
  for (std::size_t i = 0; i < a.all.size(); ++i) {
    const auto& [name, bits] = a.all[i];
    ASSERT_EQ(bits.size(), b.all[i].second.size());
    int different = 0;
    for (std::size_t j = 0; j < bits.size(); ++j) {
      if (bits[j] != b.all[i].second[j]) {
        ++different;
        const auto x = std::bit_cast<double>(bits[j]);
        ASSERT_LE(std::fabs(x - std::bit_cast<double>(b.all[i].second[j])), 0x1p-23 * std::fabs(x)) << name;
      }
    }
    EXPECT_LE(different, name == "x.grad" ? 3 : 0) << what << ": " << name;
  }
}

// The sizes of the CNN, where tasks hold several samples or part of one.
TEST(FusedPoolSequentialTest, LargeImages) {
  manual_seed(7);
  for (const Shape& shape : {Shape{64, 32, 28, 28}, Shape{3, 64, 57, 41}}) {
    for (const bool by_batch : {true, false}) {
      Sequential model(by_batch ? AnyModule(BatchNorm2d(shape[1])) : AnyModule(GroupNorm(8, shape[1])), ReLU(),
                       MaxPool2d(2));
      draw_parameters(model[0]);
      Sequential plain = model;
      const Tensor x = randn(shape);
      const Tensor gy = randn({shape[0], shape[1], shape[2] / 2, shape[3] / 2});
      const Results a = results_of(
          model, [&](const Tensor& in) { return model(in); }, x, gy, true, true);
      const Results b = results_of(
          plain, [&](const Tensor& in) { return max_pool2d(relu(plain[0](in)), 2); }, x, gy, true, true);
      expect_nearly_same(a, b, detail::concat("by batch ", by_batch));
    }
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
