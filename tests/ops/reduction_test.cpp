#include "normgrad/core/ops/reduction/reduction.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/support/raises.hpp"
#include "tests/support/simd_levels.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/reduction/softmax.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::kInf;
using tests::kNan;
using tests::random_tensor;

// The elements of x that contribute to each result, in row-major order of the results.
template <class T>
std::vector<std::vector<long double>> groups(const Tensor& x, const Axes& axes) {
  const auto reduced = axes.mask("test", x.dim());
  std::int64_t results = 1;
  for (std::size_t i = 0; i < x.shape().rank(); ++i) {
    results *= reduced[i] ? 1 : x.shape()[i];
  }
  std::vector<std::vector<long double>> found(static_cast<std::size_t>(results));
  for (std::int64_t at = 0; at < x.numel(); ++at) {
    std::int64_t rest = at;
    std::int64_t group = 0;
    std::int64_t stride = 1;
    for (std::size_t i = x.shape().rank(); i-- > 0;) {
      if (!reduced[i]) {
        group += rest % x.shape()[i] * stride;
        stride *= x.shape()[i];
      }
      rest /= x.shape()[i];
    }
    found[static_cast<std::size_t>(group)].push_back(static_cast<long double>(x.data<T>()[at]));
  }
  return found;
}

using Group = std::vector<long double>;

long double sum_of(const Group& g) {
  long double s = 0;
  for (const long double v : g) {
    s += v;
  }
  return s;
}
long double mean_of(const Group& g) { return sum_of(g) / static_cast<long double>(g.size()); }
long double var_of(const Group& g) {
  const long double mean = mean_of(g);
  long double s = 0;
  for (const long double v : g) {
    s += (v - mean) * (v - mean);
  }
  return s / static_cast<long double>(g.size() - 1);
}
long double prod_of(const Group& g) {
  long double p = 1;
  for (const long double v : g) {
    p *= v;
  }
  return p;
}
long double max_of(const Group& g) { return *std::max_element(g.begin(), g.end()); }
long double min_of(const Group& g) { return *std::min_element(g.begin(), g.end()); }
long double logsumexp_of(const Group& g) {
  long double s = 0;
  for (const long double v : g) {
    s += std::exp(v);
  }
  return std::log(s);
}

struct Reduction {
  const char* name;
  Tensor (*f)(const Tensor&, const Axes&, ReduceFlag);
  long double (*expected)(const Group&);
  long double scale;  // of the summands, for the tolerance
};

const Reduction kReductions[] = {
    {"sum", sum, sum_of, 1},
    {"mean", mean, mean_of, 0},
    {"max", max, max_of, 0},
    {"min", min, min_of, 0},
    {"prod", prod, prod_of, 0},
    {"logsumexp", logsumexp, logsumexp_of, 0},
    {"var", [](const Tensor& x, const Axes& axes, ReduceFlag keepdim) { return var(x, axes, true, keepdim); }, var_of,
     0}};

template <class T>
void expect_reduction(const Reduction& op, const Shape& shape, const Axes& axes) {
  const Tensor x = random_tensor(shape, dtype_of<T>, 7);
  const Tensor y = op.f(x, axes, false);
  const Tensor kept = op.f(x, axes, true);
  const auto expected = groups<T>(x, axes);
  ASSERT_EQ(y.numel(), static_cast<std::int64_t>(expected.size())) << op.name << shape;
  ASSERT_EQ(kept.dim(), x.dim());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const long double want = op.expected(expected[i]);
    const auto n = static_cast<long double>(expected[i].size());
    // a few roundings of numbers of size 1, and of sums of n of them; a product rounds n times
    const long double size = std::abs(want) * (op.expected == prod_of ? n : 1) + 1 + op.scale * std::sqrt(n);
    ASSERT_NEAR(y.data<T>()[i], static_cast<double>(want),
                static_cast<double>(4 * std::numeric_limits<T>::epsilon() * size))
        << op.name << shape << " result " << i << " on " << simd_name(simd_level());
    ASSERT_EQ(kept.data<T>()[i], y.data<T>()[i]);
  }
}

TEST(ReductionTest, AgreesWithANaiveLoopForAnyAxesOnEveryInstructionSet) {
  const std::pair<Shape, Axes> cases[] = {{{5}, {}},
                                          {{3, 70}, 1},
                                          {{70, 3}, 0},
                                          {{60, 100}, 0},
                                          {{60, 100}, {}},
                                          {{4, 5, 6}, {0, 2}},
                                          {{4, 5, 35}, 1},
                                          {{3, 4, 5, 6}, {0, 2, 3}},
                                          {{3, 4, 5, 6}, {1, 3}},
                                          {{3, 4, 5, 6}, {0, 2}},
                                          {{3, 1, 5, 1}, {0, 1}},
                                          {{2, 3, 2, 3, 2, 3}, {0, 2, 4}},
                                          {{2, 3, 2, 3, 2, 3}, {1, 3, 5}}};
  for (const SimdLevel level : tests::supported_levels()) {
    const tests::UsedSimdLevel used(level);
    for (const Reduction& op : kReductions) {
      for (const auto& [shape, axes] : cases) {
        expect_reduction<float>(op, shape, axes);
        expect_reduction<double>(op, shape, axes);
      }
    }
  }
}

TEST(ReductionTest, EveryLengthIsComputed) {
  for (const SimdLevel level : tests::supported_levels()) {
    const tests::UsedSimdLevel used(level);
    for (std::int64_t n = 2; n <= 67; ++n) {
      for (const Reduction& op : kReductions) {
        expect_reduction<float>(op, {3, n}, 1);
        expect_reduction<float>(op, {3, n}, 0);
        expect_reduction<double>(op, {n, 2}, 0);
        expect_reduction<double>(op, {2, n}, 1);
      }
    }
  }
}

TEST(ReductionTest, LargeReductionsAreTheSameWithAnyNumberOfThreads) {
  const Tensor x = random_tensor({2, 150, 3, 700}, kFloat32, 8);
  const int before = get_num_threads();
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 4}) {
    set_num_threads(threads);
    std::vector<float> all;
    for (const Axes& axes : {Axes(), Axes(1), Axes{0, 2}, Axes{0, 1, 2}, Axes{1, 3}, Axes(3)}) {
      for (const Tensor& y : {sum(x, axes), max(x, axes), var(x, axes)}) {
        const std::vector<float> values = y.to_vector<float>();
        all.insert(all.end(), values.begin(), values.end());
      }
    }
    results.push_back(all);
  }
  set_num_threads(before);
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
  const std::vector<long double> whole = groups<float>(x, {})[0];
  // 630,000 additions of numbers of size 4, each rounded by 2^-23 in the root mean square
  EXPECT_NEAR(results[0][0], static_cast<double>(sum_of(whole)), 3e-4);
}

TEST(ReductionTest, SumsOfMillionsOfFloatsKeepTheirDigits) {
  const Tensor x = full({3'000'000}, 0.1);
  const double exact = 3e6 * static_cast<double>(0.1F);
  EXPECT_NEAR(sum(x).item(), exact, exact * 1e-7);
  EXPECT_NEAR(mean(x).item(), static_cast<double>(0.1F), 1e-8);
  EXPECT_NEAR(sum(reshape(x, {1'000'000, 3}), 0)[1].item(), exact / 3, exact / 3 * 1e-7);
}

TEST(ReductionTest, VarianceSurvivesALargeOffset) {
  Tensor x = random_tensor({4, 5000}, kFloat32, 9);
  const auto plain = groups<float>(x, 1);
  x = x + 1000.0;  // rounds x to 2^-14
  const auto shifted = groups<float>(x, 1);
  for (std::size_t r = 0; r < 4; ++r) {
    EXPECT_NEAR(var(x, 1).data<float>()[r], static_cast<double>(var_of(shifted[r])), 1e-6);
    EXPECT_NEAR(static_cast<double>(var_of(shifted[r])), static_cast<double>(var_of(plain[r])), 1e-3);
  }
}

TEST(ReductionTest, MaximumPassesNanOn) {
  for (const SimdLevel level : tests::supported_levels()) {
    const tests::UsedSimdLevel used(level);
    for (std::int64_t n = 1; n < 40; ++n) {
      for (std::int64_t at = 0; at < n; ++at) {
        Tensor x = random_tensor({n}, kFloat32, 10);
        x.mutable_data<float>()[at] = static_cast<float>(kNan);
        ASSERT_TRUE(std::isnan(max(x).item())) << n << " " << at;
        ASSERT_TRUE(std::isnan(min(x).item())) << n << " " << at;
        ASSERT_TRUE(std::isnan(max(reshape(x, {n, 1}) + zeros({20}), 0)[7].item())) << n << " " << at;
        ASSERT_EQ(argmax(x).item<std::int64_t>(), at);
        ASSERT_EQ(argmin(x).item<std::int64_t>(), at);
      }
    }
  }
}

TEST(ReductionTest, IntegersAndBools) {
  const Tensor x = tensor({{5, -3, 7}, {2, 9, 9}}, {.dtype = kInt64});
  using Ints = std::vector<std::int64_t>;
  EXPECT_EQ(sum(x, 0).to_vector<std::int64_t>(), (Ints{7, 6, 16}));
  EXPECT_EQ(max(x, 1).to_vector<std::int64_t>(), (Ints{7, 9}));
  EXPECT_EQ(min(x).item<std::int64_t>(), -3);
  EXPECT_EQ(prod(x, 1).to_vector<std::int64_t>(), (Ints{-105, 162}));
  EXPECT_EQ(argmax(x, 1).to_vector<std::int64_t>(), (Ints{2, 1}));
  EXPECT_EQ(argmin(x, 0).to_vector<std::int64_t>(), (Ints{1, 0, 0}));
  EXPECT_EQ(argmax(x).item<std::int64_t>(), 4);
  EXPECT_EQ(argmax(x, -1, true).shape(), (Shape{2, 1}));
  EXPECT_EQ(sum(x > 4.0).item<std::int64_t>(), 4);
  EXPECT_EQ(sum(x > 4.0).dtype(), kInt64);
}

TEST(ReductionTest, EqualMaximaShareTheGradient) {
  Tensor x = tensor({{3, 1, 3}, {0, 2, 1}}, {.dtype = kFloat64, .requires_grad = true});
  max(x, 1).backward(tensor({10, 4}, {.dtype = kFloat64}));
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{5, 0, 5, 0, 4, 0}));
}

TEST(ReductionTest, ProductsHaveGradientsAtZero) {
  Tensor x = tensor({{2, 0, 3}, {0, 5, 0}}, {.dtype = kFloat64, .requires_grad = true});
  const Tensor y = prod(x, 1);
  y.backward(tensor({1, 1}, {.dtype = kFloat64}), {.create_graph = true});
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{0, 6, 0, 0, 0, 0}));
  x.set_grad({});
  prod(x, 1).sum().backward();
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{0, 6, 0, 0, 0, 0}));
}

TEST(ReductionTest, NothingToReduce) {
  EXPECT_EQ(sum(zeros({0, 3}), 0).to_vector<float>(), (std::vector<float>{0, 0, 0}));
  EXPECT_EQ(prod(zeros({3, 0}), 1).to_vector<float>(), (std::vector<float>{1, 1, 1}));
  EXPECT_EQ(sum(zeros({0, 3}), 1).numel(), 0);
  EXPECT_EQ(error_of<ValueError>([] {
              max(zeros({0, 3}), 0);
            }),
            "max: expected at least one element to reduce but got shape [0, 3]");
  EXPECT_EQ(error_of<ValueError>([] { mean(zeros({0})); }),
            "mean: expected at least one element to reduce but got shape [0]");
  EXPECT_EQ(error_of<ValueError>([] {
              var(zeros({1, 3}), 0);
            }),
            "var: expected more than one element to reduce but got shape [1, 3]");
  EXPECT_EQ(error_of<DTypeError>([] { mean(zeros({3}, {.dtype = kInt64})); }),
            "mean: expected a float32 or float64 tensor but got int64");
  EXPECT_EQ(error_of<IndexError>([] { sum(zeros({3}), 1); }), "sum: expected an axis in [-1, 0] but got 1");
  EXPECT_EQ(error_of<ValueError>([] { sum(zeros({3, 3}), {0, -2}); }), "sum: expected different axes but got -2 twice");
}

TEST(ReductionTest, ChannelsLastTensorsGiveTheSame) {
  const Tensor x = random_tensor({3, 5, 4, 7}, kFloat64, 11);
  for (const Axes& axes : {Axes(), Axes(0), Axes(1), Axes{2, 3}, Axes{0, 2, 3}, Axes{0, 2}, Axes{1, 3}, Axes{0, 1}}) {
    const std::vector<double> want = sum(x, axes).to_vector<double>();
    const std::vector<double> got = sum(x.as_channels_last(), axes).to_vector<double>();
    ASSERT_EQ(want.size(), got.size());
    for (std::size_t i = 0; i < want.size(); ++i) {
      EXPECT_NEAR(want[i], got[i], 1e-13);
    }
  }
}

template <class T>
void expect_softmax(const Shape& shape, std::int64_t axis) {
  const Tensor x = random_tensor(shape, dtype_of<T>, 12) * 5.0;
  const Tensor y = softmax(x, axis);
  const Tensor log_y = log_softmax(x, axis);
  const std::int64_t n = shape.at(axis);
  std::int64_t inner = 1;
  for (std::size_t i = normalize_axis("test", axis, shape.dim()) + 1; i < shape.rank(); ++i) {
    inner *= shape[i];
  }
  const long double eps = std::numeric_limits<T>::epsilon();
  for (std::int64_t column = 0; column < x.numel() / n; ++column) {
    const std::int64_t first = column / inner * n * inner + column % inner;
    long double total = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      total += std::exp(static_cast<long double>(x.data<T>()[first + i * inner]));
    }
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int64_t at = first + i * inner;
      const auto v = static_cast<long double>(x.data<T>()[at]);
      const long double want = std::exp(v) / total;
      // x - m, at most 40 here, is rounded by up to 16 eps, and exp multiplies by that
      ASSERT_NEAR(y.data<T>()[at], static_cast<double>(want), static_cast<double>(24 * eps * want)) << shape << axis;
      ASSERT_NEAR(log_y.data<T>()[at], static_cast<double>(v - std::log(total)), static_cast<double>(40 * eps));
    }
  }
}

TEST(SoftmaxTest, AgreesWithTheDefinitionOnEveryInstructionSet) {
  for (const SimdLevel level : tests::supported_levels()) {
    const tests::UsedSimdLevel used(level);
    for (std::int64_t n = 1; n <= 67; ++n) {
      expect_softmax<float>({3, n}, 1);
      expect_softmax<double>({3, n}, 1);
      expect_softmax<float>({5, n}, 0);
    }
    expect_softmax<float>({2, 7, 3}, 1);
    expect_softmax<double>({2, 7, 70}, -2);
    expect_softmax<float>({2, 5000}, 1);
  }
}

TEST(SoftmaxTest, LargeValuesAreSafe) {
  const Tensor x = tensor({{1000, 1000, -kInf}, {-1e30, -1e30, -1e30}});
  EXPECT_EQ(softmax(x, 1)[0].to_vector<float>(), (std::vector<float>{0.5F, 0.5F, 0.0F}));
  EXPECT_FLOAT_EQ(static_cast<float>(log_softmax(x, 1)[0][1].item()), -std::log(2.0F));
  EXPECT_FLOAT_EQ(static_cast<float>(log_softmax(x, 1)[1][1].item()), -std::log(3.0F));
  EXPECT_EQ(log_softmax(x, 1)[0][2].item(), -kInf);
  EXPECT_FLOAT_EQ(static_cast<float>(logsumexp(x, 1)[0].item()), 1000.0F + std::log(2.0F));
  EXPECT_EQ(logsumexp(full({3}, -kInf), 0).item(), -kInf);
  EXPECT_EQ(logsumexp(tensor({1, kInf}), 0).item(), kInf);
  EXPECT_TRUE(std::isnan(softmax(tensor({1, kNan, 2}), 0)[0].item()));
}

TEST(SoftmaxTest, IsTheSameWithAnyNumberOfThreads) {
  const Tensor x = random_tensor({70, 40, 90}, kFloat32, 13);
  const int before = get_num_threads();
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 4}) {
    set_num_threads(threads);
    results.push_back((softmax(x, 2) + log_softmax(x, 1) + softmax(x, 0)).to_vector<float>());
  }
  set_num_threads(before);
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST(SoftmaxTest, SaysWhatIsWrong) {
  EXPECT_EQ(error_of<IndexError>([] { softmax(zeros({2, 3}), 2); }), "softmax: expected an axis in [-2, 1] but got 2");
  EXPECT_EQ(error_of<DTypeError>([] { log_softmax(zeros({2}, {.dtype = kInt64}), 0); }),
            "log_softmax: expected a float32 or float64 tensor but got int64");
  EXPECT_EQ(softmax(tensor(3.0), 0).item(), 1.0);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
