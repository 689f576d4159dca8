// Running statistics of a wrong shape or dtype throw wherever they are used.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/raises.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/layers/conv.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/instance_norm.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::HasSubstr;
using tests::error_of;

template <class Norm, class Options>
void expect_buffers_checked(const Options& options) {
  const auto refuses = [&](auto change, const std::string& text, bool is_shape) {
    for (const bool training : {true, false}) {
      for (const Statistics statistics : {Statistics::automatic, Statistics::batch, Statistics::running}) {
        Norm norm(8, options);
        norm.train(training);
        norm.set_statistics(statistics);
        change(norm);
        const Tensor x = randn({2, 8, 3, 3});
        const std::string error =
            is_shape ? error_of<ShapeError>([&] { norm(x); }) : error_of<DTypeError>([&] { norm(x); });
        EXPECT_THAT(error, HasSubstr(text)) << norm << training;
      }
    }
  };
  refuses([](Norm& n) { n.running_mean = StateBuffer(zeros({16}, {.dtype = kFloat64})); },
          "expected running_mean of shape [8] but got [16]", true);
  refuses([](Norm& n) { n.running_mean = StateBuffer(zeros({4}, {.dtype = kFloat64})); },
          "expected running_mean of shape [8] but got [4]", true);
  refuses([](Norm& n) { n.running_var = StateBuffer(ones({16}, {.dtype = kFloat64})); },
          "expected running_var of shape [8] but got [16]", true);
  refuses([](Norm& n) { n.running_var = StateBuffer(); }, "expected running_var of shape [8] but got an undefined one",
          true);
  refuses([](Norm& n) { n.num_batches_tracked = StateBuffer(zeros({0}, {.dtype = kInt64})); },
          "expected num_batches_tracked of shape [] but got [0]", true);
  refuses([](Norm& n) { n.num_batches_tracked = StateBuffer(); },
          "expected num_batches_tracked of shape [] but got an undefined one", true);
  refuses([](Norm& n) { n.running_mean = StateBuffer(zeros({8}, {.dtype = kInt64})); },
          "expected running statistics of float32 or float64 but got int64", false);
  refuses([](Norm& n) { n.num_batches_tracked = StateBuffer(zeros({})); },
          "expected num_batches_tracked of int64 but got float32", false);
  // Both dtypes that files and to() produce are accepted.
  Norm norm(8, options);
  norm.running_mean = StateBuffer(zeros({8}));
  norm.running_var = StateBuffer(ones({8}));
  EXPECT_EQ(norm(randn({2, 8, 3, 3})).dim(), 4);
}

TEST(NormBuffersTest, BatchNorm) { expect_buffers_checked<BatchNorm2d>(BatchNormOptions{}); }

TEST(NormBuffersTest, InstanceNorm) {
  expect_buffers_checked<InstanceNorm2d>(InstanceNormOptions{.track_running_stats = true});
}

TEST(NormBuffersTest, ToolsRefuseThemAsWell) {
  BatchNorm2d norm(8);
  norm.running_var = StateBuffer(ones({4}, {.dtype = kFloat64}));
  EXPECT_THROW(norm.is_identity(), ShapeError);
  EXPECT_THROW(norm.reset_running_stats(), ShapeError);
}

TEST(NormBuffersTest, AnImageWithoutABatchIsToldHowToGetOne) {
  Conv2d conv(3, 8, 3);
  BatchNorm2d norm(8);
  EXPECT_THAT(error_of<ShapeError>([&] {
                norm(conv(randn({3, 6, 6})));
              }),
              HasSubstr("but got [8, 4, 4]; a batch of one example is x.unsqueeze(0)"));
  EXPECT_THAT(error_of<ShapeError>([&] { norm(randn({8})); }), HasSubstr("use BatchNorm1d, 2d or 3d"));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
