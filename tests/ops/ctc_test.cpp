// ctc_loss: against PyTorch, against a sum over all alignments, gradients, errors.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/source_tree.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/loss/ctc.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/reduction/softmax.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/io/npz.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::kInf;
using tests::random_tensor;
using List = std::vector<std::int64_t>;

Tensor whole(const List& values, const Shape& shape) { return from_vector(values, shape); }

void expect_near(const Tensor& a, const Tensor& b, double tolerance) {
  const auto got = a.to_vector<double>();
  const auto wanted = b.to_vector<double>();
  ASSERT_EQ(got.size(), wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i], wanted[i], tolerance * (1.0 + std::abs(wanted[i]))) << i;
  }
}

TEST(CtcTest, LossesAndGradientsAreThoseOfPyTorch) {
  const StateDict file = load_npz(tests::source_dir() / "tests/fixtures/ctc/ctc.npz");
  const Tensor targets = file.at("targets");
  for (const DType dtype : {kFloat64, kFloat32}) {
    const double tolerance = dtype == kFloat64 ? 1e-13 : 2e-6;  // tol: some 10 roundings of log_softmax
    const Tensor logits = file.at("logits").to(dtype).clone().detach();
    Tensor x = logits.clone().requires_grad_();
    const auto loss = [&](Reduction reduction) {
      return ctc_loss(log_softmax(x, 2), targets, file.at("input_lengths"), file.at("target_lengths"),
                      {.reduction = reduction});
    };
    expect_near(loss(Reduction::none), file.at("none"), tolerance);
    expect_near(loss(Reduction::mean), file.at("mean"), tolerance);
    expect_near(loss(Reduction::sum), file.at("sum"), tolerance);
    const Tensor total = sum(loss(Reduction::none) * file.at("weights").to(dtype));
    expect_near(grad({total}, {x}, {}, {.retain_graph = true})[0], file.at("gradient"), tolerance);
    expect_near(grad({total}, {x}, {}, {.create_graph = true})[0], file.at("gradient"), tolerance);
  }
}

// The probability of the target by all C^T readings.
double enumerated(const std::vector<double>& log_probs, std::int64_t steps, std::int64_t classes, const List& target,
                  std::int64_t blank) {
  double total = 0.0;
  List path(static_cast<std::size_t>(steps), 0);
  while (true) {
    List read;
    double log_probability = 0.0;
    for (std::int64_t t = 0; t < steps; ++t) {
      const std::int64_t c = path[static_cast<std::size_t>(t)];
      log_probability += log_probs[static_cast<std::size_t>(t * classes + c)];
      if (c != blank && (t == 0 || path[static_cast<std::size_t>(t - 1)] != c)) {
        read.push_back(c);
      }
    }
    total += read == target ? std::exp(log_probability) : 0.0;
    std::size_t digit = 0;
    while (digit < path.size() && ++path[digit] == classes) {
      path[digit++] = 0;
    }
    if (digit == path.size()) {
      return total;
    }
  }
}

TEST(CtcTest, SumsOverAllAlignments) {
  constexpr std::int64_t kSteps = 5;
  constexpr std::int64_t kClasses = 3;
  const Tensor log_probs = log_softmax(random_tensor({kSteps, kClasses}, kFloat64, 3), 1);
  for (const std::int64_t blank : {0, 2}) {
    for (const List& target : {List{}, List{1}, List{1, 1}, List{1, 2 - blank, 1}, List{1, 1, 1}, List{1, 1, 1, 1}}) {
      const double expected = -std::log(enumerated(log_probs.to_vector<double>(), kSteps, kClasses, target, blank));
      const auto length = static_cast<std::int64_t>(target.size());
      const Tensor loss = ctc_loss(log_probs, whole(target, {length}), List{kSteps}, List{length},
                                   {.blank = blank, .reduction = Reduction::none});
      EXPECT_EQ(loss.shape(), Shape{});
      if (std::isinf(expected)) {
        EXPECT_EQ(loss.item(), kInf);
      } else {
        EXPECT_NEAR(loss.item(), expected, 1e-13);
      }
    }
  }
}

TEST(CtcTest, GradientsOfEveryOrder) {
  const Tensor x = random_tensor({6, 3, 4}, kFloat64, 5).requires_grad_();
  const Tensor targets = whole({1, 2, 2, 3, 1, 3, 3}, {7});
  for (const Reduction reduction : {Reduction::none, Reduction::mean}) {
    EXPECT_TRUE(tests::gradients_agree(
        [&](const std::vector<Tensor>& in) {
          return ctc_loss(in[0], targets, List{6, 3, 4}, List{4, 1, 2}, {.reduction = reduction});
        },
        {x}));
  }
  const Tensor one = random_tensor({3, 3}, kFloat64, 6).requires_grad_();
  EXPECT_TRUE(tests::gradients_agree(
      [](const std::vector<Tensor>& in) {
        return ctc_loss(in[0], whole({1, 2}, {2}), List{3}, List{2});
      },
      {one}, 3));
}

TEST(CtcTest, TargetsThatDoNotFitHaveInfiniteLossesWithoutGradient) {
  Tensor x = random_tensor({3, 2, 3}, kFloat64, 6).requires_grad_();
  const Tensor targets = whole({1, 1, 1, 2}, {2, 2});
  const auto losses = [&](bool zero_infinity) {
    return ctc_loss(x, targets, List{2, 3}, List{2, 2}, {.reduction = Reduction::none, .zero_infinity = zero_infinity});
  };
  EXPECT_EQ(losses(false)[0].item(), kInf);
  EXPECT_EQ(losses(true)[0].item(), 0.0);
  EXPECT_EQ(losses(true)[1].item(), losses(false)[1].item());
  for (const bool zero_infinity : {false, true}) {
    for (const bool create_graph : {false, true}) {
      const Tensor g = grad({sum(losses(zero_infinity))}, {x}, {}, {.create_graph = create_graph})[0];
      EXPECT_EQ(select(g, 1, 0).to_vector<double>(), std::vector<double>(9, 0.0));
      EXPECT_NE(select(g, 1, 1).to_vector<double>(), std::vector<double>(9, 0.0));
    }
  }
}

TEST(CtcTest, RefusesWhatDoesNotFit) {
  const Tensor x = log_softmax(zeros({4, 2, 3}), 2);
  const Tensor targets = whole({1, 2, 1, 1}, {2, 2});
  const auto message = [&](const Tensor& t, const List& in, const List& out, const CtcLossOptions& options = {}) {
    return error_of<Error>([&] { ctc_loss(x, t, in, out, options); });
  };
  EXPECT_EQ(message(targets, {4, 5}, {2, 2}), "ctc_loss: expected input_lengths in [1, 4] but got 5");
  EXPECT_EQ(message(targets, {4, 0}, {2, 2}), "ctc_loss: expected input_lengths in [1, 4] but got 0");
  EXPECT_EQ(message(targets, {4, 4}, {2, 3}), "ctc_loss: expected target_lengths in [0, 2] but got 3");
  EXPECT_EQ(message(targets, {4}, {2, 2}), "ctc_loss: expected input_lengths [2] but got [1]");
  EXPECT_EQ(message(targets, {4, 4}, {2, 2}, {.blank = 3}), "ctc_loss: expected a blank in [0, 3) but got 3");
  EXPECT_EQ(message(targets, {4, 4}, {2, 2}, {.blank = 2}), "ctc_loss: expected targets without the blank 2");
  EXPECT_EQ(message(whole({1, 3}, {2}), {4, 4}, {1, 1}), "ctc_loss: expected targets in [0, 3) but got 3");
  EXPECT_EQ(message(whole({1, 2, 1}, {3}), {4, 4}, {1, 1}),
            "ctc_loss: expected targets [sum of target_lengths] but got [3] and a sum of 2");
  EXPECT_EQ(message(whole({1, 2, 1}, {3}), {4, 4}, {2, 2}),
            "ctc_loss: expected targets [sum of target_lengths] but got [3] and a sum of at least 4");
  EXPECT_EQ(message(targets.to(kFloat32), {4, 4}, {2, 2}), "ctc_loss: expected int64 targets but got float32");
  EXPECT_EQ(message(whole({1, 1, 1}, {3, 1}), {4, 4}, {1, 1}),
            "ctc_loss: expected targets [2, S] or [sum of target_lengths] but got [3, 1]");
  EXPECT_EQ(error_of<ShapeError>([&] { ctc_loss(zeros({3}), targets, List{4}, List{2}); }),
            "ctc_loss: expected log_probs [T, N, C] or [T, C] but got [3]");
  EXPECT_EQ(error_of<DTypeError>([&] { ctc_loss(x.to(kInt64), targets, List{4}, List{2}); }),
            "ctc_loss: expected float32 or float64 log_probs but got int64");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
