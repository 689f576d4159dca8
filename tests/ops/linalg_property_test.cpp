// Linear algebra: identities over sizes and batches, empty and singular matrices, threads, errors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/gradients.hpp"
#include "tests/support/linalg_cases.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/linalg/linalg.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/reduction/statistics.hpp"
#include "normgrad/core/ops/shape/diagonal.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::DoubleNear;
using testing::Pointwise;
using tests::close_to;
using tests::error_of;
using tests::random_tensor;

Tensor adjoint(const Tensor& x) { return transpose(x, -2, -1); }

// A product of the sizes up to n has rounding errors of at most some n precisions.
double tolerance_of(const Tensor& x) {
  const double precision = x.dtype() == kFloat32 ? 0x1p-23 : 0x1p-52;
  return 50.0 * static_cast<double>(std::max(x.size(-1), x.size(-2))) * precision;
}

testing::AssertionResult orthonormal_columns(const Tensor& q) {
  const Tensor identity =
      expand(eye(q.size(-1), {.dtype = q.dtype()}), matmul(adjoint(q), q).shape().dim() == 2
                                                        ? std::vector<std::int64_t>{q.size(-1), q.size(-1)}
                                                        : std::vector<std::int64_t>{q.size(0), q.size(-1), q.size(-1)});
  return close_to(matmul(adjoint(q), q), identity, tolerance_of(q));
}

const std::vector<Shape> kShapes = {{1, 1}, {5, 3}, {3, 5}, {7, 7}, {4, 2, 3}, {70, 40}, {3, 33, 50}};

TEST(LinalgPropertyTest, FactorsMultiplyToTheMatrix) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    for (const Shape& shape : kShapes) {
      const Tensor x = random_tensor(shape, dtype, 5);
      SCOPED_TRACE(detail::concat(dtype, shape));
      for (const char* mode : {"reduced", "complete"}) {
        const auto [q, r] = linalg::qr(x, mode);
        EXPECT_TRUE(close_to(matmul(q, r), x, tolerance_of(x)));
        EXPECT_TRUE(orthonormal_columns(q));
        EXPECT_TRUE(close_to(triu(r), r, 0.0));
      }
      EXPECT_FALSE(linalg::qr(x, "r").Q.defined());
      EXPECT_TRUE(close_to(linalg::qr(x, "r").R, linalg::qr(x).R, tolerance_of(x)));
      const auto [u, s, vh] = linalg::svd(x, false);
      EXPECT_TRUE(close_to(matmul(u * unsqueeze(s, -2), vh), x, tolerance_of(x)));
      EXPECT_TRUE(orthonormal_columns(u));
      EXPECT_TRUE(orthonormal_columns(adjoint(vh)));
      EXPECT_TRUE(close_to(linalg::svdvals(x), s, tolerance_of(x)));
      const linalg::SVD full = linalg::svd(x);
      EXPECT_TRUE(orthonormal_columns(full.U));
      EXPECT_TRUE(orthonormal_columns(adjoint(full.Vh)));
      EXPECT_EQ(full.U.size(-1), x.size(-2));
      const Tensor gram = matmul(x, adjoint(x));
      const auto [w, v] = linalg::eigh(gram);
      EXPECT_TRUE(close_to(matmul(v * unsqueeze(w, -2), adjoint(v)), gram, tolerance_of(x)));
      const Tensor definite = gram + static_cast<double>(gram.size(-1)) * eye(gram.size(-1), {.dtype = dtype});
      const Tensor l = linalg::cholesky(definite);
      EXPECT_TRUE(close_to(matmul(l, adjoint(l)), definite, tolerance_of(x)));
      EXPECT_TRUE(close_to(tril(l), l, 0.0));
      EXPECT_TRUE(close_to(matmul(inverse(definite), definite) + zeros_like(gram),
                           eye(gram.size(-1), {.dtype = dtype}) + zeros_like(gram), 10 * tolerance_of(x)));
    }
  }
}

TEST(LinalgPropertyTest, OnlyTheTriangleIsRead) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  const Tensor m = random_tensor({4, 4}, kFloat64, 3);
  const Tensor x = matmul(m, adjoint(m)) + 4.0 * eye(4, {.dtype = kFloat64});
  const Tensor above = triu(ones_like(x), 1) > 0;
  const Tensor lower = x.masked_fill(above, kNan);
  const Tensor upper = x.masked_fill(adjoint(above), kNan);
  EXPECT_TRUE(close_to(linalg::cholesky(lower), linalg::cholesky(x), 0.0));
  EXPECT_TRUE(close_to(linalg::cholesky(upper, true), adjoint(linalg::cholesky(x)), 1e-15));
  EXPECT_TRUE(close_to(linalg::eigvalsh(lower), linalg::eigvalsh(x), 0.0));
  EXPECT_TRUE(close_to(linalg::eigvalsh(upper, "U"), linalg::eigvalsh(x), 1e-14));
  EXPECT_TRUE(close_to(linalg::solve_triangular(lower, m, false), linalg::solve_triangular(tril(x), m, false), 0.0));
}

TEST(LinalgPropertyTest, BitsDoNotDependOnThreads) {
  const Tensor x = random_tensor({9, 40, 40}, kFloat32, 7);
  const Tensor large = random_tensor({300, 300}, kFloat32, 8);
  const auto results = [&] {
    std::vector<Tensor> list;
    for (const Tensor& a : {x, large}) {
      const auto [u, s, vh] = linalg::svd(a);
      const auto [q, r] = linalg::qr(a);
      for (const Tensor& y : {u, s, vh, q, r, inverse(a), det(a), linalg::eigh(a).eigenvectors, linalg::pinv(a)}) {
        list.push_back(y);
      }
    }
    return list;
  };
  const int before = get_num_threads();
  set_num_threads(1);
  const std::vector<Tensor> one = results();
  set_num_threads(4);
  const std::vector<Tensor> four = results();
  set_num_threads(before);
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].to_vector<float>(), four[i].to_vector<float>()) << i;
  }
}

// OpenBLAS for OpenMP takes its number of threads from the thread that calls it.
TEST(LinalgPropertyTest, BitsDoNotDependOnOtherThreads) {
  const Tensor x = random_tensor({33, 33}, kFloat64, 7);
  const auto results = [&] {
    std::vector<std::vector<double>> list;
    for (const Tensor& y :
         {linalg::eigvalsh(x), linalg::eigh(x).eigenvectors, linalg::svdvals(x), linalg::qr(x).R, inverse(x), det(x)}) {
      list.push_back(y.to_vector<double>());
    }
    return list;
  };
  const auto expected = results();
  std::atomic<int> different{0};
  const auto calls = [&] {
    for (int i = 0; i < 200; ++i) {
      different += results() == expected ? 0 : 1;
    }
  };
  std::thread first(calls);
  std::thread second(calls);
  first.join();
  second.join();
  EXPECT_EQ(different, 0);
}

TEST(LinalgPropertyTest, MatricesWithoutElements) {
  const TensorOptions wide{.dtype = kFloat64, .requires_grad = true};
  EXPECT_EQ(det(zeros({2, 0, 0}, wide)).to_vector<double>(), (std::vector<double>{1, 1}));
  EXPECT_EQ(linalg::cholesky(zeros({0, 3, 3}, wide)).shape(), (Shape{0, 3, 3}));
  EXPECT_EQ(linalg::svd(zeros({3, 0}, wide), false).U.shape(), (Shape{3, 0}));
  EXPECT_EQ(linalg::svd(zeros({3, 0}, wide)).U.to_vector<double>(), eye(3).to_vector<double>());
  EXPECT_EQ(linalg::qr(zeros({3, 0}, wide)).Q.shape(), (Shape{3, 0}));
  EXPECT_EQ(linalg::eigh(zeros({2, 0, 0}, wide)).eigenvectors.shape(), (Shape{2, 0, 0}));
  EXPECT_EQ(linalg::solve(zeros({0, 0}, wide), zeros({0, 2}, wide)).shape(), (Shape{0, 2}));
  EXPECT_EQ(linalg::pinv(zeros({3, 0}, wide)).shape(), (Shape{0, 3}));
  EXPECT_EQ(linalg::lstsq(zeros({3, 0}, wide), zeros({3, 2}, wide)).solution.shape(), (Shape{0, 2}));
  EXPECT_EQ(inverse(zeros({0, 2, 2}, wide)).shape(), (Shape{0, 2, 2}));
}

TEST(LinalgPropertyTest, SingularMatricesHaveDeterminantsWithGradients) {
  const Tensor x = tensor({{{1, 2, 3}, {2, 4, 6}, {1, 0, 1}}, {{2, 0, 1}, {0, 3, 0}, {1, 0, 2}}},
                          {.dtype = kFloat64, .requires_grad = true});
  const Tensor y = det(x);
  EXPECT_NEAR(y[0].item(), 0.0, 1e-15);
  EXPECT_NEAR(y[1].item(), 9.0, 1e-14);
  EXPECT_TRUE(tests::gradients_agree([](const std::vector<Tensor>& in) { return det(in[0]); }, {x}));
  EXPECT_EQ(slogdet(x).logabsdet[0].item() < -30.0, true);
  // Singular but for rounding errors: the last row is 0.3 times the first plus 0.7 times the second, and its elements
  // are not exact.
  const Tensor rounded =
      tensor({{1.1, 2.3, 3.2}, {0.2, 4.7, 0.9}, {0.47, 3.98, 1.59}}, {.dtype = kFloat64, .requires_grad = true});
  EXPECT_NEAR(det(rounded).item(), 0.0, 1e-14);
  const Tensor cofactor = grad({det(rounded)}, {rounded}, {}, {.create_graph = true})[0][0][0];
  EXPECT_NEAR(cofactor.item(), 4.7 * 1.59 - 0.9 * 3.98, 1e-13);
  const std::vector<double> slope = grad({cofactor}, {rounded})[0].to_vector<double>();
  EXPECT_THAT(slope, Pointwise(DoubleNear(1e-13), std::vector<double>{0, 0, 0, 0, 1.59, -3.98, 0, -0.9, 4.7}));
  // A determinant that underflows, of which the gradient does not.
  const Tensor tiny = tensor({{1e-200, 0}, {0, 1e-200}}, {.dtype = kFloat64, .requires_grad = true});
  det(tiny).backward();
  EXPECT_DOUBLE_EQ(tiny.grad()[0][0].item(), 1e-200);
  // Small pivots are exact where nothing was subtracted.
  const Tensor scaled = tensor({{1e-20, 0}, {0, 1}}, {.dtype = kFloat64, .requires_grad = true});
  det(scaled).backward();
  EXPECT_EQ(scaled.grad().to_vector<double>(), (std::vector<double>{1, 0, 0, 1e-20}));
  const Tensor zero = zeros({3, 3}, {.dtype = kFloat64, .requires_grad = true});
  det(zero).backward();
  EXPECT_EQ(zero.grad().to_vector<double>(), std::vector<double>(9, 0.0));
  EXPECT_EQ(slogdet(zero).sign.item(), 0.0);
  EXPECT_EQ(slogdet(zero).logabsdet.item(), -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(logdet(tensor({{0.0, 1}, {1, 0}})).item()));
  // The determinant underflows, but not its logarithm.
  const Tensor small = 1e-3 * eye(200);
  EXPECT_EQ(det(small).item(), 0.0);
  EXPECT_NEAR(slogdet(small).logabsdet.item(), 200 * std::log(1e-3), 1e-3);
}

TEST(LinalgPropertyTest, EqualSingularValuesHaveGradients) {
  Tensor x = eye(3, {.dtype = kFloat64, .requires_grad = true});
  linalg::matrix_norm(x, "nuc").backward();
  EXPECT_TRUE(close_to(x.grad(), eye(3, {.dtype = kFloat64}), 1e-14));
  x.set_grad({});
  sum(linalg::eigh(x).eigenvalues).backward();
  EXPECT_TRUE(close_to(x.grad(), eye(3, {.dtype = kFloat64}), 1e-14));
}

TEST(LinalgPropertyTest, LeastSquaresReportsRanksAndResiduals) {
  const Tensor a = tensor({{1, 0}, {0, 2}, {0, 0}}, {.dtype = kFloat64});
  const Tensor b = tensor({{3, 1}, {4, 1}, {5, 2}}, {.dtype = kFloat64});
  const linalg::Lstsq y = linalg::lstsq(a, b);
  EXPECT_TRUE(close_to(y.solution, tensor({{3, 1}, {2, 0.5}}), 1e-15));
  EXPECT_TRUE(close_to(y.residuals, tensor({25.0, 4}), 1e-15));
  EXPECT_TRUE(close_to(y.singular_values, tensor({2.0, 1}), 1e-15));
  EXPECT_EQ(y.rank.item(), 2.0);
  const linalg::Lstsq poor = linalg::lstsq(a, b, 0.6);
  EXPECT_EQ(poor.rank.item(), 1.0);
  EXPECT_EQ(poor.residuals.numel(), 0);
  EXPECT_TRUE(close_to(poor.solution, tensor({{0, 0}, {2, 0.5}}), 1e-15));
}

TEST(LinalgPropertyTest, RefusesWhatHasNoResult) {
  const Tensor x = ones({3, 3});
  const Tensor batch = stack({eye(3), x});
  const Tensor nan = full({2, 2}, std::numeric_limits<double>::quiet_NaN());
  const auto value_error = [](auto f) { return error_of<ValueError>(f); };
  const auto shape_error = [](auto f) { return error_of<ShapeError>(f); };
  EXPECT_EQ(value_error([&] { linalg::cholesky(batch); }),
            "linalg.cholesky: expected a positive definite matrix but the leading 2 x 2 block of matrix 1 of the batch "
            "is not");
  EXPECT_EQ(value_error([&] { linalg::solve(x, x); }),
            "linalg.solve: expected an invertible matrix but the matrix is singular (pivot 2 is 0)");
  EXPECT_EQ(value_error([&] { inverse(batch); }),
            "linalg.inv: expected an invertible matrix but matrix 1 of the batch is singular (pivot 2 is 0)");
  EXPECT_EQ(value_error([&] {
              linalg::solve_triangular(zeros({2, 2}), eye(2), true);
            }),
            "linalg.solve_triangular: expected an invertible matrix but the matrix has a 0 at place 1 of its diagonal");
  EXPECT_EQ(value_error([&] { linalg::svd(nan); }),
            "linalg.svd: expected finite elements but the matrix has NaN or infinite ones");
  EXPECT_EQ(value_error([&] { linalg::eigvalsh(nan); }),
            "linalg.eigvalsh: expected finite elements but the matrix has NaN or infinite ones");
  EXPECT_EQ(value_error([&] { linalg::eigh(x, "lower"); }),
            "linalg.eigh: expected UPLO \"L\" or \"U\" but got \"lower\"");
  EXPECT_EQ(value_error([&] { linalg::qr(x, "full"); }),
            "linalg.qr: expected mode \"reduced\", \"complete\" or \"r\" but got \"full\"");
  EXPECT_EQ(value_error([&] { linalg::matrix_norm(x, "2"); }),
            "linalg.matrix_norm: expected ord \"fro\", \"nuc\" or a number but got \"2\"");
  EXPECT_EQ(value_error([&] { linalg::matrix_norm(x, 3.0); }),
            "linalg.matrix_norm: expected ord 1, -1, 2, -2 or an infinity but got 3");
  EXPECT_EQ(value_error([&] {
              linalg::matrix_norm(x, "fro", {0, 0});
            }),
            "linalg.matrix_norm: expected 2 different axes but got 0 and 0");
  EXPECT_EQ(value_error([&] { linalg::pinv(x, {}, -1.0); }), "linalg.pinv: expected rtol >= 0 but got -1");
  EXPECT_EQ(value_error([&] {
              linalg::svdvals(Tensor::empty({1, 20001}));
            }),
            "linalg.svdvals: expected at most 20000 rows and columns but got [1, 20001]");
  EXPECT_EQ(shape_error([&] { det(ones({2, 3})); }), "linalg.det: expected square matrices [*, n, n] but got [2, 3]");
  EXPECT_EQ(shape_error([&] { linalg::svd(ones({3})); }), "linalg.svd: expected matrices [*, m, n] but got [3]");
  EXPECT_EQ(shape_error([&] {
              linalg::solve(x, ones({2, 2}));
            }),
            "linalg.solve: expected [*, n, n] and [*, n, k] but got [3, 3] and [2, 2]");
  EXPECT_EQ(shape_error([&] { linalg::solve(x, ones({3}), false); }),
            "linalg.solve: expected matrices [*, k, n] for left = false but got [3]");
  EXPECT_EQ(shape_error([&] {
              linalg::lstsq(ones({2, 3}), ones({3, 2}));
            }),
            "linalg.lstsq: expected [*, m, n] and [*, m, k] but got [2, 3] and [3, 2]");
  EXPECT_EQ(error_of<DTypeError>([&] {
              inverse(arange(4).reshape({2, 2}));
            }),
            "linalg.inv: expected float32 or float64 matrices but got int64");
  EXPECT_EQ(error_of<GraphError>([&] {
              sum(linalg::qr(ones({3, 2}, {.requires_grad = true}), "complete").Q).backward();
            }),
            "linalg.qr: expected mode \"reduced\" for the gradient of matrices with more rows than columns but got "
            "\"complete\"");
  EXPECT_EQ(value_error([&] {
              slogdet(zeros({2, 2}, {.requires_grad = true})).logabsdet.backward();
            }),
            "linalg.inv: expected an invertible matrix but the matrix is singular (pivot 1 is 0)");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
