// The gradients of collectives, by finite differences over all ranks together.
#include <gtest/gtest.h>

#include "tests/support/gradients.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/dist/process_group.hpp"

namespace normgrad::tests {
namespace NORMGRAD_TEST_FILE {

/// Checks the gradients of `f`, which maps the rows of this rank to a tensor whose shape may depend on the rank. All
/// ranks hold the same input [n, *]; the mean over the ranks is the input itself, and makes its gradient that of all
/// ranks' uses. The losses differ by rank.
void check_rows_function(const std::function<Tensor(const Tensor& rows)>& f, const std::vector<std::int64_t>& sizes,
                         int max_order) {
  const ProcessGroup group = ProcessGroup::world();
  std::int64_t start = 0;
  std::int64_t total = 0;
  for (int rank = 0; rank < group.size(); ++rank) {
    start += rank < group.rank() ? sizes[static_cast<std::size_t>(rank)] : 0;
    total += sizes[static_cast<std::size_t>(rank)];
  }
  const auto whole = [&](const std::vector<Tensor>& in) {
    const Tensor x = group.all_reduce(in[0], ReduceOp::mean);
    const Tensor rows = x.narrow(0, start, sizes[static_cast<std::size_t>(group.rank())]);
    const Tensor y = f(rows * rows.sigmoid());
    const Tensor weights = random_tensor(y.shape(), kFloat64, 50 + static_cast<std::uint32_t>(group.rank()));
    return group.all_reduce((y.exp() * weights).sum({0}));
  };
  EXPECT_TRUE(gradients_agree(whole, {random_tensor({total, 1}, kFloat64, 3).requires_grad_()}, max_order));
}

std::vector<std::int64_t> even_sizes(std::int64_t n) {
  return std::vector<std::int64_t>(static_cast<std::size_t>(ProcessGroup::world().size()), n);
}

TEST(CollectiveGradients, OfReductions) {
  const ProcessGroup group = ProcessGroup::world();
  for (const ReduceOp op : {ReduceOp::sum, ReduceOp::mean, ReduceOp::min, ReduceOp::max}) {
    check_rows_function([&](const Tensor& x) { return group.all_reduce(x, op); }, even_sizes(1), 3);
    check_rows_function([&](const Tensor& x) { return group.reduce_scatter(x, op); }, even_sizes(group.size()), 2);
  }
}

TEST(CollectiveGradients, OfMoves) {
  const ProcessGroup group = ProcessGroup::world();
  std::vector<std::int64_t> uneven;
  for (int rank = 0; rank < group.size(); ++rank) {
    uneven.push_back(group.size() - 1 - rank + (group.size() == 1 ? 1 : 0));  // the last rank has no rows
  }
  const int root = group.size() - 1;
  check_rows_function([&](const Tensor& x) { return group.all_gather(x); }, uneven, 2);
  check_rows_function([&](const Tensor& x) { return group.gather(x, root); }, uneven, 2);
  check_rows_function([&](const Tensor& x) { return group.scatter(group.gather(x, root), uneven, root); }, uneven, 2);
  check_rows_function([&](const Tensor& x) { return group.broadcast(x, root); }, even_sizes(1), 2);
  check_rows_function([&](const Tensor& x) { return group.reduce(x, root); }, even_sizes(1), 2);
}

TEST(CollectiveGradients, EqualExtremesShare) {
  const ProcessGroup group = ProcessGroup::world();
  const Tensor x = ones({2}, {.requires_grad = true});
  group.all_reduce(x, ReduceOp::max).sum().backward();
  // Each rank's loss is 2 maxima, and all ranks have them: size() / size().
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{1.0, 1.0}));
}

TEST(CollectiveGradients, AreNotRecordedWithoutNeed) {
  const ProcessGroup group = ProcessGroup::world();
  EXPECT_FALSE(group.all_reduce(ones({2})).requires_grad());
  const Tensor x = ones({2}, {.requires_grad = true});
  EXPECT_FALSE(group.all_reduce_async(x).wait().requires_grad());
  const NoGradGuard no_grad;
  EXPECT_FALSE(group.all_reduce(x).requires_grad());
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad::tests
