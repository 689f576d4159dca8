#include "normgrad/train/recalibrate.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "tests/support/raises.hpp"
#include "tests/train/train_support.hpp"
#include "normgrad/normgrad.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::ChannelStatistics;
using tests::error_of;
using tests::statistics_of;
using tests::uneven_batches;
using tests::wandering_data;

TEST(ChannelMomentsTest, LawOfTotalVariance) {
  for (const DType dtype : {kFloat64, kFloat32}) {
    const Tensor data = wandering_data({33, 5, 4, 3}, dtype);
    ChannelMoments moments;
    double mean_of_var = 0.0;
    for (const Tensor& batch : uneven_batches(data)) {
      const NormResult statistics = batch_statistics(batch);
      moments.merge(statistics.mean, statistics.var, statistics.count);
      mean_of_var += statistics.var.to_vector<double>()[0] * static_cast<double>(batch.size(0)) / 33.0;
    }
    const ChannelStatistics expected = statistics_of(data);
    EXPECT_EQ(moments.count(), 33 * 12);
    for (std::size_t c = 0; c < 5; ++c) {
      // The batch means are float32 numbers of about 1000, with an error of 3e-5.
      EXPECT_NEAR(moments.mean()[c], expected.mean[c], dtype == kFloat64 ? 1e-10 : 1e-4);
      EXPECT_NEAR(moments.biased_var()[c], expected.var[c], expected.var[c] * (dtype == kFloat64 ? 1e-11 : 1e-5));
      EXPECT_NEAR(moments.unbiased_var()[c], expected.var[c] * 396.0 / 395.0, expected.var[c] * 1e-5);
    }
    EXPECT_GT(expected.var[0], 2.0 * mean_of_var);  // most of the variance is between the batches
  }
  ChannelMoments moments;
  moments.merge(zeros({2}), ones({2}), 3);
  EXPECT_EQ(error_of<ShapeError>([&] { moments.merge(zeros({3}), ones({3}), 3); }),
            "ChannelMoments: expected 2 channels but got 3");
}

template <class Norm>
void expect_statistics_of_data(Norm norm, const Tensor& data) {
  const std::vector<Tensor> batches = uneven_batches(data);  // the last one has one value, if there are no further axes
  const ChannelStatistics expected = statistics_of(data);
  const double unbiased = expected.count / (expected.count - 1.0);
  const RecalibrationReport report = recalibrate(norm, batches);
  ASSERT_EQ(report.norms.size(), 1U);
  EXPECT_EQ(report.norms[0].values, static_cast<std::int64_t>(expected.count));
  EXPECT_EQ(norm.num_batches_tracked.item(), static_cast<double>(batches.size()));
  const double tolerance = data.dtype() == kFloat64 ? 1e-11 : 1e-5;
  for (std::size_t c = 0; c < expected.mean.size(); ++c) {
    const double factor = norm.variance() == Variance::unbiased ? unbiased : 1.0;
    EXPECT_NEAR(norm.running_mean.template to_vector<double>()[c], expected.mean[c], tolerance * 1000.0);
    EXPECT_NEAR(norm.running_var.template to_vector<double>()[c], factor * expected.var[c],
                tolerance * expected.var[c]);
  }
}

TEST(RecalibrateTest, BatchNormsGetTheVarianceOfTheWholeDataSet) {
  for (const DType dtype : {kFloat64, kFloat32}) {
    expect_statistics_of_data(BatchNorm1d(5, {.dtype = dtype}), wandering_data({33, 5}, dtype));
    expect_statistics_of_data(BatchNorm1d(5, {.momentum = 0.9, .dtype = dtype}), wandering_data({33, 5, 6}, dtype));
    expect_statistics_of_data(BatchNorm2d(5, {.variance = Variance::biased, .dtype = dtype}),
                              wandering_data({33, 5, 4, 3}, dtype));
    expect_statistics_of_data(BatchNorm3d(2, {.affine = false, .dtype = dtype}),
                              wandering_data({33, 2, 2, 3, 2}, dtype));
  }
}

TEST(RecalibrateTest, OtherBatchNormsToo) {
  expect_statistics_of_data(BatchRenorm1d(5, {.dtype = kFloat64}), wandering_data({33, 5}, kFloat64));
  expect_statistics_of_data(GhostBatchNorm2d(5, {.virtual_batch_size = 2, .dtype = kFloat64}),
                            wandering_data({33, 5, 4, 3}, kFloat64));
}

// Their running statistics are not the mean and variance of the input.
TEST(RecalibrateTest, NormsOfOtherStatisticsAreLeft) {
  Sequential net(BatchNorm1d(3), PowerNorm(3), IterNorm(3));
  const std::vector<double> before = net.at<IterNorm>(2).running_mean.to_vector<double>();
  const RecalibrationReport report = recalibrate(net, std::vector<Tensor>{randn({8, 3})});
  EXPECT_EQ(report.left, (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(net.at<IterNorm>(2).running_mean.to_vector<double>(), before);
  EXPECT_EQ(net.at<PowerNorm>(1).running_mean.to_vector<double>(), std::vector<double>(3, 0.0));
  net.eval();
  const NormReport of_norms = norm_report(net, std::vector<Tensor>{randn({8, 3})});
  EXPECT_TRUE(of_norms.norms[0].has_running_stats);
  EXPECT_FALSE(of_norms.norms[1].has_running_stats);
  EXPECT_TRUE(of_norms.norms[1].advice.empty());
  EXPECT_FALSE(of_norms.norms[2].has_running_stats);
  const FoldReport folded = fold(net);
  EXPECT_EQ(folded.norms[1].reason, "a PowerNorm divides each sample by its own root mean squares, too");
}

// Batches of one value and of none, at the beginning, at the end, and within the net.
TEST(RecalibrateTest, BatchesOfAnySize) {
  const Tensor data = randn({33, 4}, {.dtype = kFloat64}) * 3.0 + 2.0;
  const std::vector<std::vector<std::int64_t>> cuts = {{32, 1}, {1, 32}, {0, 1, 0, 31, 1, 0}, {1, 1, 1, 30}};
  for (const std::vector<std::int64_t>& sizes : cuts) {
    std::vector<Tensor> batches;
    std::int64_t at = 0;
    for (const std::int64_t size : sizes) {
      batches.push_back(size > 0 ? data.narrow(0, at, size) : Tensor::empty({0, 4}, kFloat64));
      at += size;
    }
    for (const bool layer_by_layer : {false, true}) {
      manual_seed(1);
      Sequential net(BatchNorm1d(4, {.dtype = kFloat64}), Linear(4, 3, {.dtype = kFloat64}),
                     BatchNorm1d(3, {.dtype = kFloat64}));
      const RecalibrationReport report = recalibrate(net, batches, {.layer_by_layer = layer_by_layer});
      ASSERT_EQ(report.norms.size(), 2U);
      for (const RecalibrationReport::Entry& entry : report.norms) {
        EXPECT_EQ(entry.values, 33);
        EXPECT_EQ(entry.non_finite_batches, 0);
        EXPECT_EQ(entry.empty_batches, std::count(sizes.begin(), sizes.end(), 0));
      }
      const auto& first = net.at<BatchNorm1d>(0);
      const ChannelStatistics expected = statistics_of(data);
      for (std::size_t c = 0; c < 4; ++c) {
        EXPECT_NEAR(first.running_mean.to_vector<double>()[c], expected.mean[c], 1e-12);
        EXPECT_NEAR(first.running_var.to_vector<double>()[c], expected.var[c] * 33.0 / 32.0, 1e-11);
      }
      EXPECT_EQ(first.statistics(), Statistics::automatic);
      for (const double var : net.at<BatchNorm1d>(2).running_var.to_vector<double>()) {
        EXPECT_TRUE(std::isfinite(var));
      }
    }
  }
}

TEST(RecalibrateTest, EmptyBatchesAreToldAsEmpty) {
  Sequential net({{"norm", BatchNorm1d(2)}});
  const Tensor before = net.at<BatchNorm1d>(0).running_mean.clone();
  std::ostringstream out;
  out << recalibrate(net, std::vector{randn({8, 2}), Tensor::empty({0, 2}), Tensor::empty({0, 2})});
  EXPECT_EQ(out.str(), "norm: 1 batches, 8 values per channel; 2 batches were empty\n");
  Sequential other({{"norm", BatchNorm1d(2)}});
  EXPECT_EQ(error_of<ValueError>([&] {
              recalibrate(other, std::vector{Tensor::empty({0, 2}), Tensor::empty({0, 2})});
            }),
            "recalibrate: expected batches with values but all 2 that reached 'norm' were empty");
  EXPECT_EQ(other.at<BatchNorm1d>(0).running_mean.to_vector<double>(), before.to_vector<double>());
}

// A single position has no variance within a sample; the means still count.
TEST(RecalibrateTest, InstanceNormsOfOnePosition) {
  InstanceNorm1d norm(2, {.track_running_stats = true, .dtype = kFloat64});
  const Tensor data = randn({9, 2, 1}, {.dtype = kFloat64});
  recalibrate(norm, std::vector{data.narrow(0, 0, 5), data.narrow(0, 5, 4)});
  EXPECT_NEAR(norm.running_mean.to_vector<double>()[1], statistics_of(data).mean[1], 1e-14);
  EXPECT_EQ(norm.running_var.to_vector<double>()[1], 0.0);
}

TEST(RecalibrateTest, InstanceNormsGetTheMeanOverAllSamples) {
  const Tensor data = wandering_data({33, 3, 8}, kFloat64);
  InstanceNorm1d norm(3, {.track_running_stats = true, .dtype = kFloat64});
  const RecalibrationReport report = recalibrate(norm, uneven_batches(data));
  EXPECT_EQ(report.norms[0].values, 33);
  for (std::int64_t c = 0; c < 3; ++c) {
    double mean = 0.0;
    double var = 0.0;
    for (std::int64_t i = 0; i < 33; ++i) {
      const ChannelStatistics s = statistics_of(data.narrow(0, i, 1).narrow(1, c, 1));
      mean += s.mean[0] / 33.0;
      var += s.var[0] * 8.0 / 7.0 / 33.0;
    }
    EXPECT_NEAR(norm.running_mean.to_vector<double>()[static_cast<std::size_t>(c)], mean, 1e-9);
    EXPECT_NEAR(norm.running_var.to_vector<double>()[static_cast<std::size_t>(c)], var, 1e-9);
  }
  EXPECT_EQ(norm.num_batches_tracked.item(), 0.0);
  // Samples without a batch axis count as batches of one.
  InstanceNorm1d other(3, {.track_running_stats = true, .dtype = kFloat64});
  std::vector<Tensor> samples;
  for (std::int64_t i = 0; i < 33; ++i) {
    samples.push_back(data.select(0, i));
  }
  recalibrate(other, samples);
  EXPECT_LT(max(abs(other.running_var - norm.running_var)).item(), 1e-9);
}

struct Net : Module {
  Linear fc1{4, 6, {.dtype = kFloat64}};
  BatchNorm1d norm1{6, {.dtype = kFloat64}};
  Dropout dropout{0.5};
  Linear fc2{6, 5, {.dtype = kFloat64}};
  BatchNorm1d norm2{5, {.dtype = kFloat64}};
  BatchNorm1d frozen{5, {.dtype = kFloat64}};
  BatchNorm1d unused{5, {.dtype = kFloat64}};
  NORMGRAD_MEMBERS(Net, fc1, norm1, dropout, fc2, norm2, frozen, unused)
  Tensor forward(const Tensor& x) override { return frozen(norm2(fc2(dropout(tanh(norm1(fc1(x))))))); }
};

Net net_of(std::uint64_t seed) {
  manual_seed(seed);
  Net net;
  net.frozen.freeze();
  net.unused.eval();
  return net;
}

TEST(RecalibrateTest, LayerByLayerIsExactInEvalMode) {
  Net net = net_of(1);
  const Tensor data = randn({33, 4}, {.dtype = kFloat64}) * 3.0 + 2.0;
  const RecalibrationReport report = recalibrate(net, uneven_batches(data), {.layer_by_layer = true});
  ASSERT_EQ(report.norms.size(), 2U);
  EXPECT_EQ(report.norms[1].name, "norm2");
  EXPECT_EQ(report.norms[1].values, 33);
  EXPECT_EQ(report.left, (std::vector<std::string>{"frozen", "unused"}));

  net.eval();
  const NoGradGuard no_grad;
  const Tensor first = net.fc1(data);
  const Tensor second = net.fc2(tanh(net.norm1(first)));
  for (const auto& [x, norm] : {std::pair{first, &net.norm1}, std::pair{second, &net.norm2}}) {
    const ChannelStatistics expected = statistics_of(x);
    for (std::size_t c = 0; c < expected.mean.size(); ++c) {
      EXPECT_NEAR(norm->running_mean.to_vector<double>()[c], expected.mean[c], 1e-13);
      EXPECT_NEAR(norm->running_var.to_vector<double>()[c], expected.var[c] * 33.0 / 32.0, 1e-12);
    }
  }
}

TEST(RecalibrateTest, OnePassNormalizesWithTheBatches) {
  Net net = net_of(2);
  const Tensor data = randn({32, 4}, {.dtype = kFloat64});
  const std::vector<Tensor> batches = {data.narrow(0, 0, 20), data.narrow(0, 20, 12)};
  Net copy = net;
  recalibrate(net, batches);
  EXPECT_TRUE(net.is_training());
  EXPECT_TRUE(net.dropout.is_training());
  EXPECT_FALSE(net.unused.is_training());
  EXPECT_EQ(net.norm1.statistics(), Statistics::automatic);
  const NamedTensors parameters = net.named_parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    EXPECT_EQ(parameters[i].second.to_vector<double>(), copy.parameters()[i].to_vector<double>());
  }
  Tensor seen = Tensor::empty({32, 5}, kFloat64);
  double* to = seen.mutable_data<double>();
  for (const Tensor& batch : batches) {
    const std::vector<double> second = net.fc2(tanh(batch_norm_training(net.fc1(batch)).y)).to_vector<double>();
    to = std::copy(second.begin(), second.end(), to);
  }
  const ChannelStatistics expected = statistics_of(seen);
  for (std::size_t c = 0; c < 5; ++c) {
    EXPECT_NEAR(net.norm2.running_mean.to_vector<double>()[c], expected.mean[c], 1e-13);
    EXPECT_NEAR(net.norm2.running_var.to_vector<double>()[c], expected.var[c] * 32.0 / 31.0, 1e-13);
  }
}

TEST(RecalibrateTest, BatchesThatAreNotFiniteAreKeptOut) {
  Sequential net({{"norm", BatchNorm1d(2)}});
  const Tensor good = randn({8, 2});
  Tensor bad = randn({8, 2});
  bad.mutable_data<float>()[3] = std::nanf("");
  const RecalibrationReport report = recalibrate(net, std::vector{good, bad});
  EXPECT_EQ(report.norms[0].batches, 1);
  EXPECT_EQ(report.norms[0].non_finite_batches, 1);
  const ChannelStatistics expected = statistics_of(good);
  EXPECT_NEAR(net.at<BatchNorm1d>(0).running_mean.to_vector<double>()[1], expected.mean[1], 1e-6);
  std::ostringstream out;
  out << report;
  EXPECT_EQ(out.str(), "norm: 1 batches, 8 values per channel; 1 batches with NaN or infinite values were kept out\n");
}

TEST(RecalibrateTest, FailuresLeaveEverythingAsItWas) {
  Net net = net_of(3);
  Net copy = net;
  const Tensor good = randn({8, 4}, {.dtype = kFloat64});
  const Tensor wrong = randn({8, 3}, {.dtype = kFloat64});
  for (const bool layer_by_layer : {false, true}) {
    const RecalibrateOptions options = {.layer_by_layer = layer_by_layer};
    EXPECT_THROW(recalibrate(net, std::vector{good, wrong}, options), ShapeError);
    EXPECT_EQ(error_of<ValueError>([&] { recalibrate(net, std::vector<Tensor>{}, options); }),
              "recalibrate: expected batches but got none");
    for (const auto& [name, tensor] : copy.state_dict()) {
      EXPECT_EQ(tensor.to_vector<double>(), net.state_dict().at(name).to_vector<double>()) << name;
    }
    EXPECT_TRUE(net.is_training());
    EXPECT_EQ(net.norm1.statistics(), Statistics::automatic);
  }
  net(good);  // no hook remains
  Sequential plain{Linear(2, 2), LayerNorm(2)};
  EXPECT_EQ(error_of<ValueError>([&] {
              recalibrate(plain, std::vector{randn({3, 2})});
            }),
            "recalibrate: expected norms with running statistics that are not frozen in Sequential but got none");
}

TEST(RecalibrateTest, FromLoadersAndPairs) {
  const Tensor data = randn({30, 3});
  const TensorDataset set(data, zeros({30}, {.dtype = kInt64}));
  BatchNorm1d from_loader(3);
  recalibrate(from_loader, DataLoader(set, {.batch_size = 10}));
  BatchNorm1d from_pairs(3);
  recalibrate(from_pairs, std::vector{std::pair{data, 1}});
  EXPECT_LT(max(abs(from_loader.running_var - from_pairs.running_var)).item(), 1e-6);
  EXPECT_EQ(from_loader.num_batches_tracked.item(), 3.0);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
