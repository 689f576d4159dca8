// Indexing by lists of positions, ranges, index tensors and masks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/index/index.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using tests::error_of;
using tests::gradients_agree;
using tests::random_tensor;
using Place = std::vector<std::int64_t>;
using Indices = std::vector<TensorIndex>;

Tensor whole(const std::vector<std::int64_t>& values, const Shape& shape) { return from_vector(values, shape); }
Tensor mask(const std::vector<bool>& values, const Shape& shape) { return from_vector(values, shape); }

struct Case {
  const char* name;
  Indices indices;
  Shape result;
  std::function<Place(const Place& at)> source;  // the place in x[2, 3, 4] of each element of the result
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

std::vector<Case> cases() {
  const auto row = [](std::int64_t i) { return std::vector<std::int64_t>{2, 0, -1, 1}[static_cast<std::size_t>(i)]; };
  const Tensor rows = whole({2, 0, -1, 1}, {4});  // of axis 1
  const Tensor pairs = whole({0, 1, 1, 0, 1, 0}, {3, 2});
  const auto pair = [](std::int64_t i, std::int64_t j) {
    return std::vector<std::int64_t>{0, 1, 1, 0, 1, 0}[static_cast<std::size_t>(2 * i + j)];
  };
  const Tensor plane = mask({true, false, true, false, false, true}, {2, 3});  // (0, 0), (0, 2), (1, 2)
  const auto spot = [](std::int64_t i) {
    return std::vector<Place>{{0, 0}, {0, 2}, {1, 2}}[static_cast<std::size_t>(i)];
  };
  const auto up = [](std::int64_t i, std::int64_t size) { return i < 0 ? i + size : i; };
  return {
      {"nothing", {}, {2, 3, 4}, [](const Place& p) { return p; }},
      {"position",
       {1},
       {3, 4},
       [](const Place& p) {
         return Place{1, p[0], p[1]};
       }},
      {"positions",
       {-1, 0, 2},
       {},
       [](const Place&) {
         return Place{1, 0, 2};
       }},
      {"dots",
       {"...", -1},
       {2, 3},
       [](const Place& p) {
         return Place{p[0], p[1], 3};
       }},
      {"dots_of_none",
       {0, Ellipsis, 1, 2},
       {},
       [](const Place&) {
         return Place{0, 1, 2};
       }},
      {"slices",
       {Slice(), Slice(1, None), Slice(None, None, 2)},
       {2, 2, 2},
       [](const Place& p) {
         return Place{p[0], 1 + p[1], 2 * p[2]};
       }},
      {"slices_from_the_end",
       {Slice(), Slice(-2, -1), Slice(-3)},
       {2, 1, 3},
       [](const Place& p) {
         return Place{p[0], 1, 1 + p[2]};
       }},
      {"slices_beyond", {Slice(-9, 9), Slice(2, 1)}, {2, 0, 4}, [](const Place& p) { return p; }},
      {"new_axes",
       {None, "...", None, Slice(0, 3)},
       {1, 2, 3, 1, 3},
       [](const Place& p) {
         return Place{p[1], p[2], p[4]};
       }},
      {"tensor",
       {pairs},
       {3, 2, 3, 4},
       [=](const Place& p) {
         return Place{pair(p[0], p[1]), p[2], p[3]};
       }},
      {"tensor_of_one_axis",
       {Slice(), rows},
       {2, 4, 4},
       [=](const Place& p) {
         return Place{p[0], up(row(p[1]), 3), p[2]};
       }},
      {"tensor_without_axes",
       {whole({1}, {}), rows},
       {4, 4},
       [=](const Place& p) {
         return Place{1, up(row(p[0]), 3), p[1]};
       }},
      {"tensors_broadcast",
       {pairs.unsqueeze(2), rows},
       {3, 2, 4, 4},
       [=](const Place& p) {
         return Place{pair(p[0], p[1]), up(row(p[2]), 3), p[3]};
       }},
      {"neighbors_behind",
       {Slice(0, 1), whole({0, 2}, {2}), whole({3, -3}, {2})},
       {1, 2},
       [](const Place& p) {
         return Place{0, p[1] == 0 ? 0 : 2, p[1] == 0 ? 3 : 1};
       }},
      {"apart_come_first",
       {pairs, Slice(1, 3), pairs},
       {3, 2, 2},
       [=](const Place& p) {
         return Place{pair(p[0], p[1]), 1 + p[2], pair(p[0], p[1])};
       }},
      {"a_new_axis_parts_them",
       {pairs, None, pairs},
       {3, 2, 1, 4},
       [=](const Place& p) {
         return Place{pair(p[0], p[1]), pair(p[0], p[1]), p[3]};
       }},
      {"a_position_does_not_part_them",
       {Slice(), 1, whole({3, 0, 0}, {3})},
       {2, 3},
       [](const Place& p) {
         return Place{p[0], 1, p[1] == 0 ? 3 : 0};
       }},
      {"mask",
       {plane},
       {3, 4},
       [=](const Place& p) {
         return Place{spot(p[0])[0], spot(p[0])[1], p[1]};
       }},
      {"mask_and_tensor",
       {plane, whole({0, 1, 3}, {3})},
       {3},
       [=](const Place& p) {
         return Place{spot(p[0])[0], spot(p[0])[1], p[0] == 2 ? 3 : p[0]};
       }},
      {"mask_behind",
       {"...", mask({false, true, false, true}, {4})},
       {2, 3, 2},
       [](const Place& p) {
         return Place{p[0], p[1], 1 + 2 * p[2]};
       }},
      {"mask_of_nothing", {mask(std::vector<bool>(6, false), {2, 3})}, {0, 4}, [](const Place& p) { return p; }},
      {"true_adds_an_axis",
       {true},
       {1, 2, 3, 4},
       [](const Place& p) {
         return Place{p[1], p[2], p[3]};
       }},
      {"false_empties", {false}, {0, 2, 3, 4}, [](const Place& p) { return p; }},
      {"no_indices", {whole({}, {0, 2})}, {0, 2, 3, 4}, [](const Place& p) { return p; }},
  };
}

class IndexTest : public testing::TestWithParam<Case> {};

// The places of all elements of a shape, in row-major order.
std::vector<Place> places(const Shape& shape) {
  std::vector<Place> all;
  for (std::int64_t flat = 0; flat < shape.numel(); ++flat) {
    Place at(shape.rank());
    std::int64_t rest = flat;
    for (std::size_t i = shape.rank(); i-- > 0;) {
      at[i] = rest % shape[i];
      rest /= shape[i];
    }
    all.push_back(at);
  }
  return all;
}

TEST_P(IndexTest, ReadsAndWrites) {
  const Case& c = GetParam();
  std::vector<std::int64_t> expected;
  for (const Place& at : places(c.result)) {
    const Place from = c.source(at);
    expected.push_back(12 * from[0] + 4 * from[1] + from[2]);
  }
  for (const DType dtype : {kFloat32, kFloat64, kInt64}) {
    const Tensor x = arange(0, 24, 1, {.dtype = dtype}).reshape({2, 3, 4});
    const Tensor y = x.index(c.indices);
    EXPECT_EQ(y.shape(), c.result);
    EXPECT_EQ(y.to_vector<std::int64_t>(), expected);
    // Writing: of equal places the last counts, or all are added.
    std::vector<std::int64_t> put = x.to_vector<std::int64_t>();
    std::vector<std::int64_t> sums = put;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      put[static_cast<std::size_t>(expected[i])] = 100 + static_cast<std::int64_t>(i);
      sums[static_cast<std::size_t>(expected[i])] += 100 + static_cast<std::int64_t>(i);
    }
    const auto n = static_cast<std::int64_t>(expected.size());
    const Tensor values = reshape_to(arange(100, 100 + n, 1, {.dtype = dtype}), c.result);
    EXPECT_EQ(x.index_put(c.indices, values).to_vector<std::int64_t>(), put);
    EXPECT_EQ(x.index_put(c.indices, values, true).to_vector<std::int64_t>(), sums);
    EXPECT_EQ(x.clone().index_put_(c.indices, values).to_vector<std::int64_t>(), put);
    EXPECT_EQ(x.clone().index_put_(c.indices, values, true).to_vector<std::int64_t>(), sums);
  }
}

TEST_P(IndexTest, Gradients) {
  const Case& c = GetParam();
  const Tensor x = random_tensor({2, 3, 4}, kFloat64, 1).requires_grad_();
  const Tensor v = random_tensor(c.result, kFloat64, 2).requires_grad_();
  const auto squared = [](const Tensor& y) { return y * y; };
  const auto read = [&](const std::vector<Tensor>& in) { return squared(in[0].index(c.indices)); };
  const auto put = [&](const std::vector<Tensor>& in) { return squared(in[0].index_put(c.indices, in[1])); };
  const auto add = [&](const std::vector<Tensor>& in) { return squared(in[0].index_put(c.indices, in[1], true)); };
  EXPECT_TRUE(gradients_agree(read, {x}));
  EXPECT_TRUE(gradients_agree(put, {x, v}));
  EXPECT_TRUE(gradients_agree(add, {x, v}));
}

INSTANTIATE_TEST_SUITE_P(All, IndexTest, testing::ValuesIn(cases()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(IndexPutTest, ValuesBroadcastAndNumbers) {
  Tensor x = zeros({2, 3});
  x.index_put_({Slice(), 1}, 5.0);
  x.index_put_({0}, tensor({1.0, 2, 3}), true);
  EXPECT_THAT(x.to_vector<float>(), ElementsAre(1, 7, 3, 0, 5, 0));
  x.index_put_({x.index({"..."}) > 4.0}, -1);
  EXPECT_THAT(x.to_vector<float>(), ElementsAre(1, -1, 3, 0, -1, 0));
  EXPECT_THAT(index_put(x, {whole({0, 1}, {2}), whole({2, 2}, {2})}, tensor({9.0})).to_vector<float>(),
              ElementsAre(1, -1, 9, 0, -1, 9));
  EXPECT_THAT(index_put(x, {1, 0}, 4.0, true).to_vector<float>(), ElementsAre(1, -1, 3, 4, -1, 0));
  x.index_put_({whole({1, 0}, {2})}, x);  // x is among its own values
  EXPECT_THAT(x.to_vector<float>(), ElementsAre(0, -1, 0, 1, -1, 3));
  Tensor truth = mask({false, false, true}, {3});
  truth.index_put_({0}, mask({true}, {}));
  EXPECT_THAT(truth.to_vector<bool>(), ElementsAre(true, false, true));
  EXPECT_THAT(index(truth, {Slice(1, 3)}).to_vector<bool>(), ElementsAre(false, true));
}

TEST(IndexPutTest, ChannelsLastAndViews) {
  const Tensor x = arange(0, 24, 1, {.dtype = kFloat32}).reshape({1, 2, 3, 4});
  const Indices indices = {0, whole({1, 0, 1}, {3}), "...", 2};
  EXPECT_EQ(x.as_channels_last().index(indices).to_vector<float>(), x.index(indices).to_vector<float>());
  Tensor y = x.as_channels_last().clone();
  y.index_put_(indices, tensor({1.0, 2, 3}));
  EXPECT_EQ(y.to_vector<float>(), x.index_put(indices, tensor({1.0, 2, 3})).to_vector<float>());
}

TEST(IndexTest, Errors) {
  const Tensor x = zeros({2, 3, 4});
  const auto of = [&](const Indices& indices) { return error_of<Error>([&] { x.index(indices); }); };
  EXPECT_EQ(of({0, 3}), "index: expected an index in [-3, 3) for axis 1 of [2, 3, 4] but got 3");
  EXPECT_EQ(of({0, 0, 0, 0}), "index: expected at most 3 indices for [2, 3, 4] but got 4");
  EXPECT_EQ(of({"...", 0, "..."}), "index: expected at most one ellipsis but got 2");
  EXPECT_EQ(of({Slice(), whole({0, -4}, {2})}),
            "index: expected indices in [-3, 3) for axis 1 of [2, 3, 4] but got -4 at position 1");
  EXPECT_EQ(of({zeros({2})}),
            "index: expected an int64, int32 or bool index but got float32; convert it with to(kInt64)");
  EXPECT_EQ(of({Tensor()}), "index: expected an index tensor but got an undefined one");
  EXPECT_EQ(of({mask({true, false}, {2}), mask({true, false}, {2})}),
            "index: expected a mask of shape [3], that of axes 1 to 1 of [2, 3, 4], but got [2]");
  EXPECT_EQ(of({whole({0, 1}, {2}), whole({0, 1, 2}, {3})}),
            error_of<ShapeError>([&] { broadcast_shapes("index", {2}, {3}); }));
  EXPECT_EQ(error_of<ValueError>([&] { of({"x"}); }),
            "index: expected \"...\", a number, Slice, None or a tensor but got the text \"x\"");
  EXPECT_EQ(error_of<ValueError>([&] { Slice(None, None, -1); }),
            "Slice: expected a step of at least 1 but got -1; flip() reverses an axis");
  EXPECT_EQ(error_of<ValueError>([&] { Slice(0, 1, 0); }), "Slice: expected a step of at least 1 but got 0");
  EXPECT_EQ(error_of<ShapeError>([&] {
              index_put(x, {0}, zeros({2, 4}));
            }),
            "index_put: expected values that broadcast to the selected [3, 4] but got [2, 4]");
  EXPECT_EQ(error_of<DTypeError>([&] { index_put(x, {0}, zeros({}, {.dtype = kInt64})); }),
            "index_put: expected values of dtype float32 but got int64");
  Tensor learned = zeros({2}, {.requires_grad = true});
  EXPECT_EQ(error_of<GraphError>([&] { learned.index_put_({0}, 1.0); }),
            "index_put_: the tensor is a leaf that requires gradients, and leaves cannot be changed in place while "
            "operations are recorded; change it under NoGradGuard, or use the operation that returns a new tensor");
  Tensor truth = zeros({2}, {.dtype = kBool});
  EXPECT_EQ(error_of<DTypeError>([&] { truth.index_put_({0}, truth[1], true); }),
            "index_put_: expected a tensor of numbers to accumulate but got bool");
}

TEST(IndexTest, GradientsDoNotDependOnThreads) {
  const Tensor x = random_tensor({50, 300}, kFloat32, 3).requires_grad_();
  Generator g(4);
  const Tensor rows = randint(-50, 50, {400}, {.dtype = kInt64}, &g);
  const Tensor weight = random_tensor({400, 300}, kFloat32, 5);
  const int before = get_num_threads();
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 3}) {
    set_num_threads(threads);
    results.push_back(grad({x.index({rows})}, {x}, {weight})[0].to_vector<float>());
  }
  set_num_threads(before);
  EXPECT_EQ(results[0], results[1]);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
