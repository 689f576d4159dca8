#include "normgrad/layers/container/module_list.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/raises.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/module/any_module.hpp"
#include "normgrad/layers/module/summary.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using tests::error_of;

struct Net : Module {
  ModuleList layers{Linear(3, 3), ReLU(), Linear(3, 3)};
  ModuleDict heads{{"classes", Linear(3, 2)}, {"boxes", Linear(3, 4)}};
  std::vector<Parameter> scales;
  NORMGRAD_MEMBERS(Net, layers, heads, scales)
  Tensor forward(const Tensor& x) override {
    Tensor y = x;
    for (Module& layer : layers) {
      y = layer(y);
    }
    return heads["boxes"](y);
  }
};

std::vector<std::string> names(const Module& module) {
  std::vector<std::string> found;
  for (const auto& [name, parameter] : module.named_parameters()) {
    found.push_back(name);
  }
  return found;
}

TEST(ModuleListTest, NamesInAModel) {
  Net net;
  net.scales.emplace_back(ones({2}));
  EXPECT_THAT(names(net), ElementsAre("layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias",
                                      "heads.classes.weight", "heads.classes.bias", "heads.boxes.weight",
                                      "heads.boxes.bias", "scales.0"));
  EXPECT_EQ(net(ones({5, 3})).shape(), Shape({5, 4}));
  Net other;
  other.scales.emplace_back(zeros({2}));
  other.load_state_dict(net.state_dict());
  EXPECT_EQ(other(ones({5, 3})).to_vector<float>(), net(ones({5, 3})).to_vector<float>());
  const Net copy = net;
  EXPECT_FALSE(is_same(copy.parameters()[0], net.parameters()[0]));
  EXPECT_EQ(copy.parameters()[0].to_vector<float>(), net.parameters()[0].to_vector<float>());
  net.to(kFloat64);
  EXPECT_EQ(net.heads.at<Linear>("classes").weight.dtype(), kFloat64);
  net.eval();
  EXPECT_FALSE(net.layers[1].is_training());
  EXPECT_NE(to_string(net).find("(layers): ModuleList(\n    (0): Linear("), std::string::npos) << to_string(net);
  EXPECT_NE(to_string(net).find("(heads): ModuleDict(\n    (classes): Linear("), std::string::npos);
}

TEST(ModuleListTest, Changes) {
  ModuleList list;
  EXPECT_TRUE(list.empty());
  list.push_back(Linear(1, 2)).push_back(ReLU());
  list.insert(1, Linear(2, 3)).insert(-1, Tanh());
  ASSERT_EQ(list.size(), 4);
  EXPECT_EQ(list[2].type_name(), "Tanh");
  EXPECT_EQ(list[-1].type_name(), "ReLU");
  EXPECT_EQ(list.at<Linear>(1).out_features(), 3);
  list.extend(list);
  EXPECT_EQ(list.size(), 8);
  EXPECT_FALSE(is_same(list[0].parameters()[0], list[4].parameters()[0]));
  int count = 0;
  for (const Module& module : list) {
    count += module.type_name() == "Linear" ? 1 : 0;
  }
  EXPECT_EQ(count, 4);
  const ModuleList copy(list);
  EXPECT_EQ(copy.size(), 8);
  ModuleList nested(list, ReLU());
  EXPECT_EQ(nested.size(), 2);
  // Assignment copies into the modules that are there.
  const Tensor weight = list.at<Linear>(0).weight;
  ModuleList again = list;
  {
    const NoGradGuard no_grad;
    again.at<Linear>(0).weight.fill_(7.0);
  }
  list = again;
  EXPECT_EQ(weight.to_vector<float>(), std::vector<float>(2, 7.0F));
  EXPECT_EQ(error_of<IndexError>([&] { list[8]; }), "ModuleList: expected an index in [-8, 8) but got 8");
  EXPECT_EQ(error_of<IndexError>([&] { list.insert(9, ReLU()); }),
            "ModuleList: expected a position in [-8, 8] but got 9");
  EXPECT_EQ(error_of<ValueError>([&] { list.push_back(AnyModule()); }),
            "ModuleList: expected a module but got an empty AnyModule");
  EXPECT_EQ(error_of<ValueError>([&] { list.at<ReLU>(0); }),
            "ModuleList: module 0 is a Linear, not of the requested type");
  EXPECT_NE(error_of<Error>([&] { list(ones({1})); }).find("ModuleList: forward(x) is not defined"), std::string::npos);
}

TEST(ModuleDictTest, Changes) {
  ModuleDict dict({{"a", Linear(1, 2)}, {"b", ReLU()}});
  EXPECT_THAT(dict.keys(), ElementsAre("a", "b"));
  dict.insert("c", Tanh());
  EXPECT_TRUE(dict.contains("c"));
  dict.update({{"b", Linear(2, 3)}, {"d", ReLU()}});
  EXPECT_THAT(dict.keys(), ElementsAre("a", "b", "c", "d"));
  EXPECT_EQ(dict.at<Linear>("b").out_features(), 3);
  const AnyModule removed = dict.pop("a");
  EXPECT_EQ(removed->type_name(), "Linear");
  EXPECT_THAT(dict.keys(), ElementsAre("b", "c", "d"));
  EXPECT_EQ(dict.size(), 3);
  const std::unique_ptr<Module> copy = dict.clone();
  EXPECT_EQ(names(*copy), names(dict));
  EXPECT_EQ(error_of<ValueError>([&] { dict["a"]; }), "ModuleDict: there is no module named 'a'; there are: b, c, d");
  EXPECT_EQ(error_of<ValueError>([&] { dict.pop("x"); }),
            "ModuleDict: there is no module named 'x'; there are: b, c, d");
  EXPECT_EQ(error_of<ValueError>([&] { dict.insert("b", ReLU()); }), "ModuleDict: a module named 'b' already exists");
  EXPECT_EQ(error_of<ValueError>([&] { dict.insert("b.c", ReLU()); }),
            "ModuleDict: expected a name without dots but got 'b.c'");
  EXPECT_EQ(error_of<ValueError>([&] {
              dict.update({{"e", ReLU()}, {"", ReLU()}});
            }),
            "ModuleDict: expected a name without dots but got ''");
  EXPECT_FALSE(dict.contains("e"));
  EXPECT_EQ(error_of<ValueError>([&] { dict.insert("f", AnyModule()); }),
            "ModuleDict: expected a module named 'f' but got an empty AnyModule");
  EXPECT_EQ(error_of<ValueError>([&] { dict.at<Tanh>("b"); }),
            "ModuleDict: module 'b' is a Linear, not of the requested type");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
