#include "normgrad/dist/data_parallel.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/dist/rank_rows.hpp"
#include "tests/support/raises.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/base/random.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/loss/loss.hpp"
#include "normgrad/dist/sync_batch_norm.hpp"
#include "normgrad/layers/conv.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/norm/group_norm.hpp"
#include "normgrad/optim/adam.hpp"
#include "normgrad/optim/clip.hpp"
#include "normgrad/optim/sgd.hpp"

namespace normgrad::tests {
namespace NORMGRAD_TEST_FILE {

// No bias before a norm: its gradient is 0, and what rounding leaves of it becomes a full step in Adam.
struct Mlp : Module {
  Linear fc1{6, 8, {.bias = false}};
  BatchNorm1d norm{8};
  Linear fc2{8, 3};
  NORMGRAD_MEMBERS(Mlp, fc1, norm, fc2)
  Tensor forward(const Tensor& x) override { return fc2(norm(fc1(x.flatten(1)), relu)); }
};

template <class Norm>
struct Cnn : Module {
  Conv2d conv1{1, 4, 3, {.padding = 1, .bias = false}};
  Norm norm1;
  Conv2d conv2{4, 4, 2};
  Linear fc{8, 3};
  explicit Cnn(Norm norm) : norm1(std::move(norm)) {}
  NORMGRAD_MEMBERS(Cnn, conv1, norm1, conv2, fc)
  Tensor forward(const Tensor& x) override {
    return fc(relu(conv2(norm1(conv1(x.reshape({-1, 1, 2, 3})), relu))).flatten(1));
  }
};

std::vector<double> weights_of(const Module& model) {
  std::vector<double> all;
  for (const auto& [name, tensor] : model.state_dict()) {
    const std::vector<double> values = tensor.to_vector<double>();
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

void expect_same_bits_on_all_ranks(const Module& model) {
  const std::vector<double> own = weights_of(model);
  const Tensor all = ProcessGroup::world().all_gather(from_vector(own, {1, static_cast<std::int64_t>(own.size())}));
  for (std::int64_t rank = 0; rank < all.size(0); ++rank) {
    EXPECT_EQ(all.select(0, rank).to_vector<double>(), own) << "rank " << rank;
  }
}

double relative_difference(const std::vector<double>& a, const std::vector<double>& b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  double scale = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::fabs(a[i] - b[i]));
    scale = std::max(scale, std::fabs(b[i]));
  }
  return largest / scale;
}

constexpr std::int64_t kPerRank = 4;
constexpr int kSteps = 100;

Tensor batch_of(int step, DType dtype) {
  return random_tensor({kPerRank * ProcessGroup::world().size(), 6}, dtype, 1000 + static_cast<std::uint32_t>(step));
}
// Learnable: the largest of three inputs.
Tensor labels_of(const Tensor& batch) { return batch.narrow(1, 0, 3).argmax(1); }

template <class M, class Optimizer, class Options>
std::vector<double> trained(M model, const Options& options, DType dtype, bool distributed) {
  model.to(dtype);
  std::optional<DistributedDataParallel> ddp;
  if (distributed) {
    convert_sync_batchnorm(model);
    ddp.emplace(model, DistributedDataParallelOptions{.bucket_cap_mb = 1e-4});
  }
  Optimizer optimizer(model.parameters(), options);
  for (int step = 0; step < kSteps; ++step) {
    const Tensor whole = batch_of(step, dtype);
    const Tensor x = distributed ? own_rows(whole, even_rows(kPerRank)) : whole;
    const Tensor labels = distributed ? own_rows(labels_of(whole), even_rows(kPerRank)) : labels_of(whole);
    optimizer.zero_grad();
    cross_entropy(model(x), labels).backward();
    clip_grad_norm_(model.parameters(), 1.0);
    optimizer.step();
  }
  if (distributed) {
    expect_same_bits_on_all_ranks(model);
  }
  return weights_of(model);
}

template <class M, class Optimizer, class Options>
void compare_training(const M& model, const Options& options) {
  for (const DType dtype : {kFloat64, kFloat32}) {
    const std::vector<double> one = trained<M, Optimizer>(model, options, dtype, false);
    const std::vector<double> many = trained<M, Optimizer>(model, options, dtype, true);
    EXPECT_LE(relative_difference(many, one), dtype == kFloat64 ? 1e-12 : 2e-5) << dtype;
    EXPECT_EQ(many, (trained<M, Optimizer>(model, options, dtype, true))) << "the same bits in every run";
  }
}

template <class M>
void compare_trainings(const M& model) {
  compare_training<M, SGD>(model, SGDOptions{.lr = 0.05, .momentum = 0.9});
  compare_training<M, AdamW>(model, AdamWOptions{.lr = 0.003});
}

TEST(DistributedDataParallel, TrainsAsOneProcess) {
  manual_seed(11);
  compare_trainings(Mlp());
  compare_trainings(Cnn<BatchNorm2d>(BatchNorm2d(4)));
  compare_trainings(Cnn<GroupNorm>(GroupNorm(2, 4)));
}

TEST(DistributedDataParallel, BeginsWithTheModelOfRank0) {
  const ProcessGroup group = ProcessGroup::world();
  manual_seed(20);
  Mlp first;
  manual_seed(20 + static_cast<std::uint64_t>(group.rank()));
  Mlp model;
  {
    const NoGradGuard no_grad;
    first.norm.running_mean.fill_(5.0);
    model.norm.running_mean.fill_(group.rank() + 5.0);
  }
  const DistributedDataParallel ddp(model);
  EXPECT_EQ(weights_of(model), weights_of(first));
  EXPECT_EQ(&ddp.module(), &model);
  EXPECT_TRUE(ddp.group() == group);
}

struct WithTable : Module {
  Linear fc{2, 2};
  StateBuffer table;
  explicit WithTable(double value) : table(full({3}, value), {.persistent = false}) {}
  NORMGRAD_MEMBERS(WithTable, fc, table)
};

TEST(DistributedDataParallel, BroadcastsBuffersThatAreNotPersistent) {
  WithTable model(ProcessGroup::world().rank() + 5.0);
  const DistributedDataParallel ddp(model);
  EXPECT_EQ(model.table.to_vector<double>(), (std::vector<double>{5.0, 5.0, 5.0}));
}

TEST(DistributedDataParallel, GivesTheMeanAndLeavesTheRest) {
  const ProcessGroup group = ProcessGroup::world();
  manual_seed(21);
  Linear model(2, 1);
  DistributedDataParallel ddp(model);
  const Tensor x = full({1, 2}, group.rank() + 1.0);
  const Tensor own = model.weight.detach().clone().requires_grad_();
  sum(own * x).backward();  // not of the model: nothing is reduced
  EXPECT_EQ(own.grad().to_vector<double>()[0], group.rank() + 1.0);
  EXPECT_EQ(grad({ddp(x).sum()}, {model.weight})[0].to_vector<double>()[0], group.rank() + 1.0);
  EXPECT_FALSE(model.weight.grad().defined());
  ddp(x).sum().backward();
  EXPECT_EQ(model.weight.grad().to_vector<double>(), std::vector<double>(2, (group.size() + 1.0) / 2));
  EXPECT_EQ(model.bias.grad().item(), 1.0);
  // A handle of the gradient stays one: it sees the mean of the sums.
  const Tensor handle = model.weight.grad();
  ddp(x).sum().backward();
  EXPECT_EQ(handle.to_vector<double>(), std::vector<double>(2, group.size() + 1.0));
  EXPECT_EQ(model.weight.grad().to_vector<double>(), handle.to_vector<double>());
}

TEST(DistributedDataParallel, AccumulatesWithoutSync) {
  const ProcessGroup group = ProcessGroup::world();
  manual_seed(22);
  Linear model(2, 1);
  DistributedDataParallel ddp(model);
  {
    const auto no_sync = ddp.no_sync();
    for (int i = 0; i <= group.rank(); ++i) {  // no collective calls: ranks may differ
      ddp(full({1, 2}, 1.0)).sum().backward();
    }
    EXPECT_EQ(model.weight.grad().to_vector<double>()[0], group.rank() + 1.0);
  }
  ddp(full({1, 2}, 10.0)).sum().backward();
  EXPECT_EQ(model.weight.grad().to_vector<double>()[0], 10.0 + (group.size() + 1.0) / 2);
}

struct Branches : Module {
  Linear stem{2, 2, {.bias = false}};
  Linear left{2, 1, {.bias = false}};
  Linear right{2, 1, {.bias = false}};
  Linear never{2, 1, {.bias = false}};
  NORMGRAD_MEMBERS(Branches, stem, left, right, never)
  bool goes_left = true;
  Tensor forward(const Tensor& x) override { return goes_left ? left(stem(x)) : right(stem(x)); }
};

TEST(DistributedDataParallel, RanksMayUseDifferentParameters) {
  const ProcessGroup group = ProcessGroup::world();
  manual_seed(23);
  Branches model;
  DistributedDataParallel ddp(model, {.bucket_cap_mb = 1e-6});
  {
    const NoGradGuard no_grad;
    model.stem.weight.copy_(eye(2));
    model.right.weight.fill_(1.0);
    model.left.weight.fill_(1.0);
  }
  model.goes_left = group.rank() == 0;
  ddp(ones({1, 2})).sum().backward();
  const double k = group.size();
  EXPECT_EQ(model.left.weight.grad().to_vector<double>()[0], static_cast<float>(1.0 / k));
  if (group.size() > 1) {
    EXPECT_EQ(model.right.weight.grad().to_vector<double>()[1], static_cast<float>((k - 1.0) / k));
  } else {
    EXPECT_FALSE(model.right.weight.grad().defined());
  }
  EXPECT_EQ(model.stem.weight.grad().to_vector<double>(), std::vector<double>(4, 1.0));
  EXPECT_FALSE(model.never.weight.grad().defined());
}

TEST(DistributedDataParallel, JoinsRanksWithFewerBatches) {
  const ProcessGroup group = ProcessGroup::world();
  for (const bool initial : {true, false}) {
    for (int epoch = 0; epoch < 2; ++epoch) {
      manual_seed(24);
      Linear model(1, 1, {.bias = false});
      DistributedDataParallel ddp(model, {.divide_by_initial_world_size = initial});
      double expected = model.weight.item();
      const int batches = 1 + (epoch == 0 ? group.rank() : group.size() - 1 - group.rank());
      SGD optimizer(model.parameters(), {.lr = 1.0});
      for (int i = 0; i < batches; ++i) {
        optimizer.zero_grad();
        ddp(full({1, 1}, 8.0)).sum().backward();
        optimizer.step();
      }
      ddp.join();
      for (int i = 0; i < group.size(); ++i) {  // one rank fewer after each step
        const double active = group.size() - i;
        expected = static_cast<float>(expected - static_cast<float>(initial ? 8.0 * active / group.size() : 8.0));
      }
      EXPECT_NEAR(model.weight.item(), expected, 1e-5);
      expect_same_bits_on_all_ranks(model);
    }
  }
}

TEST(DistributedDataParallel, SharesTheBuffersOfTheFirstRank) {
  const ProcessGroup group = ProcessGroup::world();
  for (const bool shares : {true, false}) {
    BatchNorm1d model(1, {.momentum = 1.0});
    DistributedDataParallel ddp(model, {.broadcast_buffers = shares});
    ddp(tensor({{1.0 + group.rank()}, {3.0 + group.rank()}})).sum().backward();
    EXPECT_EQ(model.running_mean.item(), shares ? 2.0 : 2.0 + group.rank());
  }
}

TEST(DistributedDataParallel, ReducesWhileTheBackwardRuns) {
  manual_seed(25);
  Mlp model;
  DistributedDataParallel ddp(model, {.bucket_cap_mb = 1e-6});  // a bucket for each parameter
  mse_loss(ddp(batch_of(0, kFloat32)), zeros({kPerRank * ddp.group().size(), 3})).backward();
  const BackwardTrace& trace = ddp.trace();
  ASSERT_EQ(trace.buckets.size(), 5U);
  EXPECT_EQ(trace.buckets[0].elements, 3);   // fc2.bias
  EXPECT_EQ(trace.buckets[4].elements, 48);  // fc1.weight
  for (std::size_t i = 0; i < trace.buckets.size(); ++i) {
    EXPECT_LE(trace.buckets[i].started, trace.buckets[i].finished);
    EXPECT_LE(trace.buckets[i].finished, trace.finished);
    EXPECT_LE(trace.buckets[i].started, trace.computed);
    EXPECT_TRUE(i == 0 || trace.buckets[i - 1].started <= trace.buckets[i].started);
  }
  // Two buckets start together only if their gradients come from one operation.
  EXPECT_LT(trace.buckets[1].started, trace.buckets[2].started);
  EXPECT_LT(trace.buckets[1].started, trace.computed);
}

TEST(DistributedDataParallel, TheBackwardItselfIsDifferentiable) {
  const ProcessGroup group = ProcessGroup::world();
  manual_seed(26);
  Mlp one;
  one.to(kFloat64);
  Mlp model = one;
  convert_sync_batchnorm(model);
  DistributedDataParallel ddp(model);
  const Tensor whole = batch_of(0, kFloat64);
  // The gradient of the squared gradient of the mean loss.
  const auto penalty_gradient = [](Module& net, const Tensor& x, const Tensor& labels) {
    cross_entropy(net(x), labels).backward({}, {.create_graph = true});
    Tensor penalty = zeros({}, {.dtype = kFloat64});
    for (Tensor& parameter : net.parameters()) {
      penalty = penalty + parameter.grad().square().sum();
      parameter.set_grad({});
    }
    penalty.backward();
    std::vector<double> all;
    for (Tensor& parameter : net.parameters()) {
      const std::vector<double> values = parameter.grad().to_vector<double>();
      all.insert(all.end(), values.begin(), values.end());
      parameter.set_grad({});
    }
    return all;
  };
  const std::vector<double> expected = penalty_gradient(one, whole, labels_of(whole));
  const std::vector<double> got =
      penalty_gradient(model, own_rows(whole, even_rows(kPerRank)), own_rows(labels_of(whole), even_rows(kPerRank)));
  EXPECT_LE(relative_difference(got, expected), 1e-12);
}

TEST(DistributedDataParallel, DoesNotChangeTheGradientsOfOneRank) {
  manual_seed(27);
  Mlp plain;
  Mlp model = plain;
  const ProcessGroup alone = ProcessGroup::world().split(ProcessGroup::world().rank());
  DistributedDataParallel ddp(model, {}, alone);
  const Tensor x = batch_of(0, kFloat32);
  for (Mlp* each : {&plain, &model}) {
    // fc2 is used twice, and its gradients are added up.
    (cross_entropy((*each)(x), labels_of(x)) + each->fc2(ones({1, 8})).sum() * each->fc2.weight.sum()).backward();
  }
  for (std::size_t i = 0; i < plain.parameters().size(); ++i) {
    EXPECT_EQ(plain.parameters()[i].grad().to_vector<float>(), model.parameters()[i].grad().to_vector<float>()) << i;
  }
}

TEST(DistributedDataParallel, RefusesWhatDoesNotFit) {
  const ProcessGroup group = ProcessGroup::world();
  Linear fixed(2, 2);
  EXPECT_EQ(error_of<ValueError>([&] { DistributedDataParallel ddp(fixed, {.bucket_cap_mb = 0.0}); }),
            "DistributedDataParallel: expected bucket_cap_mb > 0 but got 0");
  fixed.requires_grad_(false);
  EXPECT_EQ(error_of<ValueError>([&] { DistributedDataParallel ddp(fixed); }),
            "DistributedDataParallel: expected a model with parameters that require gradients");
  if (group.size() > 1) {
    Linear model(2, group.rank() == 1 ? 3 : 2);
    EXPECT_EQ(error_of<DistError>([&] { DistributedDataParallel ddp(model); }),
              "DistributedDataParallel: expected the same parameters and buffers on all ranks but rank 0 has 'weight "
              "float32 [2, 2]' where rank 1 has 'weight float32 [3, 2]'");
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad::tests
