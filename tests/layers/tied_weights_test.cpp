// Weight tying: one parameter with several names.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/raises.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/embedding.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/module/summary.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;

struct Lm : Module {
  Embedding tok{5, 3};
  Linear out{3, 5, {.bias = false}};
  NORMGRAD_MEMBERS(Lm, tok, out)
  NORMGRAD_TIE(out.weight, tok.weight)
  Tensor forward(const Tensor& index) override { return out(tok(index)); }
};

void expect_tied(Lm& model) {
  EXPECT_EQ(model.parameters().size(), 1U);
  EXPECT_TRUE(is_same(model.out.weight, model.tok.weight));
}

TEST(TiedWeightsTest, IsOneParameterWithTheValuesOfTheSecond) {
  Lm model;
  const std::vector<double> start = model.tok.weight.to_vector<double>();
  expect_tied(model);
  EXPECT_EQ(model.out.weight.to_vector<double>(), start);
  EXPECT_EQ(model.num_parameters(), 15);
  EXPECT_EQ(model.named_parameters()[0].first, "tok.weight");
  EXPECT_EQ(model.state_dict().size(), 2U);
  EXPECT_TRUE(is_same(model.get_parameter("out.weight"), model.tok.weight));
  EXPECT_EQ(model.requires_grad_({"out"}, false), 1);
  EXPECT_FALSE(model.tok.weight.requires_grad());
  EXPECT_EQ(summary(model, tensor({0, 1}, {.dtype = kInt64})).parameters, 15);
}

TEST(TiedWeightsTest, GradientsOfBothUsesAddUp) {
  Lm model;
  const Tensor index = tensor({1}, {.dtype = kInt64});
  model(index).sum().backward();  // tied in its first call
  // y_j = <w_j, w_1>, summed over j: d/dw_1 = sum_j w_j + w_1, d/dw_j = w_1.
  const std::vector<double> w = model.tok.weight.to_vector<double>();
  const std::vector<double> g = model.tok.weight.grad().to_vector<double>();
  for (std::size_t i = 0; i < 3; ++i) {
    double sum = w[3 + i];
    for (std::size_t j = 0; j < 5; ++j) {
      sum += w[3 * j + i];
    }
    EXPECT_NEAR(g[3 + i], sum, 1e-5);
    EXPECT_NEAR(g[i], w[3 + i], 1e-6);
  }
}

TEST(TiedWeightsTest, SurvivesCopiesConversionsAndAssignments) {
  Lm model;
  Lm copy = model;
  expect_tied(copy);
  EXPECT_FALSE(is_same(copy.tok.weight, model.tok.weight));
  std::unique_ptr<Module> cloned = model.clone();
  expect_tied(dynamic_cast<Lm&>(*cloned));
  Sequential outer{Lm()};
  Sequential of_outer = outer;
  EXPECT_EQ(of_outer.parameters().size(), 1U);
  model.to(kFloat64);
  expect_tied(model);
  EXPECT_EQ(model.out.weight.dtype(), kFloat64);
  const Tensor held = copy.tok.weight;
  copy = Lm();  // not tied before
  expect_tied(copy);
  EXPECT_TRUE(is_same(held, copy.tok.weight));
  const Lm fresh;
  const std::vector<double> of_tok = fresh.tok.weight.to_vector<double>();
  copy = fresh;
  EXPECT_EQ(copy.out.weight.to_vector<double>(), of_tok);
  Lm moved = std::move(copy);
  expect_tied(moved);
}

TEST(TiedWeightsTest, TwoCopiesInOneModelAreTiedEachInItself) {
  struct Pair : Module {
    Lm a;
    Lm b = a;
    NORMGRAD_MEMBERS(Pair, a, b)
  } pair;
  EXPECT_EQ(pair.parameters().size(), 2U);
  EXPECT_FALSE(is_same(pair.a.tok.weight, pair.b.out.weight));
}

TEST(TiedWeightsTest, OneNameOfAStateIsEnough) {
  const Lm from;
  Lm into;
  StateDict state = from.state_dict();
  into.load_state_dict(state);
  EXPECT_EQ(into.tok.weight.to_vector<double>(), from.tok.weight.to_vector<double>());
  for (const std::string key : {"tok.weight", "out.weight"}) {
    Lm other;
    StateDict one = {{key, from.tok.weight}};
    other.load_state_dict(one);
    EXPECT_EQ(other.tok.weight.to_vector<double>(), from.tok.weight.to_vector<double>()) << key;
    expect_tied(other);
  }
  state["out.weight"] = ones({5, 3});
  const std::vector<double> before = into.tok.weight.to_vector<double>();
  EXPECT_THAT(error_of<ValueError>([&] { into.load_state_dict(state); }),
              HasSubstr("tied, but with different values: tok.weight and out.weight"));
  EXPECT_EQ(into.tok.weight.to_vector<double>(), before);
  EXPECT_THAT(error_of<ValueError>([&] { into.load_state_dict({}); }),
              HasSubstr("missing: tok.weight\n  missing: out.weight"));
}

struct Misfit : Module {
  Linear a{2, 3};
  Linear b{3, 2};
  NORMGRAD_MEMBERS(Misfit, a, b)
  NORMGRAD_TIE(a.weight, b.weight)
};

struct Conditional : Lm {
  Linear extra{3, 5, {.bias = false}};
  bool tied = true;
  NORMGRAD_MEMBERS(Conditional, extra)
  void tie_weights(const WeightTies& tie) override {
    Lm::tie_weights(tie);
    if (tied) {
      tie(extra.weight, tok.weight);
    }
  }
};

TEST(TiedWeightsTest, ByHandAndInDerivedModels) {
  Conditional all;
  EXPECT_EQ(all.parameters().size(), 1U);
  Conditional some;
  some.tied = false;
  EXPECT_EQ(some.parameters().size(), 2U);
  EXPECT_EQ(error_of<ValueError>([] { Misfit().parameters(); }),
            "tie_weights: expected parameters of the same shape and dtype but got float32 [3, 2] to be tied to float32 "
            "[2, 3]");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
