// Reductions through shared memory, against those by messages.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/logic/logic.hpp"
#include "normgrad/core/ops/random/random.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/dist/process_group.hpp"

namespace normgrad::tests {
namespace NORMGRAD_TEST_FILE {

constexpr const char* kVariable = "NORMGRAD_DIST_SHARED_MEMORY";

/// Gives the variable another value for a while.
class Setting {
 public:
  explicit Setting(const char* value) {
    if (const char* before = std::getenv(kVariable)) {
      before_ = before;
    }
    setenv(kVariable, value, 1);
  }
  Setting(const Setting&) = delete;
  Setting& operator=(const Setting&) = delete;
  ~Setting() { before_ ? setenv(kVariable, before_->c_str(), 1) : unsetenv(kVariable); }

 private:
  std::optional<std::string> before_;
};

/// All ranks in a group of its own with or without shared memory.
ProcessGroup group_with(bool shared) {
  const Setting setting(shared ? "1" : "0");
  return ProcessGroup::world().split(0);
}

Tensor values_of(std::int64_t n, DType dtype) {
  manual_seed(17 + static_cast<std::uint64_t>(ProcessGroup::world().rank()));
  return (randn({n}, {.dtype = kFloat64}) * 40.0).to(dtype == kUInt8 ? kInt32 : dtype).to(dtype);
}

bool equal(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() && (a == b).all().item<bool>();
}

/// The areas of all ranks that this process has mapped or owns.
int mapped_areas() {
  int count = 0;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    count += line.find("memfd:normgrad") != std::string::npos ? 1 : 0;
  }
  return count;
}

TEST(SharedMemory, GivesTheBitsOfMessages) {
  const ProcessGroup shared = group_with(true);
  const ProcessGroup messages = group_with(false);
  const std::int64_t ranks = shared.size();
  for (const DType dtype : {kFloat32, kFloat64, kInt64, kInt32, kUInt8}) {
    for (const std::int64_t n : {1025L * 8, 8192L * 8 + 1, 99991L}) {
      const Tensor x = values_of(n, dtype);
      for (const ReduceOp op : {ReduceOp::sum, ReduceOp::mean, ReduceOp::min, ReduceOp::max}) {
        if (op == ReduceOp::mean && !is_floating_point(dtype)) {
          continue;
        }
        const Tensor before = x.clone();
        EXPECT_TRUE(equal(shared.all_reduce(x, op), messages.all_reduce(x, op)))
            << dtype << " " << n << " " << to_string(op) << " " << ranks << " ranks";
        EXPECT_TRUE(equal(x, before));
      }
    }
  }
}

TEST(SharedMemory, CallsOverlapAndTheResultOutlivesThem) {
  const ProcessGroup group = group_with(true);
  const ProcessGroup messages = group_with(false);
  std::vector<Tensor> x;
  std::vector<Work> work;
  for (std::int64_t i = 0; i < 12; ++i) {
    x.push_back(values_of(4000 + 1000 * (i % 3), kFloat32) + static_cast<double>(i));
    work.push_back(group.all_reduce_async(x.back()));
    if (group.rank() == static_cast<int>(i) % group.size()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  std::vector<Tensor> y;
  for (std::size_t i = work.size(); i-- > 0;) {
    y.insert(y.begin(), work[i].wait());
  }
  work.clear();
  for (int i = 0; i < 3; ++i) {
    group.all_reduce(values_of(6000, kFloat32));  // reuses the areas
  }
  for (std::size_t i = 0; i < y.size(); ++i) {
    EXPECT_TRUE(equal(y[i], messages.all_reduce(x[i]))) << i;
  }
}

TEST(SharedMemory, IsReusedAndGivenBack) {
  const ProcessGroup group = group_with(true);
  if (group.size() == 1) {
    GTEST_SKIP() << "one rank shares with nobody";
  }
  const Tensor small = values_of(50000, kFloat32);
  for (int i = 0; i < 3; ++i) {
    group.all_reduce(small);
  }
  group.barrier();
  const int before = mapped_areas();
  EXPECT_GT(before, 0);
  for (int i = 0; i < 100; ++i) {
    group.all_reduce(small);
  }
  group.barrier();
  // A call whose last marks have not arrived needs a second area.
  EXPECT_LE(mapped_areas(), before + 2 * group.size());
  const int kept = mapped_areas();
  group.all_reduce(zeros({17 << 20}));  // 68 MiB
  group.barrier();
  EXPECT_LE(mapped_areas(), kept);
}

TEST(SharedMemory, IsAbsentWithoutTheSettingOnAnyRank) {
  const bool own = ProcessGroup::world().rank() == 0;
  const ProcessGroup group = group_with(own);
  const int before = mapped_areas();
  const Tensor x = values_of(33333, kFloat32);
  group.all_reduce(x);
  group.barrier();
  if (group.size() > 1) {
    EXPECT_FALSE(group.shares_memory());
    EXPECT_EQ(mapped_areas(), before);
    EXPECT_TRUE(group_with(true).shares_memory());
  }
}

TEST(SharedMemory, UncheckedCallsThatDifferAreNoticed) {
  ProcessGroup group = group_with(true);
  if (group.size() == 1) {
    GTEST_SKIP() << "one rank agrees with itself";
  }
  group.set_check_calls(false);
  const std::int64_t n = group.rank() == 0 ? 5000 : 6000;
  const std::string error = error_of<DistError>([&] { group.all_reduce(zeros({n})); });
  EXPECT_NE(error.find("reduces"), std::string::npos) << error;
  EXPECT_NE(error.find("NORMGRAD_DIST_CHECK=1 names the calls"), std::string::npos) << error;
}

TEST(SharedMemory, TheSettingIsOneOrZero) {
  const Setting setting("yes");
  // All ranks throw, so that nobody waits for another.
  EXPECT_NE(
      error_of<ValueError>([] { ProcessGroup::world().split(0); }).find("NORMGRAD_DIST_SHARED_MEMORY: expected 0 or 1"),
      std::string::npos);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad::tests
