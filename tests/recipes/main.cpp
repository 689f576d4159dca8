// Checks what the recipes have added, as a program uses it: through normgrad.hpp, and the norm by its name.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "tests/gradcheck_report/cases.hpp"
#include "normgrad/normgrad.hpp"

using namespace normgrad;

namespace {

using Values = std::vector<double>;

int failures = 0;

void expect(bool ok, const std::string& what) {
  std::cout << (ok ? "  ok      " : "  FAILED  ") << what << "\n";
  failures += ok ? 0 : 1;
}

Values values_of(const Tensor& x) { return x.detach().to(kFloat64).to_vector<double>(); }

double largest_difference(const Values& a, const Values& b) {
  double largest = a.size() == b.size() ? 0.0 : INFINITY;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    largest = std::max(largest, std::fabs(a[i] - b[i]));
  }
  return largest;
}

std::vector<SimdLevel> levels_of_this_machine() {
  std::vector<SimdLevel> levels;
  for (const SimdLevel level :
       {SimdLevel::generic, SimdLevel::sse2, SimdLevel::avx2, SimdLevel::avx512, SimdLevel::neon}) {
    if (simd_supported(level)) {
      levels.push_back(level);
    }
  }
  return levels;
}

// --- the norm

constexpr std::int64_t kSamples = 2;
constexpr std::int64_t kChannels = 5;
constexpr std::int64_t kPositions = 3;

Values normalized(const Values& x, const Values& weight, const Values& bias, double eps) {
  Values y(x.size());
  for (std::int64_t n = 0; n < kSamples; ++n) {
    for (std::int64_t p = 0; p < kPositions; ++p) {
      const auto at = [&](std::int64_t c) { return static_cast<std::size_t>((n * kChannels + c) * kPositions + p); };
      double mean = 0.0;
      double var = 0.0;
      for (std::int64_t c = 0; c < kChannels; ++c) {
        mean += x[at(c)] / kChannels;
      }
      for (std::int64_t c = 0; c < kChannels; ++c) {
        var += (x[at(c)] - mean) * (x[at(c)] - mean) / kChannels;
      }
      for (std::int64_t c = 0; c < kChannels; ++c) {
        const auto of_channel = static_cast<std::size_t>(c);
        y[at(c)] = (x[at(c)] - mean) / std::sqrt(var + eps) * weight[of_channel] + bias[of_channel];
      }
    }
  }
  return y;
}

void check_norm() {
  const std::vector<std::string> names = norm_names();
  expect(std::find(names.begin(), names.end(), "position") != names.end(), "norm_names() has \"position\"");

  const NormContext place = {.num_features = kChannels, .spatial_dims = 1, .dtype = kFloat64};
  const std::unique_ptr<Module> norm = make_norm("position:eps=1e-3", place);
  expect(is_norm(*norm) && norm->type_name() == "PositionNorm", "make_norm() gives a norm, a PositionNorm");
  for (Tensor& parameter : norm->parameters()) {
    const NoGradGuard no_grad;
    parameter.copy_(randn(parameter.shape(), {.dtype = kFloat64}));
  }
  const Tensor x = (randn({kSamples, kChannels, kPositions}, {.dtype = kFloat64}) * 0.2 + 3.0).requires_grad_();
  const ParameterList parameters = norm->parameters();
  const Values expected = normalized(values_of(x), values_of(parameters[0]), values_of(parameters[1]), 1e-3);
  expect(largest_difference(values_of((*norm)(x)), expected) < 1e-12, "its values are those of plain loops");

  check_gradients([&](const std::vector<Tensor>& in) { return (*norm)(in[0]); }, {x, parameters[0], parameters[1]});
  expect(true, "its gradients, first and second order");

  const Sequential fused(norm->clone(), ReLU());
  const Epilogue relu_after = {.activation = FusedActivation::relu};
  expect(fused[0].fusable(relu_after, x).activation == FusedActivation::relu, "it takes a ReLU into its own pass");
  const Tensor gy = randn(x.shape(), {.dtype = kFloat64});
  const Tensor by_one = Sequential(fused)(x);
  const Tensor by_two = relu((*norm)(x));
  expect(values_of(by_one) == values_of(by_two) &&
             values_of(grad({by_one}, {x}, {gy})[0]) == values_of(grad({by_two}, {x}, {gy})[0]),
         "with the same bits, forward and backward, as the two one after the other");
}

// --- the operation

void check_operation() {
  for (const SimdLevel level : levels_of_this_machine()) {
    set_simd_level(level);
    const Tensor x = randn({4, 9}, {.dtype = kFloat64});
    Values expected;
    for (const double value : values_of(x)) {
      expected.push_back(value / (1.0 + std::fabs(value)));
    }
    expect(largest_difference(values_of(elliot(x)), expected) < 1e-15,
           std::string("values of elliot, ") + simd_name(level));
  }
  // The rows of the gradient table.
  tests::CaseList list;
  tests::add_functions(list);
  int rows = 0;
  for (const tests::GradientCase& row : list.cases) {
    if (row.name == "elliot") {
      check_gradients(row.function, row.inputs, row.max_order);
      ++rows;
    }
  }
  expect(rows > 0, "its rows of the gradient table, first and second order");
}

// --- the optimizer

Values gradient_of_step(int step, std::size_t size) {
  Values gradient(size);
  for (std::size_t i = 0; i < size; ++i) {
    gradient[i] = std::sin(static_cast<double>(i) + 0.7 * step);
  }
  gradient[0] = 0.0;
  return gradient;
}

void take_step(Optimizer& optimizer, Tensor& param, int step) {
  param.set_grad(from_vector(gradient_of_step(step, static_cast<std::size_t>(param.numel())), param.shape()));
  optimizer.step();
}

void check_optimizer() {
  const SignSGDOptions options = {.lr = 0.1, .weight_decay = 0.5, .maximize = true};
  for (const SimdLevel level : levels_of_this_machine()) {
    set_simd_level(level);
    Tensor param = randn({21}, {.dtype = kFloat64, .requires_grad = true});
    Values expected = values_of(param);
    SignSGD optimizer({param}, options);
    for (int step = 1; step <= 3; ++step) {
      take_step(optimizer, param, step);
      const Values gradient = gradient_of_step(step, expected.size());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        const double g = -gradient[i];
        expected[i] *= 1.0 - options.lr * options.weight_decay;
        expected[i] -= options.lr * (g > 0.0 ? 1.0 : g < 0.0 ? -1.0 : 0.0);
      }
    }
    expect(largest_difference(values_of(param), expected) < 1e-14,
           std::string("three steps of SignSGD, ") + simd_name(level));
  }

  Tensor param = randn({21}, {.dtype = kFloat64, .requires_grad = true});
  SignSGD first({param}, options);
  take_step(first, param, 1);
  Tensor copy = param.detach().clone().requires_grad_();
  SignSGD second({copy}, {});
  second.load_state_dict(first.state_dict());
  expect(second.option("maximize") == 1.0 && second.state_dict().at("state.0.step").item() == 1.0,
         "its state has the options and the number of steps");
  take_step(first, param, 2);
  take_step(second, copy, 2);
  expect(values_of(param) == values_of(copy), "which another one goes on from, bit for bit");
}

}  // namespace

int main() {
  manual_seed(1);
  try {
    std::cout << "norm\n";
    check_norm();
    std::cout << "operation\n";
    check_operation();
    std::cout << "optimizer\n";
    check_optimizer();
  } catch (const std::exception& error) {
    expect(false, error.what());
  }
  return failures == 0 ? 0 : 1;
}
