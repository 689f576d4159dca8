// Norms over several training steps, computed by PyTorch: tests/fixtures/norm_steps, made by its generate.py.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/source_tree.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/io/npz.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad::tests {

/// Calls a layer with x and further inputs, such as a condition.
using StepCall = std::function<Tensor(const std::vector<Tensor>& inputs)>;

/// The case of a file; see generate.py for its keys.
class NormSteps {
 public:
  explicit NormSteps(const std::string& name)
      : name_(name), arrays_(load_npz(source_dir() / "tests/fixtures/norm_steps" / (name + ".npz"))) {}

  /// Loads the state into the layer, which is float64, and compares results, gradients and buffers of every step, and
  /// the evaluation after them.
  void expect_as_torch(Module& layer, const StepCall& call) const {
    SCOPED_TRACE(name_);
    if (!layer.state_dict().empty()) {
      const LoadReport report = layer.load_state_dict(arrays_, {.strict = false, .prefix = "state/"});
      EXPECT_TRUE(report.missing_keys.empty() && report.unexpected_keys.empty());
    }
    int steps = 0;
    for (; find("x/" + std::to_string(steps)).defined(); ++steps) {
      const std::string t = std::to_string(steps);
      SCOPED_TRACE("step " + t);
      std::vector<Tensor> in = inputs(t);
      for (Tensor& x : in) {
        x.requires_grad_(is_floating_point(x.dtype()));
      }
      layer.zero_grad();
      const Tensor y = call(in);
      expect_near("y", y, find("y/" + t));
      y.backward(find("gy/" + t));
      for (std::size_t i = 0; i < in.size(); ++i) {
        if (in[i].requires_grad()) {
          const std::string key = i == 0 ? "gx" : "gc" + std::to_string(i - 1);
          expect_near(key, in[i].grad(), find(key + "/" + t));
        }
      }
      for (const auto& [key, parameter] : layer.named_parameters()) {
        expect_near("gradient of " + key, parameter.grad(), find("grad/" + key + "/" + t));
      }
      for (const auto& [key, buffer] : layer.named_buffers()) {
        expect_near(key + " after the step", buffer, find("after/" + key + "/" + t));
      }
    }
    EXPECT_GE(steps, 1);
    layer.eval();
    expect_near("evaluation", call(inputs("eval")), find("y/eval"));
  }
  void expect_as_torch(Module& layer) const {
    expect_as_torch(layer, [&](const std::vector<Tensor>& in) { return layer(in[0]); });
  }

 private:
  Tensor find(const std::string& key) const {
    const auto at = std::find_if(arrays_.begin(), arrays_.end(), [&](const auto& entry) { return entry.first == key; });
    return at == arrays_.end() ? Tensor() : at->second;
  }
  std::vector<Tensor> inputs(const std::string& t) const {
    std::vector<Tensor> all = {find("x/" + t)};
    for (Tensor c = find("c0/" + t); c.defined(); c = find("c" + std::to_string(all.size() - 1) + "/" + t)) {
      all.push_back(c);
    }
    return all;
  }
  static void expect_near(const std::string& what, const Tensor& got, const Tensor& wanted) {
    ASSERT_TRUE(wanted.defined() && got.defined()) << what;
    ASSERT_EQ(got.shape(), wanted.shape()) << what;
    const auto a = got.to_vector<double>();
    const auto b = wanted.to_vector<double>();
    for (std::size_t i = 0; i < a.size(); ++i) {
      ASSERT_NEAR(a[i], b[i], 1e-11 * (1.0 + std::abs(b[i]))) << what << " at " << i;  // tol: float64, some 100 sums
    }
  }

  std::string name_;
  StateDict arrays_;
};

}  // namespace normgrad::tests
