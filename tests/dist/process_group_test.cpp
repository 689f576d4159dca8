#include "normgrad/dist/process_group.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <thread>

#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad::tests {
namespace NORMGRAD_TEST_FILE {

const std::vector<std::int64_t> kSizes = {0, 1, 3, 1000, 5001};  // below and above the limit of direct sending

/// The x of a rank, known to all of them.
template <class T>
std::vector<T> values_of(int rank, std::int64_t n) {
  std::vector<T> values;
  for (const double value : random_values<double>(n, 100 + static_cast<std::uint32_t>(rank))) {
    values.push_back(static_cast<T>(std::is_same_v<T, std::int64_t> ? value * 1e6 : value));
  }
  return values;
}

template <class T>
T expected(ReduceOp op, std::int64_t n, std::size_t i) {
  const int size = ProcessGroup::world().size();
  const auto value = [&](int rank) { return values_of<T>(rank, n)[i]; };
  if (op == ReduceOp::min || op == ReduceOp::max) {
    T y = value(0);
    for (int rank = 1; rank < size; ++rank) {
      y = op == ReduceOp::min ? std::min(y, value(rank)) : std::max(y, value(rank));
    }
    return y;
  }
  if constexpr (std::is_same_v<T, std::int64_t>) {
    std::int64_t sum = 0;
    for (int rank = 0; rank < size; ++rank) {
      sum += value(rank);
    }
    return sum;
  } else {
    double sum = 0;
    for (int rank = 0; rank < size; ++rank) {
      sum += static_cast<double>(value(rank));
    }
    return static_cast<T>(op == ReduceOp::mean ? sum / size : sum);
  }
}

template <class T>
void check_reductions(const std::vector<ReduceOp>& ops) {
  const ProcessGroup group = ProcessGroup::world();
  for (const std::int64_t n : kSizes) {
    const Tensor x = from_vector(values_of<T>(group.rank(), n), {n});
    for (const ReduceOp op : ops) {
      const std::vector<T> y = group.all_reduce(x, op).template to_vector<T>();
      const std::vector<T> later = group.all_reduce_async(x, op).wait().template to_vector<T>();
      ASSERT_EQ(y.size(), static_cast<std::size_t>(n));
      for (const std::size_t i : {std::size_t{0}, y.size() / 2, y.size() - 1}) {
        if (i < y.size()) {
          EXPECT_EQ(y[i], expected<T>(op, n, i)) << to_string(op) << " " << n << " element " << i;
        }
      }
      EXPECT_EQ(y, later);
    }
  }
}

TEST(ProcessGroup, ReducesInTheOrderOfTheRanks) {
  const std::vector<ReduceOp> all = {ReduceOp::sum, ReduceOp::mean, ReduceOp::min, ReduceOp::max};
  check_reductions<float>(all);
  check_reductions<double>(all);
  check_reductions<std::int64_t>({ReduceOp::sum, ReduceOp::min, ReduceOp::max});
}

// The sum depends on the order of its terms, and one rank is late.
TEST(ProcessGroup, ArrivalDoesNotMatter) {
  const ProcessGroup group = ProcessGroup::world();
  for (const std::int64_t n : {std::int64_t{7}, std::int64_t{4000}}) {
    const double values[] = {1.0, 1e16, -1e16, 3.0};
    double sum = values[0];
    for (int rank = 1; rank < group.size(); ++rank) {
      sum += values[rank];
    }
    const Tensor x = full({n}, values[group.rank()], {.dtype = kFloat64});
    for (int late = 0; late < group.size(); ++late) {
      if (group.rank() == late) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
      EXPECT_EQ(group.all_reduce(x).to_vector<double>(), std::vector<double>(static_cast<std::size_t>(n), sum));
    }
  }
}

TEST(ProcessGroup, NaNOnOneRankIsNaNOnAll) {
  const ProcessGroup group = ProcessGroup::world();
  for (int where = 0; where < group.size(); ++where) {
    const double mine = group.rank() == where ? std::numeric_limits<double>::quiet_NaN() : 1.0;
    for (const ReduceOp op : {ReduceOp::sum, ReduceOp::mean, ReduceOp::min, ReduceOp::max}) {
      EXPECT_TRUE(std::isnan(group.all_reduce(full({1}, mine), op).item())) << to_string(op);
    }
  }
}

TEST(ProcessGroup, ReducesSmallIntegers) {
  const ProcessGroup group = ProcessGroup::world();
  for (const DType dtype : {kUInt8, kInt32}) {
    const Tensor x = full({3}, group.rank() + 1, {.dtype = dtype});
    const std::int64_t n = group.size();
    const Tensor sum = group.all_reduce(x);
    EXPECT_EQ(sum.dtype(), dtype);
    EXPECT_EQ(sum.to_vector<std::int64_t>(), std::vector<std::int64_t>(3, n * (n + 1) / 2));
    EXPECT_EQ(group.all_reduce(x, ReduceOp::max).to_vector<std::int64_t>(), std::vector<std::int64_t>(3, n));
    EXPECT_EQ(group.broadcast(x, 0).to_vector<std::int64_t>(), std::vector<std::int64_t>(3, 1));
    EXPECT_EQ(group.all_gather(x).size(0), 3 * n);
  }
  const Tensor bytes = group.all_reduce(full({2}, 255, {.dtype = kUInt8}));  // wraps around
  EXPECT_EQ(bytes.to_vector<std::int64_t>(), std::vector<std::int64_t>(2, 255 * group.size() % 256));
  EXPECT_EQ(error_of<DTypeError>([&] { group.all_reduce(bytes, ReduceOp::mean); }),
            "all_reduce: expected float32 or float64 for a mean but got uint8; convert it with to(kFloat64)");
}

TEST(ProcessGroup, BroadcastsFromEveryRank) {
  const ProcessGroup group = ProcessGroup::world();
  for (int root = 0; root < group.size(); ++root) {
    const std::vector<double> theirs = values_of<double>(root, 6);
    const Tensor x = from_vector(values_of<double>(group.rank(), 6), {2, 3});
    EXPECT_EQ(group.broadcast(x, root).to_vector<double>(), theirs);
    EXPECT_EQ(group.broadcast(x, root).shape(), Shape({2, 3}));
    EXPECT_EQ(group.broadcast_async(x.t(), root).wait().to_vector<double>(),
              (std::vector<double>{theirs[0], theirs[3], theirs[1], theirs[4], theirs[2], theirs[5]}));
    const Tensor mask = full({3}, group.rank() == root ? 1 : 0, {.dtype = kBool});
    EXPECT_EQ(group.broadcast(mask, root).to_vector<bool>(), std::vector<bool>(3, true));
    const Tensor total = group.reduce(x, root);
    EXPECT_EQ(total.to_vector<double>(), group.rank() == root ? group.all_reduce(x).to_vector<double>()
                                                              : (group.all_reduce(x), std::vector<double>(6, 0.0)));
  }
}

// Rank r has r rows, so that rank 0 has none.
Tensor rows_of_rank(int rank) {
  Tensor x = Tensor::empty({rank, 2}, kFloat64);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    x.mutable_data<double>()[i] = 100.0 * rank + static_cast<double>(i);
  }
  return x;
}

TEST(ProcessGroup, GathersAndScattersUnevenRows) {
  const ProcessGroup group = ProcessGroup::world();
  std::vector<Tensor> parts;
  std::vector<std::int64_t> sizes;
  for (int rank = 0; rank < group.size(); ++rank) {
    parts.push_back(rows_of_rank(rank));
    sizes.push_back(rank);
  }
  const Tensor whole = cat(parts);
  const Tensor own = rows_of_rank(group.rank());
  EXPECT_EQ(group.all_gather(own).to_vector<double>(), whole.to_vector<double>());
  EXPECT_EQ(group.all_gather_async(own).wait().to_vector<double>(), whole.to_vector<double>());
  for (int root = 0; root < group.size(); ++root) {
    const bool mine = root == group.rank();
    const Tensor y = group.gather(own, root);
    EXPECT_EQ(y.shape(), mine ? whole.shape() : Shape({0, 2}));
    EXPECT_EQ(y.to_vector<double>(), mine ? whole.to_vector<double>() : std::vector<double>());
    EXPECT_EQ(group.gather_async(own, root).wait().to_vector<double>(), y.to_vector<double>());
    EXPECT_EQ(group.scatter(y, sizes, root).to_vector<double>(), own.to_vector<double>());
  }
  const Tensor sum = group.reduce_scatter(whole, ReduceOp::sum, sizes);
  EXPECT_EQ(sum.to_vector<double>(), (own * static_cast<double>(group.size())).to_vector<double>());
  const Tensor even = group.reduce_scatter(arange(2 * group.size()));
  EXPECT_EQ(even.to_vector<std::int64_t>(),
            (std::vector<std::int64_t>{2L * group.rank() * group.size(), (2L * group.rank() + 1) * group.size()}));
}

TEST(ProcessGroup, CallsOverlapAndFinishInAnyOrder) {
  const ProcessGroup group = ProcessGroup::world();
  std::vector<Work> works;
  for (int i = 0; i < 20; ++i) {
    works.push_back(group.all_reduce_async(full({i < 10 ? 3 : 3000}, group.rank() + i, {.dtype = kInt64})));
  }
  const Work none = group.barrier_async();
  const std::int64_t ranks = group.size() * (group.size() - 1) / 2;
  EXPECT_EQ(group.all_reduce(ones({1})).item(), group.size());
  for (int i = 19; i >= 0; --i) {
    // Ranks wait for different calls first.
    const int at = group.rank() % 2 == 0 ? i : 19 - i;
    EXPECT_EQ(works[static_cast<std::size_t>(at)].wait().to_vector<std::int64_t>().back(), ranks + at * group.size());
  }
  none.wait();
  EXPECT_TRUE(none.done());
}

TEST(ProcessGroup, ObjectsKeepTheirBits) {
  const ProcessGroup group = ProcessGroup::world();
  StateDict state;
  state["weight"] = random_tensor({3, group.rank() + 1}, kFloat32, 7);
  state["none"] = Tensor();
  state["step"] = full({}, group.rank(), {.dtype = kInt64});
  state["mask"] = ones({2}, {.dtype = kBool});
  state["empty"] = zeros({0, 4}, {.dtype = kFloat64});
  const auto check = [](const StateDict& got, int rank) {
    std::string names;
    for (const auto& [name, tensor] : got) {
      names += name + " ";
    }
    EXPECT_EQ(names, "weight none step mask empty ");
    EXPECT_EQ(got.at("weight").shape(), Shape({3, rank + 1}));
    EXPECT_EQ(got.at("weight").to_vector<float>(), random_tensor({3, rank + 1}, kFloat32, 7).to_vector<float>());
    EXPECT_FALSE(got.at("none").defined());
    EXPECT_EQ(got.at("step").item<std::int64_t>(), rank);
    EXPECT_EQ(got.at("mask").to_vector<bool>(), std::vector<bool>(2, true));
    EXPECT_EQ(got.at("empty").shape(), Shape({0, 4}));
    EXPECT_EQ(got.at("empty").dtype(), kFloat64);
  };
  const std::vector<StateDict> all = group.all_gather_object(state);
  ASSERT_EQ(all.size(), static_cast<std::size_t>(group.size()));
  for (int rank = 0; rank < group.size(); ++rank) {
    check(all[static_cast<std::size_t>(rank)], rank);
    check(group.broadcast_object(state, rank), rank);
    EXPECT_EQ(group.gather_object(state, rank).size(), rank == group.rank() ? all.size() : 0U);
    EXPECT_EQ(group.broadcast_object("text of " + std::to_string(group.rank()), rank),
              "text of " + std::to_string(rank));
  }
  EXPECT_EQ(group.broadcast_object(StateDict(), 0).size(), 0U);
}

TEST(ProcessGroup, PartsWorkOnTheirOwn) {
  const ProcessGroup group = ProcessGroup::world();
  const ProcessGroup part = group.split(group.rank() % 2);
  EXPECT_EQ(part.size(), (group.size() + 1 - group.rank() % 2) / 2);
  EXPECT_EQ(part.rank(), group.rank() / 2);
  double sum = 0;
  for (int rank = group.rank() % 2; rank < group.size(); rank += 2) {
    sum += rank;
  }
  EXPECT_EQ(part.all_reduce(full({1}, group.rank())).item(), sum);
  EXPECT_FALSE(part == group);
  EXPECT_TRUE(group == ProcessGroup::world());

  const std::optional<ProcessGroup> last = group.new_group({group.size() - 1});
  ASSERT_EQ(last.has_value(), group.rank() == group.size() - 1);
  if (last) {
    EXPECT_EQ(last->size(), 1);
    EXPECT_EQ(last->all_reduce(full({1}, 5)).item(), 5);
  }
}

TEST(ProcessGroup, NamesTheRanksThatDiffer) {
  const ProcessGroup group = ProcessGroup::world();
  if (group.size() == 1) {
    GTEST_SKIP() << "one rank agrees with itself";
  }
  const bool last = group.rank() == group.size() - 1;
  const std::string first = group.size() == 2 ? "rank 0: " : group.size() == 3 ? "ranks 0, 1: " : "ranks 0, 1, 2: ";
  const std::string second = "; rank " + std::to_string(group.size() - 1) + ": ";
  const auto ends = [&](const std::string& text, const std::string& one, const std::string& other) {
    const std::string end = first + one + second + other;
    EXPECT_TRUE(text.ends_with(end)) << text << "\nshould end in\n" << end;
    EXPECT_NE(text.find("expected the same call on all ranks of the group 'world' but got, as call "),
              std::string::npos)
        << text;
  };
  const auto start = std::chrono::steady_clock::now();
  const Tensor x = ones({3});
  ends(error_of<DistError>([&] { last ? group.broadcast(x) : group.all_reduce(x); }), "all_reduce(sum) of float32 [3]",
       "broadcast(root 0) of float32 [3]");
  ends(error_of<DistError>([&] {
         group.all_reduce(last ? ones({4, 1}) : x);
       }),
       "all_reduce(sum) of float32 [3]", "all_reduce(sum) of float32 [4, 1]");
  ends(error_of<DistError>([&] { group.all_reduce(last ? x.to(kFloat64) : x, ReduceOp::max); }),
       "all_reduce(max) of float32 [3]", "all_reduce(max) of float64 [3]");
  ends(error_of<DistError>([&] { group.all_reduce(x, last ? ReduceOp::min : ReduceOp::max); }),
       "all_reduce(max) of float32 [3]", "all_reduce(min) of float32 [3]");
  ends(error_of<DistError>([&] { group.broadcast(x, last ? 1 : 0); }), "broadcast(root 0) of float32 [3]",
       "broadcast(root 1) of float32 [3]");
  ends(error_of<DistError>([&] { last ? group.barrier() : void(group.all_gather(x)); }), "all_gather of float32 [3]",
       "barrier");
  ends(error_of<DistError>([&] {
         Tensor own = x.clone();
         own.requires_grad_(last);
         group.all_reduce(own);
       }),
       "all_reduce(sum) of float32 [3]", "all_reduce(sum) of float32 [3] that requires a gradient");
  // Not at the time limit.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::duration<double>(group.timeout() / 2));
  EXPECT_EQ(group.all_reduce(ones({1})).item(), group.size()) << "the group is still usable";
}

TEST(ProcessGroup, NamesTheRankItWaitsFor) {
  const ProcessGroup world = ProcessGroup::world();
  ProcessGroup group = world.split(5);  // the group of the error cannot be used any more
  if (group.size() > 1 && group.rank() != 1) {
    EXPECT_EQ(error_of<ValueError>([&] { group.set_timeout(0); }),
              "ProcessGroup: expected a time limit > 0 s but got 0");
    group.set_timeout(0.3);
    const std::string text = error_of<DistError>([&] { group.all_reduce(ones({2})); });
    const std::string start = "all_reduce: rank " + std::to_string(group.rank()) + " has waited ";
    ASSERT_TRUE(text.starts_with(start)) << text;
    EXPECT_GE(std::stod(text.substr(start.size())), 0.3);  // more on a busy machine
    EXPECT_NE(text.find(" s for rank 1 in call 1 of the group 'world/5', all_reduce(sum) of float32 [2]; "),
              std::string::npos)
        << text;
    EXPECT_TRUE(error_of<DistError>([&] {
                  group.barrier();
                }).starts_with("barrier: the group 'world/5' cannot be used after an error: all_reduce: rank "));
  }
  world.barrier();
}

TEST(ProcessGroup, RefusesWrongArguments) {
  const ProcessGroup group = ProcessGroup::world();
  const std::string size = std::to_string(group.size());
  EXPECT_EQ(error_of<ValueError>([&] { group.all_reduce(Tensor()); }),
            "all_reduce: expected a tensor but got an undefined one");
  EXPECT_EQ(error_of<DTypeError>([&] { group.all_reduce(ones({1}, {.dtype = kBool})); }),
            "all_reduce: expected a tensor of numbers but got bool");
  EXPECT_EQ(error_of<DTypeError>([&] { group.all_reduce(arange(3), ReduceOp::mean); }),
            "all_reduce: expected float32 or float64 for a mean but got int64; convert it with to(kFloat64)");
  EXPECT_EQ(error_of<IndexError>([&] { group.broadcast(ones({1}), group.size()); }),
            "broadcast: expected a root in [0, " + size + ") but got " + size);
  EXPECT_EQ(error_of<IndexError>([&] { group.broadcast_object("", -1); }),
            "broadcast_object: expected a root in [0, " + size + ") but got -1");
  EXPECT_EQ(error_of<ShapeError>([&] { group.all_gather(ones({})); }),
            "all_gather: expected at least 1 axis but got a scalar; use x.unsqueeze(0)");
  EXPECT_EQ(error_of<ValueError>([&] {
              group.reduce_scatter(ones({2}), ReduceOp::sum, {1, 1, 1, 1, 1});
            }),
            "reduce_scatter: expected " + size + " sizes, one for each rank, but got 5");
  EXPECT_EQ(error_of<ValueError>([&] { group.scatter(ones({2}), {}); }),
            "scatter: expected " + size + " sizes, one for each rank, but got 0");
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(group.size()), 0);
  sizes[0] = 3;
  EXPECT_EQ(error_of<ValueError>([&] {
              group.reduce_scatter(ones({2, 5}), ReduceOp::sum, sizes);
            }),
            "reduce_scatter: expected 3 rows but got [2, 5]");
  sizes[0] = -1;
  EXPECT_EQ(error_of<ValueError>([&] { group.reduce_scatter(ones({2}), ReduceOp::sum, sizes); }),
            "reduce_scatter: expected sizes >= 0 but got -1");
  if (group.size() > 1) {
    EXPECT_EQ(error_of<ValueError>([&] {
                group.reduce_scatter(ones({1, 2}));
              }),
              "reduce_scatter: expected a multiple of " + size +
                  " rows, the same number for each rank, but got [1, 2]; or pass the sizes");
  }
  EXPECT_EQ(error_of<ValueError>([&] { group.new_group({}); }), "new_group: expected at least one rank but got none");
  EXPECT_EQ(error_of<ValueError>([&] {
              group.new_group({0, 0});
            }),
            "new_group: expected distinct ranks but got 0 twice");
  EXPECT_EQ(error_of<IndexError>([&] { group.new_group({-1}); }),
            "new_group: expected ranks in [0, " + size + ") but got -1");
  EXPECT_EQ(error_of<ValueError>([] { Work().wait(); }), "Work: expected a call in progress but this handle has none");
}

TEST(ProcessGroup, UncheckedCallsComputeTheSame) {
  ProcessGroup group = ProcessGroup::world();
  group.set_check_calls(false);
  EXPECT_FALSE(group.checks_calls());
  check_reductions<float>({ReduceOp::sum, ReduceOp::max});
  EXPECT_EQ(group.all_gather(full({1}, group.rank())).numel(), group.size());
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad::tests
