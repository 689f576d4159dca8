// BatchNorm without synchronization: the ranks compute what one process does that takes their batches one after the
// other, as the experiment sync-bn of `reproduce` does.
#include <gtest/gtest.h>

#include <cmath>
#include <optional>

#include "tests/dist/rank_rows.hpp"
#include "normgrad/core/base/random.hpp"
#include "normgrad/core/ops/loss/loss.hpp"
#include "normgrad/dist/data_parallel.hpp"
#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/running_stats.hpp"
#include "normgrad/optim/sgd.hpp"

namespace normgrad::tests {
namespace NORMGRAD_TEST_FILE {

TEST(PerRankBatchNorm, IsComputedByOneProcessRankByRank) {
  constexpr std::int64_t kRows = 3;
  const ProcessGroup group = ProcessGroup::world();
  manual_seed(41);
  Sequential one{Linear(4, 5, {.bias = false}), BatchNorm1d(5), Sigmoid(), Linear(5, 3)};
  one.to(kFloat64);
  Sequential own = one;
  DistributedDataParallel ddp(own);
  SGD optimizer_of_one(one.parameters(), {.lr = 0.1, .momentum = 0.9});
  SGD optimizer(own.parameters(), {.lr = 0.1, .momentum = 0.9});
  for (std::uint32_t step = 0; step < 20; ++step) {
    const Tensor x = random_tensor({kRows * group.size(), 4}, kFloat64, 300 + step);
    const Tensor labels = x.narrow(1, 0, 3).argmax(1);
    optimizer_of_one.zero_grad();
    for (int rank = 0; rank < group.size(); ++rank) {
      std::optional<FreezeStatisticsGuard> others;
      if (rank > 0) {
        others.emplace();
      }
      const Tensor loss = cross_entropy(one(x.narrow(0, rank * kRows, kRows)), labels.narrow(0, rank * kRows, kRows));
      (loss / static_cast<double>(group.size())).backward();
    }
    optimizer_of_one.step();
    optimizer.zero_grad();
    cross_entropy(ddp(own_rows(x, even_rows(kRows))), own_rows(labels, even_rows(kRows))).backward();
    optimizer.step();
  }
  const StateDict expected = one.state_dict();
  for (const auto& [name, tensor] : own.state_dict()) {
    const std::vector<double> values = tensor.to_vector<double>();
    const std::vector<double> others = expected.at(name).to_vector<double>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      EXPECT_NEAR(values[i], others[i], 1e-12 * (1 + std::fabs(others[i]))) << name;
    }
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad::tests
