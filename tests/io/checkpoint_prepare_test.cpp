// Checkpoints load in two steps: nothing changes until all parts have reported that they fit.
#include <gtest/gtest.h>

#include "tests/support/raises.hpp"
#include "tests/support/temporary_folder.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/data/dataset.hpp"
#include "normgrad/data/loader.hpp"
#include "normgrad/data/sampler.hpp"
#include "normgrad/io/checkpoint.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/optim/adam.hpp"
#include "normgrad/optim/schedules/cycle.hpp"
#include "normgrad/optim/schedules/reduce_lr_on_plateau.hpp"
#include "normgrad/optim/schedules/schedules.hpp"
#include "normgrad/optim/sgd.hpp"
#include "normgrad/train/averaged_model.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::TemporaryFolder;

/// The values of a state by key.
std::map<std::string, std::vector<double>> values_of(const StateDict& state) {
  std::map<std::string, std::vector<double>> values;
  for (const auto& [key, tensor] : state) {
    values[key] = tensor.to_vector<double>();
  }
  return values;
}

StateDict copies_of(const StateDict& state) {
  StateDict copies;
  for (const auto& [key, tensor] : state) {
    copies[key] = tensor.clone();
  }
  return copies;
}

/// Prepares the original state of a part after `change`, which must change nothing, and commits it.
void expect_two_steps(const CheckpointPart& part, const std::function<void()>& change) {
  SCOPED_TRACE(part.name());
  const StateDict earlier = copies_of(part.save());
  change();
  const auto later = values_of(part.save());
  ASSERT_NE(values_of(earlier), later) << "the test changes nothing";
  const std::function<void()> commit = part.prepare(earlier);
  ASSERT_TRUE(commit) << "the part does not prepare";
  EXPECT_EQ(values_of(part.save()), later) << "preparing has changed the part";
  commit();
  EXPECT_EQ(values_of(part.save()), values_of(earlier));

  StateDict wrong = copies_of(earlier);
  wrong["unknown"] = zeros({});
  EXPECT_NE(error_of<ValueError>([&] { part.prepare(wrong); }), "");
  EXPECT_EQ(values_of(part.save()), values_of(earlier));
}

void scale(Module& model, double factor) {
  const NoGradGuard no_grad;
  for (Tensor parameter : model.parameters()) {
    parameter.mul_(factor);
  }
}

TEST(CheckpointPrepareTest, ModelsAndAverages) {
  manual_seed(1);
  Sequential net(Linear(3, 2), BatchNorm1d(2));
  expect_two_steps({"model", net}, [&] {
    scale(net, 2.0);
    net(randn({4, 3}));
  });
  Linear layer(3, 2);
  expect_two_steps({"layer", layer}, [&] { scale(layer, 2.0); });
  AveragedModel<Linear> average(layer, {.decay = 0.9});
  average.update(layer);
  expect_two_steps({"average", average}, [&] {
    scale(layer, 3.0);
    average.update(layer);
  });
}

TEST(CheckpointPrepareTest, OptimizersAndSchedules) {
  manual_seed(1);
  Linear net(3, 2);
  const auto backward = [&] { net(randn({4, 3})).square().mean().backward(); };
  Adam adam(net.parameters(), {.lr = 0.1});
  backward();
  adam.step();
  expect_two_steps({"adam", adam}, [&] {
    adam.step();
    adam.set_lr(0.01);
  });
  SGD sgd(net.parameters(), {.lr = 0.1, .momentum = 0.9});
  StepLR steps(sgd, 1, 0.5);
  expect_two_steps({"steps", steps}, [&] { steps.step(); });
  EXPECT_EQ(sgd.lr(), 0.1);
  ReduceLROnPlateau plateau(sgd, {.factor = 0.5, .patience = 0});
  expect_two_steps({"plateau", plateau}, [&] {
    plateau.step(1.0);
    plateau.step(2.0);
  });
  EXPECT_EQ(sgd.lr(), 0.1);
}

TEST(CheckpointPrepareTest, OptionsOutOfRangeAreFoundBeforehand) {
  Linear net(3, 2);
  Adam adam(net.parameters(), {.lr = 0.1});
  StateDict state = adam.state_dict();
  state["group.0.lr"] = full({}, -1.0, {.dtype = kFloat64});
  EXPECT_NE(error_of<ValueError>([&] { adam.prepare_state_dict(state); }), "");
  EXPECT_EQ(adam.lr(), 0.1);
}

TEST(CheckpointPrepareTest, Loaders) {
  const TensorDataset data(arange(10), arange(10));
  DataLoader own(data, {.batch_size = 2, .shuffle = true});
  expect_two_steps({"own", own}, [&] { own.set_epoch(3); });
  manual_seed(1);
  DataLoader seeded(data, {.batch_size = 2, .sampler = std::make_shared<RandomSampler>(10)});
  const StateDict state = seeded.state_dict();
  const std::vector<std::int64_t> order = seeded.order(0);
  expect_two_steps({"seeded", seeded}, [&] { seeded.set_epoch(3); });
  manual_seed(2);
  DataLoader other(data, {.batch_size = 2, .sampler = std::make_shared<RandomSampler>(10)});
  ASSERT_NE(other.order(0), order);
  const std::function<void()> commit = other.prepare_state_dict(state);
  EXPECT_NE(other.order(0), order);
  commit();
  EXPECT_EQ(other.order(0), order);
  DataLoader sequential(data, {.batch_size = 2, .sampler = std::make_shared<SequentialSampler>(10)});
  expect_two_steps({"sequential", sequential}, [&] { sequential.set_epoch(3); });
}

// A sampler and a model with their own load function are loaded through it.
struct OwnSampler : Sampler {
  double loaded = 0.0;
  std::int64_t size() const override { return 10; }
  std::vector<std::int64_t> order(std::int64_t /*epoch*/) const override { return {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}; }
  StateDict state_dict() const override { return {{"number", full({}, loaded)}}; }
  void load_state_dict(const StateDict& state) override { loaded = state.at("number").item(); }
};

struct OwnModel : Module {
  Linear fc{2, 2};
  int loads = 0;
  NORMGRAD_MEMBERS(OwnModel, fc)
  Tensor forward(const Tensor& x) override { return fc(x); }
  void load_state_dict(const StateDict& state) {
    ++loads;
    Module::load_state_dict(state);
  }
};

TEST(CheckpointPrepareTest, WhatLoadsInAWayOfItsOwnDoesSo) {
  const auto sampler = std::make_shared<OwnSampler>();
  sampler->loaded = 5.0;
  DataLoader loader(TensorDataset(arange(10), arange(10)), {.batch_size = 2, .sampler = sampler});
  const CheckpointPart part("loader", loader);
  const StateDict state = copies_of(part.save());
  EXPECT_FALSE(part.prepare(state));
  sampler->loaded = 0.0;
  part.load(state);
  EXPECT_EQ(sampler->loaded, 5.0);

  OwnModel model;
  const CheckpointPart own("model", model);
  EXPECT_FALSE(own.prepare(model.state_dict()));
  own.load(model.state_dict());
  EXPECT_EQ(model.loads, 1);
}

struct Stack : Module {
  std::vector<Linear> layers;
  NORMGRAD_MEMBERS(Stack, layers)
  void grow(std::int64_t depth) {
    layers.clear();
    for (std::int64_t i = 0; i < depth; ++i) {
      layers.emplace_back(2, 1, LinearOptions{.bias = false});
    }
  }
};

// A function may rebuild what comes after it, and use what comes before.
TEST(CheckpointPrepareTest, FunctionsRunInTheirTurn) {
  const TemporaryFolder folder;
  Stack net;
  net.grow(2);
  {
    const NoGradGuard no_grad;
    net.layers[1].weight.fill_(5.0);
  }
  Linear copy(2, 1, {.bias = false});
  double best = 7.0;
  const CheckpointParts parts = {
      {"depth",
       [&] {
         return StateDict{{"n", full({}, 2.0)}};
       },
       [&](const StateDict& state) { net.grow(static_cast<std::int64_t>(state.at("n").item())); }},
      {"net", net},
      {"copy", [] { return StateDict(); }, [&](const StateDict&) { copy = net.layers[1]; }},
      {"best", best}};
  save_checkpoint(folder / "run.ckpt", parts);
  net.grow(1);
  best = 0.0;
  load_checkpoint(folder / "run.ckpt", parts);
  ASSERT_EQ(net.layers.size(), 2U);
  EXPECT_EQ(net.layers[1].weight.to_vector<float>(), std::vector<float>({5.0F, 5.0F}));
  EXPECT_EQ(copy.weight.to_vector<float>(), std::vector<float>({5.0F, 5.0F}));
  EXPECT_EQ(best, 7.0);
}

// A schedule of momenta is loaded whatever the optimizer's options are at that moment.
TEST(CheckpointPrepareTest, CommitsDoNotDependOnOptionsThatAreLoadedLater) {
  const TemporaryFolder folder;
  Linear net(3, 2);
  SGD plain(net.parameters(), {.lr = 0.1, .momentum = 0.9});
  OneCycleLR cycle(plain, 1.0, {.total_steps = 10});
  cycle.step();
  const double momentum = plain.option("momentum");
  StateDict state = copies_of(cycle.state_dict());
  SGD nesterov(net.parameters(), {.lr = 0.1, .momentum = 0.9, .nesterov = true});
  OneCycleLR other(nesterov, 1.0, {.total_steps = 10});
  nesterov.options().weight_decay = -1.0;  // out of range until its own state is loaded
  const std::function<void()> commit = other.prepare_state_dict(state);
  EXPECT_NO_THROW(commit());
  EXPECT_EQ(nesterov.option("momentum"), momentum);
  EXPECT_EQ(other.epoch(), cycle.epoch());
}

// Functions of the same name that are something else.
struct OtherPreparation {
  double value = 1.0;
  StateDict state_dict() const { return {{"value", full({}, value)}}; }
  void load_state_dict(const StateDict& state) { value = state.at("value").item(); }
  void prepare_state_dict(int) {}
};

TEST(CheckpointPrepareTest, AnUnrelatedFunctionIsNotCalled) {
  OtherPreparation object;
  const CheckpointPart part("object", object);
  EXPECT_FALSE(part.prepare(part.save()));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
