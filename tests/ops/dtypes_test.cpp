// uint8 and int32: making, moving, converting and printing elements, and the operations on integers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "tests/support/raises.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/rounding.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/index/index.hpp"
#include "normgrad/core/ops/logic/logic.hpp"
#include "normgrad/core/ops/logic/mask.hpp"
#include "normgrad/core/ops/order/order.hpp"
#include "normgrad/core/ops/order/scan.hpp"
#include "normgrad/core/ops/order/search.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/diagonal.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using tests::error_of;

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr std::int64_t kMax32 = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kMin32 = std::numeric_limits<std::int32_t>::min();
constexpr TensorOptions kBytes{.dtype = kUInt8};
constexpr TensorOptions kInts{.dtype = kInt32};

std::vector<std::int64_t> whole(const Tensor& x) { return x.to_vector<std::int64_t>(); }

TEST(SmallIntegersTest, AreMade) {
  for (const DType type : {kUInt8, kInt32}) {
    const TensorOptions options{.dtype = type};
    EXPECT_EQ(zeros({2}, options).dtype(), type);
    EXPECT_THAT(whole(zeros({2}, options)), ElementsAre(0, 0));
    EXPECT_THAT(whole(ones({2}, options)), ElementsAre(1, 1));
    EXPECT_THAT(whole(full({2}, 7, options)), ElementsAre(7, 7));
    EXPECT_THAT(whole(full({2}, 7.9, options)), ElementsAre(7, 7));
    EXPECT_THAT(whole(arange(2, 9, 3, options)), ElementsAre(2, 5, 8));
    EXPECT_THAT(whole(eye(2, options)), ElementsAre(1, 0, 0, 1));
    EXPECT_THAT(whole(tensor({3, 0, 255}, options)), ElementsAre(3, 0, 255));
    EXPECT_THAT(whole(full_like(zeros({1}, options), 9)), ElementsAre(9));
    EXPECT_THAT(whole(zeros({2}, options).fill_(200)), ElementsAre(200, 200));
    const Tensor drawn = randint(0, 200, {500}, options);
    Generator again(5);
    Generator once_more(5);
    EXPECT_EQ(whole(randint(3, 200, {500}, options, &again)),
              whole(randint(3, 200, {500}, {.dtype = kInt64}, &once_more)));
    EXPECT_EQ(drawn.dtype(), type);
    EXPECT_TRUE(all(logical_and(ge(drawn, 0), lt(drawn, 200))).item<bool>());
    EXPECT_EQ(error_of<DTypeError>([&] { zeros({1}, options).requires_grad_(); }),
              detail::concat("requires_grad_: expected a float32 or float64 tensor but got ", type,
                             "; convert it with to(kFloat32) first"));
  }
  EXPECT_EQ(from_vector(std::vector<std::uint8_t>{1, 255}, {2}).dtype(), kUInt8);
  EXPECT_EQ(from_vector(std::vector<std::int32_t>{1, -5}, {2}).to_vector<std::int32_t>(),
            (std::vector<std::int32_t>{1, -5}));
  EXPECT_EQ(tensor({1, 2, 3}, kBytes).buffer().bytes(), 3U);
  EXPECT_EQ(tensor({1, 2, 3}, kInts).buffer().bytes(), 12U);
  EXPECT_EQ(tensor({7, 9}, kInts).data<std::int32_t>()[1], 9);
  EXPECT_EQ(tensor({7, 9}, kBytes).to_vector<std::uint8_t>(), (std::vector<std::uint8_t>{7, 9}));
}

TEST(SmallIntegersTest, NumbersThatDoNotFit) {
  EXPECT_EQ(error_of<ValueError>([] { full({1}, 256, kBytes); }), "full: expected numbers that fit uint8 but got 256");
  EXPECT_EQ(error_of<ValueError>([] {
              tensor({0, -1}, kBytes);
            }),
            "tensor: expected numbers that fit uint8 but got -1");
  EXPECT_EQ(error_of<ValueError>([] { full({1}, kMax32 + 1, kInts); }),
            "full: expected numbers that fit int32 but got 2147483648");
  EXPECT_EQ(error_of<ValueError>([] { zeros({1}, kBytes).fill_(-1); }),
            "fill_: expected a number that fits uint8 but got -1");
  EXPECT_EQ(error_of<ValueError>([] { arange(254, 258, 1, kBytes); }),
            "arange: expected numbers that fit uint8 but got 256");
  EXPECT_EQ(error_of<ValueError>([] { arange(0, 1, 0.25, kInts); }),
            "arange: expected whole numbers for int32 but got start 0 and step 0.25; pass {.dtype = kFloat32}");
  EXPECT_EQ(error_of<ValueError>([] {
              tensor({1.0, 300}).to_vector<std::uint8_t>();
            }),
            "to_vector: expected a number that fits uint8 but got 300");
  const Tensor bytes = tensor({7, 250}, kBytes);
  EXPECT_EQ(error_of<ValueError>([&] { clamp(bytes, 0, 300); }),
            "clamp: expected a number that fits uint8 but got 300");
  EXPECT_THROW(clamp(bytes, -1, {}), ValueError);
  EXPECT_THROW(clamp(bytes, 300, {}), ValueError);
  EXPECT_THROW(clamp(tensor({1}, kInts), {}, kMax32 + 1), ValueError);
  EXPECT_EQ(error_of<ValueError>([&] { pow(bytes, 256); }), "pow: expected a number that fits uint8 but got 256");
  EXPECT_EQ(error_of<ValueError>([&] { fmod(bytes, 256); }), "fmod: expected a number that fits uint8 but got 256");
  EXPECT_THROW(remainder(bytes, -1), ValueError);
  EXPECT_EQ(error_of<ValueError>([&] { where(bytes > 9, bytes, -1); }),
            "where: expected a number that fits uint8 but got -1");
  EXPECT_THROW(full({1}, NAN, kInts), ValueError);
  EXPECT_THROW(randint(0, 300, {1000}, kBytes), ValueError);
  EXPECT_THAT(whole(full({1}, kMin32, kInts)), ElementsAre(kMin32));
  EXPECT_THAT(whole(full({1}, 255.9, kBytes)), ElementsAre(255));
}

TEST(SmallIntegersTest, Convert) {
  const Tensor x = tensor({0, 1, 200, 255}, kBytes);
  for (const DType type : {kFloat32, kFloat64, kInt64, kInt32}) {
    EXPECT_THAT(x.to(type).to_vector<double>(), ElementsAre(0, 1, 200, 255));
    EXPECT_THAT(whole(x.to(type).to(kUInt8)), ElementsAre(0, 1, 200, 255));
  }
  EXPECT_THAT(x.to(kBool).to_vector<bool>(), ElementsAre(false, true, true, true));
  EXPECT_THAT(whole(x.to(kBool).to(kUInt8)), ElementsAre(0, 1, 1, 1));
  EXPECT_THAT(whole(x.to(kBool).to(kInt32)), ElementsAre(0, 1, 1, 1));
  // From integers, the last bits, as in PyTorch.
  EXPECT_THAT(whole(tensor({256, -1, 1000}, {.dtype = kInt64}).to(kUInt8)), ElementsAre(0, 255, 232));
  EXPECT_THAT(whole(tensor({kMax32 + 1, -5}, {.dtype = kInt64}).to(kInt32)), ElementsAre(kMin32, -5));
  EXPECT_THAT(whole(tensor({-1, 300}, kInts).to(kUInt8)), ElementsAre(255, 44));
  // From floating-point numbers, only those that fit once they are truncated.
  EXPECT_THAT(whole(tensor({-0.9, 2.9, 255.9}).to(kUInt8)), ElementsAre(0, 2, 255));
  for (const DType type : {kFloat32, kFloat64}) {
    for (const double wrong : {-1.0, 256.0, kInf, -kInf, double{NAN}}) {
      EXPECT_EQ(error_of<ValueError>([&] { full({1}, wrong, {.dtype = type}).to(kUInt8); }),
                detail::concat("to: expected values that fit uint8 but the ", type, " tensor has one that does not"));
    }
    for (const double wrong : {2147483648.0, -2147483904.0, kInf, double{NAN}}) {
      EXPECT_EQ(error_of<ValueError>([&] { full({1}, wrong, {.dtype = type}).to(kInt32); }),
                detail::concat("to: expected values that fit int32 but the ", type, " tensor has one that does not"));
    }
    EXPECT_THAT(whole(tensor({-2147483648.0, 2147483520.0}, {.dtype = type}).to(kInt32)),
                ElementsAre(kMin32, 2147483520));
  }
  EXPECT_THAT(whole(tensor({-2147483648.9, 2147483647.9}, {.dtype = kFloat64}).to(kInt32)),
              ElementsAre(kMin32, kMax32));
  EXPECT_THROW(full({1}, -2147483649.0, {.dtype = kFloat64}).to(kInt32), ValueError);
  EXPECT_EQ(x[2].item<std::uint8_t>(), 200);
  EXPECT_EQ(tensor({-7}, kInts).item<int>(), -7);
}

TEST(SmallIntegersTest, Print) {
  EXPECT_EQ(to_string(tensor({1, 200}, kBytes)), "tensor([  1, 200], dtype=uint8)");
  EXPECT_EQ(to_string(tensor({-1, 20}, kInts)), "tensor([-1, 20], dtype=int32)");
  EXPECT_EQ(to_string(zeros({0}, kBytes)), "tensor([], dtype=uint8)");
}

// Everything that moves elements moves these as it moves int64.
TEST(SmallIntegersTest, AreMoved) {
  const Tensor mask = tensor({{true, false, true}, {false, false, true}}, {.dtype = kBool});
  const Tensor rows = tensor({1, 0, 1}, {.dtype = kInt64});
  const Tensor cells = tensor({{0, 1, 0}}, {.dtype = kInt64});
  const std::vector<std::function<Tensor(const Tensor&)>> moves = {
      [](const Tensor& x) { return x.clone(); },
      [](const Tensor& x) {
        return x.reshape({3, 2});
      },
      [](const Tensor& x) {
        return x.permute({1, 0});
      },
      [](const Tensor& x) {
        return x.expand({2, 2, 3});
      },
      [](const Tensor& x) { return x.narrow(1, 1, 2); },
      [](const Tensor& x) { return x.slice(1, 0, 3, 2); },
      [](const Tensor& x) { return x[1]; },
      [](const Tensor& x) { return x.flip({1}); },
      [](const Tensor& x) { return x.roll({1}, {1}); },
      [](const Tensor& x) {
        return x.repeat({2, 2});
      },
      [](const Tensor& x) { return x.repeat_interleave(2, 1); },
      [](const Tensor& x) {
        return pad(x, {1, 1, 0, 1}, 9);
      },
      [](const Tensor& x) { return triu(x); },
      [](const Tensor& x) { return x.unbind(1)[2]; },
      [&](const Tensor& x) { return x.index_select(0, rows); },
      [&](const Tensor& x) { return x.gather(0, cells); },
      [&](const Tensor& x) {
        return x.index({rows, Slice(None, None, 2)});
      },
      [&](const Tensor& x) { return x.index({mask}); },
      [&](const Tensor& x) { return x.index_put({rows}, x[0]); },
      [&](const Tensor& x) { return x.index_put({rows}, x[0], true); },
      [&](const Tensor& x) { return x.clone().index_put_({rows}, x[0]); },
      [&](const Tensor& x) { return x.clone().index_put_({rows}, x[0], true); },
      [&](const Tensor& x) {
        return x.index_add(0, rows, cat({x, x[0].unsqueeze(0)}));
      },
      [&](const Tensor& x) { return x.scatter(0, cells, 5); },
      [&](const Tensor& x) { return x.scatter_add(0, cells, x); },
      [&](const Tensor& x) { return x.scatter_reduce(0, cells, x, "sum", false); },
      [&](const Tensor& x) { return x.scatter_reduce(0, cells, x, "prod"); },
      [&](const Tensor& x) { return x.scatter_reduce(0, cells, x, "amax"); },
      [&](const Tensor& x) { return x.scatter_reduce(0, cells, x, "amin", false); },
      [&](const Tensor& x) { return where(mask, x, x + 1); },
      [&](const Tensor& x) { return where(mask, 3, x); },
      [&](const Tensor& x) { return masked_fill(x, mask, 8); },
      [&](const Tensor& x) { return x.masked_select(mask); },
      [](const Tensor& x) {
        return cat({x, x}, 1);
      },
      [](const Tensor& x) {
        return stack({x, x});
      },
      [](const Tensor& x) { return x.sort(1, true).values; },
      [](const Tensor& x) { return topk(x, 2).values; },
      [](const Tensor& x) { return median(x); },
      [](const Tensor& x) { return cummax(x, 1).values; },
      [](const Tensor& x) { return unique(x).values; },
      [](const Tensor& x) { return max(x, 1); },
      [](const Tensor& x) {
        return min(x, {0, 1});
      },
      [](const Tensor& x) { return max_with_indices(x, 0).values; },
      [](const Tensor& x) { return sum_to(x, {3}); },
      [](const Tensor& x) { return round(x); },
      [](const Tensor& x) { return square(x); },
      [](const Tensor& x) { return clamp(x, 2, 5); },
      [](const Tensor& x) { return remainder(x, 3); },
      [](const Tensor& x) { return fmod(x, 3); },
  };
  const Tensor x = tensor({{4, 1, 6}, {2, 2, 5}}, {.dtype = kInt64});
  for (std::size_t i = 0; i < moves.size(); ++i) {
    const Tensor expected = moves[i](x);
    for (const DType type : {kUInt8, kInt32}) {
      const Tensor y = moves[i](x.to(type));
      EXPECT_EQ(y.dtype(), type) << i;
      EXPECT_EQ(y.shape(), expected.shape()) << i;
      EXPECT_EQ(whole(y), whole(expected)) << i;
    }
  }
}

// Results that are positions, sums, counts and truths are of one dtype for all integers.
TEST(SmallIntegersTest, AreCountedAndOrdered) {
  const std::vector<std::function<Tensor(const Tensor&)>> functions = {
      [](const Tensor& x) { return sum(x, 1); },
      [](const Tensor& x) { return sum(x); },
      [](const Tensor& x) { return prod(x, 0); },
      [](const Tensor& x) { return cumsum(x, 1); },
      [](const Tensor& x) { return cumprod(x, 1); },
      [](const Tensor& x) { return argmax(x, 1); },
      [](const Tensor& x) { return argmin(x); },
      [](const Tensor& x) { return argsort(x, 1); },
      [](const Tensor& x) { return topk(x, 2).indices; },
      [](const Tensor& x) { return cummin(x, 0).indices; },
      [](const Tensor& x) { return kthvalue(x, 2).indices; },
      [](const Tensor& x) { return unique(x).counts; },
      [](const Tensor& x) { return unique(x).inverse; },
      [](const Tensor& x) { return searchsorted(x[0].sort().values, x[1]); },
      [](const Tensor& x) { return nonzero(x); },
  };
  const Tensor x = tensor({{200, 0, 77}, {200, 3, 255}}, {.dtype = kInt64});
  for (std::size_t i = 0; i < functions.size(); ++i) {
    for (const DType type : {kUInt8, kInt32}) {
      const Tensor y = functions[i](x.to(type));
      EXPECT_EQ(y.dtype(), kInt64) << i;
      EXPECT_EQ(whole(y), whole(functions[i](x))) << i;
    }
  }
  EXPECT_EQ(sum(full({3}, kMax32, kInts)).item<std::int64_t>(), 3 * kMax32);
  EXPECT_EQ(max(tensor({kMin32, -5}, kInts)).item(), -5);
  for (const DType type : {kUInt8, kInt32}) {
    EXPECT_THAT(any(x.to(type), 0).to_vector<bool>(), ElementsAre(true, true, true));
    EXPECT_THAT(all(x.to(type), 0).to_vector<bool>(), ElementsAre(true, false, true));
    EXPECT_THAT(logical_not(x.to(type)[0]).to_vector<bool>(), ElementsAre(false, true, false));
    EXPECT_FALSE(any(isnan(x.to(type))).item<bool>());
    EXPECT_EQ(error_of<DTypeError>([&] { mean(x.to(type)); }),
              detail::concat("mean: expected a float32 or float64 tensor but got ", type));
  }
}

TEST(SmallIntegersTest, WrapAround) {
  const Tensor a = tensor({250, 3}, kBytes);
  const Tensor b = tensor({10, 5}, kBytes);
  EXPECT_THAT(whole(a + b), ElementsAre(4, 8));
  EXPECT_THAT(whole(a - b), ElementsAre(240, 254));
  EXPECT_THAT(whole(a * b), ElementsAre(196, 15));
  EXPECT_THAT(whole(neg(b)), ElementsAre(246, 251));
  EXPECT_THAT(whole(pow(b, 3)), ElementsAre(232, 125));
  EXPECT_EQ(neg(b).dtype(), kUInt8);
  EXPECT_THAT(whole(maximum(a, b)), ElementsAre(250, 5));
  EXPECT_THAT(whole(minimum(a, b)), ElementsAre(10, 3));
  const Tensor big = tensor({kMax32, kMin32}, kInts);
  EXPECT_THAT(whole(big + 1), ElementsAre(kMin32, kMin32 + 1));
  EXPECT_THAT(whole(big * big), ElementsAre(1, 0));
  EXPECT_THAT(whole(neg(big)), ElementsAre(-kMax32, kMin32));
  EXPECT_THAT(whole(remainder(big, -1)), ElementsAre(0, 0));
  EXPECT_THAT(whole(remainder(tensor({-7, 7}, kInts), 3)), ElementsAre(2, 1));
  Tensor y = a.clone();
  EXPECT_THAT(whole(y.add_(b)), ElementsAre(4, 8));
  EXPECT_THAT(whole(y.sub_(b)), ElementsAre(250, 3));
  EXPECT_THAT(whole(y.add_(b, 2)), ElementsAre(14, 13));
  EXPECT_THAT(whole(y.mul_(b)), ElementsAre(140, 65));
  EXPECT_THAT(whole(y.mul_(3)), ElementsAre(164, 195));
  Tensor z = big.clone();
  EXPECT_THAT(whole(z.mul_(3)), ElementsAre(2147483645, kMin32));
  EXPECT_THAT(whole(z.add_(big, 2)), ElementsAre(2147483643, kMin32));
  EXPECT_EQ(error_of<ValueError>([&] { y.mul_(0.5); }),
            "mul_: expected a whole number for a uint8 tensor but got 0.5; convert the tensor with to(kFloat32) first");
  EXPECT_EQ(error_of<ValueError>([&] { pow(z, -1); }), "pow: expected an exponent >= 0 for an int32 tensor but got -1");
  EXPECT_EQ(error_of<ValueError>([&] { fmod(a, zeros({2}, kBytes)); }),
            "fmod: expected divisors other than 0 for uint8 tensors but got 0");
}

TEST(SmallIntegersTest, LargeTensorsAndBroadcasting) {
  const Tensor row = arange(0, 200, 1, kBytes);
  const Tensor column = arange(0, 300, 1, kInts).reshape({300, 1});
  const Tensor y = row + column;
  EXPECT_EQ(y.dtype(), kInt32);
  EXPECT_EQ(y.shape(), (Shape{300, 200}));
  EXPECT_EQ(y[299][199].item(), 498);
  const Tensor image = randint(0, 256, {3, 40, 50}, kBytes);
  const Tensor scaled = image.to(kFloat32) / 255;
  EXPECT_EQ(whole((scaled * 255 + 0.5).to(kUInt8)), whole(image));
  EXPECT_EQ(whole(image.permute({2, 0, 1}).permute({1, 2, 0})), whole(image));
}

// int32 indices count as the same in int64.
TEST(SmallIntegersTest, Indices) {
  const Tensor x = tensor({{1, 2}, {3, 4}, {5, 6}}, {.requires_grad = true});
  const Tensor at = tensor({2, 0, -1}, {.dtype = kInt64});
  const Tensor words = tensor({{2, 0}, {1, 2}}, {.dtype = kInt64});
  const std::vector<std::function<Tensor(bool)>> uses = {
      [&](bool small) { return x.index_select(0, small ? at.to(kInt32) : at); },
      [&](bool small) { return x.index({small ? at.to(kInt32) : at}); },
      [&](bool small) { return x.index({small ? at.to(kInt32)[0] : at[0]}); },
      [&](bool small) { return index_put(x, {small ? at.to(kInt32) : at}, 9); },
      [&](bool small) { return x.index_add(0, small ? at.to(kInt32) : at, x); },
      [&](bool small) { return x.gather(0, small ? words.to(kInt32) : words); },
      [&](bool small) { return embedding(small ? words.to(kInt32) : words, x); },
      [&](bool small) { return embedding_bag(small ? words.to(kInt32) : words, x); },
      [&](bool small) { return x.repeat_interleave(small ? words.to(kInt32).index({0}) : words[0], 1); },
  };
  for (std::size_t i = 0; i < uses.size(); ++i) {
    const Tensor y = uses[i](true);
    const Tensor expected = uses[i](false);
    EXPECT_EQ(y.to_vector<float>(), expected.to_vector<float>()) << i;
    const Tensor weight =
        arange(1, y.numel() + 1).reshape(std::vector<std::int64_t>(y.shape().begin(), y.shape().end()));
    EXPECT_EQ(grad({(y * weight).sum()}, {x})[0].to_vector<float>(),
              grad({(expected * weight).sum()}, {x})[0].to_vector<float>())
        << i;
  }
  EXPECT_EQ(error_of<DTypeError>([&] { embedding(ones({2}, kBytes), x); }),
            "embedding: expected an int64 or int32 index but got uint8; convert it with to(kInt64)");
  EXPECT_EQ(error_of<DTypeError>([&] { x.index({ones({3}, kBytes)}); }),
            "index: expected an int64, int32 or bool index but got uint8; convert it with to(kInt64), or a mask with "
            "to(kBool)");
  EXPECT_EQ(error_of<IndexError>([&] {
              embedding(tensor({1, 7}, kInts), x);
            }),
            "embedding: expected indices in [0, 3) but got 7 at position 1");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
