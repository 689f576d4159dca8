#include "normgrad/train/averaged_model.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "tests/train/train_support.hpp"
#include "normgrad/normgrad.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::statistics_of;

struct Net : Module {
  explicit Net(DType dtype) : fc(3, 4, {.dtype = dtype}), norm(4, {.dtype = dtype}) {}
  Linear fc;
  BatchNorm1d norm;
  NORMGRAD_MEMBERS(Net, fc, norm)
  Tensor forward(const Tensor& x) override { return norm(fc(x)); }
};

// A model in training: each call changes its values.
void change(Net& net, Generator& generator) {
  const NoGradGuard no_grad;
  for (Tensor& parameter : net.parameters()) {
    normal_(parameter, 0.0, 1.0, &generator);
  }
  net(randn({16, 3}, {.dtype = net.fc.weight.dtype()}, &generator) * 2.0);
}

class AveragedModelTest : public testing::TestWithParam<DType> {
 protected:
  Generator generator{3};
  double tolerance() const { return GetParam() == kFloat64 ? 1e-14 : 1e-6; }
};

TEST_P(AveragedModelTest, PlainMean) {
  Net net(GetParam());
  AveragedModel average(net);
  Tensor sum = zeros({4, 3}, {.dtype = GetParam()});
  for (int i = 1; i <= 5; ++i) {
    change(net, generator);
    average.update(net);
    sum.add_(net.fc.weight.detach());
    EXPECT_LT(max(abs(average.module().fc.weight.detach() - sum / i)).item(), tolerance()) << i;
    // Buffers are copied from the model.
    EXPECT_EQ(average.module().norm.running_mean.to_vector<double>(), net.norm.running_mean.to_vector<double>());
  }
  EXPECT_EQ(average.num_averaged(), 5);
  EXPECT_FALSE(average.module().is_training());
  EXPECT_FALSE(average.module().fc.weight.requires_grad());
  EXPECT_TRUE(net.fc.weight.requires_grad());
}

TEST_P(AveragedModelTest, ExponentialMeanWithAveragedBuffers) {
  Net net(GetParam());
  AveragedModel average(net, {.decay = 0.75, .buffers = AveragedBuffers::average});
  std::vector<double> weight;
  std::vector<double> mean;
  for (int i = 0; i < 6; ++i) {
    change(net, generator);
    average.update(net);
    const std::vector<double> new_weight = net.fc.weight.to_vector<double>();
    const std::vector<double> new_mean = net.norm.running_mean.to_vector<double>();
    if (i == 0) {  // the first one is copied
      weight = new_weight;
      mean = new_mean;
    } else {
      for (std::size_t k = 0; k < weight.size(); ++k) {
        weight[k] = 0.75 * weight[k] + 0.25 * new_weight[k];
      }
      for (std::size_t k = 0; k < mean.size(); ++k) {
        mean[k] = 0.75 * mean[k] + 0.25 * new_mean[k];
      }
    }
  }
  for (std::size_t k = 0; k < weight.size(); ++k) {
    EXPECT_NEAR(average.module().fc.weight.to_vector<double>()[k], weight[k], tolerance());
  }
  for (std::size_t k = 0; k < mean.size(); ++k) {
    EXPECT_NEAR(average.module().norm.running_mean.to_vector<double>()[k], mean[k], tolerance());
  }
  EXPECT_EQ(average.module().norm.num_batches_tracked.item(), 6.0);
}

TEST_P(AveragedModelTest, RecalibratedBuffersBelongToTheAverage) {
  Net net(GetParam());
  AveragedModel average(net, {.buffers = AveragedBuffers::recalibrate});
  const Tensor data = randn({40, 3}, {.dtype = GetParam()}, &generator);
  average(data);  // still the model that it was made from
  for (int i = 0; i < 3; ++i) {
    change(net, generator);
    average.update(net);
  }
  EXPECT_EQ(average.module().norm.running_mean.to_vector<double>(), std::vector<double>(4, 0.0));
  EXPECT_EQ(error_of<ValueError>([&] { average(data); }),
            "AveragedModel: the buffers do not match the averaged weights; call recalibrate(batches) after the last "
            "update");
  average.recalibrate(std::vector{data.narrow(0, 0, 30), data.narrow(0, 30, 10)});
  const Tensor y = average(data);
  const auto statistics = statistics_of(y);
  for (std::size_t c = 0; c < 4; ++c) {  // weight and bias of the norm are averaged too
    EXPECT_NEAR(statistics.mean[c], average.module().norm.bias.to_vector<double>()[c], 20.0 * tolerance());
    const double gamma = average.module().norm.weight.to_vector<double>()[c];
    EXPECT_NEAR(statistics.var[c], gamma * gamma * 39.0 / 40.0, 1e-4);
  }
}

TEST_P(AveragedModelTest, StateGoesOn) {
  Net net(GetParam());
  AveragedModel first(net, {.decay = 0.9});
  for (int i = 0; i < 3; ++i) {
    change(net, generator);
    first.update(net);
  }
  AveragedModel second(Net(GetParam()), {.decay = 0.9});
  second.load_state_dict(first.state_dict());
  change(net, generator);
  first.update(net);
  second.update(net);
  EXPECT_EQ(first.module().fc.weight.to_vector<double>(), second.module().fc.weight.to_vector<double>());
  EXPECT_EQ(second.num_averaged(), 4);
  EXPECT_TRUE(first.state_dict().contains("module.fc.weight"));
  StateDict wrong = first.state_dict();
  wrong.erase("module.fc.bias");
  EXPECT_THROW(second.load_state_dict(wrong), ValueError);
  EXPECT_EQ(second.num_averaged(), 4);
}

INSTANTIATE_TEST_SUITE_P(FloatingPoint, AveragedModelTest, testing::Values(kFloat32, kFloat64),
                         [](const auto& test) { return std::string(dtype_name(test.param)); });

/// A float32 model with one parameter and no buffers.
struct OneWeight : Module {
  explicit OneWeight(double value) : weight(full({2}, value)) {}
  Parameter weight;
  NORMGRAD_MEMBERS(OneWeight, weight)
  void set(double value) {
    const NoGradGuard no_grad;
    weight.fill_(value);
  }
};

double weight_of(AveragedModel<OneWeight>& average) { return average.module().weight.to_vector<double>()[1]; }

TEST(AveragedModelPrecisionTest, SmallStepsAddUpInFloat32) {
  OneWeight net(0.1);
  const double from = net.weight.to_vector<double>()[0];
  AveragedModel average(net, {.decay = 0.9999});
  average.update(net);
  net.set(0.10001);
  const double to = net.weight.to_vector<double>()[0];
  AveragedModel resumed(OneWeight(0.0), {.decay = 0.9999});
  for (int i = 0; i < 50000; ++i) {
    average.update(net);
    if (i == 20000) {
      resumed.load_state_dict(average.state_dict());
    } else if (i > 20000) {
      resumed.update(net);
    }
  }
  const double exact = to + std::pow(0.9999, 50000) * (from - to);
  EXPECT_NEAR(weight_of(average), exact, 0.1 * std::pow(2.0, -24));
  EXPECT_EQ(weight_of(resumed), weight_of(average));
  EXPECT_EQ(average.module().weight.dtype(), kFloat32);

  // The mean of alternating values: steps of 1/n, each rounded to float32.
  AveragedModel mean(net);
  for (int i = 0; i < 30000; ++i) {
    net.set(i % 2 == 0 ? 1.0 : 1.5);
    mean.update(net);
  }
  EXPECT_EQ(weight_of(mean), 1.25);
}

TEST(AveragedModelPrecisionTest, StatesOfOtherDTypesAndCopies) {
  OneWeight net(1.0);
  AveragedModel average(net, {.decay = 0.5});
  for (const double value : {1.0, 1.0 + std::pow(2.0, -20)}) {
    net.set(value);
    average.update(net);
  }
  StateDict state = average.state_dict();
  EXPECT_EQ(state.at("module.weight").dtype(), kFloat64);
  state["module.weight"] = state.at("module.weight").to(kFloat32);  // as in older states
  AveragedModel second(OneWeight(0.0), {.decay = 0.5});
  second.load_state_dict(state);
  EXPECT_EQ(weight_of(second), weight_of(average));
  AveragedModel copy = average;
  net.set(3.0);
  copy.update(net);
  EXPECT_NEAR(weight_of(copy), 2.0, 1e-6);
  EXPECT_NEAR(weight_of(average), 1.0, 1e-6);
}

TEST(AveragedModelPrecisionTest, WhatIsWrittenIntoTheModuleCounts) {
  OneWeight net(1.0);
  AveragedModel average(net, {.decay = 0.5});
  average.update(net);
  average.update(net);
  average.module().set(5.0);
  EXPECT_EQ(average.state_dict().at("module.weight").to_vector<double>()[0], 5.0);
  average.update(net);
  EXPECT_EQ(weight_of(average), 3.0);
}

TEST(AveragedModelErrorTest, Refuses) {
  Sequential small{Linear(2, 2)};
  EXPECT_EQ(error_of<ValueError>([&] { AveragedModel(small, {.decay = 1.0}); }),
            "AveragedModel: expected decay in [0, 1) but got 1");
  AveragedModel average(small);
  EXPECT_EQ(error_of<ValueError>([&] { average.update(Sequential{Linear(2, 3)}); }),
            "AveragedModel: expected a model with the parameters and buffers it was created with");
  EXPECT_EQ(average.num_averaged(), 0);
}

struct Causal : Module {
  Linear fc{2, 2};
  StateBuffer mask{full({2, 2}, -tests::kInf), {.persistent = false}};
  NORMGRAD_MEMBERS(Causal, fc, mask)
  Tensor forward(const Tensor& x) override { return softmax(fc(x) + triu(mask, 1), -1); }
};

TEST(AveragedModelBufferTest, ThoseThatAreNotPersistentAreAveragedButNotSaved) {
  Causal net;
  AveragedModel average(net, {.decay = 0.5, .buffers = AveragedBuffers::average});
  for (int i = 0; i < 3; ++i) {
    average.update(net);
  }
  EXPECT_EQ(average.module().mask.to_vector<double>(), std::vector<double>(4, -tests::kInf)) << "not NaN";
  net.mask = StateBuffer(ones({2, 2}));
  AveragedModel finite(net, {.decay = 0.5, .buffers = AveragedBuffers::average});
  finite.update(net);
  net.mask.fill_(3.0);
  finite.update(net);
  EXPECT_EQ(finite.module().mask.to_vector<double>(), std::vector<double>(4, 2.0));
  EXPECT_FALSE(finite.state_dict().contains("module.mask"));
  AveragedModel resumed(net, {.decay = 0.5, .buffers = AveragedBuffers::average});
  resumed.load_state_dict(finite.state_dict());
  EXPECT_EQ(resumed.num_averaged(), 2);
  EXPECT_EQ(resumed.module().mask.to_vector<double>(), std::vector<double>(4, 3.0)) << "that of the model";
}

// --- as a value

struct TimesTen : Linear {
  using Linear::Linear;
  Tensor forward(const Tensor& x) override { return Linear::forward(x) * 10.0; }
};

TEST(AveragedModelValueTest, KeepsTheTypesOfLayers) {
  Sequential net(TimesTen(2, 2));
  AveragedModel ema(net, {.decay = 0.5});
  ema.update(net);
  const Tensor x = ones({1, 2});
  EXPECT_EQ(ema(x).to_vector<double>(), net(x).to_vector<double>());
  TimesTen ten(2, 2);
  const Linear& cut = ten;
  EXPECT_EQ(error_of<Error>([&] { AveragedModel<Linear> average(cut); }),
            "AveragedModel: expected a Linear itself but got a class derived from it, which a copy would slice; use an "
            "AveragedModel of that class");
}

TEST(AveragedModelValueTest, ItsModelCanBeAssignedToTheTrainedOne) {
  Sequential net(Linear(2, 2), BatchNorm1d(2));
  const std::vector<Tensor> held = net.parameters();
  AveragedModel ema(net, {.decay = 0.5});
  ema.update(net);
  net.load_state_dict(Sequential(Linear(2, 2), BatchNorm1d(2)).state_dict());
  net = ema.module();
  EXPECT_TRUE(net.is_training());
  for (std::size_t i = 0; i < held.size(); ++i) {
    EXPECT_TRUE(is_same(held[i], net.parameters()[i]));
    EXPECT_TRUE(held[i].requires_grad());
    EXPECT_EQ(held[i].to_vector<double>(), ema.module().parameters()[i].to_vector<double>());
  }
}

struct TiedPair : Module {
  Linear a{3, 3, {.bias = false}};
  Linear b{3, 3, {.bias = false}};
  NORMGRAD_MEMBERS(TiedPair, a, b)
  NORMGRAD_TIE(b.weight, a.weight)
  Tensor forward(const Tensor& x) override { return b(a(x)); }
};

TEST(AveragedModelValueTest, TiedWeightsStayTied) {
  TiedPair net;
  AveragedModel ema(net, {.decay = 0.5});
  SGD optimizer(net.parameters(), {.lr = 0.1});
  for (int step = 0; step < 3; ++step) {
    optimizer.zero_grad();
    net(ones({1, 3})).sum().backward();
    optimizer.step();
    ema.update(net);
  }
  EXPECT_EQ(ema.module().parameters().size(), 1U);
  EXPECT_TRUE(is_same(ema.module().a.weight, ema.module().b.weight));
  AveragedModel other(net, {.decay = 0.5});
  other.load_state_dict(ema.state_dict());
  EXPECT_EQ(other.module().b.weight.to_vector<double>(), ema.module().a.weight.to_vector<double>());
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
