// The registry's norms that PyTorch does not have.
#include <gtest/gtest.h>

#include "tests/support/modules.hpp"
#include "tests/support/raises.hpp"
#include "normgrad/layers/norm/registry.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::printed;

TEST(NormsOfPapersRegistryTest, MakesWhatItsTableSays) {
  const auto printed_norm = [](const std::string& spec, std::int64_t channels, std::int64_t spatial) {
    return printed(*make_norm(spec, {.num_features = channels, .spatial_dims = spatial}));
  };
  EXPECT_EQ(printed_norm("dyt:alpha=0.8", 8, 0), "DynamicTanh(8, alpha_init_value=0.8, axis=-1)");
  EXPECT_EQ(printed_norm("dyt", 8, 2), "DynamicTanh(8, alpha_init_value=0.5, axis=1)");
  EXPECT_EQ(printed_norm("l2", 8, 0), "L2Norm(8, scale=20, eps=1e-10, axis=-1)");
  EXPECT_EQ(printed_norm("scale", 16, 0), "ScaleNorm(scale=4, eps=1e-05, axis=-1)");
  EXPECT_EQ(printed_norm("scale:eps=0.5", 16, 2), "ScaleNorm(scale=4, eps=0.5, axis=1)");
  EXPECT_EQ(printed_norm("l2:scale=10", 8, 2), "L2Norm(8, scale=10, eps=1e-10, axis=1)");
  EXPECT_EQ(printed_norm("prms:partial=0.5:eps=0.1", 8, 1),
            "PartialRMSNorm(8, partial=0.5, eps=0.1, bias=false, axis=1)");
  EXPECT_EQ(printed_norm("grn", 8, 3), "GlobalResponseNorm(8, eps=1e-06)");
  EXPECT_EQ(printed_norm("frn", 8, 2), "FilterResponseNorm(8, eps=1e-06, tlu=true, learn_eps=false)");
  EXPECT_EQ(printed_norm("evo-b0:momentum=none", 8, 2),
            "EvoNormB0(8, eps=1e-05, momentum=cumulative, affine=true, track_running_stats=true, variance=biased)");
  EXPECT_EQ(printed_norm("evo-s0", 48, 2), "EvoNormS0(48, num_groups=24, eps=1e-05)");
  EXPECT_EQ(printed_norm("evo-s0", 40, 0), "EvoNormS0(40, num_groups=10, eps=1e-05)");
  EXPECT_EQ(printed_norm("evo-s0", 7, 0), "EvoNormS0(7, num_groups=1, eps=1e-05)");
  EXPECT_EQ(printed_norm("evo-s0:groups=2", 8, 2), "EvoNormS0(8, num_groups=2, eps=1e-05)");
  EXPECT_EQ(printed_norm("pono", 8, 2), "PositionalNorm(8, eps=1e-05, affine=true)");
  EXPECT_EQ(printed_norm("divisive:window=5", 8, 2),
            "DivisiveNorm(8, sum_window=5, sup_window=5, eps=1, learn_sigma=false, affine=true)");
  EXPECT_EQ(printed_norm("pixel", 8, 2), "PixelNorm(eps=1e-08, axis=1)");
  EXPECT_EQ(printed_norm("pixel:eps=0.1", 8, 0), "PixelNorm(eps=0.1, axis=-1)");
  EXPECT_EQ(printed_norm("lrn", 8, 2), "LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=1)");
  EXPECT_EQ(printed_norm("lrn:size=3:alpha=1:beta=0.5:k=2", 8, 1), "LocalResponseNorm(3, alpha=1, beta=0.5, k=2)");
  EXPECT_EQ(printed_norm("bin:momentum=0.3", 8, 2),
            "BatchInstanceNorm(8, eps=1e-05, momentum=0.3, affine=true, track_running_stats=true)");
  EXPECT_EQ(printed_norm("mobn", 8, 0), "MeanOnlyBatchNorm(8, momentum=0.1, bias=true)");
}

TEST(NormsOfPapersRegistryTest, HasMoreThanTwoDozenNorms) { EXPECT_GE(norm_names().size(), 25U); }

TEST(NormsOfPapersRegistryTest, SaysWhereANormCannotStand) {
  const auto refusal = [](const std::string& spec, std::int64_t channels) {
    return error_of<ValueError>([&] { make_norm(spec, {.num_features = channels}); });
  };
  EXPECT_EQ(refusal("grn", 8),
            "make_norm: grn needs positions to take the norm of a channel over, and features [N, C] "
            "have one value per sample and channel");
  EXPECT_EQ(refusal("frn", 8),
            "make_norm: frn needs positions to take the mean square over, and of one value per "
            "sample and channel only the sign would remain");
  EXPECT_EQ(refusal("evo-b0", 8),
            "make_norm: evo-b0 needs positions for the deviation of a sample's channel, and "
            "features [N, C] have one value per sample and channel");
  EXPECT_EQ(refusal("evo-s0", 1),
            "make_norm: evo-s0 needs positions or several features to take a variance over, and "
            "one feature has none");
  EXPECT_EQ(refusal("pono", 1),
            "make_norm: pono needs several channels to take a variance over, and one channel has none");
  EXPECT_EQ(refusal("lrn", 8),
            "make_norm: lrn needs inputs [N, C, *] with positions, as PyTorch's LocalResponseNorm, and features [N, C] "
            "have none");
  EXPECT_EQ(refusal("bin", 8),
            "make_norm: bin needs positions for the statistics of a sample's channel, and features [N, C] have one "
            "value per sample and channel");
  EXPECT_EQ(refusal("evo-s0:groups=2.5", 8), "make_norm: expected a whole number for \"groups\" but got 2.5");
  EXPECT_EQ(refusal("dyt:eps=1", 8), "make_norm: \"dyt\" has no option \"eps\", only alpha");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
