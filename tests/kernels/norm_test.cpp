#include "normgrad/core/kernels/norm/norm.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/norm_kernels.hpp"
#include "tests/support/simd_levels.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/simd/dispatch.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using kernels::ChannelGeometry;
using kernels::ChannelsLastGeometry;
using kernels::RowGeometry;
using tests::Data;
using tests::expect_agrees;
using tests::largest;
using tests::near;
using tests::random_data;
using tests::Reals;
using tests::reference;
using tests::ReferenceNorm;
using tests::ReferenceResult;
using tests::Result;
using tests::run;

template <class T>
class NormKernelTest : public testing::Test {
 protected:
  template <class F>
  void for_each_level(F f) {
    for (const SimdLevel level : tests::supported_levels()) {
      SCOPED_TRACE(simd_name(level));
      const tests::UsedSimdLevel used(level);
      f();
    }
  }
};
using Reals32And64 = testing::Types<float, double>;
TYPED_TEST_SUITE(NormKernelTest, Reals32And64);

TYPED_TEST(NormKernelTest, RowsWithAParameterPerElement) {
  this->for_each_level([&] {
    for (std::int64_t length = 1; length <= 67; ++length) {
      for (const std::int64_t rows : {1, 5, 37}) {
        SCOPED_TRACE(testing::Message() << rows << " rows of " << length);
        const RowGeometry g{rows, 1, length, 1};
        expect_agrees<TypeParam>(g, random_data<TypeParam>(g), 1e-5);
      }
    }
  });
}

TYPED_TEST(NormKernelTest, RowsWithAParameterPerSpan) {
  this->for_each_level([&] {
    for (std::int64_t span = 1; span <= 67; ++span) {
      for (const RowGeometry g : {RowGeometry{6, 3, 1, span}, RowGeometry{4, 2, 3, span}, RowGeometry{3, 1, 5, span},
                                  RowGeometry{3, 1, 8, span}, RowGeometry{4, 2, 13, span}}) {
        SCOPED_TRACE(testing::Message() << "period " << g.param_period << ", " << g.params_per_row << " runs of "
                                        << span);
        expect_agrees<TypeParam>(g, random_data<TypeParam>(g), 1e-5);
      }
    }
  });
}

TYPED_TEST(NormKernelTest, Channels) {
  this->for_each_level([&] {
    for (std::int64_t spatial = 1; spatial <= 67; spatial += spatial < 20 ? 1 : 5) {
      for (const ChannelGeometry g : {ChannelGeometry{1, 3, spatial}, ChannelGeometry{4, 2, spatial}}) {
        SCOPED_TRACE(testing::Message() << g.batch << " x " << g.channels << " x " << spatial);
        expect_agrees<TypeParam>(g, random_data<TypeParam>(g), 1e-5);
      }
    }
  });
}

TYPED_TEST(NormKernelTest, ChannelsOfOnePosition) {
  this->for_each_level([&] {
    for (std::int64_t channels = 1; channels <= 67; ++channels) {
      for (const std::int64_t batch : {2, 3, 5, 16, 39}) {
        SCOPED_TRACE(testing::Message() << batch << " x " << channels);
        const ChannelGeometry g{batch, channels, 1};
        expect_agrees<TypeParam>(g, random_data<TypeParam>(g), 1e-5);
      }
    }
    const ChannelGeometry wide{9, 1100, 1};
    expect_agrees<TypeParam>(wide, random_data<TypeParam>(wide), 1e-5);
  });
}

TYPED_TEST(NormKernelTest, ChannelsLast) {
  this->for_each_level([&] {
    for (const std::int64_t channels : {16, 17, 21, 31, 32, 33, 48, 63, 64, 67}) {
      for (const std::int64_t positions : {5, 16, 77}) {
        for (const std::int64_t groups : {std::int64_t{1}, channels % 3 == 0 ? 3 : channels, channels}) {
          SCOPED_TRACE(testing::Message() << positions << " x " << channels << " in " << groups);
          const ChannelsLastGeometry g{3, positions, channels, groups};
          expect_agrees<TypeParam>(g, random_data<TypeParam>(g), 1e-5);
        }
      }
    }
  });
}

TYPED_TEST(NormKernelTest, TallMatricesAreCutInBlocksOfRows) {
  for (const ChannelGeometry g : {ChannelGeometry{1025, 16, 1}, ChannelGeometry{2600, 37, 1}}) {
    for (const bool center : {true, false}) {
      expect_agrees<TypeParam>(g, random_data<TypeParam>(g), 1e-5, center);
    }
  }
}

TYPED_TEST(NormKernelTest, WithoutCenterAndWithoutParameters) {
  this->for_each_level([&] {
    for (const bool center : {false, true}) {
      for (const bool scale : {false, true}) {
        for (const bool shift : {false, true}) {
          SCOPED_TRACE(testing::Message() << center << scale << shift);
          const RowGeometry elementwise{5, 1, 37, 1};
          expect_agrees<TypeParam>(elementwise, random_data<TypeParam>(elementwise), 1e-5, center, scale, shift);
          const RowGeometry groups{8, 4, 3, 21};
          expect_agrees<TypeParam>(groups, random_data<TypeParam>(groups), 1e-5, center, scale, shift);
          const ChannelGeometry columns{11, 37, 1};
          expect_agrees<TypeParam>(columns, random_data<TypeParam>(columns), 1e-5, center, scale, shift);
          const ChannelsLastGeometry pixels{3, 11, 36, 4};
          expect_agrees<TypeParam>(pixels, random_data<TypeParam>(pixels), 1e-5, center, scale, shift);
          const ChannelGeometry planes{3, 5, 29};
          expect_agrees<TypeParam>(planes, random_data<TypeParam>(planes), 1e-5, center, scale, shift);
        }
      }
    }
  });
}

TYPED_TEST(NormKernelTest, ManyElements) {
  const RowGeometry rows{700, 1, 300, 1};
  expect_agrees<TypeParam>(rows, random_data<TypeParam>(rows), 1e-5);
  const RowGeometry groups{64, 4, 8, 196};
  expect_agrees<TypeParam>(groups, random_data<TypeParam>(groups), 1e-5);
  const ChannelGeometry planes{16, 6, 784};
  expect_agrees<TypeParam>(planes, random_data<TypeParam>(planes), 1e-5);
  const ChannelGeometry columns{3000, 70, 1};
  expect_agrees<TypeParam>(columns, random_data<TypeParam>(columns), 1e-5);
}

// Deviations of -1, 0 and 1 with variance 3/4 and eps 1/4: rstd is 1 and every step is exact.
template <class T>
Data<T> exact_data(std::int64_t sets_of_x, std::int64_t m, std::int64_t num_params, const ReferenceNorm& norm) {
  Data<T> d{std::vector<T>(static_cast<std::size_t>(sets_of_x * m)), {}, {}, {}};
  d.gy.resize(d.x.size());
  std::vector<std::int64_t> seen(static_cast<std::size_t>(sets_of_x));
  for (std::size_t i = 0; i < d.x.size(); ++i) {
    const auto set = static_cast<std::size_t>(norm.set_of(static_cast<std::int64_t>(i)));
    const std::int64_t k = seen[set]++ % 8;
    d.x[i] = static_cast<T>(64 + (k < 3 ? 1 : k < 6 ? -1 : 0));
    d.gy[i] = static_cast<T>(static_cast<std::int64_t>(i * 7 % 16) - 8);
  }
  for (std::int64_t p = 0; p < num_params; ++p) {
    d.gamma.push_back(static_cast<T>(p % 5 - 2));
    d.beta.push_back(static_cast<T>(p % 3));
  }
  return d;
}

template <class T, class Geometry>
void expect_exact(const Geometry& g) {
  const ReferenceNorm norm = reference(g, 0.25, true);
  const Data<T> d = exact_data<T>(tests::sets(g), tests::elements(g) / tests::sets(g), tests::params(g), norm);
  const Result<T> r = run(g, d, 0.25);
  const ReferenceResult e = tests::reference_norm(norm, d.x, d.gy, d.gamma, d.beta);
  const auto same = [](const auto& actual, const Reals& expected) {
    return std::equal(actual.begin(), actual.end(), expected.begin(), expected.end(),
                      [](auto a, long double b) { return static_cast<long double>(a) == b; });
  };
  EXPECT_TRUE(same(r.y, e.y) && same(r.mean, e.mean) && same(r.rstd, e.rstd) && same(r.var, e.var));
  EXPECT_TRUE(same(r.gx, e.gx));
  EXPECT_TRUE(same(r.ggamma, e.ggamma) && same(r.gbeta, e.gbeta));
}

TYPED_TEST(NormKernelTest, ExactDataGivesExactResults) {
  this->for_each_level([&] {
    expect_exact<TypeParam>(RowGeometry{5, 1, 64, 1});
    expect_exact<TypeParam>(RowGeometry{6, 2, 4, 32});
    expect_exact<TypeParam>(RowGeometry{6, 3, 1, 128});
    expect_exact<TypeParam>(ChannelGeometry{16, 35, 1});
    expect_exact<TypeParam>(ChannelGeometry{2048, 35, 1});
    expect_exact<TypeParam>(ChannelsLastGeometry{3, 16, 24, 6});
    expect_exact<TypeParam>(ChannelGeometry{4, 3, 32});
  });
}

TYPED_TEST(NormKernelTest, ConstantSetsGiveBetaExactly) {
  this->for_each_level([&] {
    for (const double value : {0.1, -7.3, 1e6 + 0.1, 3e7, 1e30, 1e-30, 0.0}) {
      SCOPED_TRACE(value);
      const auto check = [&](const auto& g) {
        Data<TypeParam> d = random_data<TypeParam>(g);
        std::fill(d.x.begin(), d.x.end(), static_cast<TypeParam>(value));
        const Result<TypeParam> r = run(g, d, 1e-5);
        const ReferenceNorm norm = reference(g, 1e-5, true);
        for (std::size_t i = 0; i < r.y.size(); ++i) {
          ASSERT_EQ(r.y[i], d.beta[static_cast<std::size_t>(norm.param_of(static_cast<std::int64_t>(i)))]);
          ASSERT_TRUE(std::isfinite(r.gx[i]));
        }
        for (const double v : r.var) {
          ASSERT_EQ(v, 0.0);
        }
        for (const TypeParam v : r.ggamma) {
          ASSERT_EQ(v, TypeParam(0));
        }
      };
      check(RowGeometry{3, 1, 1000, 1});
      check(RowGeometry{4, 2, 3, 111});
      check(ChannelGeometry{7, 3, 333});
      check(ChannelGeometry{777, 19, 1});
      check(ChannelGeometry{3001, 19, 1});
      check(ChannelsLastGeometry{3, 50, 36, 4});
    }
  });
}

TYPED_TEST(NormKernelTest, OnlyWhatIsWantedIsWritten) {
  const RowGeometry g{6, 3, 2, 19};
  const Data<TypeParam> d = random_data<TypeParam>(g);
  const Result<TypeParam> all = run(g, d, 1e-5);
  for (int wanted = 0; wanted < 8; ++wanted) {
    std::vector<TypeParam> gx(all.gx.size()), ggamma(all.ggamma.size()), gbeta(all.gbeta.size());
    kernels::norm_backward<TypeParam>(g, {.gy = d.gy.data(),
                                          .x = d.x.data(),
                                          .gamma = d.gamma.data(),
                                          .mean = all.mean.data(),
                                          .rstd = all.rstd.data(),
                                          .gx = (wanted & 1) != 0 ? gx.data() : nullptr,
                                          .ggamma = (wanted & 2) != 0 ? ggamma.data() : nullptr,
                                          .gbeta = (wanted & 4) != 0 ? gbeta.data() : nullptr});
    EXPECT_EQ(gx, (wanted & 1) != 0 ? all.gx : std::vector<TypeParam>(all.gx.size()));
    EXPECT_EQ(ggamma, (wanted & 2) != 0 ? all.ggamma : std::vector<TypeParam>(all.ggamma.size()));
    EXPECT_EQ(gbeta, (wanted & 4) != 0 ? all.gbeta : std::vector<TypeParam>(all.gbeta.size()));
  }
}

TYPED_TEST(NormKernelTest, GivenStatistics) {
  this->for_each_level([&] {
    for (const ChannelGeometry g : {ChannelGeometry{5, 37, 1}, ChannelGeometry{3, 4, 21}, ChannelGeometry{2, 3, 1},
                                    ChannelGeometry{1100, 17, 1}}) {
      const Data<TypeParam> d = random_data<TypeParam>(g);
      std::vector<double> mean(static_cast<std::size_t>(g.channels)), rstd(mean.size());
      for (std::size_t c = 0; c < mean.size(); ++c) {
        mean[c] = 2.9 + 0.01 * static_cast<double>(c);
        rstd[c] = 3.0 + 0.1 * static_cast<double>(c);
      }
      std::vector<TypeParam> y(d.x.size()), gx(d.x.size()), ggamma(mean.size()), gbeta(mean.size());
      kernels::norm_forward<TypeParam>(g, {.x = d.x.data(),
                                           .gamma = d.gamma.data(),
                                           .beta = d.beta.data(),
                                           .y = y.data(),
                                           .given = {.mean = mean.data(), .rstd = rstd.data()}});
      kernels::norm_backward<TypeParam>(g, {.gy = d.gy.data(),
                                            .x = d.x.data(),
                                            .gamma = d.gamma.data(),
                                            .mean = mean.data(),
                                            .rstd = rstd.data(),
                                            .constant_statistics = true,
                                            .gx = gx.data(),
                                            .ggamma = ggamma.data(),
                                            .gbeta = gbeta.data()});
      Reals ey(y.size()), egx(y.size()), eggamma(mean.size()), egbeta(mean.size());
      for (std::size_t i = 0; i < y.size(); ++i) {
        const std::size_t c = i / static_cast<std::size_t>(g.spatial) % mean.size();
        const long double xhat = (static_cast<long double>(d.x[i]) - mean[c]) * rstd[c];
        ey[i] = xhat * d.gamma[c] + d.beta[c];
        egx[i] = static_cast<long double>(d.gy[i]) * d.gamma[c] * rstd[c];
        eggamma[c] += d.gy[i] * xhat;
        egbeta[c] += d.gy[i];
      }
      const long double ulp = 16 * std::numeric_limits<TypeParam>::epsilon();
      EXPECT_TRUE(near("y", y, ey, ulp * (1 + largest(ey))));
      EXPECT_TRUE(near("gx", gx, egx, ulp * largest(egx)));
      EXPECT_TRUE(near("ggamma", ggamma, eggamma, ulp * 10 * std::sqrt(static_cast<long double>(g.count()))));
      EXPECT_TRUE(near("gbeta", gbeta, egbeta, ulp * 10 * std::sqrt(static_cast<long double>(g.count()))));
    }
  });
}

TYPED_TEST(NormKernelTest, SameBitsForAnyNumberOfThreads) {
  const int before = get_num_threads();
  const auto check = [](const auto& g) {
    const Data<TypeParam> d = random_data<TypeParam>(g);
    set_num_threads(1);
    const Result<TypeParam> one = run(g, d, 1e-5);
    for (const int threads : {2, 4}) {
      set_num_threads(threads);
      EXPECT_TRUE(run(g, d, 1e-5) == one) << threads << " threads";
    }
  };
  check(RowGeometry{900, 1, 130, 1});
  check(RowGeometry{160, 8, 4, 196});
  check(ChannelGeometry{16, 24, 784});
  check(ChannelGeometry{600, 300, 1});
  check(ChannelGeometry{5000, 40, 1});
  check(ChannelsLastGeometry{40, 196, 32, 8});
  set_num_threads(before);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
