// Losses as modules: values and gradients of their functions, and options.
#include "normgrad/layers/loss.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/rounding.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/reduction/softmax.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::normal;
using tests::Numbers;
using tests::numbers;

Tensor classes(const std::vector<std::int64_t>& values, const Shape& shape) { return from_vector(values, shape); }

Tensor leaf(const Tensor& x) { return x.detach().clone().requires_grad_(); }

/// Compares a loss with these options, and its copies, with its function: values, and gradients with respect to x.
/// Returns the values.
template <class Loss, class Function, class Options, class... Others>
Numbers expect_function(const std::string& printed, Function function, const Options& options, const Tensor& x,
                        const Others&... others) {
  const Tensor leaf_of_function = leaf(x);
  const Tensor expected = function(leaf_of_function, others..., options);
  sum(expected).backward();
  const Numbers gradient = numbers(leaf_of_function.grad());
  EXPECT_TRUE(std::any_of(gradient.begin(), gradient.end(), [](double g) { return g != 0.0; })) << printed;

  Loss loss(options);
  Loss assigned;
  assigned = loss;
  const std::unique_ptr<Module> cloned = loss.clone();
  for (Loss* each : {&loss, &assigned, dynamic_cast<Loss*>(cloned.get())}) {
    EXPECT_EQ(to_string(*each), printed);
    const Tensor given = leaf(x);
    const Tensor y = (*each)(given, others...);
    EXPECT_EQ(y.shape(), expected.shape()) << printed;
    EXPECT_EQ(numbers(y), numbers(expected)) << printed;
    sum(y).backward();
    EXPECT_EQ(numbers(given.grad()), gradient) << printed;
  }
  return numbers(expected);
}

/// The same for the default options, then for these, which give other values.
template <class Loss, class Function, class Options, class... Tensors>
void expect_options(const std::string& name, const std::string& changed, Function function, const Options& options,
                    const Tensors&... inputs) {
  const Numbers usual = expect_function<Loss>(name + "()", function, Options(), inputs...);
  EXPECT_EQ(numbers(Loss()(inputs...)), usual) << name;
  EXPECT_NE(expect_function<Loss>(name + "(" + changed + ")", function, options, inputs...), usual) << name;
}

TEST(LossModuleTest, ElementsOfOneShape) {
  const Tensor x = normal({3, 4}, 1);
  const Tensor t = normal({3, 4}, 2);
  expect_options<MSELoss>("MSELoss", "reduction=sum", mse_loss, LossOptions{.reduction = Reduction::sum}, x, t);
  expect_options<L1Loss>("L1Loss", "reduction=none", l1_loss, LossOptions{.reduction = Reduction::none}, x, t);
  expect_options<SmoothL1Loss>("SmoothL1Loss", "beta=0.25", smooth_l1_loss, SmoothL1LossOptions{.beta = 0.25}, x, t);
  expect_options<HuberLoss>("HuberLoss", "delta=0.5", huber_loss, HuberLossOptions{.delta = 0.5}, x, t);
  expect_options<SmoothL1Loss>("SmoothL1Loss", "beta=0.25, reduction=sum", smooth_l1_loss,
                               SmoothL1LossOptions{.beta = 0.25, .reduction = Reduction::sum}, x, t);
}

TEST(LossModuleTest, Classes) {
  const Tensor x = normal({3, 4}, 3);
  const Tensor t = classes({2, 0, 3}, {3});
  const Tensor w = tensor({0.5, 2.0, 1.0, 3.0}, {.dtype = kFloat64});
  using Entropy = CrossEntropyOptions;
  expect_options<CrossEntropyLoss>("CrossEntropyLoss", "", cross_entropy, Entropy{.weight = w}, x, t);
  expect_options<CrossEntropyLoss>("CrossEntropyLoss", "label_smoothing=0.1", cross_entropy,
                                   Entropy{.weight = w, .label_smoothing = 0.1}, x, softmax(normal({3, 4}, 4), 1));
  expect_options<CrossEntropyLoss>("CrossEntropyLoss", "ignore_index=0, reduction=sum", cross_entropy,
                                   Entropy{.ignore_index = 0, .reduction = Reduction::sum}, x, t);
  const Tensor log_probs = log_softmax(x, 1);
  expect_options<NLLLoss>("NLLLoss", "", nll_loss, NllLossOptions{.weight = w}, log_probs, t);
  expect_options<NLLLoss>("NLLLoss", "ignore_index=0", nll_loss, NllLossOptions{.ignore_index = 0}, log_probs, t);
  using Margin = MultiMarginOptions;
  expect_options<MultiMarginLoss>("MultiMarginLoss", "", multi_margin_loss, Margin{.weight = w}, x, t);
  expect_options<MultiMarginLoss>("MultiMarginLoss", "p=2", multi_margin_loss, Margin{.p = 2.0}, x, t);
  expect_options<MultiMarginLoss>("MultiMarginLoss", "margin=0.5", multi_margin_loss, Margin{.margin = 0.5}, x, t);
  expect_options<MultiLabelMarginLoss>("MultiLabelMarginLoss", "reduction=none", multilabel_margin_loss,
                                       LossOptions{.reduction = Reduction::none}, x,
                                       classes({2, 0, -1, 1, 3, -1, 0, 0, 1, 2, 3, -1}, {3, 4}));
}

TEST(LossModuleTest, TwoClasses) {
  const Tensor x = normal({3, 4}, 5);
  const Tensor p = sigmoid(x);
  const Tensor t = (normal({3, 4}, 6) > 0).to(kFloat64);
  const Tensor w = tensor({0.5, 2.0, 1.0, 3.0}, {.dtype = kFloat64});
  using Binary = BinaryCrossEntropyOptions;
  expect_options<BCELoss>("BCELoss", "", binary_cross_entropy, Binary{.weight = w}, p, t);
  expect_options<BCELoss>("BCELoss", "reduction=sum", binary_cross_entropy, Binary{.reduction = Reduction::sum}, p, t);
  using Logits = BceWithLogitsOptions;
  for (const Logits& options :
       {Logits{.weight = w}, Logits{.pos_weight = w}, Logits{.weight = w, .pos_weight = 2.0 / w}}) {
    expect_options<BCEWithLogitsLoss>("BCEWithLogitsLoss", "", binary_cross_entropy_with_logits, options, x, t);
  }
  expect_options<BCEWithLogitsLoss>("BCEWithLogitsLoss", "reduction=none", binary_cross_entropy_with_logits,
                                    Logits{.reduction = Reduction::none}, x, t);
  using Soft = MultilabelSoftMarginOptions;
  expect_options<MultiLabelSoftMarginLoss>("MultiLabelSoftMarginLoss", "", multilabel_soft_margin_loss,
                                           Soft{.weight = w}, x, t);
  expect_options<MultiLabelSoftMarginLoss>("MultiLabelSoftMarginLoss", "reduction=sum", multilabel_soft_margin_loss,
                                           Soft{.reduction = Reduction::sum}, x, t);
}

TEST(LossModuleTest, Distributions) {
  const Tensor x = normal({3, 4}, 7);
  const Tensor log_probs = log_softmax(x, 1);
  const Tensor probs = softmax(normal({3, 4}, 8), 1);
  expect_options<KLDivLoss>("KLDivLoss", "log_target=true", kl_div, KlDivOptions{.log_target = true}, log_probs, probs);
  expect_options<KLDivLoss>("KLDivLoss", "reduction=batchmean", kl_div, KlDivOptions{.reduction = Reduction::batchmean},
                            log_probs, probs);
  const Tensor counts = clamp(floor(5.0 * normal({3, 4}, 9)), 0.0, 9.0);
  const Tensor rates = exp(x);
  using Poisson = PoissonNllOptions;
  expect_options<PoissonNLLLoss>("PoissonNLLLoss", "log_input=false", poisson_nll_loss, Poisson{.log_input = false},
                                 rates, counts);
  expect_options<PoissonNLLLoss>("PoissonNLLLoss", "full=true", poisson_nll_loss, Poisson{.full = true}, x, counts);
  expect_options<PoissonNLLLoss>("PoissonNLLLoss", "log_input=false, eps=0.5", poisson_nll_loss,
                                 Poisson{.log_input = false, .eps = 0.5}, rates, counts);
  const Tensor var = exp(normal({3, 1}, 10));
  using Gaussian = GaussianNllOptions;
  expect_options<GaussianNLLLoss>("GaussianNLLLoss", "full=true", gaussian_nll_loss, Gaussian{.full = true}, x, counts,
                                  var);
  expect_options<GaussianNLLLoss>("GaussianNLLLoss", "eps=2, reduction=none", gaussian_nll_loss,
                                  Gaussian{.eps = 2.0, .reduction = Reduction::none}, x, counts, var);
}

TEST(LossModuleTest, Pairs) {
  const Tensor a = normal({6}, 11);
  const Tensor b = normal({6}, 12);
  const Tensor t = tensor({1.0, -1.0, 1.0, 1.0, -1.0, -1.0}, {.dtype = kFloat64});
  expect_options<MarginRankingLoss>("MarginRankingLoss", "margin=0.5", margin_ranking_loss,
                                    MarginOptions{.margin = 0.5}, a, b, t);
  expect_options<HingeEmbeddingLoss>("HingeEmbeddingLoss", "margin=2.5", hinge_embedding_loss,
                                     HingeEmbeddingOptions{.margin = 2.5}, a, t);
  // The margin is 1 with any reduction: 1 - 0.5.
  EXPECT_EQ(HingeEmbeddingLoss({.reduction = Reduction::sum})(tensor({0.5}), tensor({-1.0})).item(), 0.5);
  expect_options<SoftMarginLoss>("SoftMarginLoss", "reduction=sum", soft_margin_loss,
                                 LossOptions{.reduction = Reduction::sum}, a, t);
  expect_options<CosineEmbeddingLoss>("CosineEmbeddingLoss", "margin=-0.5", cosine_embedding_loss,
                                      MarginOptions{.margin = -0.5}, normal({6, 3}, 13), normal({6, 3}, 14), t);
}

TEST(LossModuleTest, Triplets) {
  const Tensor a = normal({6, 3}, 15);
  const Tensor p = normal({6, 3}, 16);
  const Tensor n = normal({6, 3}, 17);
  using Norm = TripletMarginOptions;
  const std::string name = "TripletMarginLoss";
  expect_options<TripletMarginLoss>(name, "margin=2", triplet_margin_loss, Norm{.margin = 2.0}, a, p, n);
  expect_options<TripletMarginLoss>(name, "p=1", triplet_margin_loss, Norm{.p = 1.0}, a, p, n);
  expect_options<TripletMarginLoss>(name, "eps=0.25", triplet_margin_loss, Norm{.eps = 0.25}, a, p, n);
  expect_options<TripletMarginLoss>(name, "swap=true", triplet_margin_loss, Norm{.swap = true}, a, p, n);
  using Any = TripletMarginWithDistanceOptions;
  const DistanceFunction city_block = [](const Tensor& u, const Tensor& v) { return sum(abs(u - v), -1); };
  expect_options<TripletMarginWithDistanceLoss>("TripletMarginWithDistanceLoss", "", triplet_margin_with_distance_loss,
                                                Any{.distance_function = city_block}, a, p, n);
  expect_options<TripletMarginWithDistanceLoss>("TripletMarginWithDistanceLoss", "margin=2, swap=true",
                                                triplet_margin_with_distance_loss, Any{.margin = 2.0, .swap = true}, a,
                                                p, n);
}

TEST(LossModuleTest, Ctc) {
  const Tensor log_probs = log_softmax(normal({5, 2, 4}, 18), 2);
  const Tensor targets = classes({1, 2, 3, 2}, {2, 2});
  const Tensor input_lengths = classes({5, 2}, {2});
  const Tensor target_lengths = classes({2, 2}, {2});
  const auto function = [](const Tensor& x, const Tensor& t, const Tensor& ins, const Tensor& outs,
                           const CtcLossOptions& options) { return ctc_loss(x, t, ins, outs, options); };
  expect_options<CTCLoss>("CTCLoss", "reduction=sum", function, CtcLossOptions{.reduction = Reduction::sum}, log_probs,
                          targets, input_lengths, target_lengths);
  // Class 0 is the blank, or 3 is.
  const Tensor two_classes = classes({1, 2, 2, 1}, {2, 2});
  expect_options<CTCLoss>("CTCLoss", "blank=3", function, CtcLossOptions{.blank = 3}, log_probs, two_classes,
                          input_lengths, target_lengths);
  // The second target does not fit into 2 steps: 3, blank, 3.
  const Tensor too_long = classes({1, 2, 3, 3}, {2, 2});
  EXPECT_EQ(CTCLoss()(log_probs, too_long, input_lengths, target_lengths).item(), tests::kInf);
  const CtcLossOptions options = {.zero_infinity = true};
  const Numbers finite = expect_function<CTCLoss>("CTCLoss(zero_infinity=true)", function, options, log_probs, too_long,
                                                  input_lengths, target_lengths);
  // Lengths as numbers, in variables and in braces.
  CTCLoss criterion(options);
  const std::vector<std::int64_t> steps = {5, 2};
  EXPECT_EQ(numbers(criterion(log_probs, too_long, steps, std::vector<std::int64_t>{2, 2})), finite);
  EXPECT_EQ(numbers(criterion(log_probs, too_long, {5, 2}, {2, 2})), finite);
  EXPECT_EQ(error_of<ValueError>([&] {
              criterion(log_probs, too_long, {6, 2}, {2, 2});
            }),
            "CTCLoss: ctc_loss: expected input_lengths in [1, 5] but got 6");
}

TEST(LossModuleTest, RefusesOptionsThatNoInputFits) {
  EXPECT_EQ(error_of<ValueError>([] { SmoothL1Loss({.beta = -1.0}); }), "SmoothL1Loss: expected beta >= 0 but got -1");
  EXPECT_NO_THROW(SmoothL1Loss({.beta = 0.0}));
  EXPECT_EQ(error_of<ValueError>([] { HuberLoss({.delta = 0.0}); }), "HuberLoss: expected delta > 0 but got 0");
  EXPECT_EQ(error_of<ValueError>([] { CrossEntropyLoss({.label_smoothing = -0.5}); }),
            "CrossEntropyLoss: expected label_smoothing in [0, 1] but got -0.5");
  EXPECT_EQ(error_of<ValueError>([] { CrossEntropyLoss({.label_smoothing = 1.5}); }),
            "CrossEntropyLoss: expected label_smoothing in [0, 1] but got 1.5");
  EXPECT_EQ(error_of<ValueError>([] { GaussianNLLLoss({.eps = 0.0}); }), "GaussianNLLLoss: expected eps > 0 but got 0");
  EXPECT_EQ(error_of<ValueError>([] { MultiMarginLoss({.p = 3.0}); }),
            "MultiMarginLoss: expected p of 1 or 2 but got 3");
  EXPECT_EQ(error_of<ValueError>([] { TripletMarginLoss({.margin = 0.0}); }),
            "TripletMarginLoss: expected margin > 0 but got 0");
  EXPECT_EQ(error_of<ValueError>([] { TripletMarginWithDistanceLoss({.margin = -1.0}); }),
            "TripletMarginWithDistanceLoss: expected margin > 0 but got -1");
  EXPECT_EQ(error_of<ValueError>([] { CTCLoss({.blank = -1}); }), "CTCLoss: expected blank >= 0 but got -1");
}

template <class Loss, class Options>
void refuses_batchmean(const std::string& name) {
  Options options;
  options.reduction = Reduction::batchmean;
  EXPECT_EQ(error_of<ValueError>([&] { const Loss loss(options); }),
            name + ": expected reduction none, mean or sum but got batchmean, which is for KLDivLoss only");
}

TEST(LossModuleTest, OnlyKLDivLossTakesBatchmean) {
  refuses_batchmean<MSELoss, LossOptions>("MSELoss");
  refuses_batchmean<L1Loss, LossOptions>("L1Loss");
  refuses_batchmean<SmoothL1Loss, SmoothL1LossOptions>("SmoothL1Loss");
  refuses_batchmean<HuberLoss, HuberLossOptions>("HuberLoss");
  refuses_batchmean<CrossEntropyLoss, CrossEntropyOptions>("CrossEntropyLoss");
  refuses_batchmean<NLLLoss, NllLossOptions>("NLLLoss");
  refuses_batchmean<BCELoss, BinaryCrossEntropyOptions>("BCELoss");
  refuses_batchmean<BCEWithLogitsLoss, BceWithLogitsOptions>("BCEWithLogitsLoss");
  refuses_batchmean<PoissonNLLLoss, PoissonNllOptions>("PoissonNLLLoss");
  refuses_batchmean<GaussianNLLLoss, GaussianNllOptions>("GaussianNLLLoss");
  refuses_batchmean<MarginRankingLoss, MarginOptions>("MarginRankingLoss");
  refuses_batchmean<HingeEmbeddingLoss, HingeEmbeddingOptions>("HingeEmbeddingLoss");
  refuses_batchmean<SoftMarginLoss, LossOptions>("SoftMarginLoss");
  refuses_batchmean<CosineEmbeddingLoss, MarginOptions>("CosineEmbeddingLoss");
  refuses_batchmean<MultiMarginLoss, MultiMarginOptions>("MultiMarginLoss");
  refuses_batchmean<MultiLabelMarginLoss, LossOptions>("MultiLabelMarginLoss");
  refuses_batchmean<MultiLabelSoftMarginLoss, MultilabelSoftMarginOptions>("MultiLabelSoftMarginLoss");
  refuses_batchmean<TripletMarginLoss, TripletMarginOptions>("TripletMarginLoss");
  refuses_batchmean<TripletMarginWithDistanceLoss, TripletMarginWithDistanceOptions>("TripletMarginWithDistanceLoss");
  refuses_batchmean<CTCLoss, CtcLossOptions>("CTCLoss");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
