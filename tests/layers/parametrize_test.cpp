// Parametrizations: what a call computes, registering and removing, errors, caches, threads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/autograd/node.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/shape/diagonal.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/conv.hpp"
#include "normgrad/layers/embedding.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/module/any_module.hpp"
#include "normgrad/layers/module/parametrize.hpp"
#include "normgrad/layers/module/summary.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/recurrent/recurrent.hpp"
#include "normgrad/optim/sgd.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;
using tests::random_tensor;

std::vector<double> values(const Tensor& x) { return x.to_vector<double>(); }

std::vector<std::string> keys(const Module& module) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : module.state_dict()) {
    names.push_back(name);
  }
  return names;
}

struct Symmetric : Module {
  NORMGRAD_MEMBERS(Symmetric)
  Tensor forward(const Tensor& x) override { return triu(x) + transpose(triu(x, 1), 0, 1); }
};

// w = a b^T, counting how often it is computed.
struct RankOne : Parametrization {
  explicit RankOne(int* count = nullptr) : calls(count) {}
  NORMGRAD_MEMBERS(RankOne)
  Tensor combine(const std::vector<Tensor>& originals) override {
    *calls += calls != nullptr ? 1 : 0;
    return unsqueeze(originals[0], 1) * unsqueeze(originals[1], 0);
  }
  std::vector<Tensor> right_inverse(const Tensor& w) override {
    return {select(w, 1, 0), ones({w.size(1)}, {.dtype = w.dtype()})};
  }
  int* calls;
};

struct Twice : Parametrization {
  NORMGRAD_MEMBERS(Twice)
  Tensor forward(const Tensor& x) override { return x * 2.0; }
  std::vector<Tensor> right_inverse(const Tensor& w) override { return {w * 0.5}; }
};

struct Shorter : Module {
  NORMGRAD_MEMBERS(Shorter)
  Tensor forward(const Tensor& x) override { return narrow(x, 0, 0, 1); }
};

TEST(ParametrizeTest, EachCallComputesTheWeightFromItsOriginal) {
  Linear fc(3, 3, {.dtype = kFloat64});
  const Tensor w = fc.weight.detach().clone();
  EXPECT_FALSE(is_parametrized(fc));
  register_parametrization(fc, "weight", Symmetric());
  EXPECT_TRUE(is_parametrized(fc) && is_parametrized(fc, "weight"));
  EXPECT_FALSE(is_parametrized(fc, "bias") || is_parametrized(fc, "nothing"));
  EXPECT_THAT(keys(fc), ElementsAre("parametrizations.weight.original", "bias"));
  const Tensor symmetric = triu(w) + transpose(triu(w, 1), 0, 1);
  EXPECT_EQ(values(fc.weight), values(symmetric));
  const Tensor x = random_tensor({2, 3}, kFloat64, 1);
  const Tensor gy = random_tensor({2, 3}, kFloat64, 2);
  const Tensor y = fc(x);
  EXPECT_EQ(values(y), values(linear(x, symmetric, fc.bias)));
  y.backward(gy);
  // The gradient of the symmetric matrix G goes to the upper triangle: G_ij + G_ji above the diagonal.
  const std::vector<double> g = values(matmul(transpose(gy, 0, 1), x));
  const std::vector<double> of_original = values(parametrizations(fc, "weight").original().grad());
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      const double wanted = i == j ? g[3 * i + j] : i < j ? g[3 * i + j] + g[3 * j + i] : 0.0;
      EXPECT_NEAR(of_original[3 * i + j], wanted, 1e-14) << i << j;  // tol: float64, sums of 2
    }
  }
  EXPECT_FALSE(fc.weight.requires_grad() || fc.weight.grad().defined());
}

TEST(ParametrizeTest, NoGraphIsKeptBetweenCalls) {
  Linear fc(2, 2);
  register_parametrization(fc, "weight", Twice());
  fc(ones({1, 2}));
  EXPECT_EQ(live_nodes(), 0);
  EXPECT_THROW(fc(ones({1, 3})), ShapeError);
  EXPECT_EQ(live_nodes(), 0);
  EXPECT_TRUE(parametrizations(fc, "weight").value().requires_grad());
}

TEST(ParametrizeTest, OptimizersTrainTheOriginals) {
  Linear fc(3, 2, {.bias = false, .dtype = kFloat64});
  const Tensor before = fc.weight;
  SGD early(fc.parameters(), {.lr = 0.5});
  register_parametrization(fc, "weight", Twice());
  EXPECT_TRUE(is_same(before, parametrizations(fc, "weight").original()));  // so that `early` trains it
  const std::vector<double> w = values(parametrizations(fc, "weight").original());
  fc(ones({1, 3}, {.dtype = kFloat64})).backward(ones({1, 2}, {.dtype = kFloat64}));
  early.step();
  fc(ones({1, 3}, {.dtype = kFloat64}));
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_DOUBLE_EQ(values(fc.weight)[i], 2.0 * (w[i] - 0.5 * 2.0));
  }
}

TEST(ParametrizeTest, SeveralParametrizationsApplyInOrder) {
  Linear fc(2, 2, {.dtype = kFloat64});
  const std::vector<double> w = values(fc.weight);
  register_parametrization(fc, "weight", Twice());
  register_parametrization(fc, "weight", Symmetric());
  register_parametrization(fc, "bias", Twice());
  EXPECT_THAT(keys(fc), ElementsAre("parametrizations.weight.original", "parametrizations.bias.original"));
  ParametrizationList& list = parametrizations(fc, "weight");
  EXPECT_EQ(list.size(), 2);
  EXPECT_EQ(list[1].type_name(), "Symmetric");
  fc(ones({1, 2}, {.dtype = kFloat64}));
  EXPECT_THAT(values(fc.weight), ElementsAre(w[0], w[1], w[1], w[3]));
  EXPECT_DOUBLE_EQ(values(list.original())[0], 0.5 * w[0]);
}

TEST(ParametrizeTest, AssigningGoesThroughRightInverse) {
  Linear fc(2, 2, {.dtype = kFloat64});
  register_parametrization(fc, "weight", Twice());
  register_parametrization(fc, "weight", Twice());
  fc.weight = Parameter(tensor({{4, 8}, {12, 16}}, {.dtype = kFloat64}));
  EXPECT_THAT(values(parametrizations(fc, "weight").original()), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(values(fc.weight), ElementsAre(4, 8, 12, 16));
  EXPECT_TRUE(parametrizations(fc, "weight").original().requires_grad());
  register_parametrization(fc, "bias", Tanh());
  EXPECT_THAT(error_of<ValueError>([&] { fc.bias = Parameter(zeros({2}, {.dtype = kFloat64})); }),
              HasSubstr("Parameter: expected an assignment to a parameter whose parametrizations have a right_inverse "
                        "but Tanh has none; assign to parametrizations(module, name).original()"));
}

TEST(ParametrizeTest, RemovingLeavesTheValueOrTheOriginal) {
  const auto made = [] {
    Linear fc(2, 2, {.dtype = kFloat64});
    register_parametrization(fc, "weight", Symmetric());
    return fc;
  };
  Linear kept = made();
  const Tensor original = parametrizations(kept, "weight").original();
  const std::vector<double> value = values(kept.weight);
  remove_parametrizations(kept, "weight");
  EXPECT_TRUE(is_same(kept.weight, original) && kept.weight.requires_grad());
  EXPECT_EQ(values(kept.weight), value);
  EXPECT_THAT(keys(kept), ElementsAre("weight", "bias"));
  kept(ones({1, 2}, {.dtype = kFloat64})).backward(ones({1, 2}, {.dtype = kFloat64}));
  EXPECT_TRUE(kept.weight.grad().defined());

  Linear undone = made();
  const std::vector<double> before = values(parametrizations(undone, "weight").original());
  remove_parametrizations(undone, "weight", false);
  EXPECT_EQ(values(undone.weight), before);

  Linear of_two(2, 3);
  int calls = 0;
  register_parametrization(of_two, "weight", RankOne(&calls));
  EXPECT_THAT(keys(of_two),
              ElementsAre("parametrizations.weight.original0", "parametrizations.weight.original1", "bias"));
  EXPECT_EQ(error_of<ValueError>([&] { remove_parametrizations(of_two, "weight", false); }),
            "remove_parametrizations: expected leave_parametrized = true for 'weight', which is computed from 2 "
            "tensors");
  remove_parametrizations(of_two, "weight");
  EXPECT_TRUE(of_two.weight.requires_grad() && of_two.weight.is_leaf());
  EXPECT_FALSE(is_parametrized(of_two));
}

TEST(ParametrizeTest, WrongUseIsReportedAndChangesNothing) {
  Sequential net(Linear(2, 3), ReLU());
  EXPECT_EQ(error_of<ValueError>([&] { register_parametrization(net, "0.wieght", Twice()); }),
            "register_parametrization: expected a parameter of Sequential but got '0.wieght'; there are: 0.weight, "
            "0.bias");
  EXPECT_EQ(error_of<ValueError>([&] { register_parametrization(net, "0.weight", Shorter()); }),
            "register_parametrization: expected a parametrization that gives '0.weight' its shape and dtype float32 "
            "[3, 2] but it gave float32 [1, 2]; {.unsafe = true} allows it");
  EXPECT_EQ(error_of<ValueError>([&] { register_parametrization(net, "0.weight", AnyModule()); }),
            "register_parametrization: expected a parametrization for '0.weight' but got an empty holder");
  EXPECT_EQ(error_of<ValueError>([&] { remove_parametrizations(net, "0.weight"); }),
            "remove_parametrizations: expected a parametrized parameter but '0.weight' of Sequential is not");
  EXPECT_EQ(error_of<ValueError>([&] { parametrizations(net, "0.bias"); }),
            "parametrizations: expected a parametrized parameter but '0.bias' of Sequential is not");
  EXPECT_THAT(keys(net), ElementsAre("0.weight", "0.bias"));
  register_parametrization(net, "0.weight", Twice());
  EXPECT_THAT(error_of<ValueError>([&] { register_parametrization(net, "0.weight", Shorter()); }),
              HasSubstr("its shape and dtype float32 [3, 2] but it gave float32 [1, 2]"));
  EXPECT_EQ(parametrizations(net, "0.weight").size(), 1);
  EXPECT_EQ(error_of<IndexError>([&] { parametrizations(net, "0.weight").original(1); }),
            "ParametrizationList: expected a number of an original in [0, 1) but got 1");
}

TEST(ParametrizeTest, ErrorsInsideNameTheParametrization) {
  struct Fails : Module {
    std::string type_name() const override { return "Fails"; }
    std::unique_ptr<Module> clone() const override { return std::make_unique<Fails>(*this); }
    Tensor forward(const Tensor& x) override {
      require<ValueError>(!fail, "Fails: no");
      return x * 1.0;
    }
    bool fail = false;
  };
  Sequential net(Linear(2, 2));
  register_parametrization(net, "0.weight", Fails());
  dynamic_cast<Fails&>(parametrizations(net, "0.weight")[0]).fail = true;
  EXPECT_THAT(error_of<ValueError>([&] { net(ones({1, 2})); }), HasSubstr("0.parametrizations.weight.0"));
  dynamic_cast<Fails&>(parametrizations(net, "0.weight")[0]).fail = false;
  EXPECT_EQ(net(ones({1, 2})).shape(), Shape({1, 2}));  // and nothing is left locked
}

// Every way in which a library layer uses its parameters.
TEST(ParametrizeTest, ReachesFusedCallsAndAllLayers) {
  const auto same_as_doubled = [](Module& module, const std::vector<std::string>& names, const Tensor& x) {
    const NoGradGuard no_grad;
    const std::unique_ptr<Module> plain = module.clone();
    for (const std::string& name : names) {
      Tensor(plain->get_parameter(name)).mul_(2.0);
      register_parametrization(module, name, Twice());
      Tensor(module.get_parameter(name.substr(0, name.rfind('.') + 1) + "parametrizations." +
                                  name.substr(name.rfind('.') + 1) + ".original"))
          .mul_(2.0);
    }
    EXPECT_EQ(values(module(x)), values((*plain)(x))) << module;
  };
  Sequential fused(Conv2d(1, 4, 3), ReLU(), BatchNorm2d(4), ReLU());
  same_as_doubled(fused, {"0.weight", "0.bias", "2.weight", "2.bias"}, random_tensor({2, 1, 5, 5}, kFloat32, 1));
  Sequential after(Linear(4, 4), Sigmoid(), Linear(4, 2));
  same_as_doubled(after, {"0.weight", "2.weight", "2.bias"}, random_tensor({3, 4}, kFloat32, 2));
  LSTM lstm(3, 2);
  same_as_doubled(lstm, {"weight_ih_l0", "weight_hh_l0", "bias_hh_l0"}, random_tensor({4, 2, 3}, kFloat32, 3));
  Embedding table(5, 2);
  same_as_doubled(table, {"weight"}, tensor({0, 3}, {.dtype = kInt64}));
}

struct Scales : Module {
  std::vector<Parameter> scales;
  Parameter shift{zeros({2}, {.dtype = kFloat64})};
  Scales() {
    scales.emplace_back(ones({2}, {.dtype = kFloat64}));
    scales.emplace_back(ones({2}, {.dtype = kFloat64}));
  }
  NORMGRAD_MEMBERS(Scales, scales, shift)
  Tensor forward(const Tensor& x) override { return x * scales[0] * scales[1] + shift; }
};

TEST(ParametrizeTest, ReachesTheParametersOfUserModules) {
  Scales module;
  register_parametrization(module, "scales.1", Twice());
  {
    const NoGradGuard no_grad;
    parametrizations(module, "scales.1").original().fill_(3.0);
  }
  EXPECT_THAT(keys(module), ElementsAre("scales.0", "scales.parametrizations.1.original", "shift"));
  EXPECT_THAT(values(module(ones({2}, {.dtype = kFloat64}))), ElementsAre(6, 6));
}

TEST(ParametrizeTest, GuardComputesOnceForAllCalls) {
  int calls = 0;
  Linear fc(2, 3, {.dtype = kFloat64});
  register_parametrization(fc, "weight", RankOne(&calls));
  const Tensor x = ones({1, 2}, {.dtype = kFloat64});
  const Tensor g = ones({1, 3}, {.dtype = kFloat64});
  Parameter& original = parametrizations(fc, "weight").original(1);
  calls = 0;
  const auto without = fc(x) + fc(x * 2.0);
  EXPECT_EQ(calls, 2);
  without.backward(g);
  const std::vector<double> wanted = values(original.grad());
  fc.zero_grad();
  calls = 0;
  const std::int64_t nodes = live_nodes();
  {
    const CachedParametrizationsGuard cached;
    const CachedParametrizationsGuard inner;
    const auto with = fc(x) + fc(x * 2.0);
    EXPECT_EQ(calls, 1);
    EXPECT_TRUE(is_same(parametrizations(fc, "weight").value(), parametrizations(fc, "weight").value()));
    std::thread([&] { fc(x); }).join();  // another thread is not under the guard
    EXPECT_EQ(calls, 2);
    with.backward(g);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      EXPECT_NEAR(values(original.grad())[i], wanted[i], 1e-14);  // tol: float64, sums of 6 in another order
    }
    SGD(fc.parameters(), {.lr = 0.1}).step();
    fc(x);
    EXPECT_EQ(calls, 3);  // the originals changed
    const NoGradGuard no_grad;
    EXPECT_FALSE(fc(x).requires_grad());
    EXPECT_EQ(calls, 3);
  }
  EXPECT_EQ(live_nodes(), nodes);  // the guard kept no graph
  {
    const CachedParametrizationsGuard cached;
    {
      const NoGradGuard no_grad;
      fc(x);
    }
    EXPECT_TRUE(parametrizations(fc, "weight").value().requires_grad());  // although the first had no graph
  }
}

TEST(ParametrizeTest, CallsOfSeveralThreadsGiveTheSame) {
  Sequential net(Linear(8, 8), ReLU(), Linear(8, 4));
  register_parametrization(net, "0.weight", Symmetric());
  register_parametrization(net, "2.weight", Twice());
  net.eval();
  const Tensor x = random_tensor({5, 8}, kFloat32, 1);
  const auto wanted = net(x).to_vector<float>();
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        wrong[t] += net(x).to_vector<float>() != wanted ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_THAT(wrong, ElementsAre(0, 0, 0, 0));
}

TEST(ParametrizeTest, PrintsAndSummarizes) {
  Linear fc(2, 3);
  register_parametrization(fc, "weight", Twice());
  EXPECT_EQ(to_string(fc),
            "Linear(in_features=2, out_features=3, bias=true\n"
            "  (parametrizations.weight): ParametrizationList(\n"
            "    (original): Parameter  [3x2]  6 parameters\n"
            "    (0): Twice()\n"
            "  )\n"
            "  (bias): Parameter  [3]  3 parameters\n"
            ")  total 9 parameters");
  const ModelSummary result = summary(fc, {4, 2});
  EXPECT_EQ(result.parameters, 9);
  ASSERT_EQ(result.layers.size(), 3U);
  EXPECT_EQ(result.layers[1].path, "parametrizations.weight");
  EXPECT_EQ(result.layers[1].parameters, 6);
  EXPECT_EQ(result.layers[0].output_shape, Shape({4, 3}));
}

TEST(ParametrizeTest, TiedParametersAreRefused) {
  struct Tied : Module {
    Linear a{2, 2};
    Linear b{2, 2};
    std::string type_name() const override { return "Tied"; }
    std::unique_ptr<Module> clone() const override { return nullptr; }
    void members(MemberVisitor& visit) override {
      visit("a", a);
      visit("b", b);
    }
    void tie_weights(const WeightTies& tie) override { tie(a.weight, b.weight); }
  } module;
  register_parametrization(module.a, "weight", Twice());
  EXPECT_EQ(error_of<ValueError>([&] { module.parameters(); }),
            "tie_weights: expected parameters that are not parametrized; call remove_parametrizations() first, or do "
            "not tie them");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
