// Linear algebra computed by PyTorch: tests/fixtures/linalg/linalg.npz, made by generate.py there.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/support/source_tree.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/io/npz.hpp"

namespace normgrad::tests {

/// The cases, by name.
class LinalgCases {
 public:
  LinalgCases() {
    for (const auto& [key, array] : load_npz(source_dir() / "tests/fixtures/linalg/linalg.npz")) {
      arrays_[key] = array;
    }
  }

  /// The tensors of one kind of a case: "in", "out", "gy", "gin", "v", "gin2".
  std::vector<Tensor> get(const std::string& name, const std::string& kind) const {
    std::vector<Tensor> list;
    for (auto at = arrays_.find(name + "/" + kind + "/0"); at != arrays_.end();
         at = arrays_.find(name + "/" + kind + "/" + std::to_string(list.size()))) {
      list.push_back(at->second);
    }
    return list;
  }

  /// The number of cases.
  std::size_t size() const {
    std::size_t count = 0;
    for (const auto& [key, array] : arrays_) {
      count += key.ends_with("/in/0") ? 1 : 0;
    }
    return count;
  }

 private:
  std::map<std::string, Tensor> arrays_;
};

/// Whether |a - b| <= tolerance (1 + the largest |b|) for all elements.
inline testing::AssertionResult close_to(const Tensor& a, const Tensor& b, double tolerance) {
  if (a.shape() != b.shape()) {
    return testing::AssertionFailure() << a.shape() << " but expected " << b.shape();
  }
  const auto got = a.to_vector<double>();
  const auto wanted = b.to_vector<double>();
  double largest = 0.0;
  for (const double value : wanted) {
    largest = std::max(largest, std::abs(value));
  }
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (!(std::abs(got[i] - wanted[i]) <= tolerance * (1.0 + largest))) {
      return testing::AssertionFailure() << "element " << i << ": " << got[i] << " but expected " << wanted[i];
    }
  }
  return testing::AssertionSuccess();
}

using LinalgFunction = std::function<std::vector<Tensor>(const std::vector<Tensor>&)>;

/// Compares results, gradients and gradients of gradients of `f` with PyTorch's in float64, and results and gradients
/// in float32.
inline void expect_as_torch(const LinalgCases& cases, const std::string& name, const LinalgFunction& f) {
  SCOPED_TRACE(name);
  for (const DType dtype : {kFloat64, kFloat32}) {
    // The condition numbers of the matrices are below 1e3, and gradients have at most its third power. tol: eps 1e5
    const double tolerance = dtype == kFloat64 ? 2e-10 : 5e-3;
    std::vector<Tensor> in;
    for (const Tensor& x : cases.get(name, "in")) {
      in.push_back(x.to(dtype).detach().clone().requires_grad_());
    }
    ASSERT_FALSE(in.empty());
    const std::vector<Tensor> out = f(in);
    const std::vector<Tensor> wanted = cases.get(name, "out");
    ASSERT_EQ(out.size(), wanted.size());
    Tensor loss;
    for (std::size_t i = 0; i < out.size(); ++i) {
      EXPECT_EQ(out[i].dtype(), dtype);
      EXPECT_TRUE(close_to(out[i], wanted[i], tolerance)) << "result " << i;
      const Tensor term = sum(mul(out[i], cases.get(name, "gy")[i].to(dtype)));
      loss = loss.defined() ? add(loss, term) : term;
    }
    const bool again = dtype == kFloat64;
    const std::vector<Tensor> plain = grad({loss}, in, {}, {.retain_graph = true});
    const std::vector<Tensor> gradients = again ? grad({loss}, in, {}, {.create_graph = true}) : plain;
    Tensor product;
    for (std::size_t i = 0; i < in.size(); ++i) {
      EXPECT_TRUE(close_to(plain[i], cases.get(name, "gin")[i], tolerance)) << "gradient " << i;
      EXPECT_TRUE(close_to(gradients[i], cases.get(name, "gin")[i], tolerance)) << "recorded gradient " << i;
      const Tensor term = sum(mul(gradients[i], cases.get(name, "v")[i].to(dtype)));
      product = product.defined() ? add(product, term) : term;
    }
    if (again) {
      const std::vector<Tensor> second = grad({product}, in, {}, {.allow_unused = true});
      for (std::size_t i = 0; i < in.size(); ++i) {
        const Tensor got = second[i].defined() ? second[i] : zeros_like(in[i]);
        EXPECT_TRUE(close_to(got, cases.get(name, "gin2")[i], 50 * tolerance)) << "second gradient " << i;
      }
    }
  }
}

}  // namespace normgrad::tests
