// Each message of docs/troubleshooting.md is produced here, and the document contains every message produced here.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>

#include "tests/docs/markdown.hpp"
#include "tests/support/raises.hpp"
#include "normgrad/normgrad.hpp"

namespace normgrad::tests {
namespace NORMGRAD_TEST_FILE {

struct Mlp : Module {
  Linear fc1{784, 100};
  BatchNorm1d norm1{100};
  Linear fc2{100, 10};
  NORMGRAD_MEMBERS(Mlp, fc1, norm1, fc2)
  Tensor forward(const Tensor& x) override { return fc2(relu(norm1(fc1(x)))); }
};

struct Forgetful : Module {
  Linear fc{2, 2};
  NORMGRAD_MEMBERS(Forgetful)
  Tensor forward(const Tensor& x) override { return fc(x); }
};

struct TwoTowers : Module {
  Linear left{2, 2};
  Linear right{2, 2};
  NORMGRAD_MEMBERS(TwoTowers, left, right)
  Tensor forward(const Tensor& a, const Tensor& b) { return left(a) + right(b); }
};

const std::map<std::string, std::function<void()>>& mistakes() {
  static const std::map<std::string, std::function<void()>> list = {
      {"Images that were not flattened",
       [] {
         Mlp()(randn({64, 1, 28, 28}));
       }},
      {"A layer of another width",
       [] {
         Mlp()(randn({64, 300}));
       }},
      {"Labels that are not int64",
       [] {
         cross_entropy(randn({4, 10}), ones({4}));
       }},
      {"Labels in a column",
       [] {
         cross_entropy(randn({4, 10}), ones({4, 1}, {.dtype = kInt64}));
       }},
      {"A label that is out of range",
       [] {
         cross_entropy(randn({2, 10}), tensor({3, 10}, {.dtype = kInt64}));
       }},
      {"A loss of a column and a row",
       [] {
         mse_loss(randn({64, 1}), randn({64}));
       }},
      {"Two dtypes",
       [] {
         Linear(3, 2)(randn({4, 3}, {.dtype = kFloat64}));
       }},
      {"Shapes that do not broadcast",
       [] {
         randn({64, 10}) + randn({64});
       }},
      {"Channels last",
       [] {
         Conv2d(3, 16, 3)(randn({8, 32, 32, 3}));
       }},
      {"A norm of another width",
       [] {
         BatchNorm2d(32)(randn({64, 16, 14, 14}));
       }},
      {"The norm of another kind of input",
       [] {
         BatchNorm2d(32)(randn({64, 32}));
       }},
      {"Groups that do not divide the channels", [] { GroupNorm(8, 20); }},
      {"A batch of one example",
       [] {
         Mlp()(randn({1, 784}));
       }},
      {"Running statistics that there are not",
       [] { BatchNorm1d(4, {.track_running_stats = false}).set_statistics(Statistics::running); }},
      {"The name of a norm", [] { make_norm("bacth", {.num_features = 8}); }},
      {"Backward twice",
       [] {
         const Tensor w = randn({3}, {.requires_grad = true});
         const Tensor loss = exp(w).sum();
         loss.backward();
         loss.backward();
       }},
      {"Backward of more than one number", [] { exp(randn({3}, {.requires_grad = true})).backward(); }},
      {"Backward of what requires no gradient",
       [] {
         const NoGradGuard no_grad;
         Mlp net;
         net.eval();
         net(randn({2, 784})).sum().backward();
       }},
      {"A gradient that was not computed yet",
       [] {
         const Tensor w = randn({3}, {.requires_grad = true});
         const Tensor step = w.grad() * 0.1;
       }},
      {"A parameter that is changed in place",
       [] {
         Tensor w = randn({3}, {.requires_grad = true});
         w.sub_(randn({3}));
       }},
      {"A value that is changed before the backward",
       [] {
         Tensor x = randn({3});
         const Tensor w = randn({3}, {.requires_grad = true});
         const Tensor loss = (w * x).sum();
         x.zero_();
         loss.backward();
       }},
      {"An input that the result does not depend on",
       [] {
         const Tensor a = randn({3}, {.requires_grad = true});
         const Tensor b = randn({3}, {.requires_grad = true});
         grad({exp(a).sum()}, {a, b});
       }},
      {"An optimizer without parameters", [] { SGD(Forgetful().parameters(), {.lr = 0.1}); }},
      {"Weights of another model",
       [] {
         Linear with_bias(2, 3);
         Linear without(2, 3, {.bias = false});
         without.load_state_dict(with_bias.state_dict());
       }},
      {"A loss that is not a number",
       [] {
         const DetectAnomalyGuard guard({.check_values = true});
         Sequential net({{"fc", Linear(4, 4)}, {"act", ReLU()}});
         const Tensor p = net(zeros({2, 4})) * 0.0;
         log(p);
       }},
      {"item() of many elements",
       [] {
         randn({2, 3}).item();
       }},
      {"Elements that are read as another type",
       [] {
         tensor({1, 2, 3}, {.dtype = kInt64}).data<float>();
       }},
      {"A model whose forward takes two arguments",
       [] {
         TwoTowers net;
         Module& model = net;
         model(randn({1, 2}));
       }},
      {"A part of a parameter that is changed in place",
       [] {
         Tensor table = randn({2, 3}, {.requires_grad = true});
         table[0] = 0.0;
       }},
      {"An index that is no integer", [] { Embedding(10, 4)(ones({2})); }},
      {"A loader that gives no batch",
       [] {
         DataLoader(TensorDataset(randn({20, 2}), randn({20})), {.batch_size = 64, .drop_last = true});
       }},
  };
  return list;
}

TEST(Troubleshooting, TellsEveryMessageAsItIs) {
  manual_seed(1);
  std::map<std::string, std::string> told;  // heading to message
  std::string heading;
  for (const MarkdownBlock& block : markdown_blocks("docs/troubleshooting.md")) {
    if (block.language == "text") {
      told[block.heading] = block.text;
    }
  }
  EXPECT_GE(told.size(), 25U);
  for (const auto& [name, mistake] : mistakes()) {
    if (!told.contains(name)) {
      ADD_FAILURE() << "docs/troubleshooting.md has no section \"" << name << "\" for\n"
                    << tests::error_of<Error>(mistake) << "\n<end>";
      continue;
    }
    EXPECT_EQ(tests::error_of<Error>(mistake) + "\n", told[name]) << name;
  }
  for (const auto& [name, message] : told) {
    EXPECT_TRUE(mistakes().contains(name)) << "nothing here produces the message of \"" << name << "\"";
  }
}

TEST(Troubleshooting, ShowsTheCallThatMendsEach) {
  std::set<std::string> mended;
  for (const MarkdownBlock& block : markdown_blocks("docs/troubleshooting.md")) {
    if (block.language == "cpp") {
      mended.insert(block.heading);
    }
  }
  for (const auto& [name, mistake] : mistakes()) {
    EXPECT_TRUE(mended.contains(name)) << "\"" << name << "\" shows no code";
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad::tests
