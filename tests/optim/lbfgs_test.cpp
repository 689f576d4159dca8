// LBFGS against PyTorch (tests/fixtures/optim/generate.py), its state, and what it refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/optim/optim_support.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/source_tree.hpp"
#include "normgrad/normgrad.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using nlohmann::json;
using testing::HasSubstr;
using tests::error_of;
using tests::param_of;
using tests::tensor_of;

/// Rosenbrock's function of a [2, 2] and b [2], as in generate.py.
struct Problem {
  explicit Problem(DType dtype = kFloat64)
      : a(tensor_of({-1.2, 1.0, 0.5, -0.7}, dtype).reshape({2, 2}).clone()), b(tensor_of({1.5, 0.3}, dtype)) {
    a.requires_grad_();
    b.requires_grad_();
  }
  Tensor loss() const {
    const Tensor x = cat({a.flatten(), b}, 0);
    const Tensor first = x.narrow(0, 0, 5);
    return ((x.narrow(0, 1, 5) - first.square()).square() * 100.0 + (first * -1.0 + 1.0).square()).sum();
  }
  Optimizer::Closure closure(Optimizer& optimizer) const {
    return [this, &optimizer] {
      optimizer.zero_grad();
      Tensor value = loss();
      value.backward();
      return value;
    };
  }
  std::vector<double> values() const {
    std::vector<double> all = a.to_vector<double>();
    const std::vector<double> more = b.to_vector<double>();
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  Tensor a;
  Tensor b;
};

LBFGSOptions options_of(const json& given) {
  LBFGSOptions o;
  o.lr = given.value("lr", o.lr);
  o.max_iter = given.value("max_iter", o.max_iter);
  o.max_eval = given.value("max_eval", o.max_eval);
  o.tolerance_change = given.value("tolerance_change", o.tolerance_change);
  o.history_size = given.value("history_size", o.history_size);
  o.strong_wolfe = given.contains("line_search_fn");
  return o;
}

double count_of(const Optimizer& optimizer, const std::string& key) {
  return optimizer.state_dict().at("all." + key).item();
}

// Up to 100 iterations amplify rounding: the same iterations, with values to 8 digits.
TEST(LbfgsTest, FollowsPyTorch) {
  std::ifstream stream(tests::source_dir() / "tests/fixtures/optim/lbfgs.json");
  const json file = json::parse(stream);
  ASSERT_EQ(file["cases"].size(), 6U);
  for (const json& c : file["cases"]) {
    const Problem problem;
    LBFGS optimizer({problem.a, problem.b}, options_of(c["options"]));
    for (std::size_t step = 0; step < 5; ++step) {
      const double loss = optimizer.step(problem.closure(optimizer)).item();
      const double expected = c["losses"][step];
      EXPECT_NEAR(loss, expected, 1e-8 * expected) << c["options"] << " step " << step;
      const std::vector<double> values = problem.values();
      for (std::size_t i = 0; i < values.size(); ++i) {
        const double value = c["values"][step][i];
        EXPECT_NEAR(values[i], value, 1e-8 * std::fabs(value)) << c["options"] << " step " << step << " value " << i;
      }
    }
    EXPECT_EQ(count_of(optimizer, "n_iter"), c["n_iter"]) << c["options"];
    EXPECT_EQ(count_of(optimizer, "func_evals"), c["func_evals"]) << c["options"];
  }
}

TEST(LbfgsTest, FindsTheMinimumInFloat32) {
  const Problem problem(kFloat32);
  problem.a.alias({4}).fill_(0.5);
  problem.b.alias({2}).fill_(0.5);
  LBFGS optimizer({problem.a, problem.b}, {.max_iter = 100, .strong_wolfe = true});
  optimizer.step(problem.closure(optimizer));
  for (const double value : problem.values()) {
    EXPECT_NEAR(value, 1.0, 1e-3);
  }
}

TEST(LbfgsTest, ALossThatIsNanMakesShorterSteps) {
  const Tensor x = param_of({1e-3});
  LBFGS optimizer({x}, {.lr = 10.0, .strong_wolfe = true});  // x - log(x): the first trials are far below 0
  optimizer.step([&] {
    optimizer.zero_grad();
    Tensor loss = (x.log() - x).sum() * -1.0;
    loss.backward();
    return loss;
  });
  EXPECT_NEAR(x.item(), 1.0, 1e-5);
}

TEST(LbfgsTest, ANewOneGoesOnFromTheState) {
  const LBFGSOptions o{.max_iter = 3, .history_size = 4, .strong_wolfe = true};
  const Problem whole;
  LBFGS first({whole.a, whole.b}, o);
  for (int step = 0; step < 4; ++step) {
    first.step(whole.closure(first));
  }
  const Problem parts;
  StateDict state;
  for (int step = 0; step < 4; ++step) {
    LBFGS next({parts.a, parts.b}, o);
    if (!state.empty()) {
      next.load_state_dict(state);
    }
    next.step(parts.closure(next));
    state = next.state_dict();
  }
  EXPECT_EQ(parts.values(), whole.values());
  EXPECT_EQ(state.at("all.n_iter").item(), first.state_dict().at("all.n_iter").item());

  const Problem other;
  LBFGS refused({other.a, other.b}, o);
  const auto message = [&](const StateDict& bad) {
    const std::string text = error_of<ValueError>([&] { refused.load_state_dict(bad); });
    EXPECT_THAT(text, HasSubstr("LBFGS: load_state_dict: the state does not fit; nothing was loaded\n"));
    EXPECT_EQ(count_of(refused, "n_iter"), 0.0);
    return text;
  };
  StateDict bad = state;
  bad.erase("all.d");
  EXPECT_THAT(message(bad), HasSubstr("\n  missing: all.d"));
  bad = state;
  bad["all.d"] = zeros({5}, {.dtype = kFloat64});
  EXPECT_THAT(message(bad), HasSubstr("\n  of another shape: all.d: expected [6]"));
  bad = state;
  bad["all.n_iter"] = full({1}, -1.0, {.dtype = kFloat64});
  EXPECT_THAT(message(bad),
              HasSubstr("\n  out of range: all.n_iter: expected a whole number of at least 0 but got -1"));
  bad = state;
  bad["all.more"] = zeros({1});
  EXPECT_THAT(message(bad), HasSubstr("\n  unexpected: 1 entries all.*"));
}

// The history counts on the order of the parameters.
TEST(LbfgsTest, RefusesAStateOfAnotherOrder) {
  const Problem problem;
  const Tensor more = param_of({1.0, 1.0});
  LBFGS optimizer(ParameterList({{"b", problem.b}, {"more", more}}), {.max_iter = 2});
  optimizer.step([&] {
    optimizer.zero_grad();
    Tensor loss = (problem.b.square() + more.square() * 2.0).sum();
    loss.backward();
    return loss;
  });
  LBFGS turned(ParameterList({{"more", more}, {"b", problem.b}}));
  EXPECT_THAT(error_of<ValueError>([&] { turned.load_state_dict(optimizer.state_dict()); }),
              HasSubstr("of another order: parameter 0 is 1 in the state"));
}

TEST(LbfgsTest, RefusesWhatItCannotDo) {
  const Problem problem;
  LBFGS optimizer({problem.a, problem.b});
  EXPECT_EQ(error_of<ValueError>([&] { optimizer.step(); }),
            "LBFGS: expected a closure, step([&] { ...; return loss; }), which computes loss and gradients again");
  EXPECT_EQ(error_of<ValueError>([&] { optimizer.step([] { return Tensor(); }); }),
            "LBFGS: expected a closure that returns the loss");
  EXPECT_EQ(error_of<ShapeError>([&] { optimizer.step([&] { return problem.b; }); }),
            "LBFGS: expected a loss of one element but got [2]");
  EXPECT_EQ(error_of<ValueError>([&] {
              optimizer.add_param_group({{param_of({1.0})}, {}});
            }),
            "LBFGS: expected one group of parameters but got another one");
  EXPECT_EQ(error_of<ValueError>([&] { optimizer.set_option("max_iter", 2.5, 0); }),
            "LBFGS: expected a whole max_iter of at least 1 but got -1");
  EXPECT_EQ(optimizer.option("max_iter"), 20.0);
  EXPECT_EQ(error_of<ValueError>([&] { LBFGS({problem.a}, {.history_size = 0}); }),
            "LBFGS: expected a whole history_size of at least 1 but got 0");
  EXPECT_EQ(error_of<ValueError>([&] { LBFGS({problem.a}, {.max_eval = -1}); }),
            "LBFGS: expected a whole max_eval of at least 1, or 0 for the default, but got -1");
}

// Any optimizer takes a closure, which runs with recording.
TEST(ClosureTest, IsCalledOnceBeforeTheStep) {
  const Tensor x = param_of({2.0});
  SGD sgd({x}, {.lr = 0.25});
  const NoGradGuard no_grad;
  int calls = 0;
  const Tensor loss = sgd.step([&] {
    ++calls;
    sgd.zero_grad();
    Tensor value = x.square().sum();
    value.backward();
    return value;
  });
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(loss.item(), 4.0);
  EXPECT_EQ(x.item(), 1.0);
  EXPECT_EQ(error_of<ValueError>([&] { sgd.step([] { return Tensor(); }); }),
            "SGD: expected a closure that returns the loss");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
