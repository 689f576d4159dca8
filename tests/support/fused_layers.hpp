// Compares fused layers bit for bit: everything that a forward and a backward produce.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/autograd/node.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/layers/container/sequential.hpp"

namespace normgrad::tests {

// Values as bit patterns; all NaN are equal.
inline std::vector<std::uint64_t> every_bit(const Tensor& x) {
  std::vector<std::uint64_t> all;
  for (const double v : x.detach().to(kFloat64).to_vector<double>()) {
    all.push_back(std::isnan(v) ? ~std::uint64_t{0} : std::bit_cast<std::uint64_t>(v));
  }
  return all;
}

// Draws parameters of both signs. For the first few channels gamma is 0, and for some of these beta too: y is 0 there.
inline void draw_parameters(Module& norm) {
  const NoGradGuard no_grad;
  for (auto& [name, parameter] : norm.named_parameters()) {
    Tensor p = parameter;
    p.copy_(randn(p.shape(), {.dtype = p.dtype()}));
    const std::int64_t zeros = name == "weight" ? 3 : 2;
    dispatch_float("test", p.dtype(), [&](auto zero) {
      using T = decltype(zero);
      for (std::int64_t i = 0; i < std::min(zeros, p.numel() - 1); ++i) {
        p.mutable_data<T>()[i] = i == 1 ? -T(0) : T(0);
      }
    });
  }
}

inline void plant_specials(Tensor& x) {
  dispatch_float("test", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* values = x.mutable_data<T>();
    values[1] = std::numeric_limits<T>::quiet_NaN();
    values[x.numel() / 2] = std::numeric_limits<T>::infinity();
    values[x.numel() - 1] = -T(0);
  });
}

inline Tensor laid(const Tensor& x, bool channels_last) {
  return channels_last && x.dim() > 2 ? x.as_channels_last() : x;
}

struct Results {
  std::vector<std::pair<std::string, std::vector<std::uint64_t>>> all;
  void add(const std::string& name, const Tensor& x) {
    all.emplace_back(name, x.defined() ? every_bit(x) : std::vector<std::uint64_t>());
  }
};

// Returns all observable results of one forward and backward of `model`.
inline Results results_of(Module& model, const std::function<Tensor(const Tensor&)>& run, const Tensor& values,
                          const Tensor& gy, bool channels_last, bool gradient_of_x) {
  Results r;
  const Tensor x = laid(values.clone(), channels_last);
  Tensor leaf = x.detach();
  leaf.requires_grad_(gradient_of_x);
  const Tensor y = run(leaf);
  r.add("y", y);
  if (y.requires_grad()) {
    y.backward(laid(gy, channels_last));
  }
  r.add("x.grad", leaf.grad());
  for (const auto& [name, p] : model.named_parameters()) {
    r.add(name + ".grad", p.grad());
  }
  for (const auto& [name, buffer] : model.named_buffers()) {
    r.add(name, buffer);
  }
  const NoGradGuard no_grad;
  r.add("y without gradients", run(x));
  return r;
}

inline void expect_same(const Results& fused, const Results& plain, const std::string& what) {
  ASSERT_EQ(fused.all.size(), plain.all.size());
  for (std::size_t i = 0; i < fused.all.size(); ++i) {
    EXPECT_EQ(fused.all[i].second, plain.all[i].second) << what << ": " << fused.all[i].first;
  }
}

inline bool has_relu(const NodePtr& node) {
  if (!node) {
    return false;
  }
  if (std::string(node->name()) == "relu") {
    return true;
  }
  for (std::size_t i = 0; i < node->inputs.size(); ++i) {
    if (has_relu(node->inputs[i])) {
      return true;
    }
  }
  return false;
}

inline bool is_fused(Sequential& net, const Tensor& x) {
  return !has_relu(net(x.detach().clone().requires_grad_()).node());
}

}  // namespace normgrad::tests
