#include "normgrad/core/kernels/linear.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/values.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/base/simd.hpp"

namespace normgrad::kernels {
namespace {

using test::random_values;

struct Case {
  std::int64_t rows, in, out;
};
// Cut into pieces and not, a bias shorter than a register, and no rows at all.
constexpr Case kCases[] = {{60, 784, 100}, {60, 100, 100}, {60, 100, 10}, {1, 3, 2},   {7, 5, 33},
                           {300, 20, 130}, {2, 900, 260},  {0, 4, 3},     {130, 1, 50}};

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

  // Those asked for; the others stay empty.
  Gradients<T> backward(bool with_gx = true, bool with_gw = true, bool with_gb = true) const {
    const T nan = std::numeric_limits<T>::quiet_NaN();
    Gradients<T> g;
    g.gx.assign(with_gx ? static_cast<std::size_t>(c.rows * c.in) : 0, nan);
    g.gw.assign(with_gw ? static_cast<std::size_t>(c.out * c.in) : 0, nan);
    g.gb.assign(with_gb ? static_cast<std::size_t>(c.out) : 0, nan);
    linear_backward<T>({c.rows, c.in, c.out, gy.data(), with_gw ? x.data() : nullptr, with_gx ? w.data() : nullptr,
                        with_gx ? g.gx.data() : nullptr, with_gw ? g.gw.data() : nullptr,
                        with_gb ? g.gb.data() : nullptr});
    return g;
  }
};

// One sum in double, and the sum of its terms' sizes.
template <class F>
void expect_sum(double got, std::int64_t terms, double epsilon, F term, const char* what) {
  double sum = 0.0;
  double size = 0.0;
  for (std::int64_t p = 0; p < terms; ++p) {
    sum += term(p);
    size += std::abs(term(p));
  }
  // Rounding of a sum of k terms stays below (k + 2) ulp of the terms' absolute sum.
  ASSERT_NEAR(got, sum, static_cast<double>(terms + 2) * epsilon * size) << what;
}

template <class T>
void expect_sums(const Given<T>& given, const Gradients<T>& g) {
  const auto [rows, in, out] = given.c;
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
  const SimdLevel before = simd_level();
  for (const SimdLevel level : {SimdLevel::sse2, SimdLevel::avx2, SimdLevel::avx512}) {
    if (!simd_supported(level)) {
      continue;
    }
    set_simd_level(level);
    for (const Case& c : kCases) {
      SCOPED_TRACE(testing::Message() << simd_name(level) << ' ' << c.rows << 'x' << c.in << 'x' << c.out);
      const Given<TypeParam> given{c};
      expect_sums(given, given.backward());
    }
  }
  set_simd_level(before);
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

}  // namespace
}  // namespace normgrad::kernels
