// Error messages of the norm layers for incorrect uses: every line of tests/fixtures/parity/errors.jsonl, and the
// options.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/raises.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/group_norm.hpp"
#include "normgrad/layers/norm/instance_norm.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"
#include "normgrad/layers/norm/local_response_norm.hpp"
#include "normgrad/layers/norm/registry.hpp"
#include "normgrad/layers/norm/rms_norm.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using nlohmann::json;
using tests::error_of;

Shape shape_from(const json& sizes) { return {sizes.get<std::vector<std::int64_t>>()}; }

template <class Options>
Options options_from(const json& kwargs, Options options) {
  options.eps = kwargs.value("eps", options.eps);
  options.momentum = Momentum(kwargs.value("momentum", 0.1));
  options.affine = kwargs.value("affine", options.affine.scale());
  options.track_running_stats = kwargs.value("track_running_stats", options.track_running_stats);
  return options;
}

std::unique_ptr<Module> make(const std::string& layer, const json& args, const json& kwargs) {
  const auto number = [&](std::size_t i) { return args.at(i).get<std::int64_t>(); };
  if (layer == "BatchNorm1d") {
    return std::make_unique<BatchNorm1d>(number(0), options_from(kwargs, BatchNormOptions()));
  }
  if (layer == "BatchNorm2d") {
    return std::make_unique<BatchNorm2d>(number(0), options_from(kwargs, BatchNormOptions()));
  }
  if (layer == "BatchNorm3d") {
    return std::make_unique<BatchNorm3d>(number(0), options_from(kwargs, BatchNormOptions()));
  }
  if (layer == "InstanceNorm1d") {
    return std::make_unique<InstanceNorm1d>(number(0), options_from(kwargs, InstanceNormOptions()));
  }
  if (layer == "InstanceNorm2d") {
    return std::make_unique<InstanceNorm2d>(number(0), options_from(kwargs, InstanceNormOptions()));
  }
  if (layer == "InstanceNorm3d") {
    return std::make_unique<InstanceNorm3d>(number(0), options_from(kwargs, InstanceNormOptions()));
  }
  if (layer == "LayerNorm") {
    return std::make_unique<LayerNorm>(shape_from(args.at(0)));
  }
  if (layer == "RMSNorm") {
    return std::make_unique<RMSNorm>(shape_from(args.at(0)));
  }
  if (layer == "GroupNorm") {
    return std::make_unique<GroupNorm>(number(0), number(1));
  }
  EXPECT_EQ(layer, "LocalResponseNorm");
  return std::make_unique<LocalResponseNorm>(number(0));
}

// In the order of the lines; "" if the use is valid.
const std::vector<std::string>& expected_texts() {
  static const std::vector<std::string> expected = {
      "LayerNorm: layer_norm: expected an input [*, 6, 3] for normalized_shape [6, 3] but got [8, 6, 3, 4]",
      "LayerNorm: layer_norm: expected an input [*, 4] for normalized_shape [4] but got [2, 3]",
      "LayerNorm: layer_norm: expected an input [*, 2, 3, 4] for normalized_shape [2, 3, 4] but got [3, 4]",
      "LayerNorm: expected a normalized_shape of at least 1 axis but got []",
      "RMSNorm: rms_norm: expected an input [*, 6, 3] for normalized_shape [6, 3] but got [8, 6, 3, 4]",
      "GroupNorm: expected num_channels divisible by num_groups but got 4 channels and 3 groups",
      "GroupNorm: expected an input [N, 4, *] of at least 2 axes but got [2, 6, 2, 2]",
      "GroupNorm: expected an input [N, 4, *] of at least 2 axes but got [4]",
      "GroupNorm: expected num_groups > 0 but got 0",
      "GroupNorm: expected more than 1 value per group but got [1, 4] with 4 groups",
      "BatchNorm1d: expected a 2-D input [N, 3] or a 3-D input [N, 3, L] but got [4, 2], which has 2 channels; make it "
      "BatchNorm1d(2)",
      "BatchNorm1d: expected a 2-D input [N, 3] or a 3-D input [N, 3, L] but got [4, 3, 2, 2]; use BatchNorm1d, 2d or "
      "3d for other numbers of axes",
      "BatchNorm1d: expected more than 1 value per channel to take batch statistics of (training mode) but got [1, 3]; "
      "use larger batches (leave out the last one: DataLoader {.drop_last = true}), eval() with running statistics, or "
      "{.single_value = "
      "SingleValue::use_running}",
      "BatchNorm1d: expected a 2-D input [N, 3] or a 3-D input [N, 3, L] but got [3]; use BatchNorm1d, 2d or 3d for "
      "other numbers of axes",
      "BatchNorm2d: expected a 4-D input [N, 3, H, W] but got [4, 3]; use BatchNorm1d, 2d or 3d for other numbers of "
      "axes",
      "BatchNorm2d: expected a 4-D input [N, 3, H, W] but got [4, 2, 5, 5], which has 2 channels; make it "
      "BatchNorm2d(2)",
      "BatchNorm2d: expected more than 1 value per channel to take batch statistics of (training mode) but got [1, 3, "
      "1, 1]; use larger batches (leave out the last one: DataLoader {.drop_last = true}), eval() with running "
      "statistics, or {.single_value = "
      "SingleValue::use_running}",
      "",
      "BatchNorm3d: expected a 5-D input [N, 3, D, H, W] but got [4, 3, 2, 2]; use BatchNorm1d, 2d or 3d for other "
      "numbers of axes",
      "InstanceNorm1d: expected a 3-D input [N, 3, L] or a 2-D input [3, L] but got [4, 3], which has 4 channels; make "
      "it InstanceNorm1d(4)",
      "InstanceNorm1d: expected a 3-D input [N, 3, L] or a 2-D input [3, L] but got [4, 2, 5], which has 2 channels; "
      "make it InstanceNorm1d(2)",
      "InstanceNorm1d: expected more than 1 value per sample and channel to take batch statistics of (training mode) "
      "but "
      "got [4, 3, 1]; use inputs of more than one position, a norm with statistics over more than that (GroupNorm, "
      "BatchNorm), or {.track_running_stats = true, .single_value = SingleValue::use_running}",
      "InstanceNorm2d: expected a 4-D input [N, 3, H, W] or a 3-D input [3, H, W] but got [4, 3]",
      "InstanceNorm2d: expected a 4-D input [N, 3, H, W] or a 3-D input [3, H, W] but got [4, 2, 5, 5], which has 2 "
      "channels; make it InstanceNorm2d(2)",
      "InstanceNorm2d: expected more than 1 value per sample and channel to take batch statistics of (training mode) "
      "but "
      "got [4, 3, 1, 1]; use inputs of more than one position, a norm with statistics over more than that (GroupNorm, "
      "BatchNorm), or {.track_running_stats = true, .single_value = SingleValue::use_running}",
      "InstanceNorm3d: expected a 5-D input [N, 3, D, H, W] or a 4-D input [3, D, H, W] but got [4, 3, 2]",
      "InstanceNorm2d: expected a 4-D input [N, 3, H, W] or a 3-D input [3, H, W] but got [4, 2, 5, 5], which has 2 "
      "channels; make it InstanceNorm2d(2)",
      "InstanceNorm2d: expected a 4-D input [N, 3, H, W] or a 3-D input [3, H, W] but got [4, 2, 5, 5], which has 2 "
      "channels; make it InstanceNorm2d(2)",
      "LocalResponseNorm: expected size > 0 but got 0",
      "LocalResponseNorm: local_response_norm: expected an input [N, C, *] of at least 3 axes but got [2, 3]",
      "LocalResponseNorm: local_response_norm: expected an input [N, C, *] of at least 3 axes but got [3]",
      "BatchNorm2d: expected num_features > 0 but got -1",
      "GroupNorm: expected num_channels > 0 but got -4",
      "GroupNorm: expected num_groups > 0 but got -2",
      "BatchNorm1d: expected num_features > 0 but got 0",
      "LayerNorm: expected a normalized_shape of positive sizes but got [0]",
      "BatchNorm2d: expected eps > 0 but got -1",
      "BatchNorm2d: expected momentum, the weight of a new batch, in [0, 1] but got 2"};
  return expected;
}

class FixtureErrorTest : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Lines, FixtureErrorTest, testing::Range(std::size_t{0}, expected_texts().size()));

std::vector<std::string> fixture_lines() {
  std::ifstream file(NORMGRAD_SOURCE_DIR "/tests/fixtures/parity/errors.jsonl");
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    lines.push_back(line);
  }
  return lines;
}

TEST_P(FixtureErrorTest, TellsWhatWasExpectedAndWhatCame) {
  const std::string line = fixture_lines().at(GetParam());
  const json use = json::parse(line);
  std::string told;
  try {
    const std::unique_ptr<Module> layer = make(use.at("layer"), use.at("args"), use.at("kwargs"));
    (*layer)(zeros(shape_from(use.at("input_shape"))));
  } catch (const Error& error) {
    told = error.what();
  }
  EXPECT_EQ(told, expected_texts()[GetParam()]) << line;
}

TEST(NormErrorTest, EveryLineOfTheFixtureHasItsText) { EXPECT_EQ(fixture_lines().size(), expected_texts().size()); }

TEST(NormErrorTest, ErrorsNameThePathInTheModel) {
  struct Features : Module {
    BatchNorm2d norm1{32};
    NORMGRAD_MEMBERS(Features, norm1)
    Tensor forward(const Tensor& x) override { return norm1(x); }
  };
  struct Net : Module {
    Features features;
    NORMGRAD_MEMBERS(Net, features)
    Tensor forward(const Tensor& x) override { return features(x); }
  } net;
  EXPECT_EQ(error_of<ShapeError>([&] {
              net(zeros({64, 16, 14, 14}));
            }),
            "BatchNorm2d 'features.norm1': expected a 4-D input [N, 32, H, W] but got [64, 16, 14, 14], which has 16 "
            "channels; make it BatchNorm2d(16)");
}

TEST(NormErrorTest, OptionsAreRefusedAtConstruction) {
  EXPECT_EQ(error_of<ValueError>([] { BatchNorm1d(3, {.eps = 0.0}); }), "BatchNorm1d: expected eps > 0 but got 0");
  EXPECT_EQ(error_of<ValueError>([] { BatchNorm1d(3, {.momentum = -0.1}); }),
            "BatchNorm1d: expected momentum, the weight of a new batch, in [0, 1] but got -0.1");
  EXPECT_EQ(error_of<ValueError>([] { InstanceNorm1d(0); }), "InstanceNorm1d: expected num_features > 0 but got 0");
  EXPECT_EQ(error_of<ValueError>(
                [] { BatchNorm1d(3, {.track_running_stats = false, .single_value = SingleValue::use_running}); }),
            "BatchNorm1d: expected track_running_stats = true for SingleValue::use_running but got false");
  EXPECT_EQ(error_of<ValueError>([] { LayerNorm(4, {.eps = -1e-5}); }), "LayerNorm: expected eps > 0 but got -1e-05");
  EXPECT_EQ(error_of<ValueError>([] { RMSNorm(4, {.eps = 0.0}); }), "RMSNorm: expected eps > 0 but got 0");
  EXPECT_EQ(error_of<ValueError>([] { GroupNorm(2, 4, {.eps = 0.0}); }), "GroupNorm: expected eps > 0 but got 0");
  EXPECT_EQ(error_of<ValueError>([] {
              LayerNorm({3, 4}, {.axes = {1}});
            }),
            "LayerNorm: expected as many axes as normalized_shape [3, 4] has but got 1");
  EXPECT_EQ(error_of<ValueError>([] {
              LayerNorm({3, 4}, {.axes = {2, 1}});
            }),
            "LayerNorm: expected axes in ascending order but got [2, 1]");
  EXPECT_EQ(error_of<ValueError>([] { LayerNorm(Shape{}); }),
            "LayerNorm: expected a normalized_shape of at least 1 axis but got []");
  EXPECT_EQ(error_of<ValueError>([] {
              RMSNorm({3, 0});
            }),
            "RMSNorm: expected a normalized_shape of positive sizes but got [3, 0]");
  EXPECT_EQ(error_of<ValueError>([] { InstanceNorm3d(4, {.eps = -1.0}); }),
            "InstanceNorm3d: expected eps > 0 but got -1");
  EXPECT_EQ(error_of<ValueError>([] { BatchNorm3d(4, {.eps = std::nan("")}); }),
            "BatchNorm3d: expected eps > 0 but got nan");
  EXPECT_EQ(error_of<ValueError>([] { BatchNorm2d(4, {.momentum = Decay(-0.5)}); }),
            "BatchNorm2d: expected momentum, the weight of a new batch, in [0, 1] but got 1.5");
  EXPECT_EQ(error_of<ValueError>([] { BatchNorm2d(4, {.momentum = std::nan("")}); }),
            "BatchNorm2d: expected momentum, the weight of a new batch, in [0, 1] but got nan");
  EXPECT_EQ(error_of<ValueError>([] { GroupNorm(std::nullopt, 0); }), "GroupNorm: expected num_channels > 0 but got 0");
  EXPECT_EQ(error_of<ValueError>([] { GroupNorm(8, 4); }),
            "GroupNorm: expected num_channels divisible by num_groups but got 4 channels and 8 groups");
  EXPECT_EQ(error_of<ValueError>([] { LocalResponseNorm(-1); }), "LocalResponseNorm: expected size > 0 but got -1");
  EXPECT_EQ(error_of<ValueError>([] { BatchNorm1d(3, {.track_running_stats = false}).freeze(); }),
            "BatchNorm1d: freeze: expected a layer with running statistics but track_running_stats is false; make it "
            "with {.track_running_stats = true}");
  EXPECT_EQ(
      error_of<ValueError>([] { BatchNorm1d(3, {.track_running_stats = false}).set_statistics(Statistics::running); }),
      "BatchNorm1d: set_statistics: expected a layer with running statistics but track_running_stats is false; make it "
      "with {.track_running_stats = true}");
}

TEST(NormErrorTest, DtypesThatDoNotFit) {
  EXPECT_EQ(error_of<DTypeError>([] {
              BatchNorm1d(3)(zeros({2, 3}, {.dtype = kFloat64}));
            }),
            "BatchNorm1d: expected an input of dtype float32 but got float64; convert it with to()");
  // Without parameters there is no dtype to match.
  EXPECT_EQ(BatchNorm1d(3, {.affine = false})(zeros({2, 3}, {.dtype = kFloat64})).dtype(), kFloat64);
  EXPECT_EQ(error_of<DTypeError>([] {
              LayerNorm(3)(zeros({2, 3}, {.dtype = kInt64}));
            }),
            "LayerNorm: layer_norm: expected a float32 or float64 input but got int64");
}

TEST(NormErrorTest, OneValueTellsTheMode) {
  BatchNorm1d norm(3, {.track_running_stats = false});
  norm.eval();
  EXPECT_THAT(error_of<ShapeError>([&] {
                norm(zeros({1, 3}));
              }),
              testing::HasSubstr("(track_running_stats is false) but got [1, 3]"));
}

TEST(NormErrorTest, TheRegistrySaysWhatItKnows) {
  std::string known;
  for (const std::string& name : norm_names()) {
    known += (known.empty() ? "" : ", ") + name;
  }
  EXPECT_EQ(error_of<ValueError>([] { make_norm("btach", {.num_features = 4}); }),
            "make_norm: expected one of " + known + " but got \"btach\"");
  EXPECT_EQ(error_of<ValueError>([] { make_norm("group:x", {.num_features = 4}); }),
            "make_norm: expected a number of groups, as in \"group:8\", but got \"group:x\"");
  EXPECT_EQ(error_of<ValueError>([] { make_norm("batch:2", {.num_features = 4}); }),
            "make_norm: expected \"batch\" without an argument but got \"batch:2\"");
  EXPECT_EQ(error_of<ValueError>([] { make_norm("group:3", {.num_features = 4}); }),
            "GroupNorm: expected num_channels divisible by num_groups but got 4 channels and 3 groups");
  EXPECT_EQ(
      error_of<ValueError>([] { make_norm("instance", {.num_features = 4}); }),
      "make_norm: instance needs positions to take statistics over, and features [N, C] have one value per sample "
      "and channel");
  EXPECT_EQ(error_of<ValueError>([] { make_norm("batch:decay=0.9", {.num_features = 4}); }),
            "make_norm: \"batch\" has no option \"decay\", only eps, momentum");
  EXPECT_EQ(error_of<ValueError>([] { make_norm("batch:eps=small", {.num_features = 4}); }),
            "make_norm: expected a number for \"eps\" but got \"small\"");
  EXPECT_EQ(error_of<ValueError>([] { make_norm("batch:eps=none", {.num_features = 4}); }),
            "make_norm: expected a number for \"eps\" but got none");
  EXPECT_EQ(error_of<ValueError>([] { make_norm("group:2:4", {.num_features = 4}); }),
            "make_norm: expected one number after \"group:\" but got \"group:2:4\"");
  EXPECT_EQ(error_of<ValueError>([] { make_norm("batch", {.num_features = 0}); }),
            "make_norm: expected num_features > 0 but got 0");
}

// The advice is one that the layer can follow: these have no option single_value.
TEST(NormErrorTest, OneValuePerChannelIsAnsweredWithWhatTheLayerHas) {
  for (const std::string name : {"switchable", "power", "iter", "mobn", "bin", "evo-b0"}) {
    const bool needs_positions = name == "bin" || name == "evo-b0";
    const std::unique_ptr<Module> norm = make_norm(name, {.num_features = 4, .spatial_dims = needs_positions ? 2 : 0});
    const Tensor x = needs_positions ? ones({1, 4, 1, 1}) : ones({1, 4});
    EXPECT_THAT(error_of<ShapeError>([&] { (*norm)(x); }),
                testing::AllOf(testing::HasSubstr("expected more than 1 value per channel"),
                               testing::EndsWith("; use larger batches (leave out the last one: DataLoader {.drop_last "
                                                 "= true}), or eval()")))
        << name;
  }
}

TEST(NormErrorTest, NoExamplesAndNoPositionsAreNoErrorForAnyNorm) {
  for (const std::string& name : norm_names()) {
    for (const Shape& shape : {Shape{0, 8, 3, 2}, Shape{4, 8, 0, 2}}) {
      const std::unique_ptr<Module> norm = make_norm(name, {.num_features = 8, .spatial_dims = 2});
      const Tensor x = zeros(shape).requires_grad_();
      const Tensor y = (*norm)(x);
      EXPECT_EQ(y.shape(), shape) << name;
      (y * randn(shape)).sum().backward();
      EXPECT_EQ(x.grad().shape(), shape) << name;
    }
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
