// Layers computed by PyTorch: tests/fixtures/sequence and tests/fixtures/parametrize, made by the generate.py of each.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/source_tree.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/io/npz.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad::tests {

/// Loads the state of the case into the layer, by PyTorch's keys, and compares the results of `call` and all gradients
/// with those of PyTorch, and the buffers after the call where the case has them. The layer is float64.
inline void expect_as_torch(const std::string& name, Module& layer,
                            const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& call,
                            const std::string& folder = "sequence") {
  SCOPED_TRACE(name);
  const StateDict arrays = load_npz(source_dir() / "tests/fixtures" / folder / (name + ".npz"));
  const auto find = [&](const std::string& key) {
    for (const auto& [array_name, array] : arrays) {
      if (array_name == key) {
        return array;
      }
    }
    return Tensor();
  };
  const auto numbered = [&](const std::string& group) {
    std::vector<Tensor> list;
    for (Tensor x = find(group + "/0"); x.defined(); x = find(group + "/" + std::to_string(list.size()))) {
      list.push_back(x);
    }
    return list;
  };
  const auto expect_near = [](const std::string& what, const Tensor& got, const Tensor& wanted) {
    ASSERT_TRUE(wanted.defined() && got.defined()) << what;
    ASSERT_EQ(got.shape(), wanted.shape()) << what;
    const auto a = got.to_vector<double>();
    const auto b = wanted.to_vector<double>();
    for (std::size_t i = 0; i < a.size(); ++i) {
      ASSERT_NEAR(a[i], b[i], 1e-11 * (1.0 + std::abs(b[i]))) << what << " at " << i;  // tol: float64, some 100 sums
    }
  };
  const LoadReport report = layer.load_state_dict(arrays, {.strict = false, .prefix = "state/"});
  EXPECT_TRUE(report.missing_keys.empty() && report.unexpected_keys.empty());
  std::vector<Tensor> in = numbered("in");
  for (Tensor& x : in) {
    x.requires_grad_(is_floating_point(x.dtype()));
  }
  const std::vector<Tensor> out = call(in);
  const std::vector<Tensor> wanted = numbered("out");
  ASSERT_EQ(out.size(), wanted.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    expect_near("result " + std::to_string(i), out[i], wanted[i]);
  }
  for (const auto& [key, buffer] : layer.named_buffers()) {
    if (const Tensor after = find("after/" + key); after.defined()) {
      expect_near(key + " after the call", buffer, after);
    }
  }
  layer.zero_grad();
  backward(out, numbered("gy"));
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (in[i].requires_grad()) {
      expect_near("gradient of argument " + std::to_string(i), in[i].grad(), find("gin/" + std::to_string(i)));
    }
  }
  for (const auto& [key, parameter] : layer.named_parameters()) {
    expect_near("gradient of " + key, parameter.grad(), find("grad/" + key));
  }
}

}  // namespace normgrad::tests
