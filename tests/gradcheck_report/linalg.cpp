#include <limits>
#include <string>

#include "tests/gradcheck_report/cases.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/linalg/linalg.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad::tests {

namespace {

Tensor adjoint(const Tensor& x) { return transpose(x, -2, -1); }

// Different numbers for each column of x: sums over singular vectors that do not depend on their signs.
Tensor weighted_columns(const Tensor& x) { return x * arange(1, x.size(-1) + 1, 1, {.dtype = kFloat64}); }

}  // namespace

void add_linear_algebra(CaseList& list) {
  list.start_family("linear algebra");
  // Matrices near a multiple of the identity, so that finite differences are well-conditioned.
  const auto regular = [&](const Shape& shape) {
    const Tensor x = list.normal(shape, 0.0, 0.4).detach();
    return (x + 1.5 * eye(shape.back(), {.dtype = kFloat64})).detach().clone().requires_grad_();
  };
  const auto add_one = [&](const std::string& name, Tensor (*f)(const Tensor&), const Tensor& x) {
    list.add(name, [f](const Inputs& in) { return f(in[0]); }, {x});
  };
  for (const Shape& shape : {Shape{1, 1}, Shape{3, 3}, Shape{2, 3, 3}}) {
    const auto definite = [](const Tensor& m) { return matmul(m, adjoint(m)) + eye(m.size(-1), {.dtype = kFloat64}); };
    list.add("cholesky", [=](const Inputs& in) { return linalg::cholesky(definite(in[0])); }, {list.normal(shape)});
    list.add("cholesky upper", [=](const Inputs& in) { return linalg::cholesky(definite(in[0]), true); },
             {list.normal(shape)});
    list.add("logdet", [=](const Inputs& in) { return logdet(definite(in[0])); }, {list.normal(shape)});
    add_one("inv", linalg::inv, regular(shape));
    add_one("det", linalg::det, list.normal(shape));
    list.add("slogdet", [](const Inputs& in) { return slogdet(in[0]).logabsdet; }, {regular(shape)});
    list.add("eigh",
             [](const Inputs& in) {
               const auto [w, v] = linalg::eigh(in[0] + adjoint(in[0]));
               return cat({matmul(weighted_columns(v), adjoint(v)), unsqueeze(w, -1)}, -1);
             },
             {list.distinct(shape)});
    list.add("eigvalsh", [](const Inputs& in) { return linalg::eigvalsh(in[0] + adjoint(in[0]), "U"); },
             {list.distinct(shape)});
  }
  for (const Shape& shape : {Shape{4, 2}, Shape{3, 3}, Shape{2, 4}, Shape{2, 3, 2}}) {
    const Tensor x = list.distinct(shape);
    list.add("qr",
             [](const Inputs& in) {
               const auto [q, r] = linalg::qr(in[0]);
               return cat({q, adjoint(r)}, -2);
             },
             {shape.back() == shape[shape.rank() - 2] ? regular(shape) : x});
    list.add("svd",
             [](const Inputs& in) {
               const auto [u, s, vh] = linalg::svd(in[0], false);
               return matmul(weighted_columns(u), vh);
             },
             {x});
    list.add("svdvals", [](const Inputs& in) { return linalg::svdvals(in[0]); }, {x});
    list.add("pinv", [](const Inputs& in) { return linalg::pinv(in[0]); }, {x});
    list.add("matrix_norm nuc", [](const Inputs& in) { return linalg::matrix_norm(in[0], "nuc"); }, {x});
    for (const double ord : {1.0, -1.0, 2.0, -2.0, std::numeric_limits<double>::infinity()}) {
      list.add("matrix_norm " + number(ord), [ord](const Inputs& in) { return linalg::matrix_norm(in[0], ord); }, {x});
    }
  }
  const auto solve = [&](bool left, const Shape& a, const Shape& b) {
    list.add(left ? "solve" : "solve right", [left](const Inputs& in) { return linalg::solve(in[0], in[1], left); },
             {regular(a), list.normal(b)});
  };
  solve(true, {3, 3}, {3, 2});
  solve(true, {3, 3}, {3});
  solve(true, {2, 1, 3, 3}, {2, 3, 2});
  solve(false, {2, 3, 3}, {2, 2, 3});
  for (const bool upper : {false, true}) {
    for (const bool left : {false, true}) {
      for (const bool unit : {false, true}) {
        list.add(std::string("solve_triangular") + (upper ? " upper" : " lower") + (left ? "" : " right") +
                     (unit ? " unit" : ""),
                 [=](const Inputs& in) { return linalg::solve_triangular(in[0], in[1], upper, left, unit); },
                 {regular({2, 3, 3}), list.normal({1, 3, 3})});
      }
    }
  }
  list.add("lstsq", [](const Inputs& in) { return linalg::lstsq(in[0], in[1]).solution; },
           {list.distinct({4, 2}), list.normal({4, 3})});
  add_one("inverse", inverse, regular({2, 2}));
  list.add("pinverse", [](const Inputs& in) { return pinverse(in[0]); }, {list.distinct({2, 3})});
  list.add("vector_norm 3",
           [](const Inputs& in) {
             return linalg::vector_norm(in[0], 3.0, {0, 1});
           },
           {list.away_from_zero({2, 3, 2})});
  list.add("matrix_norm fro, axes",
           [](const Inputs& in) {
             return linalg::matrix_norm(in[0], "fro", {2, 0}, true);
           },
           {list.normal({2, 3, 2})});
  list.add("lstsq residuals", [](const Inputs& in) { return linalg::lstsq(in[0], in[1]).residuals; },
           {list.distinct({4, 2}), list.normal({4, 3})});
  list.add("lstsq wide", [](const Inputs& in) { return linalg::lstsq(in[0], in[1]).solution; },
           {list.distinct({2, 2, 4}), list.normal({2, 2, 1})});
}

}  // namespace normgrad::tests
