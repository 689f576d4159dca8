// flip, roll, repeat, tile, repeat_interleave, chunk, unbind, hstack, vstack, unsqueeze of several axes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using tests::error_of;
using tests::gradients_agree;
using tests::random_tensor;
using Sizes = std::vector<std::int64_t>;

Tensor whole(const Sizes& values, const Shape& shape) { return from_vector(values, shape); }
Sizes values(const Tensor& x) { return x.to_vector<std::int64_t>(); }
Tensor counted(const Shape& shape) { return reshape_to(arange(shape.numel()), shape); }

TEST(FlipTest, Values) {
  const Tensor x = counted({2, 3});
  EXPECT_THAT(values(x.flip(0)), ElementsAre(3, 4, 5, 0, 1, 2));
  EXPECT_THAT(values(x.flip(-1)), ElementsAre(2, 1, 0, 5, 4, 3));
  EXPECT_THAT(values(x.flip({0, 1})), ElementsAre(5, 4, 3, 2, 1, 0));
  EXPECT_THAT(values(flip(x, {})), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_EQ(zeros({0, 3}).flip(0).shape(), Shape({0, 3}));
  const Tensor image = to(counted({2, 3, 4, 5}), kFloat32);
  EXPECT_EQ(image.as_channels_last().flip({1, 3}).to_vector<float>(), image.flip({1, 3}).to_vector<float>());
  EXPECT_EQ(error_of<IndexError>([&] { x.flip(2); }), error_of<IndexError>([&] { normalize_axis("flip", 2, 2); }));
}

TEST(RollTest, Values) {
  const Tensor x = counted({2, 3});
  EXPECT_THAT(values(x.roll({1}, {1})), ElementsAre(2, 0, 1, 5, 3, 4));
  EXPECT_THAT(values(x.roll({-4}, {-1})), ElementsAre(1, 2, 0, 4, 5, 3));
  EXPECT_THAT(values(x.roll({1, 1}, {0, 1})), ElementsAre(5, 3, 4, 2, 0, 1));
  EXPECT_THAT(values(x.roll({2})), ElementsAre(4, 5, 0, 1, 2, 3));
  EXPECT_THAT(values(x.roll({3}, {1})), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_EQ(zeros({0}).roll({2}).shape(), Shape({0}));
  EXPECT_EQ(error_of<ValueError>([&] {
              x.roll({1, 2});
            }),
            "roll: expected one shift, or as many axes as shifts, but got 2 shifts and no axes");
  EXPECT_EQ(error_of<ValueError>([&] {
              x.roll({1}, {0, 1});
            }),
            "roll: expected as many axes as shifts but got 1 shifts and 2 axes");
}

TEST(RepeatTest, Values) {
  const Tensor x = counted({2, 2});
  EXPECT_THAT(values(x.repeat({1, 2})), ElementsAre(0, 1, 0, 1, 2, 3, 2, 3));
  EXPECT_THAT(values(x.repeat({2, 1})), ElementsAre(0, 1, 2, 3, 0, 1, 2, 3));
  EXPECT_EQ(x.repeat({3, 2, 2}).shape(), Shape({3, 4, 4}));
  EXPECT_EQ(x.repeat({0, 1}).shape(), Shape({0, 2}));
  EXPECT_EQ(values(x.tile({2})), values(x.repeat({1, 2})));
  EXPECT_EQ(values(x.tile({2, 1, 2})), values(x.repeat({2, 1, 2})));
  EXPECT_EQ(counted({1, 2, 1, 2, 1, 1, 2, 1}).repeat(Sizes(8, 2)).numel(), 2048);
  EXPECT_THAT(values(whole({7}, {}).repeat({3})), ElementsAre(7, 7, 7));
  EXPECT_THAT(values(x.repeat({1, 1})), ElementsAre(0, 1, 2, 3));
  EXPECT_FALSE(x.repeat({1, 1}).buffer() == x.buffer());
  EXPECT_THROW(x.repeat({std::int64_t{1} << 62, 4}), Error);
  EXPECT_EQ(error_of<ShapeError>([&] { x.repeat({2}); }),
            "repeat: expected a number for each of the 2 axes of [2, 2] but got 1");
  EXPECT_EQ(error_of<ValueError>([&] { x.repeat({1, -2}); }), "repeat: expected repeats of at least 0 but got -2");
}

TEST(RepeatInterleaveTest, Values) {
  const Tensor x = counted({2, 2});
  EXPECT_THAT(values(x.repeat_interleave(2)), ElementsAre(0, 0, 1, 1, 2, 2, 3, 3));
  EXPECT_THAT(values(x.repeat_interleave(2, 0)), ElementsAre(0, 1, 0, 1, 2, 3, 2, 3));
  EXPECT_THAT(values(x.repeat_interleave(2, -1)), ElementsAre(0, 0, 1, 1, 2, 2, 3, 3));
  EXPECT_THAT(values(x.repeat_interleave(whole({1, 2}, {2}), 0)), ElementsAre(0, 1, 2, 3, 2, 3));
  EXPECT_THAT(values(x.repeat_interleave(whole({0, 1, 3, 0}, {4}))), ElementsAre(1, 2, 2, 2));
  EXPECT_EQ(x.repeat_interleave(whole({3}, {1}), 0).shape(), Shape({6, 2}));
  EXPECT_EQ(error_of<ShapeError>([&] {
              x.repeat_interleave(whole({1, 2, 3}, {3}), 1);
            }),
            "repeat_interleave: expected 2 repeats, one for each element of axis 1 of [2, 2], but got shape [3]");
  EXPECT_EQ(error_of<ValueError>([&] {
              x.repeat_interleave(whole({1, -2}, {2}), 1);
            }),
            "repeat_interleave: expected repeats of at least 0 but got -2");
  EXPECT_EQ(error_of<DTypeError>([&] { x.repeat_interleave(zeros({2}), 1); }),
            "repeat_interleave: expected int64 or int32 repeats but got float32");
}

TEST(ChunkTest, PartsAndStacks) {
  const Tensor x = counted({5, 2});
  Sizes sizes;
  for (const Tensor& part : x.chunk(3)) {
    sizes.push_back(part.size(0));
  }
  EXPECT_THAT(sizes, ElementsAre(2, 2, 1));
  EXPECT_EQ(x.chunk(4).size(), 3U);  // as in PyTorch: parts of 2
  EXPECT_EQ(zeros({0, 2}).chunk(3).size(), 3U);
  EXPECT_EQ(error_of<ValueError>([&] { x.chunk(0); }), "chunk: expected at least 1 chunk but got 0");
  const auto columns = x.unbind(-1);
  ASSERT_EQ(columns.size(), 2U);
  EXPECT_THAT(values(columns[1]), ElementsAre(1, 3, 5, 7, 9));
  EXPECT_TRUE(zeros({0, 2}).unbind().empty());
  EXPECT_EQ(x.split(2)[2].shape(), Shape({1, 2}));
  EXPECT_EQ(x.split({1, 4})[1].shape(), Shape({4, 2}));
  EXPECT_THAT(values(hstack({whole({1}, {}), whole({2, 3}, {2})})), ElementsAre(1, 2, 3));
  EXPECT_EQ(hstack({x, x}).shape(), Shape({5, 4}));
  EXPECT_THAT(values(vstack({whole({1, 2}, {2}), whole({3, 4}, {1, 2})})), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(error_of<ValueError>([] { hstack({}); }), "hstack: expected at least one tensor but got none");
  EXPECT_EQ(error_of<ValueError>([] { vstack({}); }), "vstack: expected at least one tensor but got none");
}

TEST(UnsqueezeTest, SeveralAxes) {
  const Tensor x = counted({2, 3});
  EXPECT_EQ(x.unsqueeze({0, -1}).shape(), Shape({1, 2, 3, 1}));
  EXPECT_EQ(x.unsqueeze({1, 2}).shape(), Shape({2, 1, 1, 3}));
  EXPECT_EQ(x.unsqueeze(Sizes{}).shape(), Shape({2, 3}));
  EXPECT_EQ(error_of<ValueError>([&] { x.unsqueeze({0, -4}); }), "unsqueeze: expected different axes but got -4 twice");
}

TEST(RepeatTest, Gradients) {
  const std::vector<std::pair<const char*, std::function<Tensor(const Tensor&)>>> moves = {
      {"flip",
       [](const Tensor& x) {
         return x.flip({0, 2});
       }},
      {"roll",
       [](const Tensor& x) {
         return x.roll({1, -2}, {1, 2});
       }},
      {"roll flat", [](const Tensor& x) { return x.roll({5}); }},
      {"repeat",
       [](const Tensor& x) {
         return x.repeat({2, 1, 3, 2});
       }},
      {"tile",
       [](const Tensor& x) {
         return x.tile({2, 2});
       }},
      {"repeat_interleave", [](const Tensor& x) { return x.repeat_interleave(2, 1); }},
      {"repeat_interleave by tensor",
       [](const Tensor& x) {
         return x.repeat_interleave(whole({2, 0, 1}, {3}), 1);
       }},
      {"chunk", [](const Tensor& x) { return x.chunk(2, 2)[1]; }},
      {"unbind", [](const Tensor& x) { return x.unbind(1)[1] * x.unbind(1)[2]; }},
      {"hstack",
       [](const Tensor& x) {
         return hstack({x, x * x});
       }},
      {"vstack",
       [](const Tensor& x) {
         return vstack({x, x * x});
       }},
      {"unsqueeze",
       [](const Tensor& x) {
         return x.unsqueeze({0, 2});
       }},
  };
  const Tensor x = random_tensor({2, 3, 4}, kFloat64, 1).requires_grad_();
  for (const auto& [name, move] : moves) {
    const auto squared = [&move = move](const std::vector<Tensor>& in) {
      const Tensor y = move(in[0]);
      return y * y;
    };
    EXPECT_TRUE(gradients_agree(squared, {x})) << name;
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
