// The precision guarantees of the norm kernels for large means and for huge and tiny values.
#include <gtest/gtest.h>

#include "tests/support/norm_kernels.hpp"

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
using tests::reference;
using tests::ReferenceResult;
using tests::Result;
using tests::run;

// |mean| / std from 0 to 1e6 in float32: the error against long double on the same values does not grow.
TEST(NormPrecisionTest, LargeMeansCostNoDigitsInFloat32) {
  for (const double ratio : {0.0, 1.0, 1e2, 1e3, 1e4, 1e5, 1e6}) {
    SCOPED_TRACE(ratio);
    const auto check = [&](const auto& g) {
      const Data<float> d = random_data<float>(g, ratio, 1.0);
      expect_agrees<float>(g, d, 1e-5);
    };
    check(RowGeometry{4, 1, 1024, 1});
    check(RowGeometry{3, 1, 9001, 1});
    check(RowGeometry{8, 4, 2, 196});
    check(ChannelGeometry{8, 3, 50});
    check(ChannelGeometry{8, 3, 784});
    check(ChannelGeometry{3, 2, 9001});
    check(ChannelGeometry{500, 33, 1});
    check(ChannelGeometry{2500, 33, 1});
    check(ChannelsLastGeometry{4, 196, 36, 4});
  }
}

TEST(NormPrecisionTest, HugeAndTinyValuesInFloat32) {
  for (const double scale : {1e30, 1e25, 1e-30}) {
    for (const double eps : {1e-5, 1e-70}) {
      SCOPED_TRACE(testing::Message() << scale << ", eps " << eps);
      const auto check = [&](const auto& g) {
        Data<float> d = random_data<float>(g, 0.5 * scale, scale);
        const Result<float> r = run(g, d, eps);
        const ReferenceResult e = tests::reference_norm(reference(g, eps, true), d.x, d.gy, d.gamma, d.beta);
        EXPECT_TRUE(near("y", r.y, e.y, 1e-5L * largest(e.y)));
        EXPECT_TRUE(near("gx", r.gx, e.gx, 1e-5L * largest(e.gx)));
        EXPECT_TRUE(near("ggamma", r.ggamma, e.ggamma, 1e-5L * (1 + largest(e.ggamma))));
      };
      check(RowGeometry{3, 1, 100, 1});
      check(RowGeometry{4, 2, 3, 40});
      check(RowGeometry{2, 1, 5000, 1});
      check(ChannelGeometry{4, 3, 50});
      check(ChannelGeometry{4, 3, 150});
      check(ChannelGeometry{30, 20, 1});
      check(ChannelGeometry{1100, 20, 1});
      check(ChannelsLastGeometry{2, 30, 20, 4});
    }
  }
}

// Products of gradients and deviations from the mean that overflow float32.
TEST(NormPrecisionTest, LargeGradientsOfHugeValuesInFloat32) {
  const auto check = [](const auto& g) {
    Data<float> d = random_data<float>(g, 0.5e30, 1e30);
    for (float& v : d.gy) {
      v *= 1e10F;
    }
    const Result<float> r = run(g, d, 1e-5);
    const ReferenceResult e = tests::reference_norm(reference(g, 1e-5, true), d.x, d.gy, d.gamma, d.beta);
    EXPECT_TRUE(near("gx", r.gx, e.gx, 1e-5L * largest(e.gx)));
    EXPECT_TRUE(near("ggamma", r.ggamma, e.ggamma, 1e-5L * largest(e.ggamma)));
  };
  check(RowGeometry{8, 4, 2, 196});
  check(ChannelGeometry{4, 3, 50});
  check(ChannelGeometry{4, 3, 150});
}

// pytorch#51102: four values around 2000 gave variances up to 48425 instead of 1.
TEST(NormPrecisionTest, PyTorch51102FourValuesAround2000) {
  const RowGeometry g{64, 1, 4, 1};
  expect_agrees<float>(g, random_data<float>(g, 2000.0, 1.0), 1e-5);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
