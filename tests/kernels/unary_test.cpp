#include "normgrad/core/kernels/elementwise/unary.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

#include "tests/support/simd_levels.hpp"

namespace normgrad::kernels {
namespace NORMGRAD_TEST_FILE {

using tests::supported_levels;
using tests::UsedSimdLevel;

constexpr long double kRootHalf = 0.70710678118654752440084436210484904L;
constexpr long double kDensity = 0.39894228040143267793994605993438187L;

using Exact = long double (*)(long double);

// Each function with its range and its maximum error in units in the last place; below the smallest normal number, the
// error is relative to that number.
struct Function {
  const char* name;
  UnaryOp op;
  UnaryParams params;
  Exact exact;
  double low, high;     // range of float64 arguments
  float low_f, high_f;  // range of float32 arguments
  double ulps;
};

const Function kFunctions[] = {
    {"neg", UnaryOp::neg, {}, [](long double x) { return -x; }, -1e30, 1e30, -1e30F, 1e30F, 0.0},
    {"abs", UnaryOp::abs, {}, [](long double x) { return std::abs(x); }, -1e30, 1e30, -1e30F, 1e30F, 0.0},
    {"square", UnaryOp::square, {}, [](long double x) { return x * x; }, -1e9, 1e9, -1e9F, 1e9F, 0.5},
    {"sqrt", UnaryOp::sqrt, {}, [](long double x) { return std::sqrt(x); }, 0, 1e30, 0, 1e30F, 0.5},
    {"rsqrt", UnaryOp::rsqrt, {}, [](long double x) { return 1 / std::sqrt(x); }, 1e-30, 1e30, 1e-30F, 1e30F, 1.5},
    {"exp", UnaryOp::exp, {}, [](long double x) { return std::exp(x); }, -750, 709.78, -105, 88.72F, 1.0},
    {"log", UnaryOp::log, {}, [](long double x) { return std::log(x); }, 0, 1e30, 0, 1e30F, 1.0},
    {"sin", UnaryOp::sin, {}, [](long double x) { return std::sin(x); }, -1e4, 1e4, -1e6F, 1e6F, 1.6},
    {"cos", UnaryOp::cos, {}, [](long double x) { return std::cos(x); }, -1e4, 1e4, -1e6F, 1e6F, 1.6},
    {"erf", UnaryOp::erf, {}, [](long double x) { return std::erf(x); }, -7, 7, -5, 5, 2.5},
    {"tanh", UnaryOp::tanh, {}, [](long double x) { return std::tanh(x); }, -22, 22, -11, 11, 2.0},
    {"sigmoid", UnaryOp::sigmoid, {}, [](long double x) { return 1 / (1 + std::exp(-x)); }, -740, 60, -100, 60, 2.5},
    {"silu", UnaryOp::silu, {}, [](long double x) { return x / (1 + std::exp(-x)); }, -700, 60, -85, 60, 3.5},
    {"elu", UnaryOp::elu, {1, 1}, [](long double x) { return x > 0 ? x : std::expm1(x); }, -50, 10, -50, 10, 2.5},
    {"gelu", UnaryOp::gelu, {}, [](long double x) { return x / 2 * std::erfc(-x * kRootHalf); }, -36, 36, -12, 12, 7.0},
    {"softplus",
     UnaryOp::softplus,
     {1, 30},
     [](long double x) { return std::log1p(std::exp(x)); },
     -700,
     30,
     -85,
     30,
     2.0},
};

template <class T>
double ulps_off(T got, long double want) {
  const long double scale = std::max<long double>(std::abs(want), std::numeric_limits<T>::min());
  int exponent = 0;
  std::frexp(scale, &exponent);
  return static_cast<double>(std::abs(got - want) / std::ldexp(1.0L, exponent - std::numeric_limits<T>::digits));
}

// Uniform over the range, and logarithmic towards 0.
template <class T>
std::vector<T> arguments(double low, double high) {
  std::mt19937_64 engine(1);
  std::vector<T> x;
  std::uniform_real_distribution<double> even(low, high);
  std::uniform_real_distribution<double> power(sizeof(T) == 4 ? -100.0 : -740.0, std::log(high));
  for (int i = 0; i < 20000; ++i) {
    x.push_back(static_cast<T>(even(engine)));
    const T small = static_cast<T>(std::exp(power(engine)));
    x.push_back(low < 0 && i % 2 == 0 && -small >= static_cast<T>(low) ? -small : std::max(small, static_cast<T>(low)));
  }
  return x;
}

template <class T>
void check_accuracy(const Function& f) {
  const std::vector<T> x = sizeof(T) == 4 ? arguments<T>(static_cast<double>(f.low_f), static_cast<double>(f.high_f))
                                          : arguments<T>(f.low, f.high);
  std::vector<T> y(x.size());
  unary(f.op, f.params, x.data(), y.data(), static_cast<std::int64_t>(x.size()));
  double worst = 0.0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double off = ulps_off(y[i], f.exact(x[i]));
    if (!(off <= worst)) {
      worst = off;
      at = i;
    }
  }
  EXPECT_LE(worst, f.ulps) << f.name << "(" << x[at] << ") = " << y[at] << " on " << simd_name(simd_level());
}

TEST(UnaryKernelTest, IsAccurateToTheLastDigits) {
  for (const SimdLevel level : supported_levels()) {
    const UsedSimdLevel used(level);
    for (const Function& f : kFunctions) {
      check_accuracy<float>(f);
      check_accuracy<double>(f);
    }
  }
}

// Next to the zeros of both, and beyond the range of the vectors, among numbers within it.
TEST(UnaryKernelTest, SineAndCosineOfAnyNumber) {
  std::vector<float> x;
  for (int quarters = 1; quarters < 700000; quarters += 997) {
    x.push_back(static_cast<float>(quarters * 1.57079632679489661923));
  }
  for (const float limit : {1048576.0F, 1e10F, 3e38F}) {
    x.insert(x.end(), {std::nextafter(limit, 0.0F), -limit, 0.5F, std::nextafter(limit, INFINITY), -2.5F});
  }
  std::vector<float> y(x.size());
  for (const SimdLevel level : supported_levels()) {
    const UsedSimdLevel used(level);
    for (const bool cosine : {false, true}) {
      unary(cosine ? UnaryOp::cos : UnaryOp::sin, {}, x.data(), y.data(), static_cast<std::int64_t>(x.size()));
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double exact = cosine ? std::cos(static_cast<double>(x[i])) : std::sin(static_cast<double>(x[i]));
        EXPECT_LE(ulps_off(y[i], exact), 1.6) << (cosine ? "cos " : "sin ") << x[i] << " on " << simd_name(level);
      }
    }
  }
  float infinite = INFINITY;
  unary(UnaryOp::sin, {}, &infinite, &infinite, 1);
  EXPECT_TRUE(std::isnan(infinite));
}

const UnaryOp kAllOps[] = {UnaryOp::neg,  UnaryOp::abs,     UnaryOp::sign,       UnaryOp::exp,      UnaryOp::log,
                           UnaryOp::sqrt, UnaryOp::rsqrt,   UnaryOp::square,     UnaryOp::sin,      UnaryOp::cos,
                           UnaryOp::erf,  UnaryOp::relu,    UnaryOp::leaky_relu, UnaryOp::elu,      UnaryOp::gelu,
                           UnaryOp::silu, UnaryOp::sigmoid, UnaryOp::tanh,       UnaryOp::softplus, UnaryOp::clamp};
const UnaryGrad kAllGrads[] = {UnaryGrad::abs,  UnaryGrad::sqrt, UnaryGrad::rsqrt,      UnaryGrad::square,
                               UnaryGrad::relu, UnaryGrad::elu,  UnaryGrad::leaky_relu, UnaryGrad::gelu,
                               UnaryGrad::silu, UnaryGrad::tanh, UnaryGrad::sigmoid,    UnaryGrad::softplus,
                               UnaryGrad::clamp};
const UnaryParams kParams{0.3, 0.8};

template <class T>
bool same_bits(T a, T b) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  return std::bit_cast<Bits>(a) == std::bit_cast<Bits>(b);
}

// For every length and offset, each element has the same result as alone, and nothing else is changed.
template <class T, class F>
void check_every_length(F f) {
  std::mt19937 engine(2);
  std::normal_distribution<double> normal(0.0, 2.0);
  std::vector<T> x(80);
  for (T& v : x) {
    v = static_cast<T>(normal(engine));
  }
  std::vector<T> alone(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    f(&x[i], &alone[i], 1);
  }
  for (std::size_t n = 0; n <= 67; ++n) {
    for (std::size_t offset = 0; offset < 4; ++offset) {
      std::vector<T> y(x.size(), T(-77));
      f(x.data() + offset, y.data() + offset, static_cast<std::int64_t>(n));
      for (std::size_t i = 0; i < y.size(); ++i) {
        const bool inside = i >= offset && i < offset + n;
        const T want = inside ? alone[i] : T(-77);
        ASSERT_TRUE(same_bits(y[i], want) || (y[i] != y[i] && want != want)) << "n " << n << " offset " << offset;
      }
    }
  }
}

TEST(UnaryKernelTest, AnElementsResultDoesNotDependOnItsPlace) {
  for (const SimdLevel level : supported_levels()) {
    const UsedSimdLevel used(level);
    for (const UnaryOp op : kAllOps) {
      SCOPED_TRACE(testing::Message() << "op " << static_cast<int>(op) << " on " << simd_name(level));
      check_every_length<float>([op](const float* x, float* y, std::int64_t n) { unary(op, kParams, x, y, n); });
      check_every_length<double>([op](const double* x, double* y, std::int64_t n) { unary(op, kParams, x, y, n); });
    }
  }
}

TEST(UnaryGradKernelTest, AnElementsResultDoesNotDependOnItsPlace) {
  for (const SimdLevel level : supported_levels()) {
    const UsedSimdLevel used(level);
    for (const UnaryGrad op : kAllGrads) {
      SCOPED_TRACE(testing::Message() << "op " << static_cast<int>(op) << " on " << simd_name(level));
      check_every_length<float>(
          [op](const float* x, float* y, std::int64_t n) { unary_grad(op, kParams, x, x, y, n); });
      check_every_length<double>(
          [op](const double* x, double* y, std::int64_t n) { unary_grad(op, kParams, x, x, y, n); });
    }
  }
}

template <class T>
T one_value(UnaryOp op, T x, UnaryParams params = kParams) {
  T y = T(-77);
  unary(op, params, &x, &y, 1);
  return y;
}

template <class T>
void check_special_values() {
  constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
  constexpr T kInf = std::numeric_limits<T>::infinity();
  for (const UnaryOp op : kAllOps) {
    if (op != UnaryOp::sign) {
      EXPECT_TRUE(std::isnan(one_value(op, kNan))) << static_cast<int>(op);
    }
  }
  EXPECT_EQ(one_value(UnaryOp::sign, T(-2)), T(-1));
  EXPECT_EQ(one_value(UnaryOp::sign, T(0)), T(0));
  EXPECT_EQ(one_value(UnaryOp::sign, kInf), T(1));
  EXPECT_EQ(one_value(UnaryOp::exp, kInf), kInf);
  EXPECT_EQ(one_value(UnaryOp::exp, -kInf), T(0));
  EXPECT_EQ(one_value(UnaryOp::exp, T(0)), T(1));
  EXPECT_EQ(one_value(UnaryOp::log, T(0)), -kInf);
  EXPECT_EQ(one_value(UnaryOp::log, kInf), kInf);
  EXPECT_TRUE(std::isnan(one_value(UnaryOp::log, T(-1))));
  EXPECT_TRUE(std::isnan(one_value(UnaryOp::sqrt, T(-1))));
  EXPECT_EQ(one_value(UnaryOp::rsqrt, T(0)), kInf);
  EXPECT_EQ(one_value(UnaryOp::relu, kInf), kInf);
  EXPECT_EQ(one_value(UnaryOp::relu, -kInf), T(0));
  EXPECT_FALSE(std::signbit(one_value(UnaryOp::relu, -T(0))));
  EXPECT_EQ(one_value(UnaryOp::erf, kInf), T(1));
  EXPECT_EQ(one_value(UnaryOp::erf, -kInf), T(-1));
  EXPECT_EQ(one_value(UnaryOp::erf, std::numeric_limits<T>::max()), T(1));
  EXPECT_EQ(one_value(UnaryOp::tanh, kInf), T(1));
  EXPECT_EQ(one_value(UnaryOp::tanh, -kInf), T(-1));
  EXPECT_EQ(one_value(UnaryOp::sigmoid, kInf), T(1));
  EXPECT_EQ(one_value(UnaryOp::sigmoid, -kInf), T(0));
  EXPECT_EQ(one_value(UnaryOp::elu, -kInf, {1.0, 1.0}), T(-1));
  EXPECT_EQ(one_value(UnaryOp::elu, kInf, {1.0, 1.0}), kInf);
  EXPECT_EQ(one_value(UnaryOp::gelu, kInf), kInf);
  EXPECT_EQ(one_value(UnaryOp::gelu, std::numeric_limits<T>::max()), std::numeric_limits<T>::max());
  EXPECT_EQ(one_value(UnaryOp::softplus, kInf, {1.0, 20.0}), kInf);
  EXPECT_EQ(one_value(UnaryOp::softplus, -kInf, {1.0, 20.0}), T(0));
  EXPECT_EQ(one_value(UnaryOp::clamp, kInf), static_cast<T>(kParams.q));
  EXPECT_EQ(one_value(UnaryOp::clamp, -kInf), static_cast<T>(kParams.p));
}

TEST(UnaryKernelTest, NanPassesThroughAndInfinityHasItsLimit) {
  for (const SimdLevel level : supported_levels()) {
    const UsedSimdLevel used(level);
    SCOPED_TRACE(simd_name(level));
    check_special_values<float>();
    check_special_values<double>();
  }
}

struct Derivative {
  const char* name;
  UnaryGrad op;
  UnaryParams params;
  Exact saved;  // the kernel's input, from x
  Exact exact;
};

long double same(long double x) { return x; }
long double sigmoid(long double x) { return 1 / (1 + std::exp(-x)); }

const Derivative kDerivatives[] = {
    {"abs", UnaryGrad::abs, {}, same, [](long double x) { return x > 0 ? 1.0L : -1.0L; }},
    {"square", UnaryGrad::square, {}, same, [](long double x) { return 2 * x; }},
    {"relu",
     UnaryGrad::relu,
     {},
     [](long double x) { return std::max(x, 0.0L); },
     [](long double x) { return x > 0 ? 1.0L : 0.0L; }},
    {"leaky_relu", UnaryGrad::leaky_relu, {0.2}, same, [](long double x) { return x > 0 ? 1.0L : 0.2L; }},
    {"elu", UnaryGrad::elu, {1.5, 2.0}, same, [](long double x) { return 2 * (x > 0 ? 1 : 1.5L * std::exp(x)); }},
    {"gelu",
     UnaryGrad::gelu,
     {},
     same,
     [](long double x) { return std::erfc(-x * kRootHalf) / 2 + x * kDensity * std::exp(-x * x / 2); }},
    {"silu", UnaryGrad::silu, {}, same, [](long double x) { return sigmoid(x) * (1 + x * (1 - sigmoid(x))); }},
    {"sigmoid", UnaryGrad::sigmoid, {}, sigmoid, [](long double x) { return sigmoid(x) * sigmoid(-x); }},
    {"tanh",
     UnaryGrad::tanh,
     {},
     [](long double x) { return std::tanh(x); },
     [](long double x) { return 1 - std::tanh(x) * std::tanh(x); }},
    {"softplus", UnaryGrad::softplus, {2.0, 5.0}, same, [](long double x) { return 2 * x > 5 ? 1 : sigmoid(2 * x); }},
    {"clamp",
     UnaryGrad::clamp,
     {-0.5, 0.75},
     same,
     [](long double x) { return x >= -0.5L && x <= 0.75L ? 1.0L : 0.0L; }},
};

template <class T>
void check_derivative(const Derivative& d) {
  std::mt19937 engine(3);
  std::normal_distribution<double> normal(0.0, 2.0);
  std::vector<T> saved, gy, want;
  for (int i = 0; i < 1000; ++i) {
    const T x = static_cast<T>(normal(engine));
    gy.push_back(static_cast<T>(normal(engine)));
    saved.push_back(static_cast<T>(d.saved(x)));
    want.push_back(static_cast<T>(d.exact(x) * gy.back()));
  }
  std::vector<T> gx(saved.size());
  unary_grad(d.op, d.params, saved.data(), gy.data(), gx.data(), 1000);
  for (std::size_t i = 0; i < gx.size(); ++i) {
    // 1 - y loses the digits of a y that was rounded when saved: an absolute error of the size of gy
    EXPECT_NEAR(gx[i], want[i], 8 * std::numeric_limits<T>::epsilon() * std::max(T(1), std::abs(gy[i]))) << d.name;
  }
}

TEST(UnaryGradKernelTest, IsTheDerivative) {
  for (const SimdLevel level : supported_levels()) {
    const UsedSimdLevel used(level);
    for (const Derivative& d : kDerivatives) {
      check_derivative<float>(d);
      check_derivative<double>(d);
    }
  }
}

TEST(UnaryGradKernelTest, RootsHaveTheirDerivatives) {
  const double y[] = {2.0, 0.5};
  const double gy[] = {3.0, -1.0};
  double gx[2];
  unary_grad(UnaryGrad::sqrt, {}, y, gy, gx, 2);  // gy / (2 y)
  EXPECT_DOUBLE_EQ(gx[0], 0.75);
  EXPECT_DOUBLE_EQ(gx[1], -1.0);
  unary_grad(UnaryGrad::rsqrt, {}, y, gy, gx, 2);  // -gy y^3 / 2
  EXPECT_DOUBLE_EQ(gx[0], -12.0);
  EXPECT_DOUBLE_EQ(gx[1], 0.0625);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad::kernels
