#include "normgrad/core/kernels/gemm/linear.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "tests/support/simd_levels.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/kernels/elementwise/unary.hpp"
#include "normgrad/core/kernels/gemm/gemm.hpp"
#include "normgrad/core/simd/dispatch.hpp"

namespace normgrad::kernels {
namespace NORMGRAD_TEST_FILE {

using tests::random_values;

struct Case {
  std::int64_t rows, in, out;
};
// Split and not split, a bias shorter than a register, and no rows at all.
constexpr Case kCases[] = {{60, 784, 100}, {60, 100, 100}, {240, 100, 100}, {60, 100, 10}, {1, 3, 2},
                           {7, 5, 33},     {300, 20, 130}, {2, 900, 260},   {0, 4, 3},     {130, 1, 50}};

template <class T>
struct Gradients {
  std::vector<T> gx, gw, gb;
  friend bool operator==(const Gradients&, const Gradients&) = default;
};

template <class T>
struct Given {
  Case c;
  std::vector<T> gy = random_values<T>(c.rows * c.out, 1);
  std::vector<T> x = random_values<T>(c.rows * c.in, 2);
  std::vector<T> w = random_values<T>(c.out * c.in, 3);

  // The requested gradients; the others are empty.
  Gradients<T> backward(bool with_gx = true, bool with_gw = true, bool with_gb = true,
                        std::optional<UnaryGrad> f = {}) const {
    const T nan = std::numeric_limits<T>::quiet_NaN();
    Gradients<T> g;
    g.gx.assign(with_gx ? static_cast<std::size_t>(c.rows * c.in) : 0, nan);
    g.gw.assign(with_gw ? static_cast<std::size_t>(c.out * c.in) : 0, nan);
    g.gb.assign(with_gb ? static_cast<std::size_t>(c.out) : 0, nan);
    linear_backward<T>({c.rows, c.in, c.out, gy.data(), with_gw || f ? x.data() : nullptr, with_gx ? w.data() : nullptr,
                        with_gx ? g.gx.data() : nullptr, with_gw ? g.gw.data() : nullptr,
                        with_gb ? g.gb.data() : nullptr, f});
    return g;
  }
};

// A sum in double, and the sum of absolute terms.
template <class F>
void expect_sum(double got, std::int64_t terms, double epsilon, F term, const char* what) {
  double sum = 0.0;
  double size = 0.0;
  for (std::int64_t p = 0; p < terms; ++p) {
    sum += term(p);
    size += std::abs(term(p));
  }
  // The rounding error of a sum of k terms is below (k + 2) ulp of the sum of absolute terms.
  ASSERT_NEAR(got, sum, static_cast<double>(terms + 2) * epsilon * size) << what;
}

template <class T>
void expect_sums(const Given<T>& given, const Gradients<T>& g) {
  const std::int64_t rows = given.c.rows;  // in clang 14, lambdas cannot capture structured bindings
  const std::int64_t in = given.c.in;
  const std::int64_t out = given.c.out;
  const double epsilon = static_cast<double>(std::numeric_limits<T>::epsilon());
  const auto at = [](const std::vector<T>& v, std::int64_t i) {
    return static_cast<double>(v[static_cast<std::size_t>(i)]);
  };
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t i = 0; i < in; ++i) {
      expect_sum(
          at(g.gx, r * in + i), out, epsilon,
          [&](std::int64_t o) { return at(given.gy, r * out + o) * at(given.w, o * in + i); }, "gx");
    }
  }
  for (std::int64_t o = 0; o < out; ++o) {
    for (std::int64_t i = 0; i < in; ++i) {
      expect_sum(
          at(g.gw, o * in + i), rows, epsilon,
          [&](std::int64_t r) { return at(given.gy, r * out + o) * at(given.x, r * in + i); }, "gw");
    }
    expect_sum(
        at(g.gb, o), rows, epsilon, [&](std::int64_t r) { return at(given.gy, r * out + o); }, "gb");
  }
}

template <class T>
class LinearBackwardTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(LinearBackwardTest, Types);

TYPED_TEST(LinearBackwardTest, EqualsTheNaiveSumsForEveryInstructionSet) {
  for (const SimdLevel level : tests::supported_levels()) {
    const tests::UsedSimdLevel used(level);
    for (const Case& c : kCases) {
      SCOPED_TRACE(testing::Message() << simd_name(level) << ' ' << c.rows << 'x' << c.in << 'x' << c.out);
      const Given<TypeParam> given{c};
      expect_sums(given, given.backward());
    }
  }
}

TYPED_TEST(LinearBackwardTest, LeavesOutWhatIsNotAskedFor) {
  for (const Case& c : kCases) {
    const Given<TypeParam> given{c};
    const Gradients<TypeParam> all = given.backward();
    for (int asked = 0; asked < 7; ++asked) {
      SCOPED_TRACE(testing::Message() << c.rows << 'x' << c.in << 'x' << c.out << " asked for " << asked);
      const Gradients<TypeParam> some = given.backward((asked & 1) != 0, (asked & 2) != 0, (asked & 4) != 0);
      EXPECT_EQ(some.gx, (asked & 1) != 0 ? all.gx : std::vector<TypeParam>());
      EXPECT_EQ(some.gw, (asked & 2) != 0 ? all.gw : std::vector<TypeParam>());
      if ((asked & 6) == 6 || (asked & 4) == 0) {
        EXPECT_EQ(some.gb, (asked & 4) != 0 ? all.gb : std::vector<TypeParam>());
      }
    }
  }
}

TYPED_TEST(LinearBackwardTest, SameBitsForAnyNumberOfThreads) {
  const int before = get_num_threads();
  for (const Case& c : kCases) {
    const Given<TypeParam> given{c};
    set_num_threads(1);
    const Gradients<TypeParam> expected = given.backward();
    for (const int threads : {2, 3, 4}) {
      set_num_threads(threads);
      EXPECT_TRUE(given.backward() == expected)
          << c.rows << 'x' << c.in << 'x' << c.out << " with " << threads << " threads";
    }
  }
  set_num_threads(before);
}

// With the derivative of the preceding activation: equals unary_grad() of the gradient without it.
TYPED_TEST(LinearBackwardTest, AppliesTheSlopeOfWhatGaveItsInput) {
  using T = TypeParam;
  const int before = get_num_threads();
  for (const Case& c : kCases) {
    const Given<T> given{c};
    for (const UnaryGrad f : {UnaryGrad::relu, UnaryGrad::sigmoid, UnaryGrad::tanh}) {
      for (const bool with_gw : {false, true}) {
        Gradients<T> expected = given.backward(true, with_gw, true);
        unary_grad(f, {}, given.x.data(), expected.gx.data(), expected.gx.data(), c.rows * c.in);
        for (const int threads : {1, 2, 4}) {
          set_num_threads(threads);
          EXPECT_TRUE(given.backward(true, with_gw, true, f) == expected)
              << c.rows << 'x' << c.in << 'x' << c.out << " with " << threads << " threads";
        }
        set_num_threads(before);
      }
    }
  }
}

template <class T>
class ActivatedLinearTest : public testing::Test {};
TYPED_TEST_SUITE(ActivatedLinearTest, Types);

TYPED_TEST(ActivatedLinearTest, EqualsTheTwoOneAfterTheOther) {
  using T = TypeParam;
  const int before = get_num_threads();
  for (const Case& c : kCases) {
    const auto z = random_values<T>(c.rows * c.in, 1);
    const auto w = random_values<T>(c.out * c.in, 2);
    const auto b = random_values<T>(c.out, 3);
    for (const UnaryOp f : {UnaryOp::relu, UnaryOp::sigmoid, UnaryOp::tanh}) {
      for (const bool biased : {false, true}) {
        std::vector<T> h(z.size());
        std::vector<T> y(static_cast<std::size_t>(c.rows * c.out));
        unary(f, {}, z.data(), h.data(), c.rows * c.in);
        const GemmShape shape = GemmShape::dense(false, true, c.rows, c.out, c.in);
        if (biased) {
          gemm_plus_row(shape, h.data(), w.data(), b.data(), y.data());
        } else {
          gemm(shape, T(1), h.data(), w.data(), T(0), y.data());
        }
        for (const int threads : {1, 2, 3, 4}) {
          set_num_threads(threads);
          const T nan = std::numeric_limits<T>::quiet_NaN();
          std::vector<T> own_h(h.size(), nan);
          std::vector<T> own_y(y.size(), nan);
          activated_linear<T>(
              {f, c.rows, c.in, c.out, z.data(), w.data(), biased ? b.data() : nullptr, own_h.data(), own_y.data()});
          EXPECT_EQ(own_h, h) << threads << " threads";
          EXPECT_EQ(own_y, y) << c.rows << 'x' << c.in << 'x' << c.out << " with " << threads << " threads";
        }
        set_num_threads(before);
      }
    }
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad::kernels
