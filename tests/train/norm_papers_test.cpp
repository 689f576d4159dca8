// The tools for models with the norms that PyTorch does not have.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "tests/train/train_support.hpp"
#include "normgrad/normgrad.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::statistics_of;

Tensor data() { return randn({16, 3, 4, 4}) * 3.0 + 1.0; }

TEST(NormsOfPapersTest, FoldSaysWhyTheyStay) {
  manual_seed(1);
  Sequential net(Conv2d(3, 3, 1), EvoNormB0(3), Conv2d(3, 3, 1), DynamicTanh(3, {.axis = 1}), Conv2d(3, 3, 1),
                 ScaleNorm(2.0, {.axis = 1}));
  net.eval();
  std::ostringstream out;
  out << fold(net);
  EXPECT_EQ(out.str(),
            "folded 0 of 3 norms\n"
            "  1: an EvoNormB0 also divides by statistics of the sample\n"
            "  3: a DynamicTanh is not affine\n"
            "  5: a ScaleNorm normalizes each sample with its own statistics\n");
}

TEST(NormsOfPapersTest, RecalibrateGivesEvoNormB0TheStatisticsOfTheData) {
  manual_seed(2);
  Sequential net(EvoNormB0(3));
  const Tensor x = data();
  net(randn({4, 3, 4, 4}));
  const NormReport before = norm_report(net, std::vector{x});
  EXPECT_GT(before.norms[0].largest_var_ratio + 1.0 / before.norms[0].least_var_ratio, 4.0);
  EXPECT_FALSE(before.all_well());
  recalibrate(net, std::vector{x.narrow(0, 0, 4), x.narrow(0, 4, 12)});
  const auto expected = statistics_of(x);
  const auto& norm = net.at<EvoNormB0>(0);
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(norm.running_mean.to_vector<double>()[c], expected.mean[c], 1e-5);
    EXPECT_NEAR(norm.running_var.to_vector<double>()[c], expected.var[c], 1e-4);
  }
  EXPECT_TRUE(norm_report(net, std::vector{x}).all_well());
}

// gamma of a GlobalResponseNorm is 0 at first, where the layer is the identity, not dead.
TEST(NormsOfPapersTest, ReportFindsDeadAndConstantChannels) {
  manual_seed(3);
  Sequential net(GlobalResponseNorm(3), DynamicTanh(3, {.axis = 1}), PartialRMSNorm(4), FilterResponseNorm(3));
  const NoGradGuard no_grad;
  net.at<DynamicTanh>(1).weight.mutable_data<float>()[2] = 0.0F;
  Tensor x = data();
  const NormReport report = norm_report(net, std::vector{x});
  EXPECT_TRUE(report.norms[0].advice.empty());
  EXPECT_EQ(report.norms[1].dead_channels, (std::vector<std::int64_t>{2}));
  EXPECT_EQ(report.norms[1].channels, 3);
  EXPECT_TRUE(report.norms[1].constant_channels.empty());
  EXPECT_EQ(report.norms[2].channels, 4);  // the last axis
  // Channel 2 comes out of the dead channel as the bias.
  EXPECT_EQ(report.norms[3].constant_channels, (std::vector<std::int64_t>{2}));
}

TEST(NormsOfPapersTest, WeightDecaySparesAllOfTheirParameters) {
  Sequential net(FilterResponseNorm(3, {.learn_eps = true}), EvoNormB0(3), EvoNormS0(3), DynamicTanh(3),
                 GlobalResponseNorm(3), ScaleNorm(1.0), L2Norm(3), PartialRMSNorm(3, {.bias = true}),
                 PositionalNorm(3, {.affine = true}), DivisiveNorm(3, {.learn_sigma = true, .affine = true}));
  const DecaySplit split = decay_split(net);
  EXPECT_EQ(split.entries.size(), 4U + 3U + 3U + 3U + 2U + 1U + 1U + 2U + 2U + 3U);
  for (const DecaySplit::Entry& entry : split.entries) {
    EXPECT_EQ(entry.role, DecayRole::norm) << entry.name;
  }
}

// Instead of a LayerNorm over the last axis of any input.
TEST(NormsOfPapersTest, SwapNormsPutsThemInAnyPlace) {
  for (const std::string name : {"dyt", "scale", "l2", "prms"}) {
    Sequential net(Linear(6, 8), LayerNorm(8), Linear(8, 2));
    const SwapNormsReport report = swap_norms(net, name);
    EXPECT_TRUE(report.all_replaced()) << report;
    EXPECT_EQ(net(zeros({3, 5, 6})).shape(), Shape({3, 5, 2})) << name;
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
