// For every optimizer, a step is complete or has no effect, and reports when there is nothing to do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/optim/optim_support.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/node.hpp"
#include "normgrad/normgrad.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::HasSubstr;
using testing::Not;
using tests::error_of;
using tests::kInf;
using tests::param_of;
using tests::tensor_of;

template <class O>
std::unique_ptr<Optimizer> optimizer_of(const ParameterList& params) {
  return std::make_unique<O>(params);
}

using OptimizerMaker = std::function<std::unique_ptr<Optimizer>(const ParameterList&)>;
const std::vector<OptimizerMaker>& optimizer_makers() {
  static const std::vector<OptimizerMaker> all = {
      [](const ParameterList& p) { return std::make_unique<SGD>(p, SGDOptions{.momentum = 0.9}); },
      [](const ParameterList& p) { return std::make_unique<Adam>(p, AdamOptions{.amsgrad = true}); },
      [](const ParameterList& p) {
        return std::make_unique<RMSprop>(p, RMSpropOptions{.momentum = 0.9, .centered = true});
      },
      optimizer_of<SGD>,
      optimizer_of<AdamW>,
      optimizer_of<NAdam>,
      optimizer_of<RAdam>,
      optimizer_of<Adagrad>,
      optimizer_of<Adadelta>,
      optimizer_of<Adamax>,
      optimizer_of<Lion>,
      optimizer_of<Rprop>,
      optimizer_of<LAMB>,
      optimizer_of<LARS>,
      optimizer_of<Adafactor>,
      optimizer_of<SparseAdam>,
      optimizer_of<RMSprop>};
  return all;
}

/// Checks that step() throws an error containing `expected` and changes neither parameters nor state.
void expect_nothing_changes(Optimizer& optimizer, const std::vector<Tensor>& params, const std::string& expected) {
  std::vector<std::vector<double>> before;
  for (const Tensor& param : params) {
    before.push_back(param.to_vector<double>());
  }
  const StateDict state = optimizer.state_dict();
  std::string text;
  try {
    optimizer.step();
  } catch (const Error& error) {
    text = error.what();
  }
  EXPECT_THAT(text, HasSubstr(expected)) << optimizer.type_name();
  for (std::size_t i = 0; i < params.size(); ++i) {
    EXPECT_EQ(params[i].to_vector<double>(), before[i]) << optimizer.type_name() << " " << i;
  }
  const StateDict after = optimizer.state_dict();
  ASSERT_EQ(after.size(), state.size()) << optimizer.type_name();
  for (const auto& [key, value] : after) {
    EXPECT_EQ(value.to_vector<double>(), state.at(key).to_vector<double>()) << optimizer.type_name() << " " << key;
  }
}

TEST(StepTest, AStateOfAnotherShapeChangesNothing) {
  for (const OptimizerMaker& make : optimizer_makers()) {
    Sequential net(Linear(3, 2), Linear(2, 2));
    const auto optimizer = make(net.parameters());
    for (Tensor& param : net.parameters()) {
      param.set_grad(ones(param.shape()));
    }
    optimizer->step();
    if (optimizer->state_dict().size() < 20 && std::string(optimizer->type_name()) == "SGD" &&
        optimizer->option("momentum") == 0.0) {
      continue;  // has no state
    }
    // The last one gets another shape, with a matching gradient.
    const NoGradGuard no_grad;
    Tensor last = net.parameters().back();
    const Tensor other = zeros({5});
    last.node()->grad = other;
    expect_nothing_changes(*optimizer, net.parameters(),
                           "parameter 3 '1.bias' has shape [2] but its gradient has shape [5]");
    last.node()->grad = ones({2}, {.dtype = kFloat64});
    expect_nothing_changes(*optimizer, net.parameters(), "parameter 3 '1.bias' is float32 but its gradient is float64");
  }
}

TEST(StepTest, TheFirstStepMakesNoStateBeforeItIsSureOfAll) {
  for (const OptimizerMaker& make : optimizer_makers()) {
    const std::vector<Tensor> params = {param_of({1.0, 2.0}), param_of({3.0})};
    const auto optimizer = make(params);
    params[0].node()->grad = tensor_of({1.0, 1.0});
    params[1].node()->grad = tensor_of({1.0, 1.0});
    expect_nothing_changes(*optimizer, params, "parameter 1 has shape [1] but its gradient has shape [2]");
    params[1].node()->grad = tensor_of({1.0});
    optimizer->step();
    EXPECT_NE(params[0].to_vector<double>()[0], 1.0) << optimizer->type_name();
  }
}

TEST(StepTest, OptionsOutOfRangeChangeNothing) {
  for (const OptimizerMaker& make : optimizer_makers()) {
    const std::vector<Tensor> params = {param_of({1.0})};
    const auto optimizer = make(params);
    params[0].node()->grad = tensor_of({1.0});
    for (const char* name : {"lr", "weight_decay", "eps", "momentum", "dampening", "lr_decay", "momentum_decay"}) {
      if (!optimizer->has_option(name)) {
        continue;
      }
      for (const double bad : {kInf, std::nan("")}) {
        const double before = optimizer->option(name);
        EXPECT_THROW(optimizer->set_option(name, bad, 0), ValueError) << optimizer->type_name() << " " << name;
        EXPECT_EQ(optimizer->option(name), before);
      }
    }
    EXPECT_THROW(optimizer->set_lr(kInf), ValueError);
  }
  // In a later group.
  const Tensor a = param_of({1.0});
  const Tensor b = param_of({1.0});
  SGD sgd({{{a}, {.lr = 0.5}}, {{b}, {.lr = 0.5}}});
  a.node()->grad = tensor_of({1.0});
  b.node()->grad = tensor_of({1.0});
  sgd.options(1).lr = kInf;
  EXPECT_EQ(error_of<ValueError>([&] { sgd.step(); }), "SGD: expected a finite lr but got inf");
  EXPECT_EQ(a.item(), 1.0);
}

TEST(StepTest, WithoutAnyGradientItSaysSoOnce) {
  const std::vector<Tensor> params = {param_of({1.0}), param_of({2.0})};
  Adam optimizer(params);
  const auto said_in_a_step = [&] {
    testing::internal::CaptureStderr();
    optimizer.step();
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_THAT(said_in_a_step(), HasSubstr("Adam: step() found no gradient in any of 2 parameters"));
  EXPECT_EQ(said_in_a_step(), "");
  SGD other(params);
  Tensor(params[0]).set_grad(tensor_of({1.0}));
  testing::internal::CaptureStderr();
  other.step();
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "") << "one gradient is enough";
}

TEST(StepTest, AParameterIsThereOnceFrozenOrNot) {
  const Tensor frozen = tensor_of({1.0, 2.0});
  EXPECT_EQ(error_of<ValueError>([&] {
              SGD({frozen, frozen});
            }),
            "SGD: expected distinct parameters but parameter 1 of shape [2] was added before");
  SGD optimizer({frozen});
  EXPECT_THROW(optimizer.add_param_group({{frozen}, {}}), ValueError);
  EXPECT_EQ(optimizer.num_groups(), 1U);
}

// The first step with momentum sets the buffer to the gradient, in whichever step that is.
TEST(StepTest, AMomentumThatComesLater) {
  const Tensor param = param_of({0.0});
  SGD optimizer({param}, {.lr = 1.0});
  for (const double momentum : {0.0, 0.5, 0.5}) {
    optimizer.options().momentum = momentum;
    optimizer.options().dampening = momentum;
    Tensor(param).set_grad(tensor_of({1.0}));
    optimizer.step();
  }
  EXPECT_EQ(param.item(), -1.0 - 1.0 - (0.5 + 0.5));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
