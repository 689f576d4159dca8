#include "lab/compare_norms/models.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>

namespace compare_norms {
namespace NORMGRAD_TEST_FILE {

using namespace normgrad;
using testing::HasSubstr;

const std::vector<std::string> kNorms = {"none", "batch", "layer", "instance", "group", "group:4", "rms"};

const std::vector<std::string> kModels = {"mlp", "cnn", "lenet", "deep-mlp:3", "resnet", "vit"};

Sequential make(const std::string& model, const std::string& norm, const std::shared_ptr<TapLog>& taps = nullptr) {
  manual_seed(7);
  return make_model({.model = model,
                     .norm = norm,
                     .activation = defaults_of(model).activation,
                     .image_shape = {1, 28, 28},
                     .num_classes = 10,
                     .taps = taps});
}

bool can_have(const std::string& model, const std::string& norm) {
  return !(model == "lenet" && norm == "group:4") && why_not_applicable(model, norm).empty();
}

std::map<std::string, Tensor> weights_but_norms(Sequential& model) {
  std::map<std::string, Tensor> weights;
  for (const auto& [name, tensor] : model.named_parameters()) {
    if (name.find("norm") == std::string::npos) {
      weights[name] = tensor;
    }
  }
  return weights;
}

TEST(ModelsTest, EveryNormStartsFromTheSameWeights) {
  for (const std::string& name : kModels) {
    Sequential plain = make(name, "none");
    const std::uint64_t drawn = default_generator().position();
    const std::map<std::string, Tensor> expected = weights_but_norms(plain);
    EXPECT_GE(expected.size(), 8U);
    for (const std::string& norm : kNorms) {
      if (!can_have(name, norm)) {
        continue;
      }
      Sequential model = make(name, norm);
      EXPECT_EQ(default_generator().position(), drawn) << norm;
      const std::map<std::string, Tensor> weights = weights_but_norms(model);
      ASSERT_EQ(weights.size(), expected.size()) << norm;
      for (const auto& [key, weight] : weights) {
        EXPECT_EQ(weight.to_vector<float>(), expected.at(key).to_vector<float>()) << norm << ' ' << key;
      }
    }
  }
}

TEST(ModelsTest, HaveTheSizesOfThePapersAndNormsBeforeHiddenActivations) {
  EXPECT_EQ(make("mlp", "none").num_parameters(), 785 * 100 + 2 * 101 * 100 + 101 * 10);
  EXPECT_EQ(make("cnn", "none").num_parameters(), 10 * 32 + (32 * 9 + 1) * 64 + 3137 * 128 + 129 * 10);
  EXPECT_EQ(make("mlp", "batch").num_parameters() - make("mlp", "none").num_parameters(), 3 * 200);
  EXPECT_EQ(make("cnn", "batch").num_parameters() - make("cnn", "none").num_parameters(), 2 * (32 + 64));
  EXPECT_EQ(make("cnn", "layer").num_parameters(), make("cnn", "batch").num_parameters());
  Sequential model = make("mlp", "batch");
  std::string order;
  EXPECT_EQ(make("lenet", "none").num_parameters(), 26 * 6 + (150 + 1) * 16 + 401 * 120 + 121 * 84 + 85 * 10);
  EXPECT_EQ(make("lenet", "batch").num_parameters() - make("lenet", "none").num_parameters(), 2 * (6 + 16 + 120 + 84));
  EXPECT_EQ(make("deep-mlp:3", "none").num_parameters(), 785 * 128 + 2 * 129 * 128 + 129 * 10);
  EXPECT_EQ(make("resnet", "none").num_parameters(),
            10 * 8 + 2 * 73 * 8 + (73 + 145) * 16 + 9 * 16 + (145 + 289) * 32 + 17 * 32 + 330);
  for (const auto& [name, child] : model.named_children()) {
    order += child->type_name() + " ";
  }
  EXPECT_EQ(order, "Flatten Linear BatchNorm1d Sigmoid Linear BatchNorm1d Sigmoid Linear BatchNorm1d Sigmoid Linear ");
}

TEST(ModelsTest, GiveOneScorePerClassForAnyImage) {
  Generator generator(1);
  for (const std::string& name : kModels) {
    for (const std::string& norm : kNorms) {
      if (can_have(name, norm)) {
        Sequential model = make_model({.model = name, .norm = norm, .image_shape = {3, 17, 13}, .num_classes = 7});
        const NoGradGuard no_grad;
        EXPECT_EQ(model(randn({4, 3, 17, 13}, {}, &generator)).shape(), Shape({4, 7})) << name << ' ' << norm;
      }
    }
  }
}

TEST(ModelsTest, ThePlacementDecidesWhereTheNormsOfATransformerStand) {
  Generator generator(1);
  const Tensor x = randn({2, 1, 28, 28}, {}, &generator);
  const auto scores = [&](const std::string& norm, const std::string& placement) {
    manual_seed(7);
    Sequential model = make_model({.model = "vit", .norm = norm, .placement = placement, .image_shape = {1, 28, 28}});
    return model(x).to_vector<float>();
  };
  EXPECT_NE(scores("layer", "pre"), scores("layer", "post"));
  const auto simplest = [](const std::string& norm, const std::string& placement) {
    Plan plan;
    plan.model = "vit";
    plan.norm = norm;
    plan.placement = placement;
    plan = without_idle_settings(plan);
    return plan.norm + " " + plan.placement;
  };
  for (const auto& [norm, placement] : {std::pair("none", "post"), {"none", "sandwich"}, {"rms", "none"}}) {
    EXPECT_EQ(scores("none", "pre"), scores(norm, placement)) << norm << ' ' << placement;
    EXPECT_EQ(simplest(norm, placement), "none pre");
  }
  EXPECT_NE(scores("none", "pre"), scores("none", "deepnorm"));
  EXPECT_EQ(simplest("none", "deepnorm"), "none deepnorm");
  EXPECT_EQ(simplest("rms", "post"), "rms post");
  // 16 patches of 49 pixels, 6 blocks of 12 d^2 weights and 9 d biases; 12 norms in the blocks, one behind them.
  const std::int64_t d = 96;
  const std::int64_t plain = 50 * d + 16 * d + 6 * (12 * d * d + 9 * d) + (d + 1) * 10;
  EXPECT_EQ(make("vit", "none").num_parameters(), plain);
  EXPECT_EQ(make("vit", "layer").num_parameters(), plain + 13 * 2 * d);
}

TEST(ModelsTest, EveryPlacementIsATransformerOfItsOwn) {
  Generator generator(1);
  const Tensor x = randn({2, 1, 28, 28}, {}, &generator);
  std::set<std::vector<float>> results;
  for (const std::string& placement : placement_names()) {
    for (const bool qk_norm : {false, true}) {
      manual_seed(7);
      Sequential model = make_model(
          {.model = "vit", .norm = "rms", .placement = placement, .qk_norm = qk_norm, .image_shape = {1, 28, 28}});
      results.insert(model(x).to_vector<float>());
    }
  }
  EXPECT_EQ(results.size(), 2 * placement_names().size());
}

TEST(ModelsTest, TheLanguageModelSeesOnlyEarlierCharacters) {
  manual_seed(7);
  Sequential model = make_model({.model = "gpt", .norm = "layer", .activation = "gelu", .num_classes = 5});
  const Tensor one = tensor({0.0, 1, 2, 3}).to(kInt64).reshape({1, 4});
  const Tensor other = tensor({0.0, 1, 4, 3}).to(kInt64).reshape({1, 4});
  const NoGradGuard no_grad;
  const Tensor a = model(one);
  const Tensor b = model(other);
  EXPECT_EQ(a.shape(), Shape({4, 5}));
  for (const std::int64_t position : {0, 1}) {
    EXPECT_EQ(a.select(0, position).to_vector<float>(), b.select(0, position).to_vector<float>());
  }
  EXPECT_NE(a.select(0, 3).to_vector<float>(), b.select(0, 3).to_vector<float>());
}

TEST(ModelsTest, TellWhatCannotBe) {
  EXPECT_THAT(why_not_applicable("mlp", "instance"), HasSubstr("one value"));
  EXPECT_EQ(why_not_applicable("cnn", "instance"), "");
  for (const std::string wrong : {"batsch", "group:", "group:0", "group:x", "none:2", "group:3"}) {
    EXPECT_THROW(why_not_applicable("mlp", wrong), ValueError) << wrong;
  }
  EXPECT_EQ(why_not_applicable("lenet", "group"), "");  // 2 groups of 3 channels, where 8 groups would not fit
  EXPECT_THAT(why_not_applicable("lenet", "instance"), HasSubstr("one value"));
  for (const std::string model : {"cnn", "lenet", "resnet"}) {
    EXPECT_THROW(make_model({.model = model, .image_shape = {1, 3, 28}}), ShapeError) << model;
  }
  for (const std::string wrong :
       {"vgg", "deep-mlp", "deep-mlp:", "deep-mlp:0", "deep-mlp:x", "deep-mlp:1001", "deep-mlp:2.5"}) {
    EXPECT_THROW(check_model_name(wrong), ValueError) << wrong;
  }
}

TEST(ModelsTest, TapsSeeTheInputsOfNormsAndActivationsAndChangeNothing) {
  const auto taps = std::make_shared<TapLog>();
  Sequential tapped = make("mlp", "batch", taps);
  Sequential plain = make("mlp", "batch");
  Generator generator(3);
  const Tensor x = randn({5, 1, 28, 28}, {}, &generator);
  EXPECT_EQ(tapped(x).to_vector<float>(), plain(x).to_vector<float>());
  EXPECT_TRUE(taps->entries.empty());
  taps->armed = true;
  tapped(x);
  std::string order;
  for (const TapLog::Entry& entry : taps->entries) {
    order += entry.name + " ";
    EXPECT_EQ(entry.value.shape(), Shape({5, 100}));
    EXPECT_FALSE(entry.value.requires_grad());
  }
  EXPECT_EQ(order, "norm1 act1 norm2 act2 norm3 act3 ");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace compare_norms
