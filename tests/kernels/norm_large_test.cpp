// Outputs of 4 MB and more use non-temporal stores, in batches at aligned addresses. The numbers are the same for every
// offset of the output and every row length.
#include <gtest/gtest.h>

#include "tests/support/norm_kernels.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using kernels::ChannelGeometry;
using kernels::RowGeometry;
using tests::Data;
using tests::expect_agrees;
using tests::random_data;
using tests::Result;
using tests::run;

template <class T>
class NormLargeTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(NormLargeTest, Types);

constexpr std::int64_t kLarge = std::int64_t{1} << 22;  // bytes

template <class T>
std::vector<T> first(const std::vector<T>& values, std::int64_t n) {
  return {values.begin(), values.begin() + n};
}

// The first rows of a large result equal, bit for bit, the result for these rows alone, which uses regular stores.
template <class T>
void expect_rows_as_alone(RowGeometry g) {
  SCOPED_TRACE(testing::Message() << g.length() << " elements in a row");
  g.rows = (kLarge / static_cast<std::int64_t>(sizeof(T)) / (g.param_period * g.length()) + 1) * g.param_period;
  const Data<T> d = random_data<T>(g);
  RowGeometry alone = g;
  alone.rows = 3 * g.param_period;
  const Data<T> d_alone{first(d.x, alone.rows * g.length()), first(d.gy, alone.rows * g.length()), d.gamma, d.beta};
  for (const bool affine : {true, false}) {
    const Result<T> all = run(g, d, 1e-5, true, affine, affine);
    const Result<T> few = run(alone, d_alone, 1e-5, true, affine, affine);
    EXPECT_EQ(first(all.y, alone.rows * g.length()), few.y);
    EXPECT_EQ(first(all.gx, alone.rows * g.length()), few.gx);
  }
}

TYPED_TEST(NormLargeTest, RowsAreThoseOfASmallResult) {
  expect_rows_as_alone<TypeParam>({0, 1, 768, 1});
  expect_rows_as_alone<TypeParam>({0, 1, 1000, 1});
  expect_rows_as_alone<TypeParam>({0, 1, 1025, 1});
  expect_rows_as_alone<TypeParam>({0, 2, 2, 784});
  expect_rows_as_alone<TypeParam>({0, 2, 3, 555});
  expect_rows_as_alone<TypeParam>({0, 4, 8, 49});
}

TYPED_TEST(NormLargeTest, AgreesWithTheReference) {
  const auto rows = [](std::int64_t of_sample) {
    return kLarge / static_cast<std::int64_t>(sizeof(TypeParam)) / of_sample + 1;
  };
  const auto check = [](const auto& g) { expect_agrees<TypeParam>(g, random_data<TypeParam>(g), 1e-5); };
  check(RowGeometry{rows(1000), 1, 1000, 1});
  check(RowGeometry{rows(2 * 3 * 555) * 2, 2, 3, 555});
  check(RowGeometry{rows(2 * 8 * 49) * 2, 2, 8, 49});
  check(RowGeometry{rows(2 * 9 * 50) * 2, 2, 9, 50});
  check(ChannelGeometry{rows(30 * 784), 30, 784});
  check(ChannelGeometry{rows(30 * 555), 30, 555});
}

// Sets are summed around their first element, which is far from the mean here.
TYPED_TEST(NormLargeTest, PartsThatBeginFarFromTheirMean) {
  const auto check = [](const auto& g, std::int64_t set) {
    Data<TypeParam> d = random_data<TypeParam>(g);
    for (std::size_t i = 0; i < d.x.size(); ++i) {
      const auto place = static_cast<std::int64_t>(i) % set;
      if (place < 64) {
        d.x[i] += TypeParam(1000);
      } else if (place >= 4096 && place < 8192) {
        d.x[i] -= TypeParam(500);
      }
    }
    expect_agrees<TypeParam>(g, d, 1e-5);
  };
  check(RowGeometry{3, 1, 784, 1}, 784);
  check(RowGeometry{2, 1, 9001, 1}, 9001);
  check(RowGeometry{4, 2, 3, 3137}, 9411);
  check(ChannelGeometry{3, 2, 128}, 128);
  check(ChannelGeometry{3, 2, 784}, 784);
  check(ChannelGeometry{5, 3, 9001}, 9001);
}

// Short runs: parameters repeated per element, sums of several runs added at once, and neither.
TYPED_TEST(NormLargeTest, ShortSpansAgreeWithTheReference) {
  for (const std::int64_t samples : {1, 4, 9}) {
    for (const std::int64_t span : {2, 15, 16, 17, 49, 127, 128}) {
      SCOPED_TRACE(testing::Message() << samples << " samples, span " << span);
      for (const bool affine : {true, false}) {
        for (const RowGeometry g : {RowGeometry{samples * 3, 3, 5, span}, RowGeometry{samples * 2, 2, 19, span}}) {
          expect_agrees<TypeParam>(g, random_data<TypeParam>(g), 1e-5, true, affine, true);
          expect_agrees<TypeParam>(g, random_data<TypeParam>(g), 1e-5, true, true, affine);
        }
      }
    }
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
