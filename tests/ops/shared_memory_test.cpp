// Parts along axis 0 and tensors of another shape share memory: values, versions, layouts and lifetimes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "normgrad/core/base/serial.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/index/index.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;

using Values = std::vector<double>;

Tensor counted(const Shape& shape, DType dtype = kFloat32) {
  return reshape_to(arange(0, shape.numel(), 1, {.dtype = dtype}), shape);
}
Values list(const Tensor& x) { return x.to_vector<double>(); }

struct PartCase {
  const char* name;
  std::function<Tensor(Tensor&)> of;
  std::vector<std::int64_t> elements;  // of counted({4, 3})
  Shape shape;
};

std::vector<PartCase> part_cases() {
  return {
      {"row", [](Tensor& x) { return x[1]; }, {3, 4, 5}, {3}},
      {"last_row", [](Tensor& x) { return x[-1]; }, {9, 10, 11}, {3}},
      {"element", [](Tensor& x) { return x[2][1]; }, {7}, {}},
      {"select", [](Tensor& x) { return x.select(0, 2); }, {6, 7, 8}, {3}},
      {"select_function", [](Tensor& x) { return select(x, -2, 2); }, {6, 7, 8}, {3}},
      {"narrow", [](Tensor& x) { return x.narrow(0, 1, 2); }, {3, 4, 5, 6, 7, 8}, {2, 3}},
      {"narrow_function", [](Tensor& x) { return narrow(x, 0, 3, 1); }, {9, 10, 11}, {1, 3}},
      {"narrow_twice", [](Tensor& x) { return x.narrow(0, 1, 3).narrow(0, 1, 2); }, {6, 7, 8, 9, 10, 11}, {2, 3}},
      {"nothing", [](Tensor& x) { return x.narrow(0, 4, 0); }, {}, {0, 3}},
      {"slice", [](Tensor& x) { return x.slice(0, -3, -1); }, {3, 4, 5, 6, 7, 8}, {2, 3}},
      {"slice_function", [](Tensor& x) { return slice(x, 0, 3, {}); }, {9, 10, 11}, {1, 3}},
      {"whole_slice", [](Tensor& x) { return x.slice(0); }, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, {4, 3}},
      {"split", [](Tensor& x) { return x.split(2)[1]; }, {6, 7, 8, 9, 10, 11}, {2, 3}},
      {"split_sizes",
       [](Tensor& x) {
         return x.split({1, 3})[0];
       },
       {0, 1, 2},
       {1, 3}},
      {"chunk", [](Tensor& x) { return x.chunk(3)[1]; }, {6, 7, 8, 9, 10, 11}, {2, 3}},
      {"unbind", [](Tensor& x) { return x.unbind()[3]; }, {9, 10, 11}, {3}},
      {"row_of_view",
       [](Tensor& x) {
         return x.view({6, 2})[2];
       },
       {4, 5},
       {2}},
      {"view_of_row", [](Tensor& x) { return x[2].unsqueeze(-1); }, {6, 7, 8}, {3, 1}},
      {"flat", [](Tensor& x) { return x.flatten().slice(0, 5, 7); }, {5, 6}, {2}},
      {"detached",
       [](Tensor& x) {
         return x.detach()[1].squeeze().reshape({1, 3});
       },
       {3, 4, 5},
       {1, 3}},
  };
}

struct Write {
  const char* name;
  std::function<void(Tensor&)> change;
  std::function<double(double)> expected;
};

std::vector<Write> writes() {
  return {
      {"fill_", [](Tensor& v) { v.fill_(7.0); }, [](double) { return 7.0; }},
      {"zero_", [](Tensor& v) { v.zero_(); }, [](double) { return 0.0; }},
      {"copy_", [](Tensor& v) { v.copy_(full(v.shape(), -2.0)); }, [](double) { return -2.0; }},
      {"copy_ of int64", [](Tensor& v) { v.copy_(full(v.shape(), -3, {.dtype = kInt64})); },
       [](double) { return -3.0; }},
      {"add_", [](Tensor& v) { v.add_(full(v.shape(), 0.5)); }, [](double a) { return a + 0.5; }},
      {"add_ of itself", [](Tensor& v) { v.add_(v); }, [](double a) { return 2.0 * a; }},
      {"add_ scaled", [](Tensor& v) { v.add_(ones(v.shape()), 3.0); }, [](double a) { return a + 3.0; }},
      {"sub_", [](Tensor& v) { v.sub_(ones(v.shape())); }, [](double a) { return a - 1.0; }},
      {"mul_", [](Tensor& v) { v.mul_(full(v.shape(), 4.0)); }, [](double a) { return a * 4.0; }},
      {"mul_ by a number", [](Tensor& v) { v.mul_(0.5); }, [](double a) { return a * 0.5; }},
      {"div_", [](Tensor& v) { v.div_(2.0); }, [](double a) { return a / 2.0; }},
      {"index_put_", [](Tensor& v) { v.index_put_({"..."}, 9.0); }, [](double) { return 9.0; }},
      {"index_put_ added", [](Tensor& v) { v.index_put_({"..."}, 9.0, true); }, [](double a) { return a + 9.0; }},
      {"mutable_data",
       [](Tensor& v) {
         float* to = v.mutable_data<float>();
         std::transform(to, to + v.numel(), to, [](float a) { return -a; });
       },
       [](double a) { return -a; }},
  };
}

class SharedPartTest : public testing::TestWithParam<PartCase> {};

TEST_P(SharedPartTest, IsThePartItself) {
  for (const DType dtype : {kFloat32, kFloat64, kInt64}) {
    Tensor x = counted({4, 3}, dtype);
    const Tensor part = GetParam().of(x);
    EXPECT_EQ(part.shape(), GetParam().shape);
    EXPECT_EQ(list(part), Values(GetParam().elements.begin(), GetParam().elements.end()));
    EXPECT_TRUE(part.buffer().shares_block(x.buffer()));
    if (part.numel() > 0) {
      EXPECT_EQ(part.buffer().data() - x.buffer().data(),
                GetParam().elements[0] * static_cast<std::int64_t>(dtype_size(dtype)));
    }
    EXPECT_FALSE(x.is_sole_owner());
    EXPECT_FALSE(part.is_sole_owner());
  }
}

TEST_P(SharedPartTest, SeesChangesOfTheWhole) {
  Tensor x = counted({4, 3});
  const Tensor part = GetParam().of(x);
  const std::uint64_t version = part.version();
  x.mul_(10.0);
  for (std::size_t i = 0; i < GetParam().elements.size(); ++i) {
    EXPECT_EQ(list(part)[i], 10.0 * static_cast<double>(GetParam().elements[i]));
  }
  EXPECT_EQ(part.version(), version + 1);
}

TEST_P(SharedPartTest, ChangesTheWhole) {
  for (const Write& write : writes()) {
    Tensor x = counted({4, 3});
    const Tensor other = x.narrow(0, 1, 1);
    Tensor part = GetParam().of(x);
    const std::uint64_t version = x.version();
    write.change(part);
    Values expected = list(counted({4, 3}));
    for (const std::int64_t i : GetParam().elements) {
      double& value = expected[static_cast<std::size_t>(i)];
      value = write.expected(value);
    }
    EXPECT_EQ(list(x), expected) << write.name;
    EXPECT_GT(x.version(), version) << write.name;
    EXPECT_EQ(part.version(), x.version()) << write.name;
    EXPECT_EQ(other.version(), x.version()) << write.name;
  }
}

TEST_P(SharedPartTest, OutlivesTheWhole) {
  const std::size_t before = memory_stats().bytes_in_use;
  {
    Tensor x = counted({4, 3});
    const Tensor part = GetParam().of(x);
    const Values values = list(part);
    x = Tensor();
    const Tensor fresh = full({4, 3}, -1.0);  // would use freed memory
    EXPECT_EQ(list(part), values);
  }
  EXPECT_EQ(memory_stats().bytes_in_use, before);
}

INSTANTIATE_TEST_SUITE_P(All, SharedPartTest, testing::ValuesIn(part_cases()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(SharedMemoryTest, OtherPartsAreCopies) {
  Tensor x = counted({4, 3});
  std::vector<Tensor> copies = {x.narrow(1, 0, 2),      x.select(1, 0),   x.slice(1),     x.slice(0, 0, 4, 2),
                                x.slice(0, 0, 1, 2),    x.split(2, 1)[0], x.unbind(1)[0], x.chunk(2, 1)[0],
                                x.index({Slice(0, 2)}), x.clone()};
  for (Tensor& copy : copies) {
    EXPECT_FALSE(copy.buffer().shares_block(x.buffer()));
    copy.fill_(-1.0);
  }
  EXPECT_EQ(list(x), list(counted({4, 3})));
}

// A part of a part of memory that someone else owns.
TEST(SharedMemoryTest, ForeignMemoryLivesAsLongAsAPartOfIt) {
  std::vector<float> memory = {0, 1, 2, 3, 4, 5};
  int released = 0;
  Tensor x = Tensor::from_buffer(
      Buffer(memory.data(), 6 * sizeof(float), &released, [](void* count) { ++*static_cast<int*>(count); }), {3, 2},
      kFloat32);
  Tensor row = x[1];
  x = Tensor();
  row[1] = 9.0;
  EXPECT_EQ(memory[3], 9.0F);
  EXPECT_EQ(released, 0);
  row = Tensor();
  EXPECT_EQ(released, 1);
}

// Overlapping operands: as if the operand had been read before.
TEST(SharedMemoryTest, OverlappingOperands) {
  Tensor x = counted({5, 2});
  x.narrow(0, 1, 4).copy_(x.narrow(0, 0, 4));
  EXPECT_THAT(list(x), ElementsAre(0, 1, 0, 1, 2, 3, 4, 5, 6, 7));
  x = counted({5, 2});
  x.narrow(0, 0, 4).copy_(x.narrow(0, 1, 4));
  EXPECT_THAT(list(x), ElementsAre(2, 3, 4, 5, 6, 7, 8, 9, 8, 9));
  x = counted({5});
  x.slice(0, 1).add_(x.slice(0, 0, 4));
  EXPECT_THAT(list(x), ElementsAre(0, 1, 3, 5, 7));
  x = counted({5});
  x.slice(0, 1).sub_(x.slice(0, 0, 4), 2.0);
  EXPECT_THAT(list(x), ElementsAre(0, 1, 0, -1, -2));
  x = counted({5});
  x.slice(0, 1).mul_(x.slice(0, 0, 4));
  EXPECT_THAT(list(x), ElementsAre(0, 0, 2, 6, 12));
  x = counted({5});
  x.slice(0, 1).index_put_({tensor({3, 2, 1, 0}, {.dtype = kInt64})}, x.slice(0, 0, 4));
  EXPECT_THAT(list(x), ElementsAre(0, 3, 2, 1, 0));
  x = counted({5});
  x.index_put_({Slice(1, 4)}, x.slice(0, 0, 3), true);
  EXPECT_THAT(list(x), ElementsAre(0, 1, 3, 5, 4));
  const std::int64_t n = 300'000;  // several threads
  Tensor large = counted({n + 1}, kFloat64);
  large.slice(0, 1).copy_(large.slice(0, 0, n));
  const Values moved = list(large);
  for (std::int64_t i = 1; i <= n; ++i) {
    ASSERT_EQ(moved[static_cast<std::size_t>(i)], static_cast<double>(i - 1));
  }
}

// --- channels-last memory

class ChannelsLastPartTest : public testing::TestWithParam<bool> {
 protected:
  // With a row-major copy beside it, or not yet.
  static Tensor batch() {
    Tensor x = counted({4, 3, 2, 2}).as_channels_last();
    if (GetParam()) {
      x.data<float>();
    }
    return x;
  }
  static Values expected(std::int64_t first, std::int64_t end, const std::function<double(double)>& f) {
    Values values = list(counted({4, 3, 2, 2}));
    std::transform(values.begin() + first, values.begin() + end, values.begin() + first, f);
    return values;
  }
};

TEST_P(ChannelsLastPartTest, IsNotLaidOutAnew) {
  Tensor x = batch();
  const Tensor part = x.narrow(0, 1, 2);
  EXPECT_TRUE(part.is_channels_last());
  EXPECT_EQ(part.physical_data<float>(), x.physical_data<float>() + 12);
  EXPECT_EQ(part.buffer().channels_last(), (ChannelsLast{2, 3, 4}));
  const Values values = list(counted({4, 3, 2, 2}));
  EXPECT_EQ(list(part), Values(values.begin() + 12, values.begin() + 36));
  EXPECT_EQ(part.data<float>(), x.data<float>() + 12);
  EXPECT_EQ(list(part.clone()), list(part));
  EXPECT_EQ(list(part.permute({2, 0, 3, 1})), list(part.row_major().permute({2, 0, 3, 1})));
  EXPECT_FALSE(x.narrow(0, 2, 0).is_channels_last());
  EXPECT_EQ(x[2].data<float>(), x.data<float>() + 24);
  EXPECT_EQ(list(x[2]), Values(values.begin() + 24, values.begin() + 36));
}

TEST_P(ChannelsLastPartTest, ChangesAreSeenByAll) {
  for (const Write& write : writes()) {
    for (const bool whole_shape : {true, false}) {  // narrow() keeps the axes, select() does not
      Tensor x = batch();
      const Tensor other = x.narrow(0, 0, 2);
      const Tensor flat = x.flatten();
      Tensor part = whole_shape ? x.narrow(0, 1, 2) : x[1];
      const std::uint64_t version = x.version();
      write.change(part);
      const Values all = expected(12, whole_shape ? 36 : 24, write.expected);
      EXPECT_EQ(list(x), all) << write.name;
      EXPECT_EQ(list(x.as_channels_last().clone()), all) << write.name;
      EXPECT_EQ(list(flat), all) << write.name;
      EXPECT_EQ(list(other), Values(all.begin(), all.begin() + 24)) << write.name;
      EXPECT_GT(x.version(), version) << write.name;
      EXPECT_EQ(other.version(), x.version()) << write.name;
      EXPECT_EQ(part.version(), x.version()) << write.name;
      x.add_(ones({4, 3, 2, 2}));
      EXPECT_EQ(list(part)[0], all[12] + 1.0) << write.name;
      EXPECT_EQ(list(flat)[0], 1.0) << write.name;
    }
  }
}

TEST_P(ChannelsLastPartTest, OverlappingOperands) {
  Tensor x = batch();
  x.narrow(0, 1, 3).copy_(x.narrow(0, 0, 3));
  const Values before = list(counted({4, 3, 2, 2}));
  Values moved = before;
  std::copy_n(before.begin(), 36, moved.begin() + 12);
  EXPECT_EQ(list(x), moved);
}

INSTANTIATE_TEST_SUITE_P(All, ChannelsLastPartTest, testing::Bool(),
                         [](const auto& test) { return std::string(test.param ? "WithACopy" : "WithoutACopy"); });

TEST(SharedMemoryTest, ManyThreadsReadPartsOfOneTensor) {
  for (int round = 0; round < 20; ++round) {
    const bool channels_last = round % 2 == 1;
    const Tensor source = counted({8, 3, 5, 5});
    const Tensor x = channels_last ? source.as_channels_last() : source;
    std::vector<std::thread> threads;
    for (std::int64_t t = 0; t < 8; ++t) {
      threads.emplace_back([&x, t] {
        const SerialSection serial;
        const Tensor row = x[t];
        const Tensor rest = x.narrow(0, t, 8 - t);
        EXPECT_EQ(row.data<float>()[1], static_cast<float>(75 * t + 1));
        EXPECT_EQ(rest.to_vector<float>()[0], static_cast<float>(75 * t));
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
  }
}

TEST(SharedMemoryTest, EachThreadFillsItsPart) {
  Tensor x = zeros({8, 1000});
  std::vector<std::thread> threads;
  for (std::int64_t t = 0; t < 8; ++t) {
    threads.emplace_back([row = x[t], t]() mutable {
      const SerialSection serial;
      row.fill_(t).add_(ones({1000}));
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (std::int64_t t = 0; t < 8; ++t) {
    EXPECT_EQ(x[t].sum().item(), 1000.0 * static_cast<double>(t + 1));
  }
  EXPECT_EQ(x.version(), x[0].version());
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
