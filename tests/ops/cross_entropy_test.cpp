#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/gradients.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/loss/loss.hpp"
#include "normgrad/core/ops/reduction/softmax.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using Inputs = std::vector<Tensor>;
using testing::Each;
using testing::ElementsAre;
using testing::ThrowsMessage;
using tests::gradients_agree;
using tests::random_tensor;

struct Case {
  Shape logits;
  bool weighted;
  bool ignores;
  double smoothing;
  Reduction reduction;
};

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const Shape& shape : {Shape{5, 3}, Shape{4}, Shape{2, 3, 4}, Shape{2, 3, 2, 2}, Shape{3, 1}}) {
    for (int bits = 0; bits < 8; ++bits) {
      for (const Reduction reduction : {Reduction::none, Reduction::mean, Reduction::sum}) {
        const bool ignores = (bits & 2) != 0 && shape.dim() > 1;
        cases.push_back({shape, (bits & 1) != 0, ignores, (bits & 4) != 0 ? 0.3 : 0.0, reduction});
      }
    }
  }
  return cases;
}

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.logits << (c.weighted ? " weighted" : "") << (c.ignores ? " ignores" : "") << " smoothing "
             << c.smoothing << " reduction " << static_cast<int>(c.reduction);
}

Shape target_shape(const Shape& logits) {
  Shape shape = logits;
  shape.erase(logits.dim() == 1 ? 0 : 1);
  return shape;
}

// The class to ignore in the cases that ignore one.
constexpr std::int64_t kIgnored = 1;

Tensor targets(const Case& c) {
  const std::int64_t classes = c.logits.dim() == 1 ? c.logits[0] : c.logits[1];
  Tensor t = zeros(target_shape(c.logits), {.dtype = kInt64});
  for (std::int64_t i = 0; i < t.numel(); ++i) {
    t.mutable_data<std::int64_t>()[i] = (i * 5 + 2) % classes;
  }
  return t;
}

Tensor weights(const Case& c, DType dtype) {
  const std::int64_t classes = c.logits.dim() == 1 ? c.logits[0] : c.logits[1];
  return c.weighted ? linspace(0.5, 2.0, classes, {.dtype = dtype}) : Tensor();
}

CrossEntropyOptions options_of(const Case& c, DType dtype) {
  return {.weight = weights(c, dtype),
          .ignore_index = c.ignores ? kIgnored : -100,
          .reduction = c.reduction,
          .label_smoothing = c.smoothing};
}

// Plain loops over [N, C, L], from PyTorch's documentation.
std::vector<double> reference(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& options) {
  const Shape& s = logits.shape();
  const std::int64_t n = s.dim() == 1 ? 1 : s[0];
  const std::int64_t classes = s.dim() == 1 ? s[0] : s[1];
  const std::int64_t inner = logits.numel() / (n * classes);
  const auto x = logits.to_vector<double>();
  const auto t = target.to_vector<std::int64_t>();
  const auto w = options.weight.defined() ? options.weight.to_vector<double>()
                                          : std::vector<double>(static_cast<std::size_t>(classes), 1.0);
  std::vector<double> losses;
  double total = 0.0;
  double total_weight = 0.0;
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t l = 0; l < inner; ++l) {
      const std::int64_t label = t[static_cast<std::size_t>(i * inner + l)];
      const auto logit = [&](std::int64_t c) { return x[static_cast<std::size_t>((i * classes + c) * inner + l)]; };
      double loss = 0.0;
      if (label != options.ignore_index) {
        double sum = 0.0;
        for (std::int64_t c = 0; c < classes; ++c) {
          sum += std::exp(logit(c));
        }
        for (std::int64_t c = 0; c < classes; ++c) {
          const double share = options.label_smoothing / static_cast<double>(classes) +
                               (c == label ? 1.0 - options.label_smoothing : 0.0);
          loss -= share * w[static_cast<std::size_t>(c)] * std::log(std::exp(logit(c)) / sum);
        }
        total_weight += w[static_cast<std::size_t>(label)];
      }
      losses.push_back(loss);
      total += loss;
    }
  }
  switch (options.reduction) {
    case Reduction::none:
      return losses;
    case Reduction::sum:
      return {total};
    default:
      return {total / total_weight};
  }
}

void expect_near(const std::vector<double>& got, const std::vector<double>& expected, double tolerance) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i], expected[i], tolerance * std::max(1.0, std::abs(expected[i]))) << "at " << i;
  }
}

TEST(CrossEntropyTest, AgreesWithPlainLoops) {
  for (const Case& c : all_cases()) {
    SCOPED_TRACE(testing::PrintToString(c.logits) + detail::concat(" ", c));
    for (const DType dtype : {kFloat32, kFloat64}) {
      const Tensor x = random_tensor(c.logits, dtype, 3);
      const Tensor t = targets(c);
      const CrossEntropyOptions options = options_of(c, dtype);
      const Tensor loss = cross_entropy(x, t, options);
      EXPECT_EQ(loss.shape(), c.reduction == Reduction::none ? t.shape() : Shape());
      expect_near(loss.to_vector<double>(), reference(x, t, options), dtype == kFloat32 ? 1e-6 : 1e-14);
    }
  }
}

TEST(CrossEntropyTest, HandComputed) {
  const Tensor x = tensor({{1, 2, 3}, {0, 0, 0}}, {.dtype = kFloat64});
  const double first = std::log(std::exp(-2.0) + std::exp(-1.0) + 1.0);
  const Tensor t = tensor({2, 0}, {.dtype = kInt64});
  EXPECT_NEAR(cross_entropy(x, t).item(), (first + std::log(3.0)) / 2, 1e-15);
  const Tensor w = tensor({3, 1, 0.5}, {.dtype = kFloat64});
  EXPECT_NEAR(cross_entropy(x, t, {.weight = w}).item(), (0.5 * first + 3 * std::log(3.0)) / 3.5, 1e-15);
  EXPECT_NEAR(cross_entropy(x, t, {.ignore_index = 0}).item(), first, 1e-15);
}

TEST(CrossEntropyTest, GradientsAgreeWithDifferences) {
  for (const Case& c : all_cases()) {
    if (c.logits == Shape{3, 1}) {
      continue;  // one class: the loss is 0 for all logits
    }
    const Tensor x = random_tensor(c.logits, kFloat64, 4).requires_grad_();
    const Tensor t = targets(c);
    const CrossEntropyOptions options = options_of(c, kFloat64);
    EXPECT_TRUE(gradients_agree([&](const Inputs& in) { return cross_entropy(in[0], t, options); }, {x})) << c;
  }
}

TEST(CrossEntropyTest, KernelAndFormulaGiveOneGradient) {
  for (const Case& c : all_cases()) {
    SCOPED_TRACE(detail::concat(c));
    for (const DType dtype : {kFloat32, kFloat64}) {
      const Tensor x = random_tensor(c.logits, dtype, 5).requires_grad_();
      const Tensor loss = cross_entropy(x, targets(c), options_of(c, dtype));
      const Tensor gy = random_tensor(loss.shape(), dtype, 6);
      const Tensor by_kernel = grad({loss}, {x}, {gy}, {.retain_graph = true})[0];
      const Tensor by_formula = grad({loss}, {x}, {gy}, {.create_graph = true})[0];
      expect_near(by_kernel.to_vector<double>(), by_formula.to_vector<double>(), dtype == kFloat32 ? 1e-6 : 1e-15);
    }
  }
}

TEST(CrossEntropyTest, IsNllLossOfLogSoftmax) {
  for (const Case& c : all_cases()) {
    if (c.smoothing != 0.0) {
      continue;
    }
    const Tensor x = random_tensor(c.logits, kFloat64, 7);
    const CrossEntropyOptions options = options_of(c, kFloat64);
    const Tensor log_probs = log_softmax(x, c.logits.dim() == 1 ? 0 : 1);
    const Tensor loss =
        nll_loss(log_probs, targets(c),
                 {.weight = options.weight, .ignore_index = options.ignore_index, .reduction = options.reduction});
    EXPECT_EQ(loss.shape(), c.reduction == Reduction::none ? target_shape(c.logits) : Shape());
    expect_near(loss.to_vector<double>(), reference(x, targets(c), options), 1e-14);
  }
}

TEST(NllLossTest, GradientsAgreeWithDifferences) {
  for (const Case& c : all_cases()) {
    const Tensor x = random_tensor(c.logits, kFloat64, 8).requires_grad_();
    const NllLossOptions options{
        .weight = weights(c, kFloat64), .ignore_index = c.ignores ? kIgnored : -100, .reduction = c.reduction};
    EXPECT_TRUE(gradients_agree([&](const Inputs& in) { return nll_loss(in[0], targets(c), options); }, {x})) << c;
  }
}

TEST(CrossEntropyTest, AllIgnoredIsNaNAsInPyTorch) {
  const Tensor x = random_tensor({2, 3}, kFloat32, 9).requires_grad_();
  const Tensor t = full({2}, -100, {.dtype = kInt64});
  const Tensor loss = cross_entropy(x, t);
  EXPECT_TRUE(std::isnan(loss.item()));
  EXPECT_THAT(grad({loss}, {x}, {}, {.retain_graph = true})[0].to_vector<float>(), Each(0.0F));
  EXPECT_THAT(grad({loss}, {x}, {}, {.create_graph = true})[0].to_vector<float>(), Each(0.0F));
  EXPECT_EQ(cross_entropy(x, t, {.reduction = Reduction::sum}).item(), 0.0);
  const Tensor nll = nll_loss(x, t);
  EXPECT_TRUE(std::isnan(nll.item()));
  EXPECT_THAT(grad({nll}, {x})[0].to_vector<float>(), Each(0.0F));
}

TEST(CrossEntropyTest, NothingHasASumAndNoMean) {
  const std::string rest =
      ": expected at least one element to average but got an input of shape [0, 3]; leave an empty batch out, or use "
      "Reduction::sum, which gives 0";
  const Tensor x = zeros({0, 3}, {.requires_grad = true});
  const Tensor t = zeros({0}, {.dtype = kInt64});
  EXPECT_THAT([&] { cross_entropy(x, t); }, ThrowsMessage<ValueError>("cross_entropy" + rest));
  EXPECT_THAT([&] { cross_entropy(x, zeros({0, 3})); }, ThrowsMessage<ValueError>("cross_entropy" + rest));
  EXPECT_THAT([&] { nll_loss(x, t); }, ThrowsMessage<ValueError>("nll_loss" + rest));
  for (const Tensor& total : {cross_entropy(x, t, {.reduction = Reduction::sum}),
                              cross_entropy(x, zeros({0, 3}), {.reduction = Reduction::sum}),
                              nll_loss(x, t, {.reduction = Reduction::sum})}) {
    EXPECT_EQ(total.item(), 0.0);
    EXPECT_EQ(grad({total}, {x})[0].shape(), Shape({0, 3}));
  }
  EXPECT_EQ(cross_entropy(zeros({2, 3, 0}), zeros({2, 0}, {.dtype = kInt64}), {.reduction = Reduction::none}).shape(),
            Shape({2, 0}));
}

TEST(CrossEntropyTest, IgnoredRowsMayHoldAnything) {
  const Tensor x = tensor({{NAN, 1, 2}, {1, 2, 3}}).requires_grad_();
  const Tensor loss = cross_entropy(x, tensor({-100, 2}, {.dtype = kInt64}));
  EXPECT_NEAR(loss.item(), std::log(std::exp(-2.0) + std::exp(-1.0) + 1.0), 1e-7);
  const auto gx = grad({loss}, {x})[0].to_vector<float>();
  EXPECT_THAT(std::vector<float>(gx.begin(), gx.begin() + 3), Each(0.0F));
}

TEST(CrossEntropyTest, LargeLogitsAreSafe) {
  const Tensor x = tensor({{1000, -1000}, {-1000, 1000}}, {.requires_grad = true});
  const Tensor loss = cross_entropy(x, tensor({0, 0}, {.dtype = kInt64}), {.reduction = Reduction::none});
  EXPECT_THAT(loss.to_vector<float>(), ElementsAre(0, 2000));
  EXPECT_THAT(grad({loss}, {x}, {ones({2})})[0].to_vector<float>(), ElementsAre(0, 0, -1, 1));
}

TEST(CrossEntropyTest, ProbabilityTargets) {
  for (const Shape& shape : {Shape{4, 3}, Shape{3}, Shape{2, 3, 5}}) {
    for (const bool weighted : {false, true}) {
      for (const double smoothing : {0.0, 0.2}) {
        for (const Reduction reduction : {Reduction::none, Reduction::mean, Reduction::sum}) {
          const CrossEntropyOptions options{.weight = weighted ? tensor({0.5, 1, 2}, {.dtype = kFloat64}) : Tensor(),
                                            .reduction = reduction,
                                            .label_smoothing = smoothing};
          const Tensor x = random_tensor(shape, kFloat64, 10).requires_grad_();
          const Tensor p = softmax(random_tensor(shape, kFloat64, 11), shape.dim() == 1 ? 0 : 1).detach();
          EXPECT_TRUE(gradients_agree([&](const Inputs& in) { return cross_entropy(in[0], in[1], options); },
                                      {x, p.requires_grad() ? p : p.detach().requires_grad_()}))
              << shape << weighted << smoothing;
        }
      }
    }
  }
}

// A one-hot target equals the class index, except that the weighted mean divides by the number of rows.
TEST(CrossEntropyTest, OneHotTargetsAreClassIndices) {
  const Tensor x = random_tensor({3, 4}, kFloat64, 12);
  const Tensor one_hot = tensor({{0, 0, 1, 0}, {1, 0, 0, 0}, {0, 0, 0, 1}}, {.dtype = kFloat64});
  const Tensor t = tensor({2, 0, 3}, {.dtype = kInt64});
  const Tensor w = tensor({1, 2, 3, 4}, {.dtype = kFloat64});
  for (const double smoothing : {0.0, 0.1}) {
    expect_near({cross_entropy(x, one_hot, {.label_smoothing = smoothing}).item()},
                {cross_entropy(x, t, {.label_smoothing = smoothing}).item()}, 1e-14);
    expect_near(
        {cross_entropy(x, one_hot, {.weight = w, .label_smoothing = smoothing}).item()},
        {cross_entropy(x, t, {.weight = w, .reduction = Reduction::sum, .label_smoothing = smoothing}).item() / 3.0},
        1e-14);
  }
}

TEST(CrossEntropyTest, ChannelsLastLogits) {
  const Tensor x = random_tensor({2, 3, 4, 5}, kFloat64, 13);
  const Tensor t = targets({{2, 3, 4, 5}, false, false, 0.0, Reduction::mean});
  const double expected = cross_entropy(x, t).item();
  EXPECT_EQ(cross_entropy(x.as_channels_last(), t).item(), expected);
}

TEST(CrossEntropyTest, Errors) {
  const Tensor x = zeros({60, 10});
  const Tensor t = zeros({60}, {.dtype = kInt64});
  Tensor bad = t.clone();
  bad.mutable_data<std::int64_t>()[3] = 11;
  EXPECT_THAT([&] { cross_entropy(x, bad); },
              ThrowsMessage<IndexError>("cross_entropy: expected class indices in [0, 10) but got 11 at position 3; "
                                        "the last layer needs one output for each class"));
  EXPECT_THAT([&] { nll_loss(x, bad); },
              ThrowsMessage<IndexError>("nll_loss: expected class indices in [0, 10) but got 11 at position 3; the "
                                        "last layer needs one output for each class"));
  EXPECT_THAT([&] { cross_entropy(x, t.narrow(0, 0, 59)); },
              ThrowsMessage<ShapeError>("cross_entropy: expected a target of int64 [60] (class indices) or float32 "
                                        "[60, 10] (probabilities) but got int64 [59]"));
  EXPECT_THAT([&] { cross_entropy(x, zeros({60})); },
              ThrowsMessage<ShapeError>(
                  "cross_entropy: expected a target of int64 [60] (class indices) or float32 "
                  "[60, 10] (probabilities) but got float32 [60]; convert class indices with target.to(kInt64)"));
  EXPECT_THAT([&] { cross_entropy(t, t); },
              ThrowsMessage<DTypeError>("cross_entropy: expected a float32 or float64 input but got int64"));
  EXPECT_THAT([&] { cross_entropy(zeros({}), zeros({})); },
              ThrowsMessage<ShapeError>("cross_entropy: expected an input [N, C], [C] or [N, C, ...] but got []"));
  EXPECT_THAT([&] { cross_entropy(x, t, {.weight = ones({9})}); },
              ThrowsMessage<ShapeError>("cross_entropy: expected a weight [10] but got [9]"));
  EXPECT_THAT([&] { cross_entropy(x, t, {.weight = ones({10}, {.dtype = kFloat64})}); },
              ThrowsMessage<DTypeError>("cross_entropy: expected a weight of float32 but got float64"));
  EXPECT_THAT([&] { cross_entropy(x, t, {.label_smoothing = 1.5}); },
              ThrowsMessage<ValueError>("cross_entropy: expected a label_smoothing in [0, 1] but got 1.5"));
  EXPECT_THAT([&] { cross_entropy(x, t, {.reduction = Reduction::batchmean}); },
              ThrowsMessage<ValueError>(
                  "cross_entropy: expected reduction none, mean or sum but got batchmean, which is for kl_div only"));
  EXPECT_THAT([&] { cross_entropy(x, x, {.ignore_index = 2}); },
              ThrowsMessage<ValueError>(
                  "cross_entropy: expected a target of class indices for ignore_index but got probabilities"));
  EXPECT_THAT([&] { nll_loss(x, x); },
              ThrowsMessage<ShapeError>("nll_loss: expected a target of int64 [60] but got float32 [60, 10]"));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
