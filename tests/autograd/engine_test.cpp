// The contract of backward() and grad(), on toy operations.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>

#include "tests/support/raises.hpp"
#include "tests/support/toy_ops.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using tests::error_of;
using tests::leaf;
using tests::numbers;
using tests::values;

TEST(BackwardTest, AccumulatesIntoLeaves) {
  const Tensor x = leaf({1, 2, 3});
  tests::sum(tests::mul(x, x)).backward();
  EXPECT_THAT(numbers(x.grad()), ElementsAre(2, 4, 6));
  tests::sum(tests::scale(x, 10)).backward();
  EXPECT_THAT(numbers(x.grad()), ElementsAre(12, 14, 16));
}

TEST(BackwardTest, AddsExactlyTheGradientToAFilledOne) {
  Tensor x = leaf({1, 2, 3});
  x.set_grad(values({0.5, -7, 1e6}));
  tests::sum(tests::mul(x, x)).backward();
  EXPECT_THAT(numbers(x.grad()), ElementsAre(2.5, -3, 1e6 + 6));
}

TEST(BackwardTest, SeveralUsesOfOneTensorAddUp) {
  const Tensor x = leaf({2, 5});
  Tensor y = tests::add(tests::add(x, x), tests::mul(x, x));
  y = tests::add(y, x);
  tests::sum(y).backward();
  EXPECT_THAT(numbers(x.grad()), ElementsAre(3 + 4, 3 + 10));
}

TEST(BackwardTest, VisitsANodeOnceAfterAllItsConsumers) {
  int runs = 0;
  const Tensor x = leaf({3});
  const Tensor middle =
      record("counted", tests::map(x, [](double v) { return v; }), {x}, [&runs](const Tensor& gy, GradSink& into) {
        ++runs;
        into.add(0, gy);
      });
  const Tensor left = tests::scale(tests::scale(middle, 2), 3);  // a diamond with paths of different length
  tests::add(left, tests::scale(middle, 5)).backward();
  EXPECT_EQ(runs, 1);
  EXPECT_THAT(numbers(x.grad()), ElementsAre(11));
}

TEST(BackwardTest, TakesAGradientForResultsOfManyElements) {
  const Tensor x = leaf({1, 2});
  tests::mul(x, x).backward(values({10, 100}));
  EXPECT_THAT(numbers(x.grad()), ElementsAre(20, 400));
}

TEST(BackwardTest, GivenGradientIsNotChangedNorKept) {
  const Tensor x = leaf({1, 2});
  const Tensor gy = values({1, 1});
  tests::add(x, x).backward(gy);
  tests::add(x, x).backward(gy);
  EXPECT_THAT(numbers(gy), ElementsAre(1, 1));
  const Tensor z = leaf({1, 2});
  tests::scale(z, 1).backward(gy);
  record("same", values({0, 0}), {z}, [](const Tensor& g, GradSink& into) { into.add(0, g); }).backward(gy);
  EXPECT_THAT(numbers(gy), ElementsAre(1, 1));
  EXPECT_THAT(numbers(z.grad()), ElementsAre(2, 2));
}

TEST(BackwardTest, SeveralOutputs) {
  const Tensor x = leaf({3});
  backward({tests::mul(x, x), tests::scale(x, 10)}, {Tensor(), values({2})});
  EXPECT_THAT(numbers(x.grad()), ElementsAre(6 + 20));
}

TEST(BackwardTest, OutputMayBeALeafOrComeTwice) {
  const Tensor x = leaf({3});
  x.backward();
  EXPECT_THAT(numbers(x.grad()), ElementsAre(1));
  const Tensor y = tests::scale(x, 2);
  backward({y, y});
  EXPECT_THAT(numbers(x.grad()), ElementsAre(5));
}

TEST(BackwardTest, Errors) {
  const Tensor x = leaf({1, 2});
  EXPECT_EQ(error_of<GraphError>([&] { tests::scale(x, 2).backward(); }),
            "backward: a gradient can be left out only for outputs of one element, but output 0 has shape [2]; reduce "
            "it first, as in loss.mean().backward(), or pass a gradient");
  EXPECT_EQ(error_of<GraphError>([&] {
              tests::scale(x, 2).backward(values({1, 2, 3}));
            }),
            "backward: expected a gradient of float64 [2] for output 0 but got float64 [3]");
  EXPECT_EQ(error_of<GraphError>([&] { tests::scale(x, 2).backward(Tensor::empty({2}, kFloat32)); }),
            "backward: expected a gradient of float64 [2] for output 0 but got float32 [2]");
  EXPECT_THAT(error_of<GraphError>([&] { values({1}).backward(); }),
              testing::StartsWith("backward: output 0 requires no gradient"));
  EXPECT_THAT(error_of<GraphError>([&] { Tensor().backward(); }),
              testing::StartsWith("backward: output 0 requires no gradient"));
  EXPECT_EQ(error_of<ValueError>([] { backward({}); }), "backward: expected at least one output but got none");
  EXPECT_EQ(error_of<ValueError>([&] {
              backward({tests::sum(x)}, {values({1}), values({1})});
            }),
            "backward: expected 1 grad_outputs, one for each output, but got 2");
  EXPECT_FALSE(x.grad().defined());
}

TEST(BackwardTest, SecondRunNeedsTheGraphKept) {
  const Tensor x = leaf({2});
  const Tensor y = tests::mul(x, x);
  y.backward({}, {.retain_graph = true});
  y.backward();
  EXPECT_THAT(numbers(x.grad()), ElementsAre(8));
  EXPECT_EQ(error_of<GraphError>([&] { y.backward(); }),
            "backward: the graph of 'toy_mul' was freed by an earlier backward; pass {.retain_graph = true} to that "
            "one, or detach() a state that is carried from one step to the next");
  EXPECT_THAT(numbers(x.grad()), ElementsAre(8));
}

TEST(BackwardTest, FreesSavedTensorsAsItGoes) {
  std::weak_ptr<int> witness;
  const Tensor x = leaf({2});
  auto saved = std::make_shared<int>(1);
  witness = saved;
  const Tensor y = record("witness", tests::scale(values({2}), 1), {x},
                          [saved](const Tensor& gy, GradSink& into) { into.add(0, gy); });
  saved.reset();
  EXPECT_FALSE(witness.expired());
  y.backward();
  EXPECT_TRUE(witness.expired());
}

// --- grad()

TEST(GradTest, LeavesAndResults) {
  const Tensor x = leaf({3});
  const Tensor w = leaf({5});
  const Tensor h = tests::mul(x, w);
  const Tensor y = tests::mul(h, h);
  const auto g = grad({y}, {x, w, h, y});
  EXPECT_THAT(numbers(g[0]), ElementsAre(2 * 15 * 5));
  EXPECT_THAT(numbers(g[1]), ElementsAre(2 * 15 * 3));
  EXPECT_THAT(numbers(g[2]), ElementsAre(30));
  EXPECT_THAT(numbers(g[3]), ElementsAre(1));
  EXPECT_FALSE(x.grad().defined());
  EXPECT_FALSE(w.grad().defined());
}

TEST(GradTest, StopsAtAResultAndLeavesTheGraphBehindIt) {
  const Tensor x = leaf({3});
  const Tensor h = tests::mul(x, x);
  const Tensor y = tests::mul(h, h);
  EXPECT_THAT(numbers(grad({y}, {h})[0]), ElementsAre(18));
  EXPECT_THAT(numbers(grad({h}, {x})[0]), ElementsAre(6));
}

TEST(GradTest, OneInputAmongManyAndTheSameTwice) {
  const Tensor x = leaf({3});
  const Tensor w = leaf({5});
  const auto g = grad({tests::mul(x, w)}, {w, w});
  EXPECT_THAT(numbers(g[0]), ElementsAre(3));
  EXPECT_THAT(numbers(g[1]), ElementsAre(3));
}

TEST(GradTest, GradOutputsWeighTheOutputs) {
  const Tensor x = leaf({3, 4});
  const auto g = grad({tests::mul(x, x), tests::sum(x)}, {x}, {values({1, 10}), Tensor()});
  EXPECT_THAT(numbers(g[0]), ElementsAre(6 + 1, 80 + 1));
}

TEST(GradTest, UnusedInput) {
  const Tensor x = leaf({3});
  const Tensor unused = leaf({5});
  EXPECT_EQ(error_of<GraphError>([&] {
              grad({tests::mul(x, x)}, {x, unused});
            }),
            "grad: no output depends on input 1; pass {.allow_unused = true} to get an undefined gradient for it");
  const auto g = grad({tests::mul(x, x)}, {unused, x}, {}, {.allow_unused = true});
  EXPECT_FALSE(g[0].defined());
  EXPECT_THAT(numbers(g[1]), ElementsAre(6));
}

TEST(GradTest, Errors) {
  const Tensor x = leaf({3});
  EXPECT_EQ(error_of<GraphError>([&] { grad({tests::scale(x, 2)}, {values({1})}); }),
            "grad: input 0 requires no gradient; call requires_grad_() on it before it is used");
  const Tensor y = tests::mul(x, x);
  grad({y}, {x});
  EXPECT_THAT(error_of<GraphError>([&] { grad({y}, {x}); }), testing::HasSubstr("'toy_mul' was freed"));
}

TEST(GradTest, AFreedBranchIsNoObstacleToAnotherOne) {
  const Tensor x = leaf({3});
  const Tensor w = leaf({5});
  const Tensor h = tests::mul(x, x);
  h.backward();
  const Tensor y = tests::mul(h, w);
  EXPECT_THAT(numbers(grad({y}, {w}, {}, {.retain_graph = true})[0]), ElementsAre(9));
  EXPECT_THAT(error_of<GraphError>([&] { grad({y}, {x}); }), testing::HasSubstr("'toy_mul' was freed"));
}

TEST(GradTest, RunsOnlyWhatLeadsToTheInputs) {
  int runs = 0;
  const Tensor x = leaf({3});
  const Tensor w = leaf({5});
  const Tensor side = record("side", values({1}), {w}, [&runs](const Tensor& gy, GradSink& into) {
    ++runs;
    into.add(0, gy);
  });
  const Tensor y = record("asks", values({1}), {x, side}, [](const Tensor& gy, GradSink& into) {
    EXPECT_TRUE(into.wants(0));
    EXPECT_FALSE(into.wants(1));
    EXPECT_FALSE(into.wants(7));
    into.add(0, gy);
    into.add(1, gy);
  });
  grad({y}, {x});
  EXPECT_EQ(runs, 0);
}

// --- any order

TEST(HigherOrderTest, FourDerivativesOfAPower) {
  const Tensor x = leaf({2});
  Tensor y = tests::mul(tests::mul(x, x), tests::mul(x, x));
  for (const double expected : {32.0, 48.0, 48.0, 24.0}) {
    y = grad({y}, {x}, {}, {.create_graph = true})[0];
    EXPECT_THAT(numbers(y), ElementsAre(expected));
  }
  EXPECT_FALSE(y.requires_grad());  // 24 is constant
}

TEST(HigherOrderTest, SavedResultIsDifferentiable) {
  const Tensor x = leaf({0.5});
  const double e = std::exp(0.5);
  Tensor y = tests::exp(x);
  for (int order = 1; order <= 4; ++order) {
    y = grad({y}, {x}, {}, {.create_graph = true})[0];
    EXPECT_DOUBLE_EQ(y.item(), e) << order;
  }
}

TEST(HigherOrderTest, MixedDerivativesAndGradOutputs) {
  const Tensor x = leaf({2});
  const Tensor w = leaf({3});
  const Tensor gy = leaf({7});
  const Tensor y = tests::mul(tests::mul(x, x), w);
  const auto first = grad({y}, {x, w}, {gy}, {.create_graph = true});  // 2xw gy, x^2 gy
  const auto second = grad({first[0]}, {w, gy, x}, {}, {.retain_graph = true});
  EXPECT_THAT(numbers(second[0]), ElementsAre(2 * 2 * 7));
  EXPECT_THAT(numbers(second[1]), ElementsAre(2 * 2 * 3));
  EXPECT_THAT(numbers(second[2]), ElementsAre(2 * 3 * 7));
  EXPECT_THAT(numbers(grad({first[1]}, {gy})[0]), ElementsAre(4));
}

TEST(HigherOrderTest, GradientPenaltyReachesTheLeaves) {
  const Tensor x = leaf({2});
  const Tensor w = leaf({3});
  const Tensor y = tests::mul(tests::mul(x, x), w);
  const Tensor gx = grad({y}, {x}, {}, {.create_graph = true})[0];  // 2xw
  tests::add(tests::mul(gx, gx), y).backward();                     // 4x^2w^2 + x^2w
  EXPECT_THAT(numbers(x.grad()), ElementsAre(8 * 2 * 9 + 2 * 2 * 3));
  EXPECT_THAT(numbers(w.grad()), ElementsAre(8 * 4 * 3 + 4));
}

TEST(HigherOrderTest, OrdinaryBackwardRecordsNothing) {
  const Tensor x = leaf({2});
  const Tensor y = tests::mul(x, x);
  const Tensor g = grad({y}, {x}, {}, {.retain_graph = true})[0];
  EXPECT_FALSE(g.requires_grad());
  y.backward();
  EXPECT_FALSE(x.grad().requires_grad());
}

TEST(HigherOrderTest, GradientsInLeavesCanBeDifferentiated) {
  Tensor x = leaf({2});
  tests::mul(x, x).backward({}, {.create_graph = true});
  ASSERT_TRUE(x.grad().requires_grad());
  tests::mul(x, tests::mul(x, x)).backward({}, {.create_graph = true});
  const Tensor g = x.grad();  // 2x + 3x^2
  EXPECT_THAT(numbers(g), ElementsAre(16));
  EXPECT_THAT(numbers(grad({g}, {x})[0]), ElementsAre(2 + 12));
  x.set_grad({});  // its graph holds the leaf
}

TEST(HigherOrderTest, AnOrdinaryGradientAfterARecordedOne) {
  Tensor x = leaf({2});
  tests::mul(x, x).backward({}, {.create_graph = true});
  const Tensor before = x.grad();
  tests::mul(x, x).backward();
  EXPECT_THAT(numbers(x.grad()), ElementsAre(8));
  EXPECT_FALSE(x.grad().requires_grad());
  EXPECT_THAT(numbers(before), ElementsAre(4));
}

// --- ownership of gradient memory

TEST(SharedGradientTest, LeavesNeverShareTheirs) {
  for (const bool create_graph : {false, true}) {
    Tensor a = leaf({1, 2});
    Tensor b = leaf({3, 4});
    tests::add(a, b).backward(values({1, 1}), {.create_graph = create_graph});
    tests::scale(a, 10).backward(values({1, 1}));
    EXPECT_THAT(numbers(a.grad()), ElementsAre(11, 11));
    EXPECT_THAT(numbers(b.grad()), ElementsAre(1, 1));
    Tensor ga = a.grad();
    ga.mul_(2.0);
    EXPECT_THAT(numbers(a.grad()), ElementsAre(22, 22));
    EXPECT_THAT(numbers(b.grad()), ElementsAre(1, 1));
  }
}

TEST(SharedGradientTest, SummingDoesNotChangeAGradientThatAnotherStillNeeds) {
  const Tensor a = leaf({1});
  const Tensor b = leaf({1});
  const Tensor both = tests::add(a, b);        // passes the same gradient to a and b
  const Tensor more = tests::add(both, both);  // and here to one node, twice
  tests::add(more, a).backward();
  EXPECT_THAT(numbers(a.grad()), ElementsAre(3));
  EXPECT_THAT(numbers(b.grad()), ElementsAre(2));
}

TEST(SharedGradientTest, ASavedTensorGivenAsGradientStaysWhatItIs) {
  const Tensor x = leaf({1, 2});
  const Tensor constant = values({5, 6});
  const auto linear = [&] {
    return record("linear", values({0, 0}), {x}, [constant](const Tensor&, GradSink& into) { into.add(0, constant); });
  };
  tests::add(linear(), linear()).backward(values({1, 1}));
  linear().backward(values({1, 1}));
  EXPECT_THAT(numbers(constant), ElementsAre(5, 6));
  EXPECT_THAT(numbers(x.grad()), ElementsAre(15, 18));
}

TEST(SharedGradientTest, GradientOfAResultIsItsOwn) {
  const Tensor x = leaf({1, 2});
  Tensor h = tests::scale(x, 3);
  h.retain_grad();
  record("same", values({0, 0}), {h}, [](const Tensor& gy, GradSink& into) {
    into.add(0, gy);
  }).backward(values({1, 1}));
  h.grad().zero_();
  EXPECT_THAT(numbers(x.grad()), ElementsAre(3, 3));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
