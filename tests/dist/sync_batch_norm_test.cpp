#include "normgrad/dist/sync_batch_norm.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/dist/rank_rows.hpp"
#include "tests/support/gradients.hpp"
#include "tests/support/norm_arithmetic.hpp"
#include "tests/support/raises.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/linear.hpp"

namespace normgrad::tests {
namespace NORMGRAD_TEST_FILE {

/// Rows per rank; more than one with several ranks.
std::vector<std::vector<std::int64_t>> divisions() {
  const int size = ProcessGroup::world().size();
  std::vector<std::int64_t> uneven;
  std::vector<std::int64_t> single(static_cast<std::size_t>(size), 1);
  for (int rank = 0; rank < size; ++rank) {
    uneven.push_back(rank == 0 && size > 1 ? 0 : 2 + rank);  // rank 0 has none
  }
  single[0] = 2;
  return {even_rows(3), uneven, single};
}

double largest_difference(const Tensor& a, const Tensor& b) {
  const std::vector<double> x = a.to_vector<double>();
  const std::vector<double> y = b.to_vector<double>();
  EXPECT_EQ(x.size(), y.size());
  double largest = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    largest = std::max(largest, std::fabs(x[i] - y[i]) / std::max(1.0, std::fabs(y[i])));
  }
  return largest;
}

void expect_same_bits_on_all_ranks(const Tensor& x) {
  const Tensor all = ProcessGroup::world().all_gather(x.unsqueeze(0));
  for (std::int64_t rank = 0; rank < all.size(0); ++rank) {
    EXPECT_EQ(all.select(0, rank).to_vector<double>(), x.to_vector<double>());
  }
}

// The layer over the ranks against a batch norm of one process that has the whole batch.
void compare_with_one_process(const Shape& example, DType dtype, double tolerance) {
  const tests::UsedNormArithmetic as_sync_batch_norm(kFloat64);
  for (const std::vector<std::int64_t>& sizes : divisions()) {
    Shape shape = example;
    shape.insert(0, all_rows(sizes));
    const Tensor whole =
        random_tensor(shape, dtype, 1).mul_(3.0).add_(full(shape, 40.0, {.dtype = dtype})).requires_grad_();
    const Tensor projection = random_tensor(shape, dtype, 2);
    const BatchNormOptions options{.momentum = 0.3, .dtype = dtype};
    std::unique_ptr<BatchNorm> one;
    switch (shape.dim()) {
      case 4:
        one = std::make_unique<BatchNorm2d>(example[0], options);
        break;
      case 5:
        one = std::make_unique<BatchNorm3d>(example[0], options);
        break;
      default:
        one = std::make_unique<BatchNorm1d>(example[0], options);
    }
    SyncBatchNorm norm(example[0], options);
    for (BatchNorm* each : std::initializer_list<BatchNorm*>{one.get(), &norm}) {
      const NoGradGuard no_grad;
      each->weight.copy_(random_tensor({example[0]}, dtype, 3));
      each->bias.copy_(random_tensor({example[0]}, dtype, 4));
    }
    const Tensor y = (*one)(whole);
    (y * projection).sum().backward();
    const Tensor x = own_rows(whole.detach(), sizes).clone().requires_grad_();
    const Tensor own = norm(x);
    EXPECT_EQ(own.dtype(), dtype);
    EXPECT_LE(largest_difference(own, own_rows(y.detach(), sizes)), tolerance);
    (own * own_rows(projection, sizes)).sum().backward();
    EXPECT_LE(largest_difference(x.grad(), own_rows(whole.grad(), sizes)), tolerance);
    const ProcessGroup group = ProcessGroup::world();
    EXPECT_LE(largest_difference(group.all_reduce(norm.weight.grad()), one->weight.grad()), 10 * tolerance);
    EXPECT_LE(largest_difference(group.all_reduce(norm.bias.grad()), one->bias.grad()), 10 * tolerance);
    EXPECT_LE(largest_difference(norm.running_mean, one->running_mean), 1e-13);
    EXPECT_LE(largest_difference(norm.running_var, one->running_var), 1e-13);
    EXPECT_EQ(norm.num_batches_tracked.item(), 1);
    expect_same_bits_on_all_ranks(norm.running_mean);
    expect_same_bits_on_all_ranks(norm.running_var);
  }
}

TEST(SyncBatchNorm, IsTheNormOfOneProcess) {
  for (const Shape& example : {Shape{3}, Shape{2, 4}, Shape{3, 2, 3}, Shape{2, 2, 1, 3}}) {
    compare_with_one_process(example, kFloat64, 2e-13);
    compare_with_one_process(example, kFloat32, 1e-6);
  }
}

TEST(SyncBatchNorm, HasGradientsOfAnyOrder) {
  const ProcessGroup group = ProcessGroup::world();
  for (const std::vector<std::int64_t>& sizes : divisions()) {
    const auto f = over_ranks(
        [](const std::vector<Tensor>& in) {
          SyncBatchNorm norm(2, {.eps = 0.1, .affine = false});
          return norm(in[0]) * in[1] + in[2];
        },
        sizes);
    const std::vector<Tensor> inputs = {random_tensor({all_rows(sizes), 2}, kFloat64, 5).requires_grad_(),
                                        random_tensor({2}, kFloat64, 6).requires_grad_(),
                                        random_tensor({2}, kFloat64, 7).requires_grad_()};
    // Higher orders take many evaluations, which are slow with more ranks than processors.
    const bool tiny = group.size() == 2 && all_rows(sizes) == 3;
    EXPECT_TRUE(gradients_agree(f, inputs, tiny ? 4 : group.size() <= 2 ? 2 : 1));
  }
}

struct Net : Module {
  Linear fc{4, 3};
  BatchNorm1d norm1{3};
  Sequential rest{Linear(3, 3), BatchNorm1d(3), ReLU()};
  NORMGRAD_MEMBERS(Net, fc, norm1, rest)
  Tensor forward(const Tensor& x) override { return rest(norm1(fc(x), relu)); }
};

TEST(SyncBatchNorm, ConvertsModelsInPlace) {
  const ProcessGroup group = ProcessGroup::world();
  manual_seed(3);
  Net one;
  Net net = one;
  const Tensor weight = net.norm1.weight;
  EXPECT_EQ(convert_sync_batchnorm(net), 2);
  EXPECT_TRUE(is_same(weight, net.norm1.weight));
  EXPECT_TRUE(net.norm1.is_synchronized());
  const std::string ranks = std::to_string(group.size()) + (group.size() == 1 ? " rank" : " ranks");
  EXPECT_TRUE(net.norm1.extra_repr().ends_with(", statistics over " + ranks)) << net.norm1.extra_repr();
  Net copy = net;
  const Tensor whole = random_tensor({2 * group.size(), 4}, kFloat32, 8);
  const Tensor y = own_rows(one(whole).detach(), even_rows(2));
  EXPECT_LE(largest_difference(net(own_rows(whole, even_rows(2))).detach(), y), 1e-6);
  EXPECT_LE(largest_difference(copy(own_rows(whole, even_rows(2))).detach(), y), 1e-6);
  EXPECT_EQ(revert_sync_batchnorm(net), 2);
  EXPECT_FALSE(net.norm1.is_synchronized());
  EXPECT_EQ(convert_sync_batchnorm(net.fc), 0);
}

// Ranks may call a norm in eval mode as often as they like.
TEST(SyncBatchNorm, ExchangesNothingInEvalMode) {
  SyncBatchNorm norm(2);
  norm.eval();
  for (int i = 0; i <= ProcessGroup::world().rank(); ++i) {
    EXPECT_EQ(norm(ones({1, 2})).shape(), Shape({1, 2}));
  }
  norm.train();
  norm.freeze();
  for (int i = 0; i <= ProcessGroup::world().rank(); ++i) {
    EXPECT_EQ(norm(ones({1, 2})).shape(), Shape({1, 2}));
  }
}

// The statistics of the ranks may enter the running ones without normalizing.
TEST(SyncBatchNorm, UpdatesRunningStatisticsThatNormalize) {
  const ProcessGroup group = ProcessGroup::world();
  SyncBatchNorm norm(1, {.momentum = 1.0});
  norm.set_statistics(Statistics::running);
  const Tensor y = norm(full({3, 1}, group.rank() * 2.0));
  EXPECT_NEAR(y.to_vector<double>()[0], group.rank() * 2.0, 1e-4);  // mean 0, variance 1
  EXPECT_DOUBLE_EQ(norm.running_mean.item(), group.size() - 1.0);
}

TEST(SyncBatchNorm, RefusesOneValueOfAllRanks) {
  const ProcessGroup group = ProcessGroup::world();
  SyncBatchNorm norm(2);
  const Tensor x = zeros({group.rank() == 0 ? 1 : 0, 2});
  const std::string text = error_of<ShapeError>([&] { norm(x); });
  EXPECT_TRUE(
      text.starts_with("SyncBatchNorm: expected more than 1 value per channel of all ranks to take batch "
                       "statistics of (training mode) but got "))
      << text;
  EXPECT_EQ(norm.num_batches_tracked.item(), 0);
  EXPECT_EQ(
      error_of<ShapeError>([&] {
        norm(zeros({2, 3}));
      }),
      "SyncBatchNorm: expected a 2-D input [N, 2] to a 5-D input [N, 2, D, H, W] but got [2, 3], which has 3 channels; "
      "make it SyncBatchNorm(3)");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad::tests
