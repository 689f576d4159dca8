// Parametrized modules as values: copies, assignments, conversion, averages, files, optimizers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/raises.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/base/random.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/io/checkpoint.hpp"
#include "normgrad/io/safetensors.hpp"
#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/conv.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/spectral_norm.hpp"
#include "normgrad/layers/norm/weight_norm.hpp"
#include "normgrad/optim/adam.hpp"
#include "normgrad/optim/sgd.hpp"
#include "normgrad/train/averaged_model.hpp"
#include "normgrad/train/fold.hpp"
#include "normgrad/train/norm_aware_groups.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;
using tests::random_tensor;

std::vector<double> values(const Tensor& x) { return x.to_vector<double>(); }

struct Net : Module {
  Linear fc1{3, 4};
  Linear fc2{4, 2};
  NORMGRAD_MEMBERS(Net, fc1, fc2)
  Tensor forward(const Tensor& x) override { return fc2(fc1(x, relu)); }
};

Net parametrized_net() {
  Net net;
  spectral_norm(net.fc1);
  weight_norm(net.fc2);
  return net;
}

const Tensor& input() {
  static const Tensor x = random_tensor({5, 3}, kFloat32, 1);
  return x;
}

void train_step(Net& net, double lr = 0.1) {
  net.zero_grad();
  mean(net(input()).square()).backward();
  SGD(net.parameters(), {.lr = lr}).step();
}

TEST(ParametrizeValueTest, CopiesHaveOriginalsOfTheirOwn) {
  Net net = parametrized_net();
  train_step(net);
  Net copy = net;
  const std::unique_ptr<Module> clone = net.clone();
  net.eval();
  copy.eval();
  clone->eval();
  const std::vector<double> y = values(net(input()));
  EXPECT_EQ(values(copy(input())), y);
  EXPECT_EQ(values((*clone)(input())), y);
  EXPECT_FALSE(
      is_same(parametrizations(net.fc2, "weight").original(), parametrizations(copy.fc2, "weight").original()));
  copy.train();
  train_step(copy, 0.5);
  EXPECT_EQ(values(net(input())), y);
  EXPECT_NE(values(copy(input())), y);
  Net moved = std::move(copy);
  EXPECT_TRUE(is_parametrized(moved.fc1, "weight"));
  EXPECT_NO_THROW(train_step(moved));
}

TEST(ParametrizeValueTest, AssignmentKeepsTheTensorsThatOptimizersHold) {
  Net source = parametrized_net();
  train_step(source);
  source.eval();
  // To one that is parametrized in the same way.
  Net same = parametrized_net();
  const Tensor held = parametrizations(same.fc1, "weight").original();
  same = source;
  EXPECT_TRUE(is_same(held, parametrizations(same.fc1, "weight").original()));
  same.eval();
  EXPECT_EQ(values(same(input())), values(source(input())));
  // To one that is not.
  Net plain;
  plain(input());
  const Tensor weight = plain.fc1.weight;
  plain = source;
  EXPECT_TRUE(is_parametrized(plain.fc1) && is_parametrized(plain.fc2));
  EXPECT_TRUE(is_same(weight, parametrizations(plain.fc1, "weight").original()));
  plain.eval();
  EXPECT_EQ(values(plain(input())), values(source(input())));
  // From one that is not: through right_inverse.
  Net other;
  same = other;
  EXPECT_TRUE(is_parametrized(same.fc2));
  EXPECT_EQ(values(parametrizations(same.fc2, "weight").original(1)), values(other.fc2.weight));
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_NEAR(values(same.fc2.weight)[i], values(other.fc2.weight)[i], 1e-7);  // tol: float32, below 1
  }
  // A parameter alone takes the value.
  Linear fc(4, 2);
  fc.weight = source.fc2.weight;
  EXPECT_FALSE(is_parametrized(fc));
  EXPECT_EQ(values(fc.weight), values(source.fc2.weight));
}

TEST(ParametrizeValueTest, ConvertsOriginalsStateAndValue) {
  Net net = parametrized_net();
  net.eval();
  const std::vector<double> y = values(net(input()));
  net.to(kFloat64);
  EXPECT_EQ(net.fc1.weight.dtype(), kFloat64);
  for (const auto& [name, tensor] : net.state_dict()) {
    EXPECT_EQ(tensor.dtype(), kFloat64) << name;
  }
  const std::vector<double> z = values(net(input().to(kFloat64)));
  for (std::size_t i = 0; i < y.size(); ++i) {
    EXPECT_NEAR(y[i], z[i], 1e-6);  // tol: float32, sums of 4 numbers of about 1
  }
  net.train();
  net.to(kFloat32);
  EXPECT_NO_THROW(train_step(net));
}

TEST(ParametrizeValueTest, ModeReachesTheParametrizations) {
  manual_seed(1);  // for a weight whose power iteration has not yet reached the last digit
  Net net = parametrized_net();
  const auto u = [&] { return values(dynamic_cast<SpectralNorm&>(parametrizations(net.fc1, "weight")[0]).u); };
  const std::vector<double> start = u();
  net.eval();
  EXPECT_FALSE(parametrizations(net.fc1, "weight")[0].is_training());
  net(input());
  EXPECT_EQ(u(), start);
  net.train();
  net(input());
  EXPECT_NE(u(), start);
  Linear fc(2, 2);
  fc.eval();
  spectral_norm(fc);
  EXPECT_FALSE(parametrizations(fc, "weight")[0].is_training());
}

TEST(ParametrizeValueTest, FilesCarryOriginalsAndState) {
  const tests::TemporaryFolder folder;
  Net net = parametrized_net();
  for (int i = 0; i < 3; ++i) {
    train_step(net);
  }
  net.eval();
  const std::vector<double> y = values(net(input()));
  save_safetensors(folder / "net.safetensors", net);
  Net loaded = parametrized_net();
  load_safetensors(folder / "net.safetensors", loaded);
  EXPECT_EQ(values(loaded.fc1.weight), values(net.fc1.weight));  // without a call
  loaded.eval();
  EXPECT_EQ(values(loaded(input())), y);
  Net plain;
  EXPECT_THAT(error_of<ValueError>([&] { plain.load_state_dict(net.state_dict()); }),
              HasSubstr("unexpected: fc2.parametrizations.weight.original0"));
}

TEST(ParametrizeValueTest, RunsResumeFromACheckpointBitForBit) {
  const tests::TemporaryFolder folder;
  const auto steps = [](Net& net, Adam& optimizer) {
    for (int i = 0; i < 3; ++i) {
      optimizer.zero_grad();
      mean(net(input()).square()).backward();
      optimizer.step();
    }
  };
  Net net = parametrized_net();
  Adam optimizer(net.parameters(), {.lr = 0.01});
  steps(net, optimizer);
  save_checkpoint(folder / "run.ckpt", {{"model", net}, {"optimizer", optimizer}});
  steps(net, optimizer);
  Net resumed = parametrized_net();
  Adam other(resumed.parameters(), {.lr = 0.5});
  resume_checkpoint(folder / "run.ckpt", {{"model", resumed}, {"optimizer", other}});
  steps(resumed, other);
  EXPECT_EQ(values(resumed(input())), values(net(input())));
}

TEST(ParametrizeValueTest, AveragesTheOriginals) {
  Net net = parametrized_net();
  AveragedModel ema(net, {.decay = 0.5});
  ema.update(net);
  const std::vector<double> before = values(parametrizations(net.fc2, "weight").original(1));
  train_step(net, 1.0);
  ema.update(net);
  const std::vector<double> after = values(parametrizations(net.fc2, "weight").original(1));
  const std::vector<double> average = values(parametrizations(ema.module().fc2, "weight").original(1));
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_NEAR(average[i], 0.5 * (before[i] + after[i]), 1e-7);  // tol: float32, below 1
  }
  EXPECT_FALSE(ema(input()).requires_grad());
  AveragedModel restored(net, {.decay = 0.5});
  restored.load_state_dict(ema.state_dict());
  EXPECT_EQ(values(restored(input())), values(ema(input())));
}

TEST(ParametrizeValueTest, FreezesAndGroupsParametersByTheirNames) {
  Net net = parametrized_net();
  EXPECT_EQ(net.requires_grad_({"fc2"}, false), 3);
  mean(net(input())).backward();
  EXPECT_FALSE(parametrizations(net.fc2, "weight").original(0).grad().defined());
  EXPECT_TRUE(parametrizations(net.fc1, "weight").original().grad().defined());
  Sequential head(weight_norm(Linear(4, 1)));
  std::vector<std::string> decayed;
  for (const DecaySplit::Entry& entry : decay_split(head).entries) {
    if (entry.decays()) {
      decayed.push_back(entry.name);
    }
  }
  EXPECT_THAT(decayed, ElementsAre("0.parametrizations.weight.original1"));  // [1, 4], but the matrix of a Linear
}

TEST(ParametrizeValueTest, FoldingLeavesParametrizedLayers) {
  Sequential net(spectral_norm(Conv2d(1, 2, 3)), BatchNorm2d(2));
  net.eval();
  const FoldReport report = fold(net);
  ASSERT_EQ(report.norms.size(), 1U);
  EXPECT_THAT(report.norms[0].reason, HasSubstr("Conv2d is parametrized; call remove_parametrizations() first"));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
