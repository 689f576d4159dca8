#include "normgrad/core/ops/norm/norm.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/reference_norms.hpp"
#include "tests/support/values.hpp"
#include "tests/support/wrong_backwards.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::HasSubstr;
using tests::error_of;
using tests::gradients_agree;
using tests::Reals;
using tests::ReferenceNorm;

// x with mean 3 and standard deviation 0.2, so that a missing factor is detected.
Tensor input(const Shape& shape, DType dtype = kFloat64, std::uint32_t seed = 1) {
  return (tests::random_tensor(shape, dtype, seed) * 0.2 + 3.0).detach();
}
Tensor normal(const Shape& shape, std::uint32_t seed, DType dtype = kFloat64) {
  return tests::random_tensor(shape, dtype, seed);
}
Tensor leaf(Tensor x) { return x.requires_grad_(); }

std::int64_t spatial_of(const Shape& shape) {
  std::int64_t n = 1;
  for (std::size_t i = 2; i < shape.rank(); ++i) {
    n *= shape[i];
  }
  return n;
}

// One norm on one shape: its call and its definition.
struct Case {
  std::string name;
  Shape shape;
  Shape params;
  std::function<Tensor(const Tensor& x, const Tensor& weight, const Tensor& bias)> f;
  ReferenceNorm reference;
  bool has_bias = true;
};

Case batch_case(const Shape& shape) {
  const std::int64_t c = shape[1];
  const std::int64_t s = spatial_of(shape);
  const auto channel = [=](std::int64_t i) { return i / s % c; };
  return {"batch_norm" + to_string(shape),
          shape,
          {c},
          [](const Tensor& x, const Tensor& w, const Tensor& b) { return batch_norm_training(x, w, b).y; },
          {shape.numel(), c, c, channel, channel, 1e-5}};
}

Case instance_case(const Shape& shape) {
  const std::int64_t c = shape[1];
  const std::int64_t s = spatial_of(shape);
  return {"instance_norm" + to_string(shape),
          shape,
          {c},
          [](const Tensor& x, const Tensor& w, const Tensor& b) { return instance_norm(x, w, b); },
          {shape.numel(), shape[0] * c, c, [=](std::int64_t i) { return i / s; },
           [=](std::int64_t i) { return i / s % c; }, 1e-5}};
}

Case group_case(const Shape& shape, std::int64_t groups, bool center) {
  const std::int64_t c = shape[1];
  const std::int64_t s = spatial_of(shape);
  return {std::string(center ? "group_norm" : "group_rms_norm") + to_string(shape),
          shape,
          {c},
          [=](const Tensor& x, const Tensor& w, const Tensor& b) {
            return center ? group_norm(x, groups, w, b) : group_rms_norm(x, groups, w, b);
          },
          {shape.numel(), shape[0] * groups, c, [=](std::int64_t i) { return i / (s * c / groups); },
           [=](std::int64_t i) { return i / s % c; }, 1e-5, center}};
}

Case layer_case(const Shape& shape, const Shape& normalized, bool center) {
  const std::int64_t m = normalized.numel();
  return {std::string(center ? "layer_norm" : "rms_norm") + to_string(shape),
          shape,
          normalized,
          [=](const Tensor& x, const Tensor& w, const Tensor& b) {
            return center ? layer_norm(x, normalized, w, b) : rms_norm(x, normalized, w, 1e-5);
          },
          {shape.numel(), shape.numel() / m, m, [=](std::int64_t i) { return i / m; },
           [=](std::int64_t i) { return i % m; }, 1e-5, center},
          center};
}

Case axes_case(bool center) {  // the channels at each position of [2, 5, 3, 2]
  return {center ? "layer_norm_over" : "rms_norm_over",
          {2, 5, 3, 2},
          {5},
          [=](const Tensor& x, const Tensor& w, const Tensor& b) {
            return center ? layer_norm_over(x, {1}, w, b) : rms_norm_over(x, {1}, w, 1e-5);
          },
          {60, 12, 5, [](std::int64_t i) { return i / 30 * 6 + i % 6; }, [](std::int64_t i) { return i / 6 % 5; }, 1e-5,
           center},
          center};
}

std::vector<Case> cases() {
  return {batch_case({7, 3}),
          batch_case({4, 19}),
          batch_case({3, 2, 5}),
          batch_case({2, 3, 2, 3}),
          batch_case({2, 2, 2, 1, 3}),
          instance_case({2, 3, 5}),
          instance_case({2, 2, 2, 3}),
          instance_case({1, 2, 2, 2, 2}),
          group_case({3, 6}, 2, true),
          group_case({2, 4, 3}, 2, true),
          group_case({2, 4, 2, 2}, 1, true),
          group_case({2, 4, 2, 2}, 2, false),
          layer_case({4, 7}, {7}, true),
          layer_case({2, 3, 5}, {3, 5}, true),
          layer_case({6}, {6}, true),
          layer_case({4, 7}, {7}, false),
          layer_case({2, 3, 5}, {3, 5}, false),
          axes_case(true),
          axes_case(false)};
}

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class NormOpTest : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Norms, NormOpTest, testing::ValuesIn(cases()), [](const auto& instance) {
  std::string name = instance.param.name;
  for (char& c : name) {
    c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  }
  return name;
});

TEST_P(NormOpTest, ValuesAndGradientsAreThoseOfTheDefinition) {
  const Case& c = GetParam();
  for (const DType dtype : {kFloat32, kFloat64}) {
    dispatch_float("test", dtype, [&](auto zero) {
      using T = decltype(zero);
      const Tensor x = leaf(input(c.shape, dtype));
      const Tensor weight = leaf(normal(c.params, 2, dtype));
      const Tensor bias = leaf(c.has_bias ? normal(c.params, 3, dtype) : zeros(c.params, {.dtype = dtype}));
      const Tensor gy = normal(c.shape, 4, dtype);
      const Tensor y = c.f(x, weight, bias);
      const std::vector<Tensor> g = grad({y}, {x, weight, bias}, {gy}, {.allow_unused = true});
      const auto e = tests::reference_norm(c.reference, x.to_vector<T>(), gy.to_vector<T>(), weight.to_vector<T>(),
                                           bias.to_vector<T>());
      // Relative to the largest value; x differs from the mean of its set by 15 standard deviations.
      const long double tolerance = 256 * static_cast<long double>(std::numeric_limits<T>::epsilon());
      const auto expect_near = [&](const Tensor& actual, const Reals& expected, const char* what) {
        const std::vector<T> values = actual.to_vector<T>();
        long double scale = 0;
        for (const long double v : expected) {
          scale = std::max(scale, std::fabs(v));
        }
        for (std::size_t i = 0; i < values.size(); ++i) {
          ASSERT_NEAR(static_cast<double>(values[i]), static_cast<double>(expected[i]),
                      static_cast<double>(tolerance * scale))
              << what << " " << i;
        }
      };
      expect_near(y, e.y, "y");
      expect_near(g[0], e.gx, "gx");
      expect_near(g[1], e.ggamma, "ggamma");
      if (c.has_bias) {
        expect_near(g[2], e.gbeta, "gbeta");
      }
    });
  }
}

TEST_P(NormOpTest, FirstAndSecondOrderForEverySetOfParameters) {
  const Case& c = GetParam();
  for (int which = 1; which < 8; ++which) {
    SCOPED_TRACE(which);
    if (!c.has_bias && (which & 4) != 0) {
      continue;
    }
    Tensor x = input(c.shape);
    Tensor weight = normal(c.params, 2);
    Tensor bias = normal(c.params, 3);
    x.requires_grad_((which & 1) != 0);
    weight.requires_grad_((which & 2) != 0);
    bias.requires_grad_((which & 4) != 0);
    EXPECT_TRUE(gradients_agree([&](const auto& in) { return c.f(in[0], in[1], in[2]); }, {x, weight, bias}));
  }
}

TEST_P(NormOpTest, OrdersOneToFour) {
  const Case& c = GetParam();
  const Tensor x = leaf(input(c.shape));
  const Tensor weight = leaf(normal(c.params, 2));
  // Repeated differences lose digits: the tolerance of orders 3 and 4 is 1e-6.
  EXPECT_TRUE(gradients_agree([&](const auto& in) { return c.f(in[0], in[1], {}); }, {x, weight}, 4,
                              {.rtol = 1e-6, .atol = 1e-6, .max_elements = 12}));
}

TEST_P(NormOpTest, WithoutParametersIsWithOnesAndZeros) {
  const Case& c = GetParam();
  const Tensor x = input(c.shape);
  const Tensor w = ones(c.params, {.dtype = kFloat64});
  const Tensor b = zeros(c.params, {.dtype = kFloat64});
  EXPECT_EQ(c.f(x, {}, {}).to_vector<double>(), c.f(x, w, b).to_vector<double>());
  EXPECT_EQ(c.f(x, w, {}).to_vector<double>(), c.f(x, {}, b).to_vector<double>());
}

TEST_P(NormOpTest, AccumulatesIntoFilledGradientsAndLeavesInputsAlone) {
  const Case& c = GetParam();
  const Tensor x = leaf(input(c.shape));
  const Tensor weight = leaf(normal(c.params, 2));
  const Tensor gy = normal(c.shape, 4);
  const std::vector<double> x_before = x.to_vector<double>();
  const std::uint64_t version = x.version();
  const std::vector<Tensor> g = grad({c.f(x, weight, {})}, {x, weight}, {gy});
  Tensor filled = x;
  filled.set_grad(full_like(x.detach(), 2.0));
  c.f(x, weight, {}).backward(gy);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    ASSERT_DOUBLE_EQ(x.grad().data<double>()[i], 2.0 + g[0].data<double>()[i]);
  }
  EXPECT_EQ(weight.grad().to_vector<double>(), g[1].to_vector<double>());
  EXPECT_EQ(x.to_vector<double>(), x_before);
  EXPECT_EQ(x.version(), version);
}

TEST(NormFunctionTest, BatchNormWithGivenStatistics) {
  for (const Shape& shape : {Shape{5, 3}, Shape{2, 3, 4}, Shape{2, 3, 2, 2}}) {
    const Tensor mean = normal({3}, 5) + 3.0;
    const Tensor var = square(normal({3}, 6)) + 0.1;
    const Tensor x = leaf(input(shape));
    const Tensor w = leaf(normal({3}, 2));
    const Tensor b = leaf(normal({3}, 3));
    const Tensor y = batch_norm(x, mean, var, w, b, 1e-3);
    const std::int64_t s = spatial_of(shape);
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      const std::int64_t c = i / s % 3;
      const double xhat = (x.data<double>()[i] - mean.data<double>()[c]) / std::sqrt(var.data<double>()[c] + 1e-3);
      EXPECT_NEAR(y.data<double>()[i], xhat * w.data<double>()[c] + b.data<double>()[c], 1e-13);
    }
    EXPECT_TRUE(gradients_agree([&](const auto& in) { return batch_norm(in[0], mean, var, in[1], in[2], 1e-3); },
                                {x, w, b}, 4));
  }
}

TEST(NormFunctionTest, GivenStatisticsMayChangeBeforeTheBackward) {
  Tensor mean = normal({3}, 5);
  Tensor var = ones({3}, {.dtype = kFloat64});
  const Tensor x = leaf(input({4, 3}));
  const Tensor gy = normal({4, 3}, 4);
  const Tensor expected = grad({batch_norm(x, mean, var)}, {x}, {gy})[0];
  const Tensor y = batch_norm(x, mean, var);
  mean.fill_(9.0);
  var.fill_(7.0);
  EXPECT_EQ(grad({y}, {x}, {gy})[0].to_vector<double>(), expected.to_vector<double>());
}

// The identity, with a channels-last result.
Tensor channels_last_of(const Tensor& x) {
  return record("channels_last_of", x.as_channels_last(), {x},
                [](const Tensor& gy, GradSink& into) { into.add(0, gy * 1.0); });
}

// Results do not depend on the memory format, and are channels-last if the input is.
TEST(NormFunctionTest, ChannelsLastGivesTheSame) {
  const Shape shape{3, 20, 4, 5};
  const Tensor w = leaf(normal({20}, 2));
  const Tensor b = leaf(normal({20}, 3));
  const Tensor mean = normal({20}, 5);
  const Tensor var = ones({20}, {.dtype = kFloat64});
  const std::vector<std::function<Tensor(const Tensor&)>> norms = {
      [&](const Tensor& x) { return batch_norm_training(x, w, b).y; },
      [&](const Tensor& x) { return batch_norm(x, mean, var, w, b); },
      [&](const Tensor& x) { return instance_norm(x, w, b); },
      [&](const Tensor& x) { return group_norm(x, 5, w, b); },
      [&](const Tensor& x) { return group_norm(x, 1, w); },
      [&](const Tensor& x) { return group_rms_norm(x, 4, w, b); },
      [&](const Tensor& x) {
        return layer_norm(x, {20, 4, 5});
      }};
  for (std::size_t i = 0; i < norms.size(); ++i) {
    SCOPED_TRACE(i);
    const Tensor x = leaf(input(shape));
    const Tensor gy = normal(shape, 4);
    const Tensor y = norms[i](x);
    const std::vector<Tensor> g = grad({y}, {x, w}, {gy}, {.allow_unused = true});
    const Tensor last = leaf(input(shape).as_channels_last());
    const Tensor y_last = norms[i](last);
    EXPECT_EQ(y_last.is_channels_last(), i != 6);
    const std::vector<Tensor> g_last = grad({y_last}, {last, w}, {gy}, {.allow_unused = true});
    const auto expect_same = [](const Tensor& a, const Tensor& c) {
      const std::vector<double> p = a.to_vector<double>();
      const std::vector<double> q = c.to_vector<double>();
      for (std::size_t k = 0; k < p.size(); ++k) {
        ASSERT_NEAR(p[k], q[k], 1e-12 * (1 + std::fabs(p[k])));
      }
    };
    expect_same(y, y_last);
    expect_same(g[0], g_last[0]);
    if (g[1].defined()) {
      expect_same(g[1], g_last[1]);
    }
    const auto norm_of_last = [&](const auto& in) { return norms[i](channels_last_of(in[0])); };
    EXPECT_TRUE(gradients_agree(norm_of_last, {x}, 2, {.max_elements = 10}));
  }
}

TEST(NormFunctionTest, BatchStatisticsAreThoseOfTheBatch) {
  const Tensor x = tensor({{1, 10}, {2, 20}, {6, 30}}, {.dtype = kFloat64});
  const NormResult r = batch_norm_training(x);
  EXPECT_EQ(r.count, 3);
  EXPECT_DOUBLE_EQ(r.mean.data<double>()[0], 3.0);
  EXPECT_DOUBLE_EQ(r.mean.data<double>()[1], 20.0);
  EXPECT_DOUBLE_EQ(r.var.data<double>()[0], 14.0 / 3.0);
  EXPECT_DOUBLE_EQ(r.var.data<double>()[1], 200.0 / 3.0);
  const NormResult alone = batch_statistics(x);
  EXPECT_EQ(alone.mean.to_vector<double>(), r.mean.to_vector<double>());
  EXPECT_EQ(alone.var.to_vector<double>(), r.var.to_vector<double>());
  EXPECT_FALSE(alone.y.defined());
}

TEST(NormFunctionTest, WrongBackwardsAreToldFromTheRightOne) {
  using tests::faulty_norm;
  const Tensor x = leaf(input({3, 8}));
  const Tensor gy = normal({3, 8}, 4);
  const std::vector<double> right = grad({layer_norm(x, {8})}, {x}, {gy})[0].to_vector<double>();
  const auto distance = [&](tests::NormFault fault) {
    const std::vector<double> other = grad({faulty_norm(x, fault)}, {x}, {gy})[0].to_vector<double>();
    double largest = 0.0;
    for (std::size_t i = 0; i < right.size(); ++i) {
      largest = std::max(largest, std::fabs(right[i] - other[i]));
    }
    return largest;
  };
  EXPECT_LT(distance(tests::NormFault::none), 1e-12);
  for (const tests::NormFault fault : tests::kNormFaults) {
    EXPECT_GT(distance(fault), 1e-2) << tests::fault_name(fault);
  }
}

TEST(NormFunctionTest, InputsChangedInPlaceAreNoticed) {
  Tensor x = leaf(input({4, 3}));
  const Tensor y = batch_norm_training(x).y;
  {
    const NoGradGuard no_grad;
    x.fill_(1.0);
  }
  EXPECT_THAT(error_of<GraphError>([&] { y.backward(normal({4, 3}, 4)); }), HasSubstr("backward of 'batch_norm'"));
}

TEST(NormFunctionTest, EmptyBatches) {
  const Tensor x = leaf(zeros({0, 3, 2}, {.dtype = kFloat64}));
  const Tensor w = leaf(ones({3}, {.dtype = kFloat64}));
  for (const Tensor& y : {batch_norm_training(x, w).y, instance_norm(x, w), group_norm(x, 3, w)}) {
    EXPECT_EQ(y.shape(), x.shape());
    const std::vector<Tensor> g = grad({y}, {x, w}, {zeros({0, 3, 2}, {.dtype = kFloat64})});
    EXPECT_EQ(g[1].to_vector<double>(), (std::vector<double>{0, 0, 0}));
  }
}

TEST(LocalResponseNormTest, ValuesAreThoseOfTheDefinition) {
  for (const std::int64_t size : {1, 2, 3, 5, 7}) {
    const Tensor x = leaf(normal({2, 5, 3}, 1));
    const Tensor y = local_response_norm(x, size, 0.5, 0.75, 2.0);
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      const std::int64_t c = i / 3 % 5;
      double sum = 0.0;
      for (std::int64_t k = c - size / 2; k <= c + (size - 1) / 2; ++k) {
        const double v = k < 0 || k >= 5 ? 0.0 : x.data<double>()[i + (k - c) * 3];
        sum += v * v;
      }
      const double expected = x.data<double>()[i] / std::pow(2.0 + 0.5 * sum / static_cast<double>(size), 0.75);
      EXPECT_NEAR(y.data<double>()[i], expected, 1e-14) << size;
    }
    EXPECT_TRUE(gradients_agree([&](const auto& in) { return local_response_norm(in[0], size, 0.5, 0.75, 2.0); }, {x}));
  }
}

TEST(NormOpErrorTest, TellWhatWasExpectedAndWhatCame) {
  const Tensor x = input({4, 6, 3, 4});
  EXPECT_EQ(error_of<ShapeError>([&] {
              layer_norm(x, {6, 3});
            }),
            "layer_norm: expected an input [*, 6, 3] for normalized_shape [6, 3] but got [4, 6, 3, 4]");
  EXPECT_EQ(error_of<ShapeError>([&] { layer_norm(x, {}); }),
            "layer_norm: expected a normalized_shape of at least 1 axis but got []");
  EXPECT_EQ(error_of<ShapeError>([&] {
              rms_norm(input({3, 4}), {2, 3, 4});
            }),
            "rms_norm: expected an input [*, 2, 3, 4] for normalized_shape [2, 3, 4] but got [3, 4]");
  EXPECT_EQ(error_of<ShapeError>([&] { group_norm(x, 4); }),
            "group_norm: expected channels divisible by num_groups = 4 but got [4, 6, 3, 4]");
  EXPECT_EQ(error_of<ValueError>([&] { group_norm(x, -2); }), "group_norm: expected num_groups > 0 but got -2");
  EXPECT_EQ(error_of<ShapeError>([&] { group_norm(input({4}), 2); }),
            "group_norm: expected an input [N, C, *] of at least 2 axes but got [4]");
  EXPECT_EQ(error_of<ShapeError>([&] { batch_norm_training(x, ones({3}, {.dtype = kFloat64})); }),
            "batch_norm: expected a weight of shape [6] for an input of shape [4, 6, 3, 4] but got [3]");
  EXPECT_EQ(error_of<DTypeError>([&] { batch_norm_training(x, {}, ones({6})); }),
            "batch_norm: expected a bias of the input's dtype float64 but got float32");
  EXPECT_EQ(error_of<ValueError>([&] { batch_norm_training(x, {}, {}, -1.0); }),
            "batch_norm: expected eps > 0 but got -1");
  EXPECT_EQ(error_of<DTypeError>([&] {
              instance_norm(zeros({2, 3, 4}, {.dtype = kInt64}));
            }),
            "instance_norm: expected a float32 or float64 input but got int64");
  EXPECT_EQ(error_of<ShapeError>([&] { batch_norm(x, zeros({3}, {.dtype = kFloat64}), {}); }),
            "batch_norm: expected a running_mean of shape [6] for an input of shape [4, 6, 3, 4] but got [3]");
  EXPECT_EQ(error_of<ValueError>([&] { local_response_norm(x, 0); }),
            "local_response_norm: expected size > 0 but got 0");
  EXPECT_EQ(error_of<ShapeError>([&] {
              local_response_norm(input({2, 3}), 2);
            }),
            "local_response_norm: expected an input [N, C, *] of at least 3 axes but got [2, 3]");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
