#include "normgrad/train/norm_report.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "tests/support/raises.hpp"
#include "tests/train/train_support.hpp"
#include "normgrad/normgrad.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::statistics_of;
using tests::uneven_batches;

struct Net : Module {
  BatchNorm1d norm1{4};
  LayerNorm norm2{4};
  BatchNorm1d unused{4};
  NORMGRAD_MEMBERS(Net, norm1, norm2, unused)
  Tensor forward(const Tensor& x) override { return norm2(norm1(x)); }
};

void set(Tensor tensor, std::size_t i, double value) {
  dispatch_float("set", tensor.dtype(), [&](auto zero) {
    using T = decltype(zero);
    tensor.mutable_data<T>()[i] = static_cast<T>(value);
  });
}

TEST(NormReportTest, MeasuresDriftAgainstTheData) {
  manual_seed(1);
  Net net;
  const Tensor data = randn({33, 4}) * 2.0 + 1.0;
  set(net.norm1.running_mean, 2, 7.0);
  set(net.norm1.running_var, 1, 32.0);
  net.norm1.num_batches_tracked.fill_(5.0);
  const NormReport report = norm_report(net, uneven_batches(data));
  ASSERT_EQ(report.norms.size(), 3U);
  const NormFinding& f = report.norms[0];
  const auto expected = statistics_of(data);
  EXPECT_EQ(f.name, "norm1");
  EXPECT_EQ(f.type, "BatchNorm1d");
  EXPECT_EQ(f.values, 33);
  EXPECT_EQ(f.batches, 5);
  double drift = 0.0;
  double largest = 0.0;
  double least = 1e9;
  for (std::size_t c = 0; c < 4; ++c) {
    EXPECT_NEAR(f.mean[c], expected.mean[c], 1e-6);
    EXPECT_NEAR(f.var[c], expected.var[c], 1e-5);
    drift = std::max(drift, std::fabs((c == 2 ? 7.0 : 0.0) - expected.mean[c]) / std::sqrt(expected.var[c] + 1e-5));
    largest = std::max(largest, ((c == 1 ? 32.0 : 1.0) + 1e-5) / (expected.var[c] + 1e-5));
    least = std::min(least, ((c == 1 ? 32.0 : 1.0) + 1e-5) / (expected.var[c] + 1e-5));
  }
  EXPECT_NEAR(f.mean_drift, drift, 1e-5);
  EXPECT_NEAR(f.largest_var_ratio, largest, 1e-4);
  EXPECT_NEAR(f.least_var_ratio, least, 1e-5);
  EXPECT_EQ(f.worst_channel, 2);
  ASSERT_EQ(f.advice.size(), 1U);
  EXPECT_EQ(f.advice[0],
            "the running statistics are not those of this data, least in channel 2: call recalibrate() with training "
            "data, or train with a larger momentum or larger batches");
  EXPECT_FALSE(report.norms[1].has_running_stats);
  EXPECT_TRUE(report.norms[1].advice.empty());
  EXPECT_FALSE(report.norms[2].reached);
  EXPECT_EQ(report.norms[2].advice, (std::vector<std::string>{"the forward does not call it: remove it, or call it"}));
  EXPECT_FALSE(report.all_well());
}

TEST(NormReportTest, AllIsWellAfterRecalibration) {
  manual_seed(2);
  Sequential net({{"fc", Linear(3, 5)}, {"norm", BatchNorm1d(5)}, {"act", ReLU()}});
  const Tensor data = randn({64, 3}) * 3.0 + 1.0;
  std::ostringstream before;
  before << norm_report(net, std::vector{data});
  EXPECT_NE(before.str().find("norm: the running statistics are those of the start: train, or call recalibrate()"),
            std::string::npos)
      << before.str();
  recalibrate(net, std::vector{data});
  const NormReport report = norm_report(net, std::vector{data});
  EXPECT_TRUE(report.all_well());
  EXPECT_LT(report.norms[0].mean_drift, 1e-5);
  EXPECT_TRUE(net.is_training());
  std::ostringstream out;
  out << report;
  EXPECT_NE(
      out.str().find("norm  type         channels  values  mean drift  variance ratio  constant  dead  non-finite"),
      std::string::npos)
      << out.str();
  EXPECT_NE(out.str().find("all is well\n"), std::string::npos);
}

TEST(NormReportTest, FindsConstantAndDeadChannels) {
  manual_seed(3);
  Sequential net({{"norm", BatchNorm2d(5)}, {"group", GroupNorm(1, 5)}});
  Tensor data = randn({6, 5, 4, 4});
  float* values = data.mutable_data<float>();
  for (std::int64_t i = 0; i < 6; ++i) {
    for (std::int64_t k = 0; k < 16; ++k) {
      values[(i * 5 + 3) * 16 + k] = 2.5F;
    }
  }
  set(net.at<BatchNorm2d>(0).weight, 1, 0.0);
  recalibrate(net, std::vector{data});
  const NormReport report = norm_report(net, std::vector{data.narrow(0, 0, 2), data.narrow(0, 2, 4)});
  EXPECT_EQ(report.norms[0].constant_channels, (std::vector<std::int64_t>{3}));
  EXPECT_EQ(report.norms[0].dead_channels, (std::vector<std::int64_t>{1}));
  // The input of the next norm is constant in both channels.
  EXPECT_EQ(report.norms[1].constant_channels, (std::vector<std::int64_t>{1, 3}));
  ASSERT_EQ(report.norms[0].advice.size(), 2U);
  EXPECT_EQ(report.norms[0].advice[0].substr(0, 38), "channel 3 of the input do not vary: th");
  EXPECT_EQ(report.norms[0].advice[1].substr(0, 30), "channel 1 have weight 0, so th");
}

TEST(NormReportTest, CountsBatchesThatAreNotFinite) {
  manual_seed(4);
  Sequential net({{"norm", BatchNorm1d(3)}, {"layer", LayerNorm(3)}, {"rms", RMSNorm(3)}});
  const Tensor good = randn({8, 3});
  Tensor bad = randn({8, 3});
  set(bad, 4, INFINITY);
  net(bad);  // in training
  const NormReport report = norm_report(net, std::vector{good, bad, good});
  for (const NormFinding& f : report.norms) {
    EXPECT_EQ(f.non_finite_batches, 1) << f.name;
    EXPECT_EQ(f.batches, 2) << f.name;
    ASSERT_FALSE(f.advice.empty());
    EXPECT_EQ(f.advice[0].substr(0, 58), "NaN or infinite values came in, in 1 of these batches and ");
  }
  EXPECT_EQ(report.norms[0].non_finite_in_training, 1);
}

TEST(NormReportTest, ChangesNothing) {
  manual_seed(5);
  Net net;
  Net copy = net;
  norm_report(net, std::vector{randn({9, 4})});
  for (const auto& [name, tensor] : copy.state_dict()) {
    EXPECT_EQ(tensor.to_vector<double>(), net.state_dict().at(name).to_vector<double>()) << name;
  }
  EXPECT_TRUE(net.norm1.is_training());
}

TEST(NormReportTest, Refuses) {
  Net net;
  EXPECT_EQ(error_of<ValueError>([&] { norm_report(net, std::vector<Tensor>{}); }),
            "norm_report: expected batches but got none");
  Linear plain(2, 2);
  EXPECT_EQ(error_of<ValueError>([&] {
              norm_report(plain, std::vector{randn({2, 2})});
            }),
            "norm_report: expected norms in Linear but got none");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
