#include "examples/compare_norms/models.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace compare_norms {
namespace {

using namespace normgrad;
using testing::HasSubstr;

const std::vector<std::string> kNorms = {"none", "batch", "layer", "instance", "group", "group:4", "rms"};

Sequential make(const std::string& model, const std::string& norm) {
  manual_seed(7);
  return make_model(model, norm, {1, 28, 28}, 10);
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
  for (const std::string& name : model_names()) {
    Sequential plain = make(name, "none");
    const std::uint64_t drawn = default_generator().position();
    const std::map<std::string, Tensor> expected = weights_but_norms(plain);
    EXPECT_EQ(expected.size(), 8U);
    for (const std::string& norm : kNorms) {
      if (!why_not_applicable(name, norm).empty()) {
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
  for (const auto& [name, child] : model.named_children()) {
    order += child->type_name() + " ";
  }
  EXPECT_EQ(order, "Flatten Linear BatchNorm1d Sigmoid Linear BatchNorm1d Sigmoid Linear BatchNorm1d Sigmoid Linear ");
}

TEST(ModelsTest, GiveOneScorePerClassForAnyImage) {
  Generator generator(1);
  for (const std::string& name : model_names()) {
    for (const std::string& norm : kNorms) {
      if (why_not_applicable(name, norm).empty()) {
        Sequential model = make_model(name, norm, {3, 13, 9}, 7);
        const NoGradGuard no_grad;
        EXPECT_EQ(model(randn({4, 3, 13, 9}, {}, &generator)).shape(), Shape({4, 7})) << name << ' ' << norm;
      }
    }
  }
}

TEST(ModelsTest, TellWhatCannotBe) {
  EXPECT_THAT(why_not_applicable("mlp", "instance"), HasSubstr("one value"));
  EXPECT_EQ(why_not_applicable("cnn", "instance"), "");
  for (const std::string wrong : {"batsch", "group:", "group:0", "group:x", "none:2", "group:3"}) {
    EXPECT_THROW(why_not_applicable("mlp", wrong), ValueError) << wrong;
  }
  EXPECT_THROW(make_model("cnn", "none", {1, 3, 28}, 10), ShapeError);
}

}  // namespace
}  // namespace compare_norms
