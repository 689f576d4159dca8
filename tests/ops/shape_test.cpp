#include "normgrad/core/ops/shape/shape.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/rounding.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

using Index = std::vector<std::int64_t>;

Tensor counted(const Shape& shape, DType dtype = kFloat32) {
  return arange(0, static_cast<double>(shape.numel()), 1, {.dtype = dtype == kBool ? kInt64 : dtype}).alias(shape);
}

// The element at `index`, read independently of the tested code.
double at(const Tensor& x, const Index& index) {
  std::int64_t flat = 0;
  for (std::size_t i = 0; i < index.size(); ++i) {
    flat = flat * x.shape()[i] + index[i];
  }
  return x.to_vector<double>()[static_cast<std::size_t>(flat)];
}

// Calls f(index) for all indices of a shape.
template <class F>
void for_all(const Shape& shape, F f) {
  Index index(shape.rank());
  for (std::int64_t flat = 0; flat < shape.numel(); ++flat) {
    std::int64_t rest = flat;
    for (std::size_t i = shape.rank(); i-- > 0;) {
      index[i] = rest % shape[i];
      rest /= shape[i];
    }
    f(index);
  }
}

TEST(ReshapeTest, SharesMemoryAndWorksOutOneSize) {
  const Tensor x = counted({2, 3, 4});
  const Tensor y = reshape(x, {4, -1});
  EXPECT_EQ(y.shape(), Shape({4, 6}));
  EXPECT_EQ(y.buffer(), x.buffer());
  EXPECT_EQ(x.view({-1}).shape(), Shape({24}));
  EXPECT_EQ(flatten(x, 1).shape(), Shape({2, 12}));
  EXPECT_EQ(flatten(x, 0, 1).shape(), Shape({6, 4}));
  EXPECT_EQ(flatten(full({}, 3.0)).shape(), Shape({1}));
  EXPECT_EQ(unsqueeze(x, -1).shape(), Shape({2, 3, 4, 1}));
  EXPECT_EQ(unsqueeze(x, 0).shape(), Shape({1, 2, 3, 4}));
  EXPECT_EQ(squeeze(zeros({1, 3, 1})).shape(), Shape({3}));
  EXPECT_EQ(squeeze(zeros({1, 3, 1}), 0).shape(), Shape({3, 1}));
  EXPECT_EQ(squeeze(zeros({1, 3, 1}), 1).shape(), Shape({1, 3, 1}));
}

TEST(ReshapeTest, Errors) {
  const Tensor x = counted({2, 3});
  EXPECT_THAT(
      [&] {
        reshape(x, {4, 2});
      },
      ThrowsMessage<ShapeError>("reshape: expected a shape of 6 elements for [2, 3] but got [4, 2]"));
  EXPECT_THAT(
      [&] {
        reshape(x, {4, -1});
      },
      ThrowsMessage<ShapeError>("reshape: expected sizes whose product divides the 6 elements of [2, 3] but got 4"));
  EXPECT_THAT(
      [&] {
        reshape(x, {-1, -1});
      },
      ThrowsMessage<ValueError>("reshape: expected at most one size of -1 but got more"));
  EXPECT_THAT([&] { flatten(x, 1, 0); },
              ThrowsMessage<ValueError>("flatten: expected start_dim <= end_dim but got 1 and 0"));
  EXPECT_THAT([&] { unsqueeze(x, 3); }, ThrowsMessage<IndexError>("unsqueeze: expected an axis in [-3, 2] but got 3"));
}

class PermuteTest : public testing::TestWithParam<std::pair<Index, Index>> {};

TEST_P(PermuteTest, AgreesWithIndexing) {
  const auto& [sizes, axes] = GetParam();
  for (const DType dtype : {kFloat32, kFloat64, kInt64}) {
    const Tensor x = counted(Shape(sizes), dtype);
    const Tensor y = permute(x, axes);
    const auto values = x.to_vector<double>();
    const auto got = y.to_vector<double>();
    const auto strides = strides_of(x.shape());
    std::size_t flat = 0;
    for_all(y.shape(), [&, &sizes = sizes, &axes = axes](const Index& index) {
      std::int64_t from = 0;
      for (std::size_t i = 0; i < index.size(); ++i) {
        ASSERT_EQ(y.shape()[i], sizes[static_cast<std::size_t>(axes[i])]);
        from += index[i] * strides[static_cast<std::size_t>(axes[i])];
      }
      ASSERT_EQ(got[flat++], values[static_cast<std::size_t>(from)]);
    });
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, PermuteTest,
    testing::Values(std::pair{Index{3, 5}, Index{1, 0}}, std::pair{Index{67, 45}, Index{1, 0}},
                    std::pair{Index{300, 257}, Index{1, 0}}, std::pair{Index{2, 3, 4}, Index{2, 0, 1}},
                    std::pair{Index{2, 37, 18}, Index{0, 2, 1}}, std::pair{Index{2, 3, 5, 7}, Index{0, 2, 3, 1}},
                    std::pair{Index{2, 3, 5, 7}, Index{3, 1, 2, 0}}, std::pair{Index{2, 19, 3, 17}, Index{0, 2, 1, 3}},
                    std::pair{Index{1, 4, 1, 6}, Index{3, 2, 1, 0}}, std::pair{Index{2, 0, 3}, Index{2, 1, 0}},
                    std::pair{Index{2, 2, 2, 2, 3, 2}, Index{5, 3, 1, 0, 2, 4}}, std::pair{Index{7}, Index{0}}));

TEST(PermuteTest, BoolTransposeAndErrors) {
  const Tensor x = from_vector(std::vector<bool>{true, false, false, true, true, false}, {2, 3});
  EXPECT_THAT(transpose(x, 0, -1).to_vector<bool>(), ElementsAre(true, true, false, true, false, false));
  EXPECT_THAT(x.t().to_vector<bool>(), ElementsAre(true, true, false, true, false, false));
  EXPECT_THAT([&] { permute(x, {0}); }, ThrowsMessage<ShapeError>("permute: expected 2 axes for [2, 3] but got 1"));
  EXPECT_THAT(
      [&] {
        permute(x, {0, 0});
      },
      ThrowsMessage<ValueError>("permute: expected different axes but got 0 twice"));
  EXPECT_THAT([&] { zeros({2, 2, 2}).t(); }, ThrowsMessage<ShapeError>("t: expected at most 2 axes but got [2, 2, 2]"));
}

TEST(ExpandTest, RepeatsAxes) {
  const Tensor x = counted({3, 1});
  const Tensor y = expand(x, {2, -1, 4});
  EXPECT_EQ(y.shape(), Shape({2, 3, 4}));
  for_all(y.shape(), [&](const Index& i) { EXPECT_EQ(at(y, i), static_cast<double>(i[1])); });
  EXPECT_THAT(expand(full({}, 5.0), {3}).to_vector<float>(), ElementsAre(5, 5, 5));
  const Tensor z = expand(counted({3, 1, 1}), {2, 3, 5, 7});
  for_all(z.shape(), [&](const Index& i) { EXPECT_EQ(at(z, i), static_cast<double>(i[1])); });
  EXPECT_THAT(
      [&] {
        expand(x, {3, 2, 2});
      },
      ThrowsMessage<ShapeError>("expand: expected a shape that [3, 1] broadcasts to but got [3, 2, 2]"));
  EXPECT_THAT([&] { expand(x, {3}); }, ThrowsMessage<ShapeError>(HasSubstr("but got [3]")));
  EXPECT_THAT(
      [&] {
        expand(x, {-1, 3, 1});
      },
      ThrowsMessage<ShapeError>("expand: -1 keeps a size, but [3, 1] has none for new axis 0"));
}

TEST(SliceTest, NarrowSliceSelect) {
  const Tensor x = counted({4, 5, 3});
  const Tensor y = narrow(x, 1, 2, 2);
  EXPECT_EQ(y.shape(), Shape({4, 2, 3}));
  for_all(y.shape(), [&](const Index& i) { EXPECT_EQ(at(y, i), at(x, {i[0], i[1] + 2, i[2]})); });
  const Tensor z = slice(x, 1, -4, {}, 2);
  EXPECT_EQ(z.shape(), Shape({4, 2, 3}));
  for_all(z.shape(), [&](const Index& i) { EXPECT_EQ(at(z, i), at(x, {i[0], 1 + 2 * i[1], i[2]})); });
  const Tensor last = slice(x, 2, 0, {}, 2);
  for_all(last.shape(), [&](const Index& i) { EXPECT_EQ(at(last, i), at(x, {i[0], i[1], 2 * i[2]})); });
  EXPECT_EQ(slice(x, 0, 3, 1).shape(), Shape({0, 5, 3}));
  EXPECT_EQ(slice(x, 0, -100, 100).shape(), x.shape());
  EXPECT_THAT(x[-1][4].to_vector<double>(), ElementsAre(57, 58, 59));
  EXPECT_EQ(select(x, 1, 2).shape(), Shape({4, 3}));
  EXPECT_THAT(arange(7).slice(0, 1, 6, 2).to_vector<std::int64_t>(), ElementsAre(1, 3, 5));
}

TEST(SliceTest, Errors) {
  const Tensor x = counted({4, 5});
  EXPECT_THAT(
      [&] { narrow(x, 0, 3, 2); },
      ThrowsMessage<IndexError>("narrow: expected a range within axis 0 of [4, 5] but got start 3 and length 2"));
  EXPECT_THAT(
      [&] { slice(x, 0, 0, 2, -1); },
      ThrowsMessage<ValueError>("slice: expected a step of at least 1 but got -1; index_select() takes elements in any "
                                "order, such as arange(n - 1, -1, -1)"));
  EXPECT_THAT([&] { select(x, 1, 5); },
              ThrowsMessage<IndexError>("select: expected an index in [-5, 5) for axis 1 of [4, 5] but got 5"));
  EXPECT_THAT([&] { narrow(x, 2, 0, 1); }, ThrowsMessage<IndexError>("narrow: expected an axis in [-2, 1] but got 2"));
}

TEST(SliceTest, ScatterReplacesAPart) {
  const Tensor x = counted({4, 3, 2});
  const Tensor middle = -counted({4, 2, 2});
  const Tensor y = slice_scatter(x, middle, 1, -2);
  for_all(y.shape(), [&](const Index& i) {
    EXPECT_EQ(at(y, i), i[1] == 0 ? at(x, i) : at(middle, {i[0], i[1] - 1, i[2]}));
  });
  const Tensor plane = -1.0 - counted({4, 2});
  const Tensor z = select_scatter(x, plane, 1, 1);
  for_all(z.shape(), [&](const Index& i) { EXPECT_EQ(at(z, i), i[1] == 1 ? at(plane, {i[0], i[2]}) : at(x, i)); });
  EXPECT_EQ(slice_scatter(x, x).to_vector<double>(), x.to_vector<double>());
  EXPECT_EQ(slice_scatter(x, zeros({0, 3, 2}), 0, 2, 1).to_vector<double>(), x.to_vector<double>());
  EXPECT_THAT([&] { slice_scatter(x, plane, 0, 1, 3); },
              ThrowsMessage<ShapeError>("slice_scatter: expected a source of shape [2, 3, 2] but got [4, 2]"));
  EXPECT_THAT([&] { slice_scatter(x, x.to(kFloat64)); },
              ThrowsMessage<DTypeError>("slice_scatter: expected a source of dtype float32 but got float64"));
  EXPECT_THAT([&] { select_scatter(x, plane, 0, 0); },
              ThrowsMessage<ShapeError>("select_scatter: expected a source of shape [3, 2] but got [4, 2]"));
  EXPECT_THAT(
      [&] { select_scatter(x, plane, 1, 3); },
      ThrowsMessage<IndexError>("select_scatter: expected an index in [-3, 3) for axis 1 of [4, 3, 2] but got 3"));
}

TEST(JoinTest, CatStackSplit) {
  const Tensor a = counted({2, 3});
  const Tensor b = counted({2, 1});
  const Tensor y = cat({a, b, a}, 1);
  EXPECT_THAT(y.to_vector<float>(), ElementsAre(0, 1, 2, 0, 0, 1, 2, 3, 4, 5, 1, 3, 4, 5));
  EXPECT_THAT(cat({b, b}).to_vector<float>(), ElementsAre(0, 1, 0, 1));
  const auto parts = split(y, std::vector<std::int64_t>{3, 1, 3}, -1);
  ASSERT_EQ(parts.size(), 3U);
  EXPECT_EQ(parts[1].to_vector<float>(), b.to_vector<float>());
  EXPECT_EQ(parts[2].to_vector<float>(), a.to_vector<float>());
  const auto even = split(arange(7), 3);
  ASSERT_EQ(even.size(), 3U);
  EXPECT_THAT(even[2].to_vector<std::int64_t>(), ElementsAre(6));
  const Tensor s = stack({a, a}, 1);
  EXPECT_EQ(s.shape(), Shape({2, 2, 3}));
  EXPECT_THAT(s.to_vector<float>(), ElementsAre(0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5));
  EXPECT_EQ(stack({a, a}, -1).shape(), Shape({2, 3, 2}));
}

TEST(JoinTest, Errors) {
  const Tensor a = counted({2, 3});
  EXPECT_THAT(
      [&] {
        cat({a, counted({3, 3})}, 1);
      },
      ThrowsMessage<ShapeError>("cat: expected shapes that agree outside of axis 1 but tensor 0 has [2, 3] and "
                                "tensor 1 has [3, 3]"));
  EXPECT_THAT([&] { cat({}); }, ThrowsMessage<ValueError>("cat: expected at least one tensor but got none"));
  EXPECT_THAT(
      [&] {
        stack({a, counted({3, 2})});
      },
      ThrowsMessage<ShapeError>("stack: expected equal shapes but tensor 0 has [2, 3] and tensor 1 has [3, 2]"));
  EXPECT_THAT(
      [&] {
        split(a, std::vector<std::int64_t>{1, 1}, 1);
      },
      ThrowsMessage<ValueError>("split: expected sizes that add up to the 3 elements of axis 1 of [2, 3] but "
                                "got 2 sizes adding up to 2"));
  EXPECT_THAT([&] { split(a, 0); }, ThrowsMessage<ValueError>("split: expected parts of at least 1 element but got 0"));
}

TEST(PadTest, AddsAndCuts) {
  const Tensor x = counted({2, 3});
  const Tensor y = pad(x, {1, 2, 0, 1}, 9.0);
  EXPECT_EQ(y.shape(), Shape({3, 6}));
  EXPECT_THAT(y.to_vector<float>(), ElementsAre(9, 0, 1, 2, 9, 9, 9, 3, 4, 5, 9, 9, 9, 9, 9, 9, 9, 9));
  EXPECT_THAT(pad(x, {-1, 1}).to_vector<float>(), ElementsAre(1, 2, 0, 4, 5, 0));
  EXPECT_THAT([&] { pad(x, {1}); }, ThrowsMessage<ValueError>(HasSubstr("but got 1 numbers")));
  EXPECT_THAT(
      [&] {
        pad(x, {-2, -2});
      },
      ThrowsMessage<ValueError>("pad: cannot cut 2 and 2 elements off axis 1 of [2, 3]"));
}

// Large enough that the padding is written around x instead of under it, and of all element sizes.
TEST(PadTest, LargePaddingSurroundsX) {
  struct Case {
    Shape shape;
    std::vector<std::int64_t> pad;  // in order of the axes
  };
  const Case cases[] = {{{9000}, {3, 5}},
                        {{40, 200}, {0, 0, 3, 100}},
                        {{40, 200}, {7, 0, 0, 300}},
                        {{40, 200}, {2, 30, 0, 0}},
                        {{20, 5, 100}, {3, 0, 1, 2, 0, 130}},
                        {{6, 20, 70}, {0, 1, 30, 0, 0, 0}},
                        {{3, 4, 10, 90}, {1, 0, 0, 2, 3, 4, 200, 1}}};
  for (const DType dtype : {kFloat32, kFloat64, kUInt8}) {
    for (const Case& c : cases) {
      const Tensor x = reshape_to(remainder(counted({c.shape.numel()}), 200.0).to(dtype), c.shape);
      std::vector<std::int64_t> from_last;
      for (std::size_t i = c.shape.rank(); i-- > 0;) {
        from_last.insert(from_last.end(), {c.pad[2 * i], c.pad[2 * i + 1]});
      }
      const std::vector<double> from = x.to_vector<double>();
      const Tensor padded = pad(x, from_last, 7.0);
      const std::vector<double> y = padded.to_vector<double>();
      std::size_t wrong = 0;
      std::size_t flat = 0;
      for_all(padded.shape(), [&](const Index& index) {
        std::int64_t source = 0;
        bool within = true;
        for (std::size_t i = 0; i < index.size(); ++i) {
          const std::int64_t k = index[i] - c.pad[2 * i];
          within = within && k >= 0 && k < c.shape[i];
          source = source * c.shape[i] + k;
        }
        wrong += y[flat++] != (within ? from[static_cast<std::size_t>(source)] : 7.0) ? 1 : 0;
      });
      EXPECT_EQ(flat, y.size());
      EXPECT_EQ(wrong, 0U) << padded.shape() << " of " << dtype;
    }
  }
}

TEST(CloneTest, IsACopy) {
  const Tensor x = counted({2, 3});
  const Tensor y = clone(x);
  EXPECT_FALSE(y.buffer() == x.buffer());
  EXPECT_EQ(y.to_vector<float>(), x.to_vector<float>());
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
