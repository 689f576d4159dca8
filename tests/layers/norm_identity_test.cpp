// The exact identities of normalization, by their numbers in docs/identities.md, for every norm of the registry that
// standardizes. A new norm is included automatically. Each identity holds for any eps up to rounding, including its
// terms in eps.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/norm_places.hpp"
#include "tests/support/norm_sets.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::bits;
using tests::distance;
using tests::Elements;
using tests::kChannels;
using tests::largest;
using tests::SetOf;
using tests::Sum;

using Values = std::vector<double>;

constexpr double kRounding = 1e-11;

class NormIdentity : public tests::NormPlaceTest {
 protected:
  /// The results of one forward and backward, with the sets of elements that share statistics.
  struct Run {
    Values x, y, gy, gx;
    std::vector<SetOf> sets;
  };

  void SetUp() override {
    const std::unique_ptr<Module> norm = plain();
    elements_ = tests::find_sets(*norm, input());
    eps_ = tests::printed_eps(*norm);
  }

  Values forward(const Tensor& x) const { return bits((*plain())(x)); }
  /// Without parameters, so y is xhat.
  Values backward(const Tensor& x, const Tensor& gy) const {
    Tensor leaf = x.detach().requires_grad_();
    return bits(grad({(*plain())(leaf)}, {leaf}, {gy})[0]);
  }
  Run run(const Tensor& x, const Tensor& gy) const {
    Run r{bits(x), forward(x), bits(gy), backward(x, gy), {}};
    for (const Elements& set : elements_) {
      r.sets.emplace_back(set, r.x, entry().centers, eps_);
    }
    return r;
  }
  /// Calls f for inputs whose variance is far above eps, and for one whose variance is about eps.
  template <class F>
  void for_each_run(const F& f) const {
    for (const auto& [mean, sigma] : {std::pair{3.0, 0.2}, std::pair{0.0, 0.003}}) {
      SCOPED_TRACE(sigma);
      f(run(input(1, kFloat64, mean, sigma), gradient()));
    }
  }
  Tensor tensor_of(const Values& values) const { return from_vector(values, shape()); }
  /// Expands a number per set to a tensor of x's shape.
  template <class F>
  Tensor per_set(const F& f) const {
    Values values(static_cast<std::size_t>(shape().numel()));
    for (std::size_t s = 0; s < elements_.size(); ++s) {
      for (const std::size_t i : elements_[s]) {
        values[i] = f(s);
      }
    }
    return tensor_of(values);
  }
  std::size_t channel_of(std::size_t i) const {
    const auto positions = static_cast<std::size_t>(shape().numel()) / (3 * kChannels);
    return i / positions % kChannels;
  }

  std::vector<Elements> elements_;
  double eps_ = 0.0;
};

INSTANTIATE_TEST_SUITE_P(Registry, NormIdentity, testing::ValuesIn(tests::standardizing_places()), tests::place_name);

#define EXPECT_SUM(sum, expected)                                              \
  EXPECT_NEAR(static_cast<double>((sum).value), static_cast<double>(expected), \
              kRounding* static_cast<double>((sum).size))

TEST_P(NormIdentity, N01_MeanIsZeroAndVarianceIsRho) {
  for_each_run([&](const Run& r) {
    for (const SetOf& set : r.sets) {
      if (entry().centers) {
        EXPECT_SUM(set.sum(r.y), 0.0);
      }
      EXPECT_SUM(set.dot(r.y, r.y), set.m * set.rho);
    }
  });
}

TEST_P(NormIdentity, N02_NoValueIsBeyondTheRootOfTheCount) {
  const auto bound = [&](const SetOf& set) { return std::sqrt(set.m - (entry().centers ? 1.0L : 0.0L)); };
  for_each_run([&](const Run& r) {
    for (const SetOf& set : r.sets) {
      for (const std::size_t i : set.members) {
        EXPECT_LE(std::fabs(r.y[i]), bound(set));
      }
    }
  });
  // One outlier among equal values attains the bound.
  Values outliers(static_cast<std::size_t>(shape().numel()), 0.0);
  for (const Elements& set : elements_) {
    outliers[set.back()] = 1e6;
  }
  const Run r = run(tensor_of(outliers), gradient());
  for (const SetOf& set : r.sets) {
    const auto at_most = static_cast<double>(bound(set));
    EXPECT_LE(r.y[set.members.back()], at_most * (1 + 1e-14));
    EXPECT_GE(r.y[set.members.back()], at_most * (1 - 1e-8));
  }
}

TEST_P(NormIdentity, N03_AShiftOfEachSetChangesNothing) {
  const Tensor x = input();
  const Tensor shifted = x + per_set([](std::size_t s) { return 7.0 + static_cast<double>(s % 5); });
  if (entry().centers) {
    EXPECT_LE(distance(tensor_of(forward(shifted)), tensor_of(forward(x))), kRounding);
  } else {
    EXPECT_GT(distance(tensor_of(forward(shifted)), tensor_of(forward(x))), 1e-3);
  }
}

TEST_P(NormIdentity, N04_AScaleIsItsSignAndASmallerEps) {
  // N_eps(a x) = sign(a) N_{eps / a^2}(x), and N with another eps is y s / sqrt(v + eps / a^2).
  for_each_run([&](const Run& r) {
    for (const double a : {-3.0, 0.01, 100.0}) {
      const Values scaled = forward(tensor_of(r.x) * a);
      for (const SetOf& set : r.sets) {
        const long double factor = std::copysign(set.s / std::sqrt(set.v + set.eps / (a * a)), a);
        for (const std::size_t i : set.members) {
          ASSERT_NEAR(scaled[i], static_cast<double>(factor) * r.y[i], kRounding);
        }
      }
    }
  });
}

TEST_P(NormIdentity, N05_TheSecondPassDividesByTheRootOfRhoAndEps) {
  for_each_run([&](const Run& r) {
    const Values twice = forward(tensor_of(r.y));
    for (const SetOf& set : r.sets) {
      for (const std::size_t i : set.members) {
        ASSERT_NEAR(twice[i], r.y[i] / static_cast<double>(std::sqrt(set.rho + set.eps)), kRounding);
      }
    }
  });
}

TEST_P(NormIdentity, N09_IsOdd) {
  EXPECT_LE(distance(tensor_of(forward(-input())), -tensor_of(forward(input()))), 1e-13);
}

TEST_P(NormIdentity, N12_TheGradientOfEachSetSumsToZero) {
  for_each_run([&](const Run& r) {
    for (const SetOf& set : r.sets) {
      const Sum sum = set.sum(r.gx);
      if (entry().centers) {
        EXPECT_SUM(sum, 0.0);
      } else {
        EXPECT_GT(std::fabs(sum.value), 1e-5L * sum.size);
      }
    }
  });
}

TEST_P(NormIdentity, N13_TheGradientAlongTheResultIsOfTheOrderOfEps) {
  for_each_run([&](const Run& r) {
    for (const SetOf& set : r.sets) {
      EXPECT_SUM(set.dot(r.gx, r.y), set.eps / (set.s * set.s * set.s) * set.dot(r.gy, r.y).value);
    }
  });
}

TEST_P(NormIdentity, N14_Energy) {
  for_each_run([&](const Run& r) {
    for (const SetOf& set : r.sets) {
      const long double mean = entry().centers ? set.sum(r.gy).value / set.m : 0.0L;
      const long double c = set.dot(r.gy, r.y).value / set.m;
      const long double g2 = set.dot(r.gy, r.gy).value;
      const long double gx2 = set.dot(r.gx, r.gx).value;
      const long double expected = g2 - set.m * mean * mean - set.m * c * c * (2 - set.rho);
      EXPECT_NEAR(static_cast<double>(set.s * set.s * gx2), static_cast<double>(expected),
                  kRounding * static_cast<double>(g2));
      EXPECT_LE(std::sqrt(gx2), std::sqrt(g2) / set.s);
    }
  });
}

TEST_P(NormIdentity, N15_TheJacobianIsSymmetricAndIsTheDerivative) {
  const Tensor x = input();
  const Tensor u = gradient(kFloat64, 21);
  const Tensor w = gradient(kFloat64, 22);
  const auto dot = [](const Values& a, const Values& b) {
    Sum sum;
    for (std::size_t i = 0; i < a.size(); ++i) {
      sum.add(static_cast<long double>(a[i]) * static_cast<long double>(b[i]));
    }
    return sum;
  };
  const Sum along_w = dot(backward(x, u), bits(w));
  EXPECT_SUM(dot(bits(u), backward(x, w)), along_w.value);
  // <J u, w> from a central difference along u, where J u is of order 5.
  const double h = 1e-6;
  const Tensor difference = (tensor_of(forward(x + u * h)) - tensor_of(forward(x - u * h))) / (2 * h);
  const Sum numeric = dot(bits(difference), bits(w));
  EXPECT_NEAR(static_cast<double>(numeric.value), static_cast<double>(along_w.value),
              1e-7 * static_cast<double>(numeric.size));
}

TEST_P(NormIdentity, N16_TheBackwardIsLinearAndKnowsTwoOfItsDirections) {
  for_each_run([&](const Run& r) {
    const Tensor x = tensor_of(r.x);
    const Tensor u = gradient(kFloat64, 21);
    const Tensor w = gradient(kFloat64, 22);
    const Tensor both = tensor_of(backward(x, u)) * 2.0 - tensor_of(backward(x, w)) * 3.0;
    EXPECT_LE(distance(tensor_of(backward(x, u * 2.0 - w * 3.0)), both), kRounding * largest(both));
    // A constant gradient gives 0, and the gradient xhat gives xhat eps / s^3.
    const Tensor constant =
        tensor_of(backward(x, per_set([](std::size_t s) { return 1.0 + static_cast<double>(s % 3); })));
    const Values along = backward(x, tensor_of(r.y));
    for (const SetOf& set : r.sets) {
      for (const std::size_t i : set.members) {
        ASSERT_NEAR(along[i], r.y[i] * static_cast<double>(set.eps / (set.s * set.s * set.s)),
                    kRounding / static_cast<double>(set.s));
      }
    }
    if (entry().centers) {
      EXPECT_LE(largest(constant), kRounding * largest(both));
    } else {
      EXPECT_GT(largest(constant), 1e-3);
    }
  });
}

TEST_P(NormIdentity, N17_TheGradientsOfWeightAndBiasAreTwoSums) {
  const auto norm = make();
  const Tensor x = input();
  const Tensor gy = gradient();
  const Values xhat = forward(x);
  const Values upstream = bits(gy);
  for (const auto& [name, parameter] : norm->named_parameters()) {
    const Values actual = bits(grad({(*norm)(x)}, {parameter}, {gy})[0]);
    std::vector<Sum> expected(actual.size());
    ASSERT_EQ(actual.size(), static_cast<std::size_t>(kChannels));
    for (std::size_t i = 0; i < xhat.size(); ++i) {
      expected[channel_of(i)].add(name == "weight" ? upstream[i] * xhat[i] : upstream[i]);
    }
    for (std::size_t c = 0; c < actual.size(); ++c) {
      EXPECT_NEAR(actual[c], static_cast<double>(expected[c].value), kRounding * static_cast<double>(expected[c].size))
          << name << c;
    }
  }
}

TEST_P(NormIdentity, N42_LargeMeansAndOutliersInFloat32) {
  const auto norm = plain(kFloat32);
  const Tensor x = input(1, kFloat32, 2000.0, 1.0);
  const Values y = bits((*norm)(x));
  for (const Elements& members : elements_) {
    const SetOf set(members, bits(x), entry().centers, eps_);
    EXPECT_LE(std::fabs(set.sum(y).value / set.m), entry().centers ? 1e-5L : 2.0L);
    EXPECT_NEAR(static_cast<double>(set.dot(y, y).value / set.m), static_cast<double>(set.rho), 1e-5);
  }
  Tensor outlier = zeros(shape());
  outlier.mutable_data<float>()[3] = 1e18F;
  const Tensor of_outlier = (*plain(kFloat32))(outlier);
  EXPECT_TRUE(std::isfinite(largest(of_outlier)));
  // sqrt(m) may round up to a float32.
  EXPECT_LE(largest(of_outlier), std::sqrt(static_cast<double>(elements_.front().size())) * (1 + 6e-8));
}

TEST_P(NormIdentity, N43_TheFusedGradientIsThatOfTheComposedFormula) {
  // Mean and variance by a matrix with 1/m for elements of the same set.
  const std::int64_t n = shape().numel();
  Values matrix(static_cast<std::size_t>(n * n), 0.0);
  for (const Elements& set : elements_) {
    for (const std::size_t i : set) {
      for (const std::size_t j : set) {
        matrix[i * static_cast<std::size_t>(n) + j] = 1.0 / static_cast<double>(set.size());
      }
    }
  }
  const Tensor averages = from_vector(matrix, {n, n});
  for_each_run([&](const Run& r) {
    Tensor x = from_vector(r.x, {n, 1}).requires_grad_();
    const Tensor d = entry().centers ? x - matmul(averages, x) : x * 1.0;
    const Tensor y = d / (matmul(averages, d * d) + eps_).sqrt();
    const Tensor gx = grad({y}, {x}, {from_vector(r.gy, {n, 1})})[0];
    EXPECT_LE(distance(from_vector(r.y, {n, 1}), y), 1e-12 * largest(y));
    EXPECT_LE(distance(from_vector(r.gx, {n, 1}), gx), 1e-12 * largest(gx));
  });
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
