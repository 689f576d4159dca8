// The contract of every norm of the registry, at every place where it is applicable: include this in the test file of a
// program and instantiate NormContractTest with the places.
#pragma once

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/gradients.hpp"
#include "tests/support/norm_places.hpp"
#include "tests/support/temporary_folder.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/autograd/node.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/io/safetensors.hpp"
#include "normgrad/layers/norm/registry.hpp"
#include "normgrad/layers/norm/running_stats.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::bits;
using tests::distance;
using tests::gradients_agree;
using tests::largest;

class NormContractTest : public tests::NormPlaceTest {};

TEST_P(NormContractTest, KeepsShapeDtypeAndInput) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    const auto norm = make(dtype);
    const Tensor x = input(1, dtype);
    const std::vector<double> before = bits(x);
    const Tensor y = (*norm)(x);
    EXPECT_EQ(y.shape(), x.shape());
    EXPECT_EQ(y.dtype(), dtype);
    EXPECT_EQ(bits(x), before);
    EXPECT_TRUE(std::isfinite(largest(y)));
  }
}

TEST_P(NormContractTest, GradientsInTrainingAndEval) {
  const auto norm = make();
  (*norm)(input(2));
  for (const bool training : {true, false}) {
    if (training && !entry().exact_gradient) {
      continue;  // its backward is compared with its definition in a test of its own
    }
    norm->train(training);
    const FreezeStatisticsGuard guard;
    std::vector<Tensor> inputs = {input().requires_grad_()};
    for (const Tensor& parameter : norm->parameters()) {
      inputs.push_back(parameter);
    }
    EXPECT_TRUE(gradients_agree([&](const auto& in) { return (*norm)(in[0]); }, inputs, 2, {.max_elements = 8}));
  }
}

TEST_P(NormContractTest, OrdersThreeAndFour) {
  const auto norm = make();
  norm->train(entry().exact_gradient);
  const FreezeStatisticsGuard guard;
  for (const int order : {3, 4}) {
    const GradCheckReport report =
        gradcheck_order([&](const auto& in) { return (*norm)(in[0]); }, {input().requires_grad_()}, order,
                        {.rtol = 1e-6, .atol = 1e-6, .allow_degenerate = true, .max_elements = 4});
    EXPECT_TRUE(report.passed) << report;
  }
}

TEST_P(NormContractTest, EverySubsetOfGradientsIsTheSame) {
  const auto norm = make();
  const FreezeStatisticsGuard guard;
  std::vector<Tensor> all = {input().requires_grad_()};
  for (const Tensor& parameter : norm->parameters()) {
    all.push_back(parameter);
  }
  const std::vector<Tensor> together = grad({(*norm)(all[0])}, all, {gradient()});
  for (unsigned wanted = 1; wanted < 1U << all.size(); ++wanted) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      all[i].requires_grad_((wanted >> i & 1U) != 0);
    }
    const Tensor y = (*norm)(all[0]);
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].requires_grad()) {
        EXPECT_EQ(bits(grad({y}, {all[i]}, {gradient()}, {.retain_graph = true})[0]), bits(together[i]));
      }
    }
  }
}

TEST_P(NormContractTest, AccumulatesIntoFilledGradients) {
  const auto norm = make();
  const FreezeStatisticsGuard guard;
  Tensor x = input().requires_grad_();
  const Tensor expected = grad({(*norm)(x)}, {x}, {gradient()})[0];
  x.set_grad(full_like(x.detach(), 0.5));
  (*norm)(x).backward(gradient());
  EXPECT_LE(distance(x.grad(), expected + 0.5), 1e-14 * (1 + largest(expected)));
}

TEST_P(NormContractTest, CloneStateAndConversion) {
  const auto norm = make();
  (*norm)(input(2));
  const auto copy = norm->clone();
  const auto loaded = make();
  loaded->load_state_dict(norm->state_dict());
  for (Module* module : {norm.get(), copy.get(), loaded.get()}) {
    module->eval();
  }
  EXPECT_EQ(bits((*copy)(input())), bits((*norm)(input())));
  EXPECT_EQ(bits((*loaded)(input())), bits((*norm)(input())));
  const std::vector<double> before = bits((*norm)(input()));
  for (const Tensor& tensor : copy->parameters()) {
    tensor.detach().fill_(5.0);
  }
  EXPECT_EQ(bits((*norm)(input())), before);
  copy->to(kFloat32);
  EXPECT_EQ((*copy)(input(1, kFloat32)).dtype(), kFloat32);
  EXPECT_EQ(to_string(*norm).find(norm->type_name()), 0U);
}

TEST_P(NormContractTest, FileRoundTrip) {
  const tests::TemporaryFolder folder;
  for (const DType dtype : {kFloat32, kFloat64}) {
    const auto norm = make(dtype);
    (*norm)(input(2, dtype));
    save_safetensors(folder / "norm.safetensors", *norm);
    const auto loaded = plain(dtype);
    load_safetensors(folder / "norm.safetensors", *loaded);
    const StateDict state = loaded->state_dict();
    for (const auto& [name, tensor] : norm->state_dict()) {
      EXPECT_EQ(bits(state.at(name)), bits(tensor)) << name;
    }
    norm->eval();
    loaded->eval();
    EXPECT_EQ(bits((*loaded)(input(1, dtype))), bits((*norm)(input(1, dtype))));
  }
}

TEST_P(NormContractTest, NodesAreFreed) {
  const auto norm = make();
  const FreezeStatisticsGuard guard;
  const Tensor x = input().requires_grad_();
  const std::int64_t before = live_nodes();
  {
    const Tensor y = (*norm)(x);
    EXPECT_GE(live_nodes(), before + (entry().normalizes ? 1 : 0));
    const Tensor gx = grad({y}, {x}, {gradient()}, {.create_graph = true})[0];
    const Tensor second = (*norm)((*norm)(x));
  }
  EXPECT_EQ(live_nodes(), before);
  {
    const NoGradGuard no_grad;
    const Tensor y = (*norm)(x);
    EXPECT_EQ(live_nodes(), before);
  }
  {
    (*norm)(x);  // dropped without a backward
  }
  EXPECT_EQ(live_nodes(), before);
}

TEST_P(NormContractTest, EvalChangesNothingAndIsRepeatable) {
  const auto norm = make();
  (*norm)(input(2));
  norm->eval();
  std::vector<std::vector<double>> before;
  for (const Tensor& buffer : norm->buffers()) {
    before.push_back(bits(buffer));
  }
  const std::vector<double> first = bits((*norm)(input()));
  (*norm)(input(3));
  EXPECT_EQ(bits((*norm)(input())), first);
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(bits(norm->buffers()[i]), before[i]);
  }
}

TEST_P(NormContractTest, ConstantInputGivesBetaAndFiniteGradients) {
  for (const double value : {0.1, 1e6 + 0.1, 1e30, 1e-30}) {
    const auto norm = make(kFloat32);
    Tensor x = full(shape(), value).requires_grad_();
    const Tensor y = (*norm)(x);
    EXPECT_TRUE(std::isfinite(largest(y))) << value;
    if (entry().centers) {
      const std::vector<float> beta = norm->state_dict().at("bias").to_vector<float>();
      const std::vector<float> values = y.to_vector<float>();
      const std::size_t positions = values.size() / (3 * beta.size());
      for (std::size_t i = 0; i < values.size(); ++i) {
        ASSERT_EQ(values[i], beta[i / positions % beta.size()]) << value;
      }
    }
    EXPECT_TRUE(std::isfinite(largest(grad({y}, {x}, {gradient(kFloat32)})[0])));
  }
}

TEST_P(NormContractTest, EmptyBatchesKeepTheirShape) {
  const auto norm = make();
  for (const bool training : {true, false}) {
    norm->train(training);
    const std::vector<std::vector<double>> before = [&] {
      std::vector<std::vector<double>> all;
      for (const Tensor& buffer : norm->buffers()) {
        all.push_back(bits(buffer));
      }
      return all;
    }();
    Tensor x = zeros(shape(0), {.dtype = kFloat64}).requires_grad_();
    const Tensor y = (*norm)(x);
    EXPECT_EQ(y.shape(), x.shape());
    EXPECT_EQ(grad({y}, {x}, {zeros(shape(0), {.dtype = kFloat64})})[0].shape(), x.shape());
    for (std::size_t i = 0; i < before.size(); ++i) {
      EXPECT_EQ(bits(norm->buffers()[i]), before[i]);
    }
  }
}

TEST_P(NormContractTest, SameBitsForAnyNumberOfThreads) {
  const int before = get_num_threads();
  const auto norm = make(kFloat32);
  const FreezeStatisticsGuard guard;
  Shape large = shape(64);
  for (std::size_t i = 2; i < large.rank(); ++i) {
    large[i] = 9;
  }
  Tensor x = tests::random_tensor(large, kFloat32, 1).requires_grad_();
  const Tensor gy = tests::random_tensor(large, kFloat32, 2);
  std::vector<std::vector<double>> results;
  for (const int threads : {1, 2, 4}) {
    set_num_threads(threads);
    norm->zero_grad();
    x.set_grad({});
    const Tensor y = (*norm)(x);
    y.backward(gy);
    std::vector<double> all = bits(y);
    for (const Tensor& t : norm->parameters()) {
      const std::vector<double> g = bits(t.grad());
      all.insert(all.end(), g.begin(), g.end());
    }
    const std::vector<double> gx = bits(x.grad());
    all.insert(all.end(), gx.begin(), gx.end());
    results.push_back(std::move(all));
  }
  set_num_threads(before);
  EXPECT_EQ(results[1], results[0]);
  EXPECT_EQ(results[2], results[0]);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
