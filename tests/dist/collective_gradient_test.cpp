// The gradients of collectives, by finite differences over all ranks together.
#include <gtest/gtest.h>

#include "tests/dist/rank_rows.hpp"
#include "tests/support/gradients.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/dist/process_group.hpp"

namespace normgrad::tests {
namespace NORMGRAD_TEST_FILE {

void check_rows_function(const std::function<Tensor(const Tensor& rows)>& f, const std::vector<std::int64_t>& sizes,
                         int max_order) {
  const auto g = [&](const std::vector<Tensor>& in) { return f(in[0] * in[0].sigmoid()); };
  EXPECT_TRUE(gradients_agree(over_ranks(g, sizes), {random_tensor({all_rows(sizes), 1}, kFloat64, 3).requires_grad_()},
                              max_order));
}

TEST(CollectiveGradients, OfReductions) {
  const ProcessGroup group = ProcessGroup::world();
  for (const ReduceOp op : {ReduceOp::sum, ReduceOp::mean, ReduceOp::min, ReduceOp::max}) {
    check_rows_function([&](const Tensor& x) { return group.all_reduce(x, op); }, even_rows(1), 3);
    check_rows_function([&](const Tensor& x) { return group.reduce_scatter(x, op); }, even_rows(group.size()), 2);
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
  check_rows_function([&](const Tensor& x) { return group.broadcast(x, root); }, even_rows(1), 2);
  check_rows_function([&](const Tensor& x) { return group.reduce(x, root); }, even_rows(1), 2);
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
