// The checker must accept correct gradients and, above all, reject wrong ones.
#include "normgrad/core/autograd/gradcheck/gradcheck.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "tests/support/gradcheck_inputs.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/toy_ops.hpp"
#include "tests/support/wrong_backwards.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/function.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;
using tests::fault_name;
using tests::faulty_norm;
using tests::filled;
using tests::Inputs;
using tests::kNormFaults;
using tests::leaf;
using tests::NormFault;
using tests::random;
using tests::square;
using tests::unary;

// --- correct gradients

TEST(GradCheckTest, RightGradientsPassFarInsideTheTolerance) {
  struct Case {
    const char* name;
    std::function<double(double)> f;
    std::function<double(double)> df;
    double mean;
    double sigma;
  };
  const std::vector<Case> cases = {
      {"cube", [](double v) { return v * v * v; }, [](double v) { return 3 * v * v; }, 0, 1},
      {"exp", [](double v) { return std::exp(v); }, [](double v) { return std::exp(v); }, 0, 3},
      {"tanh", [](double v) { return std::tanh(v); }, [](double v) { return 1 - std::pow(std::tanh(v), 2); }, 0, 2},
      {"log", [](double v) { return std::log(v); }, [](double v) { return 1 / v; }, 2, 0.3},
      {"small", [](double v) { return 1e-9 * v * v; }, [](double v) { return 2e-9 * v; }, 0, 1},
      {"large", [](double v) { return 1e9 * v * v; }, [](double v) { return 2e9 * v; }, 0, 1},
      {"small input", [](double v) { return std::sin(1e4 * v); }, [](double v) { return 1e4 * std::cos(1e4 * v); }, 0,
       1e-4},
      {"large input", [](double v) { return std::log(v); }, [](double v) { return 1 / v; }, 1e6, 1e5},
      {"wave", [](double v) { return std::sin(20 * v); }, [](double v) { return 20 * std::cos(20 * v); }, 0, 1},
  };
  for (const Case& c : cases) {
    const GradCheckReport report =
        gradcheck([&](const Inputs& in) { return unary(in[0], c.f, c.df); }, {random({3, 5}, c.mean, c.sigma)});
    EXPECT_TRUE(report.passed) << c.name << "\n" << report;
    EXPECT_LT(report.max_rel_error(), 1e-9) << c.name << "\n" << report;
  }
}

TEST(GradCheckTest, RightNormPassesForAnyMeanAndSpread) {
  for (const auto& [mean, sigma] : {std::pair{3.0, 0.2}, {100.0, 1.0}, {0.0, 1.0}, {0.0, 30.0}, {100.0, 0.01}}) {
    for (const std::int64_t n : {3, 8, 64}) {
      const GradCheckReport report = gradcheck([](const Inputs& in) { return faulty_norm(in[0], NormFault::none); },
                                               {random({2, n}, mean, sigma)});
      EXPECT_TRUE(report.passed) << mean << " " << sigma << " " << n << "\n" << report;
      EXPECT_LT(report.max_rel_error(), 1e-8) << report;
    }
  }
}

// --- wrong gradients

TEST(GradCheckTest, RejectsWrongNormBackwards) {
  for (const NormFault fault : kNormFaults) {
    for (const auto& [mean, sigma] : {std::pair{3.0, 0.2}, {0.0, 1.001}, {100.0, 1.0}}) {
      const GradCheckReport report = gradcheck([fault = fault](const Inputs& in) { return faulty_norm(in[0], fault); },
                                               {random({2, 8}, mean, sigma)});
      EXPECT_FALSE(report.passed) << fault_name(fault);
      EXPECT_GT(report.max_rel_error(), 1e-4) << fault_name(fault) << "\n" << report;
    }
  }
}

// y = f(x) of one input with a wrong gradient, computed by hand.
struct Wrong {
  const char* name;
  TensorFunction function;
  Inputs inputs;
};

Tensor wrong(const Inputs& inputs, const std::function<Tensor(const Inputs&)>& forward,
             const std::function<Inputs(const Inputs&, const Tensor& gy)>& backward) {
  return apply_function("wrong", inputs, forward, [backward](auto& in, auto&, auto& gy) { return backward(in, gy); });
}

Tensor transposed(const Tensor& x) {
  Tensor y = Tensor::empty({x.size(1), x.size(0)}, kFloat64);
  for (std::int64_t i = 0; i < x.size(0); ++i) {
    for (std::int64_t j = 0; j < x.size(1); ++j) {
      y.mutable_data<double>()[j * x.size(0) + i] = x.data<double>()[i * x.size(1) + j];
    }
  }
  return y;
}

std::vector<Wrong> wrong_backwards() {
  const auto square_with = [](const std::function<Tensor(const Tensor& x, const Tensor& gy)>& gx) {
    return [gx](const Inputs& inputs) {
      return wrong(inputs, square, [gx](const Inputs& in, const Tensor& gy) { return Inputs{gx(in[0], gy)}; });
    };
  };
  const auto right = [](const Tensor& x, const Tensor& gy) { return tests::scale(tests::mul(x, gy), 2); };
  std::vector<Wrong> all;
  const Inputs one = {random({4, 4})};
  all.push_back({"zero", square_with([](auto& x, auto&) { return filled(x.shape(), 0); }), one});
  all.push_back({"missing factor", square_with([](auto& x, auto& gy) { return tests::mul(x, gy); }), one});
  all.push_back({"wrong sign", square_with([=](auto& x, auto& gy) { return tests::scale(right(x, gy), -1); }), one});
  all.push_back({"one part in a million",
                 square_with([=](auto& x, auto& gy) { return tests::scale(right(x, gy), 1 + 1e-6); }), one});
  all.push_back({"transposed", square_with([=](auto& x, auto& gy) { return transposed(right(x, gy)); }), one});
  all.push_back({"forgets gy", square_with([](auto& x, auto&) { return tests::scale(x, 2); }), one});
  all.push_back({"not a number", square_with([](auto& x, auto&) { return filled(x.shape(), NAN); }), one});
  all.push_back({"none at all", square_with([](auto&, auto&) { return Tensor(); }), one});
  // x [4, 3] + b [3]: the gradient of b must be summed over the rows, not taken from one row.
  all.push_back({"forgotten sum of broadcasting",
                 [](const Inputs& inputs) {
                   return wrong(
                       inputs,
                       [](const Inputs& in) {
                         Tensor y = Tensor::empty({4, 3}, kFloat64);
                         for (std::int64_t i = 0; i < 12; ++i) {
                           y.mutable_data<double>()[i] = in[0].data<double>()[i] + in[1].data<double>()[i % 3];
                         }
                         return y;
                       },
                       [](const Inputs&, const Tensor& gy) {
                         const std::vector<double> g = gy.to_vector<double>();
                         return Inputs{gy, tests::values({g[0], g[1], g[2]})};
                       });
                 },
                 {random({4, 3}), random({3})}});
  all.push_back({"right for one input, swapped for two",
                 [](const Inputs& inputs) {
                   return wrong(
                       inputs, [](const Inputs& in) { return tests::mul(in[0], in[1]); },
                       [](const Inputs& in, const Tensor& gy) {
                         return Inputs{tests::mul(gy, in[0]), tests::mul(gy, in[1])};
                       });
                 },
                 {random({5}, 0, 1, 1), random({5}, 0, 1, 2)}});
  all.push_back({"a step function passed straight through",
                 [](const Inputs& in) {
                   return unary(
                       in[0], [](double v) { return std::floor(v); }, [](double) { return 1.0; });
                 },
                 {random({6})}});
  all.push_back({"a small function",
                 [](const Inputs& in) {
                   return unary(
                       in[0], [](double v) { return 1e-8 * v; }, [](double) { return 0.0; });
                 },
                 {random({6})}});
  return all;
}

TEST(GradCheckTest, RejectsWrongBackwards) {
  const std::vector<Wrong> all = wrong_backwards();
  EXPECT_GE(all.size() + kNormFaults.size(), 10U);
  for (const Wrong& w : all) {
    const GradCheckReport report = gradcheck(w.function, w.inputs);
    EXPECT_FALSE(report.passed) << w.name;
    EXPECT_THROW(check_gradients(w.function, w.inputs, 1), GradCheckError) << w.name;
  }
}

TEST(GradCheckTest, FindsOneWrongElementAmongAThousand) {
  const auto f = [](const Inputs& inputs) {
    return wrong(inputs, square, [](const Inputs& in, const Tensor& gy) {
      Tensor gx = tests::scale(tests::mul(in[0], gy), 2);
      gx.mutable_data<double>()[20 * 7 + 3] *= 1.00001;
      return Inputs{gx};
    });
  };
  const GradCheckReport report = gradcheck(f, {random({50, 20})}, {.names = {"x"}});
  ASSERT_FALSE(report.passed);
  EXPECT_EQ(report.inputs[0].worst, 143);
  EXPECT_NEAR(report.inputs[0].analytic / report.inputs[0].numeric, 1.00001, 1e-8);
  EXPECT_THAT(to_string(report), HasSubstr("input 0 'x' [50, 20]: FAILED"));
  EXPECT_THAT(to_string(report), HasSubstr("worst at [7, 3]: analytic "));
}

TEST(GradCheckTest, ReportNamesInputElementBothValuesAndStep) {
  const auto f = [](const Inputs& in) {
    return unary(
        in[1], [](double v) { return v * v; }, [](double) { return 1.0; });
  };
  const std::string text = error_of<GradCheckError>([&] {
    check_gradients(f, {leaf({1}), leaf({2, 0.5})}, 2,
                    {.grad_outputs = {tests::values({1, 1})}, .names = {"x", "scale"}});
  });
  EXPECT_THAT(text, HasSubstr("gradcheck of order 1: FAILED\n"));
  EXPECT_THAT(text, HasSubstr("input 0 'x' [1]: passed, max abs error 0, max rel error 0;"));
  EXPECT_THAT(text, HasSubstr("the function does not change with this input"));
  EXPECT_THAT(text, HasSubstr("input 1 'scale' [2]: FAILED, max abs error 3, max rel error 0.75; worst at [0]: "
                              "analytic 1, numeric 4, step 0.00"));
}

// --- errors that the projection cannot detect

TEST(GradCheckTest, ADegenerateProjectionIsReportedNotPassed) {
  const Shape shape = {2, 8};
  for (const NormFault fault : {NormFault::none, NormFault::zero, NormFault::no_variance_term}) {
    const auto f = [fault](const Inputs& in) { return faulty_norm(in[0], fault); };
    const GradCheckReport report = gradcheck(f, {random(shape)}, {.grad_outputs = {filled(shape, 1)}});
    EXPECT_FALSE(report.passed) << fault_name(fault);
    EXPECT_TRUE(report.inputs[0].degenerate) << fault_name(fault);
    EXPECT_THAT(to_string(report), HasSubstr("degenerate"));
  }
  const auto f = [](const Inputs& in) { return faulty_norm(in[0], NormFault::none); };
  EXPECT_TRUE(gradcheck(f, {random(shape)}, {.grad_outputs = {filled(shape, 1)}, .allow_degenerate = true}).passed);
  EXPECT_FALSE(gradcheck(f, {random(shape)}).inputs[0].degenerate);
}

TEST(GradCheckTest, AnInputThatPlaysNoPart) {
  const auto f = [](const Inputs& in) { return tests::exp(in[0]); };
  const GradCheckReport report = gradcheck(f, {random({3}), random({4})});
  EXPECT_TRUE(report.passed) << report;
  EXPECT_FALSE(report.inputs[0].constant);
  EXPECT_TRUE(report.inputs[1].constant);
  const auto lies = [](const Inputs& in) {
    return apply_function(
        "lies", in, [](auto& x) { return tests::exp(x[0]); },
        [](auto& x, auto& y, auto& gy) {
          return Inputs{tests::mul(gy, y), filled(x[1].shape(), 1e-3)};
        });
  };
  EXPECT_FALSE(gradcheck(lies, {random({3}), random({4})}).passed);
}

// The gradient of a bias before a normalization is a sum that cancels: zero up to rounding, where f is constant.
TEST(GradCheckTest, AGradientThatIsZeroUpToRoundingPasses) {
  const auto f = [](const Inputs& in) {
    return apply_function(
        "cancels", in, [](auto& x) { return tests::exp(x[0]); },
        [](auto& x, auto& y, auto& gy) {
          return Inputs{tests::mul(gy, y), filled(x[1].shape(), 2e-16)};
        });
  };
  const GradCheckReport report = gradcheck(f, {random({3}), random({4})});
  EXPECT_TRUE(report.passed) << report;
  EXPECT_LT(report.max_rel_error(), 1e-8) << report;
}

TEST(GradCheckTest, AResultCutOffFromItsInputIsFound) {
  EXPECT_FALSE(gradcheck([](const Inputs& in) { return tests::exp(in[0].detach()); }, {random({3})}).passed);
}

// --- points without a derivative

Tensor relu(const Tensor& x) {
  return unary(
      x, [](double v) { return v > 0 ? v : 0.0; }, [](double v) { return v > 0 ? 1.0 : 0.0; });
}

TEST(GradCheckTest, KinksAreNamedAndFailUnlessAllowed) {
  const auto f = [](const Inputs& in) { return relu(in[0]); };
  const Inputs at_the_kink = {leaf({1, 0, -2, 0.5})};
  const GradCheckReport report = gradcheck(f, at_the_kink);
  EXPECT_FALSE(report.passed);
  EXPECT_THAT(report.inputs[0].kinks, ElementsAre(1));
  EXPECT_THAT(to_string(report), HasSubstr("kink: the one-sided derivatives differ at [1]"));
  const GradCheckReport allowed = gradcheck(f, at_the_kink, {.allow_kinks = true});
  EXPECT_TRUE(allowed.passed) << allowed;
  EXPECT_THAT(allowed.inputs[0].kinks, ElementsAre(1));
  // Even if the gradient equals the symmetric difference.
  const auto abs = [](const Inputs& in) {
    return unary(
        in[0], [](double v) { return std::abs(v); }, [](double v) { return v == 0 ? 0.0 : std::copysign(1.0, v); });
  };
  EXPECT_FALSE(gradcheck(abs, at_the_kink).passed);
}

TEST(GradCheckTest, AKinkNearbyIsNoTrouble) {
  const auto f = [](const Inputs& in) { return relu(in[0]); };
  for (const double distance : {1e-2, 3e-3, 1e-3, 1e-4, 1e-5}) {
    const GradCheckReport report = gradcheck(f, {leaf({distance, -distance, 1, -1})});
    EXPECT_TRUE(report.passed) << distance << "\n" << report;
  }
}

TEST(GradCheckTest, CurvatureIsNoKink) {
  const auto f = [](const Inputs& in) {
    return unary(
        in[0], [](double v) { return std::exp(30 * v); }, [](double v) { return 30 * std::exp(30 * v); });
  };
  const GradCheckReport report = gradcheck(f, {leaf({0.1, -0.2, 0.3, 1})});
  EXPECT_TRUE(report.passed) << report;
  EXPECT_TRUE(report.inputs[0].kinks.empty());
}

TEST(GradCheckTest, APoleNearbyIsNoTrouble) {
  const auto f = [](const Inputs& in) {
    return unary(
        in[0], [](double v) { return std::log(v); }, [](double v) { return 1 / v; });
  };
  const GradCheckReport report = gradcheck(f, {leaf({1e-3, 5})});
  EXPECT_TRUE(report.passed) << report;
}

TEST(GradCheckTest, AFunctionInFloat32Fails) {
  const auto f = [](const Inputs& in) {
    return unary(
        in[0], [](double v) { return static_cast<double>(std::sin(static_cast<float>(v))); },
        [](double v) { return std::cos(v); });
  };
  EXPECT_FALSE(gradcheck(f, {random({5})}).passed);
}

// However large the spread of the differences of one function, and even if they happen to be on both sides of its
// gradient.
TEST(GradCheckTest, NoFunctionInFloat32PassesByItsOwnNoise) {
  const std::pair<double (*)(double), double (*)(double)> functions[] = {
      {[](double v) { return std::sin(v); }, [](double v) { return std::cos(v); }},
      {[](double v) { return std::exp(v); }, [](double v) { return std::exp(v); }},
      {[](double v) { return v * v * v; }, [](double v) { return 3 * v * v; }}};
  for (const auto& [value, slope] : functions) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      const auto f = [value = value, slope = slope](const Inputs& in) {
        return unary(
            in[0], [value](double v) { return static_cast<double>(static_cast<float>(value(v))); },
            [slope](double v) { return slope(v); });
      };
      EXPECT_FALSE(gradcheck(f, {random({2}, 0.0, 1.0, seed)}).passed) << seed;
    }
  }
}

// Typically six evaluations per element: the extrapolation gains two orders with each halving.
TEST(GradCheckTest, ASmoothFunctionIsEvaluatedAFewTimesOnly) {
  int calls = 0;
  const auto f = [&calls](const Inputs& in) {
    ++calls;
    return unary(
        in[0], [](double v) { return std::sin(v); }, [](double v) { return std::cos(v); });
  };
  EXPECT_TRUE(gradcheck(f, {random({20})}).passed);
  EXPECT_LE(calls, 3 + 7 * 20);
}

TEST(GradCheckTest, ANoisyFunctionIsUnresolvedNotPassed) {
  const auto f = [](const Inputs& in) {
    return unary(
        in[0], [](double v) { return std::sin(v) + 1e-6 * std::sin(1e8 * v); }, [](double v) { return std::cos(v); });
  };
  const GradCheckReport report = gradcheck(f, {random({5})});
  EXPECT_FALSE(report.passed);
  EXPECT_EQ(report.inputs[0].unresolved.size(), 5U) << report;
  EXPECT_THAT(to_string(report), HasSubstr("unresolved: the differences do not settle at [0] [1] [2] [3] [4];"));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
