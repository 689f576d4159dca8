// States from other sources: other keys, prefixes of wrappers, older formats.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/raises.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/instance_norm.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;

StateDict under_prefix(const StateDict& state, const std::string& prefix) {
  StateDict result;
  for (const auto& [key, tensor] : state) {
    result[prefix + key] = tensor;
  }
  return result;
}

Sequential small_net() { return Sequential({{"fc", Linear(2, 3)}, {"norm", BatchNorm1d(3)}}); }

TEST(LoadStateTest, NumBatchesTrackedMayBeMissingOrOfOneAxis) {
  Sequential from = small_net();
  from.at<BatchNorm1d>(1).num_batches_tracked.fill_(7.0);
  StateDict state = from.state_dict();
  state["norm.num_batches_tracked"] = tensor({9}, {.dtype = kInt64});
  Sequential into = small_net();
  EXPECT_TRUE(into.load_state_dict(state).missing_keys.empty());
  EXPECT_EQ(into.at<BatchNorm1d>(1).num_batches_tracked.item(), 9.0);
  EXPECT_EQ(into.at<BatchNorm1d>(1).num_batches_tracked.shape(), Shape{});
  state.erase("norm.num_batches_tracked");
  EXPECT_TRUE(into.load_state_dict(state).missing_keys.empty());
  EXPECT_EQ(into.at<BatchNorm1d>(1).num_batches_tracked.item(), 9.0);  // unchanged
  InstanceNorm1d instance(3, {.track_running_stats = true});
  StateDict of_instance = instance.state_dict();
  of_instance.erase("num_batches_tracked");
  EXPECT_TRUE(instance.load_state_dict(of_instance).missing_keys.empty());
  // The other running statistics are required, and two numbers are not one.
  state.erase("norm.running_var");
  state["norm.num_batches_tracked"] = tensor({9, 9}, {.dtype = kInt64});
  const std::string text = error_of<ValueError>([&] { into.load_state_dict(state); });
  EXPECT_THAT(text, HasSubstr("missing: norm.running_var"));
  EXPECT_THAT(text, HasSubstr("of another shape: norm.num_batches_tracked: expected [] but got [2]"));
}

TEST(LoadStateTest, SkipsWhatDoesNotFitByRequest) {
  // A head for another number of classes.
  const Sequential from({{"body", Linear(2, 3)}, {"head", Linear(3, 10)}});
  Sequential into({{"body", Linear(2, 3)}, {"head", Linear(3, 4)}});
  const Sequential before = into;
  EXPECT_THROW(into.load_state_dict(from.state_dict(), {.strict = false}), ValueError);
  const LoadReport report = into.load_state_dict(from.state_dict(), {.ignore_mismatched_sizes = true});
  EXPECT_THAT(report.mismatched_keys, ElementsAre("head.weight", "head.bias"));
  EXPECT_TRUE(report.missing_keys.empty());
  EXPECT_TRUE(report.unexpected_keys.empty());
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(into.parameters()[i].to_vector<double>(), (i < 2 ? from : before).parameters()[i].to_vector<double>());
  }
  // Missing keys remain errors, and a state that fits has nothing to report.
  StateDict state = from.state_dict();
  state.erase("body.bias");
  EXPECT_THAT(error_of<ValueError>([&] { into.load_state_dict(state, {.ignore_mismatched_sizes = true}); }),
              HasSubstr("missing: body.bias"));
  EXPECT_TRUE(into.load_state_dict(before.state_dict(), {.ignore_mismatched_sizes = true}).mismatched_keys.empty());
}

TEST(LoadStateTest, PrefixesOfWrappersAreTakenOff) {
  const Sequential from = small_net();
  for (const std::string prefix : {"module.", "_orig_mod.", "module._orig_mod."}) {
    Sequential into = small_net();
    into.load_state_dict(under_prefix(from.state_dict(), prefix));
    EXPECT_EQ(into.parameters()[0].to_vector<double>(), from.parameters()[0].to_vector<double>()) << prefix;
  }
  // Prefixes are kept if the model has such a child, or if only some keys begin with them.
  Sequential with_child({{"module", Linear(2, 2)}});
  with_child.load_state_dict(with_child.state_dict());
  StateDict mixed = under_prefix(from.state_dict(), "module.");
  mixed["epoch"] = zeros({});
  Sequential into = small_net();
  EXPECT_THAT(error_of<ValueError>([&] { into.load_state_dict(mixed); }), HasSubstr("missing: fc.weight"));
}

TEST(LoadStateTest, TakesAPrefixAndAMapOfKeys) {
  const Sequential from = small_net();
  StateDict state = under_prefix(from.state_dict(), "backbone.");
  state["head.weight"] = zeros({1});
  Sequential into = small_net();
  EXPECT_TRUE(into.load_state_dict(state, {.prefix = "backbone."}).unexpected_keys.empty());
  EXPECT_EQ(into.parameters()[0].to_vector<double>(), from.parameters()[0].to_vector<double>());
  EXPECT_EQ(error_of<ValueError>([&] {
              into.load_state_dict({{"a", zeros({1})}, {"b", zeros({1})}}, {.prefix = "c."});
            }),
            "Sequential: load_state_dict: expected keys that begin with 'c.' but the state has 'a', 'b'");
  const Sequential numbered(Linear(2, 3), BatchNorm1d(3));
  Sequential named = small_net();
  StateDict extra = numbered.state_dict();
  extra["optimizer"] = zeros({1});
  const auto rename = [](const std::string& key) {
    return key == "optimizer" ? "" : (key[0] == '0' ? "fc" : "norm") + key.substr(1);
  };
  named.load_state_dict(extra, {.rename = rename});
  EXPECT_EQ(named.parameters()[0].to_vector<double>(), numbered.parameters()[0].to_vector<double>());
  EXPECT_THAT(error_of<ValueError>([&] {
                named.load_state_dict(numbered.state_dict(),
                                      {.rename = [](const std::string&) { return "fc.weight"; }});
              }),
              HasSubstr("rename maps several keys to 'fc.weight'"));
}

TEST(LoadStateTest, AnEntryWithoutAValueIsRefused) {
  Linear layer(2, 2);
  const std::vector<double> before = layer.weight.to_vector<double>();
  const StateDict state = {{"weight", ones({2, 2})}, {"bias", Tensor()}};
  for (const bool strict : {true, false}) {
    EXPECT_THAT(error_of<ValueError>([&] { layer.load_state_dict(state, {.strict = strict}); }),
                HasSubstr("without a value: bias"));
  }
  EXPECT_EQ(layer.weight.to_vector<double>(), before);
}

// The state shares memory with the module: no load may read a value that another load has written.
TEST(LoadStateTest, AModulesOwnStateUnderOtherNames) {
  struct Two : Module {
    Linear a{2, 2};
    Linear b{2, 2};
    NORMGRAD_MEMBERS(Two, a, b)
  } model;
  const std::vector<double> a = model.a.weight.to_vector<double>();
  const std::vector<double> b = model.b.weight.to_vector<double>();
  model.load_state_dict(model.state_dict(),
                        {.rename = [](const std::string& key) { return (key[0] == 'a' ? "b" : "a") + key.substr(1); }});
  EXPECT_EQ(model.a.weight.to_vector<double>(), b);
  EXPECT_EQ(model.b.weight.to_vector<double>(), a);
}

TEST(LoadStateTest, APartOfTheModulesOwnTensors) {
  Linear layer(2, 2);
  layer.weight = Parameter(tensor({{1.0, 2}, {3, 4}}));
  const StateDict state = {{"weight", tensor({{5.0, 6}, {7, 8}})}, {"bias", layer.weight.detach()[1]}};
  layer.load_state_dict(state);
  EXPECT_THAT(layer.weight.to_vector<double>(), ElementsAre(5, 6, 7, 8));
  EXPECT_THAT(layer.bias.to_vector<double>(), ElementsAre(3, 4));
  layer.load_state_dict({{"weight", layer.weight.detach()}, {"bias", layer.weight.detach()[0]}});
  EXPECT_THAT(layer.bias.to_vector<double>(), ElementsAre(5, 6));
}

// Parameters that are parts of one tensor, and sources that are other parts of it: one begins before a parameter.
TEST(LoadStateTest, PartsThatOverlapTheModulesOwnTensors) {
  const Tensor all = tensor({0.0, 1, 2, 3, 4, 5, 6});
  Linear layer(2, 2);
  layer.weight.set_data(all.narrow(0, 1, 4).view({2, 2}));
  layer.load_state_dict({{"weight", full({2, 2}, 9.0)}, {"bias", all.narrow(0, 0, 2)}});
  EXPECT_THAT(layer.bias.to_vector<double>(), ElementsAre(0, 1));
  EXPECT_THAT(all.to_vector<double>(), ElementsAre(0, 9, 9, 9, 9, 5, 6));
  // A source of which only the first element is overwritten.
  layer.weight.set_data(all.narrow(0, 0, 4).view({2, 2}));
  layer.bias.set_data(all.narrow(0, 4, 2));
  layer.load_state_dict({{"weight", arange(4).view({2, 2})}, {"bias", all.narrow(0, 3, 2)}});
  EXPECT_THAT(all.to_vector<double>(), ElementsAre(0, 1, 2, 3, 9, 9, 6));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
