// Gradients of the operations that move elements. All are linear, so first and second order are sufficient.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/support/gradients.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/dropout.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using Inputs = std::vector<Tensor>;
using testing::ElementsAre;
using testing::ThrowsMessage;
using tests::gradients_agree;
using tests::random_tensor;

Tensor indices(const std::vector<std::int64_t>& values, const Shape& shape) { return from_vector(values, shape); }

struct Move {
  const char* name;
  std::vector<Shape> inputs;
  TensorFunction f;
};

void PrintTo(const Move& move, std::ostream* out) { *out << move.name; }

class MoveGradientTest : public testing::TestWithParam<Move> {};

// Squared after the move, so that the second order is not zero.
TEST_P(MoveGradientTest, AgreesWithDifferences) {
  Inputs inputs;
  for (const Shape& shape : GetParam().inputs) {
    inputs.push_back(random_tensor(shape, kFloat64, static_cast<std::uint32_t>(inputs.size()) + 1).requires_grad_());
  }
  const auto squared = [](const Inputs& in) {
    const Tensor y = GetParam().f(in);
    return y * y;
  };
  EXPECT_TRUE(gradients_agree(squared, inputs));
}

INSTANTIATE_TEST_SUITE_P(
    All, MoveGradientTest,
    testing::Values(
        Move{"reshape",
             {{2, 6}},
             [](const Inputs& x) {
               return x[0].reshape({3, -1});
             }},
        Move{"flatten", {{2, 3, 2}}, [](const Inputs& x) { return x[0].flatten(1); }},
        Move{"squeeze", {{2, 1, 3}}, [](const Inputs& x) { return x[0].squeeze(); }},
        Move{"unsqueeze", {{2, 3}}, [](const Inputs& x) { return x[0].unsqueeze(1); }},
        Move{"permute",
             {{2, 3, 4, 2}},
             [](const Inputs& x) {
               return x[0].permute({2, 0, 3, 1});
             }},
        Move{"transpose", {{3, 4}}, [](const Inputs& x) { return x[0].t(); }},
        Move{"expand",
             {{3, 1}},
             [](const Inputs& x) {
               return x[0].expand({2, -1, 4});
             }},
        Move{"narrow", {{3, 5}}, [](const Inputs& x) { return x[0].narrow(1, 1, 3); }},
        Move{"slice", {{7, 2}}, [](const Inputs& x) { return x[0].slice(0, 1, -1, 2); }},
        Move{"select", {{3, 2, 4}}, [](const Inputs& x) { return x[0].select(1, -1); }},
        Move{"slice_scatter", {{4, 3}, {2, 3}}, [](const Inputs& x) { return slice_scatter(x[0], x[1], 0, 1, 3); }},
        Move{"select_scatter", {{2, 4, 3}, {2, 3}}, [](const Inputs& x) { return select_scatter(x[0], x[1], 1, -1); }},
        Move{"index_select",
             {{4, 3, 2}},
             [](const Inputs& x) {
               return x[0].index_select(0, indices({2, 0, 2}, {3}));
             }},
        Move{"index_select_last",
             {{3, 4}},
             [](const Inputs& x) {
               return x[0].index_select(1, indices({1, 1}, {2}));
             }},
        Move{"gather",
             {{2, 3, 2}},
             [](const Inputs& x) {
               return x[0].gather(1, indices({0, 2, 2, 1, 1, 1, 0, 0}, {2, 2, 2}));
             }},
        Move{"gather_smaller",
             {{3, 3}},
             [](const Inputs& x) {
               return x[0].gather(1, indices({2, 2, 0, 1}, {2, 2}));
             }},
        Move{"scatter_add",
             {{2, 3}},
             [](const Inputs& x) {
               return scatter_add({2, 4}, 1, indices({0, 3, 3, 1, 1, 2}, {2, 3}), x[0]);
             }},
        Move{"scatter_add_smaller",
             {{2, 2}},
             [](const Inputs& x) {
               return scatter_add({3, 4}, 0, indices({0, 2, 0, 1}, {2, 2}), x[0]);
             }},
        Move{"cat",
             {{2, 3}, {2, 1}},
             [](const Inputs& x) {
               return cat({x[0], x[1], x[0]}, 1);
             }},
        Move{"stack",
             {{2, 3}, {2, 3}},
             [](const Inputs& x) {
               return stack({x[0], x[1]}, 1);
             }},
        Move{"split",
             {{5, 2}},
             [](const Inputs& x) {
               return split(x[0], 2)[1] * split(x[0], {2, 3})[0];
             }},
        Move{"pad",
             {{2, 3}},
             [](const Inputs& x) {
               return pad(x[0], {1, -1, 0, 2}, 0.5);
             }},
        Move{"clone", {{2, 3}}, [](const Inputs& x) { return x[0].clone(); }},
        Move{"dropout",
             {{4, 5}},
             [](const Inputs& x) {
               Generator g(1);
               return dropout(x[0], 0.4, true, &g);
             }},
        Move{"embedding",
             {{4, 3}},
             [](const Inputs& x) {
               return embedding(indices({1, 3, 1, 0}, {2, 2}), x[0]);
             }}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(GatherTest, Values) {
  const Tensor x = arange(6).reshape({2, 3});
  EXPECT_THAT(gather(x, 1, indices({2, 0, 0, 1}, {2, 2})).to_vector<std::int64_t>(), ElementsAre(2, 0, 3, 4));
  EXPECT_THAT(gather(x, 0, indices({1, 0, 1}, {1, 3})).to_vector<std::int64_t>(), ElementsAre(3, 1, 5));
  EXPECT_THAT(gather(x, 0, indices({1, 0}, {1, 2})).to_vector<std::int64_t>(), ElementsAre(3, 1));
  EXPECT_THAT(index_select(x, 1, indices({2, 2, 0}, {3})).to_vector<std::int64_t>(), ElementsAre(2, 2, 0, 5, 5, 3));
  EXPECT_THAT(
      scatter_add({2, 3}, 1, indices({0, 0, 2, 2}, {2, 2}), indices({1, 2, 3, 4}, {2, 2})).to_vector<std::int64_t>(),
      ElementsAre(3, 0, 0, 0, 0, 7));
  EXPECT_THAT(gather(x, 1, indices({-1, 0, 0, -2}, {2, 2})).to_vector<std::int64_t>(), ElementsAre(2, 0, 3, 4));
  EXPECT_THAT(index_select(x, -1, indices({-1, -1, 0}, {3})).to_vector<std::int64_t>(), ElementsAre(2, 2, 0, 5, 5, 3));
  EXPECT_THAT(scatter_add({3}, 0, indices({-1, 0, 2}, {3}), indices({1, 2, 4}, {3})).to_vector<std::int64_t>(),
              ElementsAre(2, 0, 5));
  const Tensor mask = from_vector(std::vector<bool>{true, false, true}, {3});
  EXPECT_THAT(index_select(mask, 0, indices({1, 2}, {2})).to_vector<bool>(), ElementsAre(false, true));
}

TEST(GatherTest, Errors) {
  const Tensor x = zeros({2, 3});
  EXPECT_THAT(
      [&] {
        index_select(x, 1, indices({0, 7}, {2}));
      },
      ThrowsMessage<IndexError>("index_select: expected indices in [-3, 3) but got 7 at position 1"));
  EXPECT_THAT(
      [&] {
        index_select(x, 1, indices({0, 1}, {1, 2}));
      },
      ThrowsMessage<ShapeError>("index_select: expected a 1-D index but got shape [1, 2]"));
  EXPECT_THAT([&] { index_select(x, 1, zeros({2})); },
              ThrowsMessage<DTypeError>(
                  "index_select: expected an int64 or int32 index but got float32; convert it with to(kInt64)"));
  EXPECT_THAT(
      [&] {
        gather(x, 0, indices({0, 0, 0, 0}, {1, 4}));
      },
      ThrowsMessage<ShapeError>(
          "gather: expected an index that is no larger than [2, 3] outside of axis 0 but got [1, 4]"));
  EXPECT_THAT(
      [&] {
        gather(x, 0, indices({-3}, {1, 1}));
      },
      ThrowsMessage<IndexError>("gather: expected indices in [-2, 2) but got -3 at position 0"));
  EXPECT_THAT(
      [&] {
        scatter_add({2, 3}, 0, indices({0}, {1, 1}), zeros({1, 2}));
      },
      ThrowsMessage<ShapeError>("scatter_add: expected an index of the source's shape [1, 2] but got [1, 1]"));
  EXPECT_THAT([&] { scatter_add({2}, 0, indices({0}, {1}), zeros({1}, {.dtype = kBool})); },
              ThrowsMessage<DTypeError>("scatter_add: expected a float32 or float64 tensor but got bool"));
}

TEST(EmbeddingTest, RowsAndPadding) {
  const Tensor weight = tensor({{1, 2}, {3, 4}, {5, 6}}, {.requires_grad = true});
  const Tensor index = indices({2, 0, 2, 1}, {2, 2});
  const Tensor y = embedding(index, weight);
  EXPECT_EQ(y.shape(), Shape({2, 2, 2}));
  EXPECT_THAT(y.to_vector<float>(), ElementsAre(5, 6, 1, 2, 5, 6, 3, 4));
  EXPECT_THAT(grad({y}, {weight}, {ones({2, 2, 2})})[0].to_vector<float>(), ElementsAre(1, 1, 1, 1, 2, 2));
  for (const std::int64_t padding : {2, -1}) {
    const Tensor z = embedding(index, weight, padding);
    EXPECT_EQ(z.to_vector<float>(), y.to_vector<float>());
    EXPECT_THAT(grad({z}, {weight}, {ones({2, 2, 2})})[0].to_vector<float>(), ElementsAre(1, 1, 1, 1, 0, 0));
  }
  EXPECT_THAT([&] { embedding(indices({3}, {1}), weight); },
              ThrowsMessage<IndexError>("embedding: expected indices in [0, 3) but got 3 at position 0"));
  EXPECT_THAT([&] { embedding(index, weight, 3); },
              ThrowsMessage<IndexError>("embedding: expected a padding_idx in [-3, 3) but got 3"));
  EXPECT_THAT([&] { embedding(index, zeros({3})); },
              ThrowsMessage<ShapeError>("embedding: expected a weight [num_embeddings, embedding_dim] but got [3]"));
}

TEST(ScatterAddTest, DoesNotDependOnThreads) {
  Generator g(3);
  const Tensor source = randn({40, 300}, {}, &g);
  const Tensor rows = randint(0, 7, {40}, {.dtype = kInt64}, &g);
  const Tensor cells = randint(0, 7, {40, 300}, {.dtype = kInt64}, &g);
  const Tensor weight = zeros({7, 300}, {.requires_grad = true});
  const int before = get_num_threads();
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 3}) {
    set_num_threads(threads);
    results.push_back(scatter_add({7, 300}, 0, cells, source).to_vector<float>());
    results.push_back(grad({embedding(rows, weight)}, {weight}, {source})[0].to_vector<float>());
  }
  set_num_threads(before);
  EXPECT_EQ(results[0], results[2]);
  EXPECT_EQ(results[1], results[3]);
}

TEST(ChannelsLastTest, MovesGiveTheSameElements) {
  const Tensor x = arange(0, 120, 1, {.dtype = kFloat32}).reshape({2, 3, 4, 5});
  const std::vector<std::function<Tensor(const Tensor&)>> moves = {[](const Tensor& t) {
                                                                     return t.permute({0, 2, 3, 1});
                                                                   },
                                                                   [](const Tensor& t) {
                                                                     return t.permute({3, 1, 0, 2});
                                                                   },
                                                                   [](const Tensor& t) {
                                                                     return t.expand({2, 2, 3, 4, 5});
                                                                   },
                                                                   [](const Tensor& t) { return t.narrow(2, 1, 2); },
                                                                   [](const Tensor& t) {
                                                                     return t.index_select(1, indices({2, 0}, {2}));
                                                                   },
                                                                   [](const Tensor& t) {
                                                                     return pad(t, {1, 1});
                                                                   },
                                                                   [](const Tensor& t) {
                                                                     return cat({t, t}, 1);
                                                                   },
                                                                   [](const Tensor& t) {
                                                                     return t.reshape({6, 20});
                                                                   },
                                                                   [](const Tensor& t) { return t.clone(); }};
  for (const auto& move : moves) {
    EXPECT_EQ(move(x.as_channels_last()).to_vector<float>(), move(x).to_vector<float>());
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
