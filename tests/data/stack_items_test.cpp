#include "normgrad/data/stack_items.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>

#include "tests/support/raises.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/core/base/random.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/data/typed_loader.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;

struct Pixels {
  Tensor image;
  Tensor mask;
  Tensor weight;
};

struct Alone {
  Tensor only;
};

struct Eight {
  Tensor a, b, c, d, e, f, g, h;
};

struct Nested {
  Alone inner;
  Tensor other;
};

struct Listed {
  Tensor several[2];
  Tensor other;
};

struct Derived : Alone {
  Tensor other;
};

struct Tagged {
  Tensor image;
  Tensor mask;
  [[no_unique_address]] struct { } tag; };

struct Named {
  Tensor image;
  std::string name;
};

static_assert(Stackable<Tensor> && Stackable<int> && Stackable<float> && Stackable<std::pair<Tensor, int>>);
static_assert(Stackable<std::tuple<Tensor, double, Tensor>> && Stackable<std::array<Tensor, 3>>);
static_assert(Stackable<Alone> && Stackable<Pixels> && Stackable<Eight> && Stackable<Example>);
static_assert(!Stackable<Nested> && !Stackable<Listed> && !Stackable<Derived> && !Stackable<Tagged>);
static_assert(!Stackable<Named> && !Stackable<std::vector<Tensor>> && !Stackable<std::tuple<Tensor, std::string>>);

Pixels pixels(std::int64_t i) {
  return {.image = full({2, 3}, static_cast<double>(i)),
          .mask = full({2}, static_cast<double>(10 * i), {.dtype = kInt64}),
          .weight = full({}, 0.5 * static_cast<double>(i), {.dtype = kFloat64})};
}

TEST(StackItemsTest, TensorsAndNumbers) {
  const Tensor tensors = StackItems()(std::vector<Tensor>{ones({2}), zeros({2})});
  EXPECT_EQ(tensors.shape(), (Shape{2, 2}));
  EXPECT_THAT(tensors.to_vector<float>(), ElementsAre(1, 1, 0, 0));
  const Tensor numbers = StackItems()(std::vector<int>{4, 5, 6});
  EXPECT_EQ(numbers.dtype(), kInt64);
  EXPECT_THAT(numbers.to_vector<std::int64_t>(), ElementsAre(4, 5, 6));
}

TEST(StackItemsTest, TuplesPairsAndArrays) {
  using Item = std::tuple<Tensor, int, double>;
  const auto batch = StackItems()(std::vector<Item>{{ones({2}), 3, 0.5}, {zeros({2}), 4, 0.25}});
  static_assert(std::is_same_v<decltype(batch), const std::tuple<Tensor, Tensor, Tensor>>);
  const auto& [first, second, third] = batch;
  EXPECT_THAT(first.to_vector<float>(), ElementsAre(1, 1, 0, 0));
  EXPECT_THAT(second.to_vector<std::int64_t>(), ElementsAre(3, 4));
  EXPECT_EQ(third.dtype(), kFloat64);
  EXPECT_THAT(third.to_vector<double>(), ElementsAre(0.5, 0.25));
  const auto [inputs, labels] = StackItems()(std::vector<std::pair<Tensor, int>>{{ones({1}), 7}});
  EXPECT_EQ(inputs.shape(), (Shape{1, 1}));
  EXPECT_THAT(labels.to_vector<std::int64_t>(), ElementsAre(7));
  const auto [x, y, z] = StackItems()(std::vector<std::array<Tensor, 3>>{{zeros({1}), ones({2}), zeros({3})}});
  EXPECT_EQ(x.shape(), (Shape{1, 1}));
  EXPECT_EQ(y.shape(), (Shape{1, 2}));
  EXPECT_EQ(z.shape(), (Shape{1, 3}));
}

TEST(StackItemsTest, StructsOfTensors) {
  const Pixels batch = StackItems()(std::vector<Pixels>{pixels(1), pixels(2)});
  EXPECT_EQ(batch.image.shape(), (Shape{2, 2, 3}));
  EXPECT_THAT(batch.image.to_vector<float>(), ElementsAre(1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2));
  EXPECT_THAT(batch.mask.to_vector<std::int64_t>(), ElementsAre(10, 10, 20, 20));
  EXPECT_EQ(batch.weight.dtype(), kFloat64);
  EXPECT_THAT(batch.weight.to_vector<double>(), ElementsAre(0.5, 1.0));
  EXPECT_EQ(StackItems()(std::vector<Alone>{{ones({2})}}).only.shape(), (Shape{1, 2}));
}

/// Checks that each member of a batch was made of that of its examples.
template <class T>
void expect_members_apart(const std::vector<Tensor T::*>& members) {
  T item;
  double value = 0.0;
  for (Tensor T::*member : members) {
    item.*member = full({}, ++value);
  }
  const T batch = StackItems()(std::vector<T>{item, item});
  value = 0.0;
  for (Tensor T::*member : members) {
    ++value;
    EXPECT_THAT((batch.*member).template to_vector<double>(), ElementsAre(value, value));
  }
}

TEST(StackItemsTest, StructsOfAnySize) {
  struct Two {
    Tensor a, b;
  };
  expect_members_apart<Two>({&Two::a, &Two::b});
  struct Four {
    Tensor a, b, c, d;
  };
  expect_members_apart<Four>({&Four::a, &Four::b, &Four::c, &Four::d});
  struct Five {
    Tensor a, b, c, d, e;
  };
  expect_members_apart<Five>({&Five::a, &Five::b, &Five::c, &Five::d, &Five::e});
  struct Six {
    Tensor a, b, c, d, e, f;
  };
  expect_members_apart<Six>({&Six::a, &Six::b, &Six::c, &Six::d, &Six::e, &Six::f});
  struct Seven {
    Tensor a, b, c, d, e, f, g;
  };
  expect_members_apart<Seven>({&Seven::a, &Seven::b, &Seven::c, &Seven::d, &Seven::e, &Seven::f, &Seven::g});
  expect_members_apart<Eight>({&Eight::a, &Eight::b, &Eight::c, &Eight::d, &Eight::e, &Eight::f, &Eight::g, &Eight::h});
}

TEST(StackItemsTest, MembersThatAllLackStayUndefined) {
  const Pixels batch = StackItems()(std::vector<Pixels>{{.image = ones({2}), .mask = {}, .weight = ones({})},
                                                        {.image = ones({2}), .mask = {}, .weight = ones({})}});
  EXPECT_TRUE(batch.image.defined());
  EXPECT_FALSE(batch.mask.defined());
  EXPECT_TRUE(batch.weight.defined());
}

TEST(StackItemsTest, NamesTheExampleAndTheMemberThatDiffer) {
  const auto second = [](const Pixels& item) { return [item] { StackItems()(std::vector<Pixels>{pixels(0), item}); }; };
  EXPECT_EQ(error_of<ShapeError>(second({.image = pixels(1).image, .mask = zeros({3}), .weight = {}})),
            "collate: expected tensors 1 of one shape, [2], but that of example 1 of the batch is [3]; pad them, or "
            "pass the TypedLoader a function that makes the batch");
  EXPECT_EQ(error_of<DTypeError>(second({.image = pixels(1).image, .mask = pixels(1).mask, .weight = ones({})})),
            "collate: expected tensors 2 of one dtype, float64, but that of example 1 of the batch is float32");
  EXPECT_EQ(error_of<ValueError>(second({.image = {}, .mask = pixels(1).mask, .weight = {}})),
            "collate: example 1 of the batch has no tensor 0 but those before have one");
  EXPECT_THAT(error_of<ShapeError>([] {
                StackItems()(std::vector<Tensor>{ones({2}), ones({3})});
              }),
              HasSubstr("expected tensors of one shape, [2]"));
  EXPECT_THAT(error_of<ValueError>([] { StackItems()(std::vector<Tensor>()); }), HasSubstr("at least 1 example"));
}

TEST(StackItemsTest, IsWhatATypedLoaderDoesWithoutAFunction) {
  std::vector<Pixels> all;
  std::vector<std::tuple<int, Tensor, double>> tuples;
  for (int i = 0; i < 5; ++i) {
    all.push_back(pixels(i));
    tuples.emplace_back(i, ones({2}), 0.5 * i);
  }
  TypedLoader structs(all, {.batch_size = 2, .num_workers = 2, .transform = [](Pixels batch, Generator& generator) {
                              batch.weight = full(batch.weight.shape(), 2.0 + generator.uniform());
                              return batch;
                            }});
  static_assert(std::is_same_v<decltype(structs), TypedLoader<Pixels>>);
  std::vector<std::int64_t> masks;
  for (const auto& [image, mask, weight] : structs) {
    EXPECT_EQ(image.shape(), (Shape{mask.size(0), 2, 3}));
    EXPECT_GE(weight.to_vector<float>().back(), 2.0F);
    masks.push_back(mask.to_vector<std::int64_t>().front());
  }
  EXPECT_THAT(masks, ElementsAre(0, 20, 40));

  TypedLoader of_tuples(tuples, {.batch_size = 4, .drop_last = true});
  int seen = 0;
  for (const auto& [number, tensor, half] : of_tuples) {
    EXPECT_THAT(number.to_vector<std::int64_t>(), ElementsAre(0, 1, 2, 3));
    EXPECT_EQ(tensor.shape(), (Shape{4, 2}));
    EXPECT_THAT(half.to_vector<double>(), ElementsAre(0.0, 0.5, 1.0, 1.5));
    ++seen;
  }
  EXPECT_EQ(seen, 1);

  // Other examples need a function.
  TypedLoader counted(std::vector<Derived>(3), [](const std::vector<Derived>& some) { return some.size(); });
  EXPECT_EQ(*counted.begin(), 1U);

  TypedLoader tensors(std::vector<Tensor>{ones({2}), zeros({2}), ones({3})}, {.batch_size = 3});
  EXPECT_EQ(error_of<ShapeError>([&] { *tensors.begin(); }),
            "TypedLoader: batch 0 of epoch 0: collate: expected tensors of one shape, [2], but that of example 2 of "
            "the batch is [3]; pad them, or pass the TypedLoader a function that makes the batch");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
