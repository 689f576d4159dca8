// Linear algebra against PyTorch: values, gradients, gradients of gradients.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/linalg_cases.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/linalg/linalg.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/order/order.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/diagonal.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::expect_as_torch;
using tests::kInf;
using tests::LinalgCases;
using List = std::vector<Tensor>;

Tensor adjoint(const Tensor& x) { return transpose(x, -2, -1); }
Tensor symmetric(const Tensor& x) { return x + adjoint(x); }
Tensor positive(const Tensor& m) {
  const std::int64_t n = m.size(-1);
  return matmul(m, adjoint(m)) + static_cast<double>(n) * eye(n, {.dtype = m.dtype()});
}
Tensor weights(const Tensor& like) { return arange(1, like.size(-1) + 1, 1, {.dtype = like.dtype()}); }

class LinalgTest : public testing::Test {
 protected:
  static const LinalgCases& cases() {
    static const LinalgCases all;
    return all;
  }
};

TEST_F(LinalgTest, FactorsAreThoseOfPyTorch) {
  expect_as_torch(cases(), "cholesky", [](const List& in) { return List{linalg::cholesky(positive(in[0]))}; });
  expect_as_torch(cases(), "cholesky_upper",
                  [](const List& in) { return List{linalg::cholesky(positive(in[0]), true)}; });
  for (const char* name : {"qr_tall", "qr_square", "qr_wide"}) {
    expect_as_torch(cases(), name, [](const List& in) {
      const auto [q, r] = linalg::qr(in[0]);
      const Tensor signs = sign(diagonal(r, 0, -2, -1)).detach();
      return List{q * unsqueeze(signs, -2), r * unsqueeze(signs, -1)};
    });
  }
}

TEST_F(LinalgTest, SpectraAreThoseOfPyTorch) {
  for (const char* name : {"svd_tall", "svd_wide"}) {
    for (const bool full : {false, true}) {
      expect_as_torch(cases(), name, [full](const List& in) {
        const auto [u, s, vh] = linalg::svd(in[0], full);
        const std::int64_t k = s.size(-1);
        return List{s, matmul(narrow(u, -1, 0, k) * weights(s), narrow(vh, -2, 0, k))};
      });
    }
  }
  expect_as_torch(cases(), "svdvals", [](const List& in) { return List{linalg::svdvals(in[0])}; });
  for (const char* triangle : {"L", "U"}) {
    expect_as_torch(cases(), "eigh", [triangle](const List& in) {
      const auto [w, v] = linalg::eigh(symmetric(in[0]), triangle);
      return List{w, matmul(v * weights(w), adjoint(v))};
    });
    expect_as_torch(cases(), "eigvalsh",
                    [triangle](const List& in) { return List{linalg::eigvalsh(symmetric(in[0]), triangle)}; });
  }
}

TEST_F(LinalgTest, SolutionsAreThoseOfPyTorch) {
  for (const char* name : {"solve", "solve_broadcast", "solve_vector", "solve_vectors"}) {
    expect_as_torch(cases(), name, [](const List& in) { return List{linalg::solve(in[0], in[1])}; });
  }
  expect_as_torch(cases(), "solve_right", [](const List& in) { return List{linalg::solve(in[0], in[1], false)}; });
  for (const bool upper : {false, true}) {
    for (const bool left : {false, true}) {
      for (const bool unit : {false, true}) {
        const std::string name = detail::concat("triangular_", upper, left, unit);
        expect_as_torch(cases(), name, [=](const List& in) {
          return List{linalg::solve_triangular(in[0], in[1], upper, left, unit)};
        });
      }
    }
  }
  expect_as_torch(cases(), "inv", [](const List& in) { return List{inverse(in[0])}; });
}

TEST_F(LinalgTest, DeterminantsAreThoseOfPyTorch) {
  expect_as_torch(cases(), "det", [](const List& in) { return List{det(in[0])}; });
  expect_as_torch(cases(), "slogdet", [](const List& in) { return List{slogdet(in[0]).logabsdet}; });
  expect_as_torch(cases(), "logdet", [](const List& in) { return List{logdet(positive(in[0]))}; });
}

TEST_F(LinalgTest, PseudoinversesAndLeastSquaresAreThoseOfPyTorch) {
  for (const char* name : {"pinv_tall", "pinv_wide"}) {
    expect_as_torch(cases(), name, [](const List& in) { return List{linalg::pinv(in[0])}; });
  }
  // Without a tolerance, float32 would take the rounding errors of the product for a rank of 4.
  expect_as_torch(cases(), "pinv_rank_2",
                  [](const List& in) { return List{linalg::pinv(matmul(in[0], in[1]), {}, 1e-5)}; });
  for (const char* name : {"lstsq_tall", "lstsq_wide"}) {
    expect_as_torch(cases(), name, [](const List& in) { return List{linalg::lstsq(in[0], in[1]).solution}; });
  }
}

TEST_F(LinalgTest, NormsAreThoseOfPyTorch) {
  expect_as_torch(cases(), "vector_norm", [](const List& in) {
    List results;
    for (const double p : {1.0, 2.0, 3.5, kInf}) {
      results.push_back(linalg::vector_norm(in[0], p, 1));
    }
    return results;
  });
  const auto norms = [](const Tensor& x, const Axes& axes, bool keepdim) {
    List results{linalg::matrix_norm(x, "fro", axes, keepdim), linalg::matrix_norm(x, "nuc", axes, keepdim)};
    for (const double p : {1.0, -1.0, 2.0, -2.0, kInf, -kInf}) {
      results.push_back(linalg::matrix_norm(x, p, axes, keepdim));
    }
    return results;
  };
  expect_as_torch(cases(), "matrix_norm", [&](const List& in) { return norms(in[0], {-2, -1}, false); });
  expect_as_torch(cases(), "matrix_norm_axes", [&](const List& in) { return norms(in[0], {2, 0}, true); });
}

TEST_F(LinalgTest, EveryCaseOfTheFileIsCompared) { EXPECT_EQ(cases().size(), 35U); }

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
