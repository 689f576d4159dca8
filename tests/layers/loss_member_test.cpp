// Losses as members of models: their weights in the state, copies, errors and printing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/loss.hpp"
#include "normgrad/layers/module/any_module.hpp"
#include "normgrad/layers/module/summary.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;
using tests::Numbers;
using tests::numbers;

std::vector<std::string> keys_of(const Module& module) {
  std::vector<std::string> keys;
  for (const auto& [key, tensor] : module.state_dict()) {
    keys.push_back(key);
  }
  return keys;
}

TEST(LossMemberTest, WeightsAreStateIfGiven) {
  const Tensor w = ones({3});
  EXPECT_THAT(keys_of(CrossEntropyLoss({.weight = w})), ElementsAre("weight"));
  EXPECT_THAT(keys_of(NLLLoss({.weight = w})), ElementsAre("weight"));
  EXPECT_THAT(keys_of(BCELoss({.weight = w})), ElementsAre("weight"));
  EXPECT_THAT(keys_of(MultiMarginLoss({.weight = w})), ElementsAre("weight"));
  EXPECT_THAT(keys_of(MultiLabelSoftMarginLoss({.weight = w})), ElementsAre("weight"));
  EXPECT_THAT(keys_of(BCEWithLogitsLoss({.weight = w, .pos_weight = w})), ElementsAre("weight", "pos_weight"));
  EXPECT_THAT(keys_of(BCEWithLogitsLoss({.pos_weight = w})), ElementsAre("pos_weight"));
  EXPECT_THAT(keys_of(BCEWithLogitsLoss()), ElementsAre());
  EXPECT_THAT(keys_of(CrossEntropyLoss()), ElementsAre());
  EXPECT_THAT(keys_of(MSELoss()), ElementsAre());
}

TEST(LossMemberTest, WeightsAreNotLearned) {
  Tensor w = tensor({1.0, 2.0}, {.requires_grad = true});
  BCEWithLogitsLoss criterion({.pos_weight = w});
  EXPECT_EQ(numbers(criterion.pos_weight), numbers(w));
  EXPECT_EQ(criterion.num_parameters(), 0);
  Tensor x = tensor({0.5, -0.5}, {.requires_grad = true});
  criterion(x, ones({2})).backward();
  EXPECT_TRUE(x.grad().defined());
  EXPECT_FALSE(w.grad().defined());
  // A copy has weights of its own.
  BCEWithLogitsLoss copy = criterion;
  copy.pos_weight.fill_(5.0);
  EXPECT_EQ(numbers(criterion.pos_weight), (Numbers{1, 2}));
  EXPECT_NE(numbers(copy(x, ones({2}))), numbers(criterion(x, ones({2}))));
  // A loss without weights takes those of another one.
  BCEWithLogitsLoss plain;
  plain = copy;
  EXPECT_EQ(numbers(plain(x, ones({2}))), numbers(copy(x, ones({2}))));
}

/// A model that returns its loss.
struct Classifier : Module {
  Linear fc{5, 3};
  CrossEntropyLoss criterion{{.weight = tensor({1.0F, 2.0F, 4.0F}), .label_smoothing = 0.1}};
  MSELoss distance;
  NORMGRAD_MEMBERS(Classifier, fc, criterion, distance)
  NORMGRAD_CALL_FORWARD()
  Tensor forward(const Tensor& x, const Tensor& target) { return criterion(fc(x), target); }
};

TEST(LossMemberTest, IsAMemberOfAModel) {
  Classifier model;
  const Tensor x = tests::random_tensor({4, 5}, kFloat32, 18);
  const Tensor t = from_vector(std::vector<std::int64_t>{0, 2, 1, 1}, {4});
  EXPECT_THAT(keys_of(model), ElementsAre("fc.weight", "fc.bias", "criterion.weight"));
  EXPECT_EQ(to_string(model),
            "Classifier(\n"
            "  (fc): Linear(in_features=5, out_features=3, bias=true)  [3x5, 3]  18 parameters\n"
            "  (criterion): CrossEntropyLoss(label_smoothing=0.1)\n"
            "  (distance): MSELoss()\n"
            ")  total 18 parameters");
  const ModelSummary table = summary(model, x, t);
  ASSERT_EQ(table.layers.size(), 4U);
  EXPECT_EQ(table.layers[2].path, "criterion");
  EXPECT_EQ(table.layers[2].type, "CrossEntropyLoss");
  EXPECT_EQ(table.layers[2].calls, 1);
  EXPECT_EQ(table.layers[2].parameters, 0);
  EXPECT_EQ(table.layers[2].output_shape, Shape());
  EXPECT_EQ(table.layers[3].calls, 0);

  const Tensor weight = model.criterion.weight.detach().clone();
  const Tensor loss = model(x, t);
  EXPECT_EQ(loss.item(), cross_entropy(model.fc(x), t, {.weight = weight, .label_smoothing = 0.1}).item());
  loss.backward();
  EXPECT_TRUE(model.fc.weight.grad().defined());

  const Tensor wrong = from_vector(std::vector<std::int64_t>{0, 2, 1, 3}, {4});
  EXPECT_EQ(error_of<IndexError>([&] { model(x, wrong); }),
            "CrossEntropyLoss 'criterion': cross_entropy: expected class indices in [0, 3) but got 3 at position 3; "
            "the last layer needs one output for each class");
  EXPECT_THAT(error_of<Error>([&] { model.criterion.forward(x); }),
              HasSubstr("CrossEntropyLoss: forward(x) is not defined for this module, whose forward takes other"));
}

TEST(LossMemberTest, StateOfAModelWithWeights) {
  Classifier model;
  const Tensor x = tests::random_tensor({4, 5}, kFloat32, 19);
  const Tensor t = from_vector(std::vector<std::int64_t>{0, 2, 1, 1}, {4});
  const AnyModule cloned(model.clone());
  auto& copy = *cloned.as<Classifier>();
  copy.criterion.weight.fill_(7.0);
  EXPECT_EQ(numbers(model.criterion.weight), (Numbers{1, 2, 4}));
  EXPECT_NE(copy(x, t).item(), model(x, t).item());
  const double loss = model(x, t).item();
  copy.load_state_dict(model.state_dict());
  EXPECT_EQ(numbers(copy.criterion.weight), (Numbers{1, 2, 4}));
  EXPECT_EQ(copy(x, t).item(), loss);
  // As in PyTorch, a state without the weights does not fit, and neither do weights for a loss without them.
  StateDict state = model.state_dict();
  state.erase("criterion.weight");
  EXPECT_THAT(error_of<ValueError>([&] { copy.load_state_dict(state); }), HasSubstr("missing: criterion.weight"));
  CrossEntropyLoss plain;
  EXPECT_THAT(error_of<ValueError>([&] { plain.load_state_dict(model.criterion.state_dict()); }),
              HasSubstr("unexpected: weight"));

  model.to(kFloat64);
  EXPECT_EQ(model.criterion.weight.dtype(), kFloat64);
  EXPECT_NEAR(model(x.to(kFloat64), t).item(), loss, 1e-6);
}

TEST(LossMemberTest, WeightsAreCopies) {
  const Tensor weight = tensor({1.0F, 2.0F, 4.0F});
  CrossEntropyLoss first({.weight = weight});
  const CrossEntropyLoss second({.weight = weight});
  first = CrossEntropyLoss({.weight = tensor({5.0F, 6.0F, 7.0F})});
  EXPECT_EQ(numbers(first.weight), (Numbers{5, 6, 7}));
  EXPECT_EQ(numbers(second.weight), (Numbers{1, 2, 4}));
  EXPECT_EQ(numbers(weight), (Numbers{1, 2, 4}));
}

TEST(LossMemberTest, AConstLossIsCallableInTrainingMode) {
  const MSELoss criterion;
  EXPECT_TRUE(criterion.is_training());
  EXPECT_EQ(criterion(full({2}, 3.0), ones({2})).item(), 4.0);
  EXPECT_EQ(criterion.forward(full({2}, 3.0), ones({2})).item(), 4.0);
  EXPECT_EQ(error_of<ShapeError>([&] { criterion(ones({2}), ones({3})); }),
            "MSELoss: mse_loss: expected a target of shape [2] but got [3]");
}

TEST(LossMemberTest, HooksAreRefused) {
  MSELoss criterion;
  const auto hook = criterion.register_forward_pre_hook([](Module&, const Tensor&) { return Tensor(); });
  EXPECT_THAT(error_of<Error>([&] { criterion(ones({2}), ones({2})); }),
              HasSubstr("MSELoss: hooks are supported only for modules whose forward takes one tensor"));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
